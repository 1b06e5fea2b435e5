#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Formatting, licence lines, and words that have no place in the tree.
set -eu
cd "$(dirname "$0")/.."
bad=0

mapfile -t c_files < <(find hv guests tools tests bench -name '*.[ch]' \
	2>/dev/null | sort)
mapfile -t all_files < <(find hv guests tools tests bench .ci docs Makefile \
	README.md -type f ! -name '*.pyc' 2>/dev/null | sort)

formatter=clang-format-14
command -v "$formatter" >/dev/null || formatter=clang-format
for file in "${c_files[@]}"; do
	"$formatter" --style=file --dry-run --Werror "$file" >/dev/null 2>&1 || {
		echo "$file: not formatted (clang-format -i does it)"
		bad=1
	}
done

for file in "${all_files[@]}"; do
	case $file in
	*.[chS] | *.py | *.sh | *.lds | *.def | *.inc | Makefile | *.mk | .ci/run)
		# The line may follow a script's interpreter line.
		if ! head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT'
		then
			echo "$file: no SPDX line"
			bad=1
		fi
		;;
	esac
done

# Each pattern is written so that it does not find itself.
forbid() {
	if grep -nIE "$1" "${all_files[@]}"; then
		echo "^ $2"
		bad=1
	fi
}
if [ "${#all_files[@]}" -gt 0 ]; then
	forbid '\b(TO[D]O|FIX[M]E|XX[X]|HAC[K])\b' 'marks of unfinished work'
	forbid '\bsessio[n]\b|/wor[k]/|/roo[t]/(ref|brief|scratch)' \
		'speaks of a workplace'
	forbid 'de[b]\.debian\.org|ftp\.[a-z.]*debian\.or[g]' \
		'names a package mirror'
fi
exit "$bad"
