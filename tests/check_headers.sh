#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Every header of the hypervisor compiles alone, with the hypervisor's flags.
set -eu
cd "$(dirname "$0")/.."
bad=0
mapfile -t headers < <(cd hv && find . -name '*.h' | sed 's|^\./||' | sort)
[ "${#headers[@]}" -gt 0 ] || exit 0

said=$(make -s print-cflags)
read -r -a flags <<<"$said"
for header in "${headers[@]}"; do
	# Twice: a header must also bear being included again.
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		"${CC:-gcc}" "${flags[@]}" -I hv -fsyntax-only -x c - || {
		echo "hv/$header does not compile alone"
		bad=1
	}
done
exit "$bad"
