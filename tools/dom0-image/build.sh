#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes Dom0 out of Debian's packages: build/dom0/vmlinuz, unmodified, and
# build/dom0/initrd.img, an initramfs with the xl toolstack and a small DomU.
#
#   tools/dom0-image/build.sh [OPTION]...
#
#   --name NAME       into build/dom0-NAME instead of build/dom0; the next three
#                     need it, so that the image of the tests stays as it is
#   --kernel PACKAGE  kernel of Dom0 and of the demo guest, instead of what
#                     linux-image-amd64 depends on
#   --add PACKAGE     everything of this package and of those that it depends
#                     on, too; may be given several times
#   --disk            not an initramfs: a full Debian with systemd on disk.img
#   --refresh         take newer packages, if there are any
#   --help            print this
#
# Downloads go to cache/; nothing is installed and no root is needed. Does
# nothing when nothing changed. IMAGE=NAME tools/run.sh boots the result, and
# docs/dom0-image.md tells what is in it and how it starts.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/debs.sh
. "$root/tools/debs.sh"

cache=$root/cache/dom0
pkgs=$cache/packages
name='' kernel='' add=() disk='' refresh=

# How the initramfs is packed: none, gzip, lz4 or zstd (docs tell the costs).
PACK=${PACK:-none}

# Parts of the kernel package that no machine meant here needs.
KERNEL_SKIP="drivers/gpu drivers/media drivers/iio drivers/infiniband
drivers/net/wireless drivers/usb sound"

usage() {
	sed -n 's/^# \{0,1\}//; 3,21p' "$0"
}

wrong() {
	die "$1; --help tells more"
}

read_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--name | --kernel | --add)
			[ -n "${2-}" ] || wrong "$1 needs a value"
			;;&
		--name) name=$2 && shift ;;
		--kernel) kernel=$2 && shift ;;
		--add) add+=("$2") && shift ;;
		--disk) disk=1 ;;
		--refresh) refresh=1 ;;
		--help) usage && exit 0 ;;
		*) wrong "unknown option '$1'" ;;
		esac
		shift
	done
	case $name in
	*[!A-Za-z0-9._-]*) wrong "--name takes letters, digits, '._-'" ;;
	'') [ -z "$kernel$disk${add[*]-}" ] ||
		wrong "--kernel, --add and --disk need --name" ;;
	esac
	out=$root/build/dom0${name:+-$name}
	tree=$cache/kernel${kernel:+-$kernel}
	stage=$out/stage
}

list() {
	sed 's/#.*//' "$here/$1"
}

inputs_stamp() {
	(
		cd "$root"
		echo "pack $PACK $disk $kernel ${add[*]-}"
		find tools/dom0-image tools/debs.sh guests/guests.mk \
			guests/lib guests/mortal guests/tenant -type f -print0 |
			LC_ALL=C sort -z | xargs -0 sha256sum
		stat -c %a tools/dom0-image/files/* tools/dom0-image/scripts/*
		# shellcheck disable=SC2046 # a list of names
		for pkg in "$(kernel_package)" $(list packages); do
			deb_file "$pkg" || echo "no $pkg"
		done
	) | sha256sum
}

kernel_package() {
	cat "$tree-package" 2>/dev/null || echo unknown
}

# linux-image-amd64 and the like depend on the package with the kernel itself.
resolve_kernel() {
	local from=${kernel:-linux-image-amd64}
	[ ! -e "$tree-package" ] || return 0
	mkdir -p "$cache"
	case $from in
	linux-image-[0-9]*) echo "$from" ;;
	*) dep_of "$from" linux-image- ;;
	esac >"$tree-package.new" || die "apt knows no kernel package $from"
	mv "$tree-package.new" "$tree-package"
}

# add_packages: the chosen ones and what they need, except what is in
# `packages` and so has been chosen file by file.
add_packages() {
	local pkg more
	[ ${#add[@]} -gt 0 ] || return 0
	apt_known "${add[@]}" || apt_update_own
	more=$(apt_run apt-get -s -o Dir::State::status=/dev/null \
		--no-install-recommends install "${add[@]}" |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p' | LC_ALL=C sort -u)
	[ -n "$more" ] || die "apt cannot resolve: ${add[*]}"
	more=$(LC_ALL=C comm -13 <(list packages | LC_ALL=C sort -u) \
		<(echo "$more"))
	# shellcheck disable=SC2086 # a list of names
	debs_fetch $more
	for pkg in $more; do
		dpkg-deb --fsys-tarfile "$(deb_file "$pkg")" |
			tar -xC "$stage" --keep-directory-symlink \
				--exclude='./usr/share/'{doc,man,locale,info}
	done
}

# unpack_once STAMP FOLDER COMMAND...: runs COMMAND FOLDER.new for a new STAMP.
unpack_once() {
	local stamp=$1 dir=$2
	shift 2
	[ "$(cat "$dir.stamp" 2>/dev/null)" != "$stamp" ] || return 0
	rm -rf "$dir" "$dir.new" "$dir.stamp"
	mkdir -p "$dir.new"
	"$@" "$dir.new"
	mv "$dir.new" "$dir"
	echo "$stamp" >"$dir.stamp"
}

unpack_packages() {
	local pkg
	say "unpacking packages"
	for pkg in $(list packages); do
		dpkg-deb -x "$(deb_file "$pkg")" "$1"
	done
}

unpack_kernel() {
	local skip dir
	for dir in $KERNEL_SKIP; do
		skip+=("--exclude=./lib/modules/*/kernel/$dir")
	done
	say "unpacking $(kernel_package)"
	dpkg-deb --fsys-tarfile "$(deb_file "$(kernel_package)")" |
		tar -xC "$1" "${skip[@]}" ./boot ./lib/modules
}

# --- shared libraries --------------------------------------------------------

needed_libs() {
	readelf -d "$@" 2>/dev/null |
		sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u
}

# add_libs ROOT FILE...: copies the libraries of these ELF files, and theirs,
# if the image has them not yet.
add_libs() {
	local sub=usr/lib/x86_64-linux-gnu lib src new
	local dir=$1/$sub
	shift
	local todo=("$@")
	mkdir -p "$dir"
	while [ ${#todo[@]} -gt 0 ]; do
		new=()
		for lib in $(needed_libs "${todo[@]}"); do
			[ ! -e "$dir/$lib" ] || continue
			[ ! -e "$stage/$sub/$lib" ] || continue
			src=$(find "$pkgs/lib/x86_64-linux-gnu" "$pkgs/$sub" \
				-maxdepth 1 -name "$lib" | head -n 1)
			[ -n "$src" ] || die "no package has $lib"
			cp -L "$src" "$dir/$lib"
			new+=("$dir/$lib")
		done
		todo=("${new[@]+"${new[@]}"}")
	done
}

# --- kernel modules ----------------------------------------------------------

# Kernel file names mix - and _, module names in depends= do too.
module_file() {
	grep -m 1 -E "/${1//[-_]/[-_]}\.ko$" "$cache/modules.all"
}

built_in() {
	grep -qE "/${1//[-_]/[-_]}\.ko$" "$tree"/lib/modules/*/modules.builtin
}

module_depends() {
	grep -az '^depends=' "$1" | tr '\0' '\n' |
		sed -n 's/^depends=//p' | tr ',' ' '
}

# add_modules SET DESTINATION
add_modules() {
	local ver name file todo
	ver=$(basename "$tree"/lib/modules/*)
	find "$tree/lib/modules" -name '*.ko' >"$cache/modules.all"
	todo=$(list modules | sed -n "s/^$1 //p")
	mkdir -p "$2/usr/lib/modules/$ver"
	while [ -n "${todo// /}" ]; do
		# shellcheck disable=SC2086 # a list of names
		set -- "$1" "$2" $todo
		todo=
		for name in "${@:3}"; do
			file=$(module_file "$name") || {
				[ -n "$kernel" ] || die "no module $name"
				built_in "$name" ||
					say "$kernel has no module $name"
				continue
			}
			[ ! -e "$2/usr/lib/modules/$ver/${file##*/}" ] ||
				continue
			cp "$file" "$2/usr/lib/modules/$ver/"
			todo+=" $(module_depends "$file")"
		done
	done
	# depmod wants to see /lib, a link in the image itself.
	mkdir -p "$cache/depmod/lib"
	ln -sfn "$2/usr/lib/modules" "$cache/depmod/lib/modules"
	(cd "$cache/depmod" && "$(busybox_path)" depmod -b . "$ver")
}

# --- the two trees -----------------------------------------------------------

busybox_path() {
	local file
	for file in "$pkgs/bin/busybox" "$pkgs/usr/bin/busybox"; do
		[ ! -x "$file" ] || break
	done
	printf '%s\n' "$file"
}

# The folders and links of a small system.
add_folders() {
	local dir=$1 name
	mkdir -p "$dir"/{dev,proc,sys,run,tmp,mnt,root,etc,boot,var/log,var/lib} \
		"$dir"/usr/{bin,sbin,lib64,lib/x86_64-linux-gnu}
	for name in bin sbin lib lib64; do
		ln -sfn "usr/$name" "$dir/$name"
	done
	ln -sfn ../run "$dir/var/run"
	ln -sfn ../run "$dir/var/lock"
}

# busybox under all its names that nothing else in the tree has taken.
add_busybox() {
	local dir=$1 name
	cp "$(busybox_path)" "$dir/usr/bin/busybox"
	for name in $("$dir/usr/bin/busybox" --list); do
		[ -e "$dir/usr/bin/$name" ] || [ -e "$dir/usr/sbin/$name" ] ||
			ln -s busybox "$dir/usr/bin/$name"
	done
	# The kernel calls these two by their full names.
	ln -sfn ../bin/busybox "$dir/usr/sbin/modprobe"
	cp "$here/files/stop" "$dir/usr/sbin/poweroff"
	ln -sfn poweroff "$dir/usr/sbin/reboot"
}

# add_programs ROOT LIST: the programs named there, and their libraries.
add_programs() {
	local file real elf=()
	for file in $(list "$2"); do
		real=$file
		case $file in bin/* | sbin/*) real=usr/$file ;; esac
		mkdir -p "$1/${real%/*}"
		[ -e "$pkgs/$file" ] || file=usr/$file
		cp -L "$pkgs/$file" "$1/$real" || die "no $file"
		elf+=("$1/$real")
		case $real in usr/lib/xen-*)
			ln -s "../../$real" "$1/usr/sbin/${real##*/}" ;;
		esac
	done
	add_libs "$1" "${elf[@]}"
}

# What the programs need besides.
add_links() {
	local file
	for file in chmod exists list ls read rm watch write; do
		ln -s xenstore "$stage/usr/bin/xenstore-$file"
	done
	ln -s mawk "$stage/usr/bin/awk"
	ln -s mke2fs "$stage/usr/sbin/mkfs.ext4"
	# Loaded by name only when a thread is cancelled.
	file=$(find "$pkgs" -name libgcc_s.so.1 | head -n 1)
	cp -L "$file" "$stage/usr/lib/x86_64-linux-gnu/"
	file=$(find "$pkgs" -path '*lib64/ld-linux-x86-64.so.2' | head -n 1)
	cp -L "$file" "$stage/usr/lib64/"
}

add_xen_files() {
	mkdir -p "$stage"/var/lib/{xen,xenstored} "$stage"/etc/xen/scripts \
		"$stage"/var/log/xen/console "$stage"/run/{xen,xenstored,lock}
	cp "$pkgs"/etc/xen/scripts/* "$stage/etc/xen/scripts/"
	cp "$pkgs/etc/xen/oxenstored.conf" "$stage/etc/xen/"
	cp "$here"/files/{xl.conf,demo.cfg,demo2.cfg,demo-full.cfg} "$stage/etc/xen/"
	cp "$here"/files/{passwd,group,profile,bashrc,mke2fs.conf} "$stage/etc/"
	cp "$here/files/dhcp" "$stage/etc/"
	cp "$here/files/init" "$stage/init"
	cp "$here/files/"{bridge-up,coldplug,kernel-unpack} "$stage/usr/sbin/"
	add_domu_tools "$stage/usr/bin"
	mkdir "$stage/scripts"
	cp "$here"/scripts/* "$stage/scripts/"
}

# pack FOLDER FILE [PROGRAM...]: everything belongs to root, and the same
# content gives the same bytes.
pack() {
	local dir=$1 file=$2
	shift 2
	find "$dir" -exec touch -hd @1 {} +
	find "$dir" -mindepth 1 -printf '%P\0' | LC_ALL=C sort -z |
		(cd "$dir" && cpio -0 -o -H newc -R +0:+0 --reproducible \
			--quiet) | "${@:-cat}" >"$file.new"
	mv "$file.new" "$file"
}

# Tools that tests use on both sides of a device.
add_domu_tools() {
	local name
	cp "$here/files/domu-io" "$1/domu-io"
	for name in disk-wait disk-gone disk-fill disk-sum \
		stream-send stream-take net-up net-gone vchan; do
		ln -sfn domu-io "$1/$name"
	done
}

# add_own_programs FOLDER FILE...: programs of our own that watch a guest from
# inside and from Dom0.
add_own_programs() {
	local file
	for file in "${@:2}"; do
		"${CC:-gcc}" -O2 -static -s -Wall -Wextra -Werror \
			-o "$1/$(basename "$file" .c)" "$file"
	done
}

build_domu() {
	local dir=$out/stage-domu
	rm -rf "$dir"
	add_folders "$dir"
	add_busybox "$dir"
	cp "$here/files/domu-init" "$dir/init"
	cp "$here/files/dhcp" "$dir/etc/"
	add_domu_tools "$dir/usr/bin"
	add_own_programs "$dir/usr/bin" "$here"/programs/*.c
	add_modules domu "$dir"
	pack "$dir" "$out/demo.img"
	cp "$out/demo.img" "$stage/boot/"
}

# For the tests of guests' devices, a second archive behind the first: the
# kernel unpacked, GRUB, ssh, programs and a guest of our own. Apart, since it doubles what Dom0 unpacks.
build_guests() {
	local dir=$out/stage-guests
	rm -rf "$dir"
	mkdir -p "$dir/boot"
	"$here/files/kernel-unpack" "$out/vmlinuz" "$dir/boot/vmlinux" || {
		rm -f "$dir/boot/vmlinux"
		say "guests will unpack the kernel themselves"
	}
	cp "$pkgs/usr/lib/grub-xen/grub-x86_64-xen.bin" "$dir/boot/"
	add_programs "$dir" binaries-guests
	add_own_programs "$dir/usr/bin" "$here"/programs/{,dom0/}*.c
	make -s -f guests/guests.mk build/guests/{mortal,tenant}
	cp build/guests/{mortal,tenant} "$dir/boot/"
	pack "$dir" "$out/guests.img"
	rm -rf "$dir"
}

build_image() {
	local packer
	rm -rf "$stage"
	add_folders "$stage"
	say "programs and libraries"
	add_packages
	add_programs "$stage" binaries
	add_links
	add_busybox "$stage"
	add_xen_files
	say "kernel modules"
	add_modules dom0 "$stage"
	cp "$tree"/boot/vmlinuz-* "$out/vmlinuz"
	cp "$out/vmlinuz" "$stage/boot/vmlinuz"
	say "guest image"
	build_domu
	case $PACK in
	none) packer=(cat) ;;
	gzip) packer=(gzip -n -1) ;;
	lz4) packer=(lz4 -l -1 -c) ;;
	zstd) packer=(zstd -q -1 -c) ;;
	*) die "unknown PACK=$PACK" ;;
	esac
	build_guests
	say "packing ($PACK)"
	pack "$stage" "$out/initrd.img" "${packer[@]}"
}

read_options "$@"
cd "$root"
if [ -n "$refresh" ]; then
	apt_update_own
	rm -f "$cache"/kernel*-package "$out/stamp" "$out/disk.stamp"
	rm -rf "${debs:?}"/*.deb
fi
if [ -n "$disk" ]; then
	exec tools/dom0-image/debian.sh dom0 "$out" \
		"${kernel:-linux-image-amd64}" "${add[@]+"${add[@]}"}"
fi
if [ -e "$out/vmlinuz" ] && [ -e "$out/initrd.img" ] &&
	[ "$(cat "$out/stamp" 2>/dev/null)" = "$(inputs_stamp)" ]; then
	exit 0
fi
umask 022
rm -f "$out/stamp"
mkdir -p "$out" "$cache"
"$root/tools/deps.sh" run
resolve_kernel
# shellcheck disable=SC2046 # a list of names
debs_fetch "$(kernel_package)" $(list packages)
unpack_once "$(list packages | while read -r p; do
	[ -z "$p" ] || deb_file "$p"; done | sha256sum)" "$pkgs" unpack_packages
unpack_once "$(deb_file "$(kernel_package)")" "$tree" unpack_kernel
build_image
rm -rf "$stage" "$out/stage-domu"
inputs_stamp >"$out/stamp"
say "${out#"$root"/}: vmlinuz, initrd.img of $(kernel_package)," \
	"$(($(stat -c %s "$out/initrd.img") / 1024)) KiB"
