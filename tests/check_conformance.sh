#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What the conformance suite found holds, docs/conformance.md says it, and no
# operation of a hypercall is without a test.
set -eu
cd "$(dirname "$0")/.."
bad=0
python3 tests/conformance.py --kept || bad=1
python3 tools/conformance.py --print | diff -u docs/conformance.md - || {
	echo "docs/conformance.md is old (tools/conformance.py makes it anew)"
	bad=1
}
python3 tools/hypercalls.py --untested || bad=1
exit $bad
