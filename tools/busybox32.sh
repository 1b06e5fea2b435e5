#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Prints the path of Debian's busybox for 32-bit machines (i386, static) on its
# last line. It comes from the mirror that this machine's apt uses, with lists
# of its own below cache/busybox32; apt checks signatures and hashes. The
# machine's dpkg stays as it is, nothing is installed and no root is needed.
#
# Exit code 3: the mirror has no packages for i386.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tools/debs.sh
. "$root/tools/debs.sh"

out=$root/cache/busybox32
busybox=$out/busybox
export LC_ALL=C

# apt on a machine that is i386, has nothing installed and knows the release
# alone: whatever else this one has sources of need not be there for i386.
i386_apt() {
	own_apt "$@" -o APT::Architecture=i386 -o APT::Architectures::=i386 \
		-o Acquire::Languages=none -o Dir::State::status=/dev/null \
		-o Dir::Etc::sourceparts=/dev/null
}

own_lock
if ! [ -x "$busybox" ]; then
	own_source ""
	say "fetching busybox for i386 of $codename into cache/busybox32" >&2
	own_update "the mirror has no lists of i386" i386_apt
	[ -n "$(i386_apt apt-cache madison busybox-static)" ] ||
		absent "the mirror has no busybox-static for i386"
	(cd "$out/apt" && i386_apt apt-get -q download busybox-static) \
		>"$out/apt/log" 2>&1 || {
		cat "$out/apt/log" >&2
		die "download failed"
	}
	rm -rf "$out/root"
	dpkg-deb -x "$out"/apt/busybox-static_*_i386.deb "$out/root"
	found=$(find "$out/root" -name busybox -type f -perm -1 | head -n 1)
	[ -n "$found" ] || die "the package has no busybox"
	mv "$found" "$busybox"
	rm -rf "$out/apt" "$out/root"
fi
echo "$busybox"
