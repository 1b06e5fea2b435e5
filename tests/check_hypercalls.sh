#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# docs/hypercalls.md says what the tables in hv/ say.
set -eu
cd "$(dirname "$0")/.."
python3 tools/hypercalls.py --print | diff -u docs/hypercalls.md - || {
	echo "docs/hypercalls.md is old (tools/hypercalls.py makes it anew)"
	exit 1
}
