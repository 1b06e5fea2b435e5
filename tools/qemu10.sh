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

absent() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 3
}

major() {
	"$1" --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p'
}

good() {
	local found
	found=$(major "$1") || return 1
	[ "${found:-0}" -ge 10 ]
}

# The machine's own source of its release, with the suite exchanged.
write_source() {
	local uri format
	# shellcheck disable=SC2016 # apt's variables
	format='$(CODENAME) $(COMPONENT) $(REPO_URI)'
	uri=$(apt-get indextargets --format "$format" 'Created-By: Packages' |
		awk -v suite="$1" '$1 == suite && $2 == "main" { print $3 }' |
		head -n 1)
	[ -n "$uri" ] || absent "apt has no source of $1"
	printf 'deb %s %s-backports main\n' "$uri" "$1" \
		>"$out/apt/sources.list"
}

# apt with that source beside the machine's, and with folders of its own.
own_apt() {
	apt-get -q -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
		-o Dir::Etc::sourcelist="$out/apt/sources.list" \
		-o Dir::State::lists="$out/apt/lists" \
		-o Dir::Cache="$out/apt/cache" -o Debug::NoLocking=true "$@"
}

# Whatever of QEMU's libraries is not installed comes along.
fetch() {
	local suite=$1-backports wanted=() pkg
	for pkg in $packages; do
		wanted+=("$pkg/$suite")
	done
	if ! own_apt --error-on=any update >"$out/apt/log" 2>&1; then
		cat "$out/apt/log" >&2
		grep -qE "$suite.* (404|does not have a Release)" \
			"$out/apt/log" && absent "the mirror has no $suite"
		die "fetching package lists failed"
	fi
	own_apt -y --no-install-recommends --download-only install \
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
mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
exec 9>"$out/lock"
flock 9
if ! good "$wrapper"; then
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	command -v apt-get >/dev/null || die "needs apt-get (Debian 12)"
	write_source "$codename"
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
