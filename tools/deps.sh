#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Makes sure that the Debian packages Ringlet needs are installed.
#
#   tools/deps.sh [-p] [build] [run] [test] [disk] [fuzz]   (default: build run)
#
# As root it installs what is missing. As anybody else it prints the one
# command that does it, and ends with 1. With -p it only prints the command.
# When everything is there it takes a few milliseconds and says nothing.
set -eu

BUILD="make gcc libc6-dev binutils python3-minimal libxen-dev zlib1g-dev
liblzma-dev libzstd-dev"
RUN="qemu-system-x86 binutils cpio gzip xz-utils"
TEST="python3 bochs bochs-term bochsbios vgabios clang-format grub-pc-bin
grub-common xorriso mtools"

FUZZ="clang libclang-rt-dev llvm"
DISK="mmdebstrap e2fsprogs openssh-client"
[ "$(id -u)" = 0 ] || DISK="$DISK fakeroot uidmap"

usage() {
	sed -n 's/^# \{0,1\}//; 4,10p' "$0" >&2
	exit 2
}

missing() {
	for pkg in "$@"; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$pkg" \
			2>/dev/null) || status=
		[ "$status" = installed ] || printf '%s ' "$pkg"
	done
}

# A name that apt cannot resolve means that its lists are absent.
known() {
	for pkg in "$@"; do
		[ -n "$(apt-cache madison "$pkg" 2>/dev/null)" ] || return 1
	done
}

print_only=
wanted=
[ $# -gt 0 ] || set -- build run
for arg in "$@"; do
	case $arg in
	-p) print_only=1 ;;
	build) wanted="$wanted $BUILD" ;;
	run) wanted="$wanted $BUILD $RUN" ;;
	test) wanted="$wanted $BUILD $RUN $TEST" ;;
	disk) wanted="$wanted $DISK" ;;
	fuzz) wanted="$wanted $BUILD $FUZZ" ;;
	*) usage ;;
	esac
done
[ -n "$wanted" ] || wanted="$BUILD $RUN"

if ! command -v dpkg-query >/dev/null; then
	echo "deps: not a Debian system; needed here: $wanted" >&2
	exit 1
fi
# shellcheck disable=SC2086 # a list of names
need=$(missing $wanted)
[ -n "$need" ] || exit 0

install="apt-get install -y --no-install-recommends $need"
if [ -n "$print_only" ] || [ "$(id -u)" != 0 ]; then
	echo "deps: missing packages; run this once, then try again:" >&2
	echo "  sudo sh -c 'apt-get update && $install'"
	exit 1
fi

echo "deps: installing $need"
export DEBIAN_FRONTEND=noninteractive
lock="-o DPkg::Lock::Timeout=300"
# shellcheck disable=SC2086
known $need || apt-get $lock update
# shellcheck disable=SC2086
if ! apt-get $lock ${install#apt-get }; then
	echo "deps: trying again with fresh package lists"
	apt-get $lock update
	apt-get $lock ${install#apt-get }
fi
