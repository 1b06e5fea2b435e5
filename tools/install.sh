#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Puts Ringlet where GRUB's own generator of menus looks for hypervisors, or
# takes it away again:
#
#   tools/install.sh install VERSION IMAGE
#   tools/install.sh uninstall VERSION
#
# The generator (20_linux_xen) takes each /boot/xen*, packed with gzip or not,
# and makes an entry of it with each kernel whose /boot/config-* says
# CONFIG_XEN_DOM0=y. With DESTDIR set, everything goes below that folder and
# the menu is left alone.
set -eu

usage() {
	sed -n 's/^# \{0,1\}//; 4,13p' "$0" >&2
	exit 2
}

update_menu() {
	[ -z "${DESTDIR:-}" ] || return 0
	if ! command -v update-grub >/dev/null; then
		echo "install: no update-grub here; make your boot loader's" \
			"menu anew"
		return 0
	fi
	update-grub
}

[ $# -ge 2 ] || usage
boot=${DESTDIR:-}/boot
target=$boot/xen-ringlet-$2.gz

case $1 in
install)
	[ $# -eq 3 ] || usage
	mkdir -p "$boot"
	# Under a name that makes no menu entry until it is whole.
	new=$boot/.ringlet.new
	trap 'rm -f "$new"' EXIT
	gzip -9 -n -c "$3" >"$new"
	chmod 644 "$new"
	mv "$new" "$target"
	echo "install: $target"
	update_menu
	;;
uninstall)
	[ -e "$target" ] || {
		echo "install: there is no $target"
		exit 0
	}
	rm "$target"
	echo "install: $target is gone"
	update_menu
	;;
*) usage ;;
esac
