#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Prints the path of a QEMU of version 10 or later on its last line. Debian 12
# has 7.2, which gets SMAP and some interrupts of PV guests wrong; there the
# newer one comes from the backports suite of the mirror that this machine's
# apt uses. apt checks signatures and hashes; the packages are unpacked into
# cache/qemu10, nothing is installed and no root is needed.
#
# Exit code 3: the mirror has no backports, or no such QEMU in them.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tools/debs.sh
. "$root/tools/debs.sh"

packages="qemu-system-x86 qemu-system-common qemu-system-data seabios"
out=$root/cache/qemu10
wrapper=$out/qemu-system-x86_64
export LC_ALL=C

major() {
	"$1" --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p'
}

good() {
	local found
	found=$(major "$1") || return 1
	[ "${found:-0}" -ge 10 ]
}

# Whatever of QEMU's libraries is not installed comes along.
fetch() {
	local suite=$1-backports wanted=() pkg
	for pkg in $packages; do
		wanted+=("$pkg/$suite")
	done
	own_update "the mirror has no $suite"
	own_apt apt-get -q -y --no-install-recommends --download-only install \
		"${wanted[@]}" >"$out/apt/log" 2>&1 && return
	cat "$out/apt/log" >&2
	grep -qE '^E: (Release .* was not found|Unable to locate)' \
		"$out/apt/log" && absent "$suite has no QEMU"
	die "download failed"
}

write_wrapper() {
	cat >"$wrapper.new" <<-'END'
		#!/bin/sh
		here=$(dirname "$(readlink -f "$0")")/root/usr
		export LD_LIBRARY_PATH="$here/lib/x86_64-linux-gnu:$here/lib"
		export QEMU_MODULE_DIR="$here/lib/x86_64-linux-gnu/qemu"
		exec "$here/bin/qemu-system-x86_64" -L "$here/share/qemu" \
			-L "$here/share/seabios" -L /usr/share/qemu \
			-L /usr/lib/ipxe/qemu "$@"
	END
	chmod +x "$wrapper.new"
	mv "$wrapper.new" "$wrapper"
}

installed=$(command -v qemu-system-x86_64) && good "$installed" &&
	echo "$installed" && exit
own_lock
if ! good "$wrapper"; then
	own_source -backports
	say "fetching QEMU from $codename-backports into cache/qemu10" >&2
	fetch "$codename"
	rm -rf "$out/root"
	for deb in "$out"/apt/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$out/root"
	done
	write_wrapper
	good "$wrapper" || die "the QEMU that was fetched does not run"
	rm -rf "$out/apt"
fi
echo "$wrapper"
