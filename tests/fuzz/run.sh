#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Host fuzzers: each harness of this folder under clang's libFuzzer, one after
# the other.
#
#   tests/fuzz/run.sh SECONDS [NAME]
#
# What it finds is in build/fuzz: NAME.log, found/NAME-*, and in corpus/NAME
# inputs that reach something new, where the next run goes on. The inputs in
# tests/fuzz/corpus are chosen out of those by `tests/fuzz/run.sh merge NAME`.
set -eu
cd "$(dirname "$0")/../.."
out=build/fuzz
mkdir -p "$out/found"

compile() {
	clang -std=gnu11 -g -O1 -fno-sanitize-recover=all \
		-Wno-unknown-warning-option \
		-fsanitize=fuzzer,address,undefined -I hv -I tests/unit -I tests/fuzz \
		"tests/fuzz/$1.c" -o "$out/$1" -lz -llzma -lzstd
	mkdir -p "$out/corpus/$1" "tests/fuzz/corpus/$1"
}

# With its own limits on time and memory of one input.
fuzz() {
	nice -n 19 "$out/$1" "-max_total_time=$seconds" -timeout=20 \
		-rss_limit_mb=2048 -print_final_stats=1 \
		"-artifact_prefix=$out/found/$1-" "$out/corpus/$1" \
		"tests/fuzz/corpus/$1" >"$out/$1.log" 2>&1
}

merge() {
	compile "$1"
	rm -rf "$out/merged"
	mkdir "$out/merged"
	"$out/$1" -merge=1 -max_len=4096 "$out/merged" "tests/fuzz/corpus/$1" \
		"$out/corpus/$1"
	ls -l "$out/merged"
}

if [ "${1:-}" = merge ]; then
	merge "$2"
	exit
fi
seconds=${1:?seconds for each}
bad=0
for harness in tests/fuzz/*.c; do
	name=$(basename "$harness" .c)
	[ -z "${2:-}" ] || [ "$2" = "$name" ] || continue
	compile "$name"
	status=ok
	fuzz "$name" || { status=FOUND; bad=1; }
	printf '%-9s %-6s %s runs, %s\n' "$name" "$status" \
		"$(sed -n 's/^stat::number_of_executed_units: *//p' \
			"$out/$name.log")" \
		"$(grep -o 'cov: [0-9]* ft: [0-9]*' "$out/$name.log" |
			tail -n 1)"
	[ "$status" = ok ] || tail -n 30 "$out/$name.log"
done
exit "$bad"
