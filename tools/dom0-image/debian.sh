#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Makes a real Debian 12 on a disk image: an ext4 file system over the whole
# disk with kernel, initramfs, systemd, network by DHCP, and ssh.
#
#   tools/dom0-image/debian.sh domu|dom0 FOLDER [KERNEL [PACKAGE...]]
#
#   domu     a guest's disk; GRUB for PV guests finds its kernel there
#   dom0     with xl, its services, the bridge xenbr0 and the demo guest
#   KERNEL   package of the kernel (linux-image-amd64), PACKAGE more packages
#
# FOLDER gets disk.img, vmlinuz and initrd.img (those that are on the disk) and
# key, with which root may log in over ssh; on the console root needs no
# password. Packages come from the machine's own apt sources. Needs mmdebstrap;
# without root also fakeroot, user namespaces and a line in /etc/subuid.
# Does nothing when nothing changed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tools/debs.sh
. "$root/tools/debs.sh"

COMMON="systemd-sysv udev kmod dbus iproute2 iputils-ping openssh-server
initramfs-tools e2fsprogs procps"
DOM0="xen-utils-4.17 xen-utils-common xenstore-utils grub-xen-host
bridge-utils less vim-tiny"
MIB=1536

# What neither a guest nor a machine in QEMU reads.
LEFT_OUT=('/usr/share/'{doc,man,locale,info}'/*'
	'/lib/modules/*/kernel/sound/*'
	'/lib/modules/*/kernel/drivers/'{gpu,media,net/wireless,usb}'/*'
	'/lib/modules/*/kernel/drivers/'{infiniband,iio}'/*')

usage() {
	sed -n 's/^# \{0,1\}//; 4,18p' "$0" >&2
	exit 2
}

need_tools() {
	local tool tools="mmdebstrap mke2fs ssh-keygen"
	[ "$(id -u)" = 0 ] || tools+=" fakeroot newuidmap"
	for tool in $tools; do
		command -v "$tool" >/dev/null || die "needs $tool; tools/deps.sh" \
			"disk says which package"
	done
}

# The sources of Debian that this machine's apt uses; nothing if apt has no
# lists, then mmdebstrap takes its own.
sources() {
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets 'Created-By: Packages' 'Origin: Debian' \
		--format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		grep ' bookworm' | LC_ALL=C sort -u || :
}

# Before the kernel is installed: its initramfs gets the drivers that `modules`
# names and no others.
write_early() {
	local share=$1/usr/share/initramfs-tools/modules.d
	mkdir -p "$share" "$1/etc/initramfs-tools/conf.d"
	sed -n "s/^$kind //p" "$here/modules" | tr ' ' '\n' >"$share/ringlet"
	echo MODULES=list >"$1/etc/initramfs-tools/conf.d/ringlet"
}

network() {
	printf '%s\n' "${@:3}" >"$1/etc/systemd/network/$2"
}

write_late() {
	mkdir -p "$1"/etc/systemd/network "$1"/root/.ssh "$1"/boot/grub
	chmod 700 "$1/root" "$1/root/.ssh"
	cp "$out/key.pub" "$1/root/.ssh/authorized_keys"
	echo "LABEL=$kind / ext4 defaults 0 1" >"$1/etc/fstab"
	echo "$kind" >"$1/etc/hostname"
	echo "127.0.0.1 localhost $kind" >"$1/etc/hosts"
	cat >"$1/boot/grub/grub.cfg" <<-END
		set timeout=0
		menuentry Debian {
			linux /vmlinuz root=LABEL=$kind ro console=hvc0
			initrd /initrd.img
		}
	END
	if [ "$kind" = domu ]; then
		network "$1" card.network '[Match]' 'Name=e*' \
			'[Network]' DHCP=yes
		return
	fi
	network "$1" card.network '[Match]' 'Name=e*' '[Network]' Bridge=xenbr0
	network "$1" xenbr0.netdev '[NetDev]' Name=xenbr0 Kind=bridge
	network "$1" xenbr0.network '[Match]' Name=xenbr0 '[Network]' DHCP=yes
	mkdir "$1/etc/xen"
	cp "$here"/files/{demo,demo2}.cfg "$1/etc/xen/"
	sed -i 's|/boot/vmlinuz|/vmlinuz|' "$1"/etc/xen/demo*.cfg
	cp "$root/build/dom0/demo.img" "$1/boot/"
}

# files_tar early|late: those files, belonging to root.
files_tar() {
	local dir=$out/files
	mkdir "$dir"
	"write_$1" "$dir"
	tar -C "$dir" --owner=0 --group=0 -cf "$out/$1.tar" .
	rm -r "$dir"
}

make_root() {
	local opt=() path line from=() include
	for path in "${LEFT_OUT[@]}"; do
		opt+=("--dpkgopt=path-exclude=$path")
	done
	while read -r line; do
		from+=("$line")
	done < <(sources)
	files_tar early
	files_tar late
	include=$(echo "$packages" | tr -s ' \n' ',')
	say "$kind: fetching and installing; log in $out/mmdebstrap.log"
	# shellcheck disable=SC2016 # $1 is the hook's: the new root
	mmdebstrap --variant=minbase --include="${include%,}" "${opt[@]}" \
		--essential-hook="tar-in '$out/early.tar' /" \
		--customize-hook="tar-in '$out/late.tar' /" \
		--customize-hook='chroot "$1" systemctl enable systemd-networkd' \
		--customize-hook='chroot "$1" passwd -d root' \
		bookworm "$out/root.tar" "${from[@]+"${from[@]}"}" \
		>"$out/mmdebstrap.log" 2>&1 ||
		die "mmdebstrap failed; its log ends:
$(tail -n 8 "$out/mmdebstrap.log")"
}

# In one process tree, for fakeroot keeps owners only so long.
make_disk() {
	local dir=$out/root
	rm -rf "$dir"
	mkdir "$dir"
	tar -C "$dir" --exclude='./dev/*' -xf "$out/root.tar"
	cp -L "$dir/vmlinuz" "$dir/initrd.img" "$out/"
	rm -f "$out/disk.img"
	truncate -s "${MIB}M" "$out/disk.img"
	# GRUB 2.06 does not know these two.
	mke2fs -q -F -t ext4 -L "$kind" -O ^metadata_csum_seed,^orphan_file \
		-d "$dir" "$out/disk.img"
	rm -rf "$dir"
}

stamp() {
	{
		echo "$packages"
		sha256sum <"$0"
		sha256sum <"$here/modules"
		cat "$here"/files/*.cfg
		[ "$kind" = domu ] || sha256sum <"$root/build/dom0/demo.img"
	} | sha256sum
}

if [ "${1-}" = --make-disk ]; then
	kind=$2 out=$3
	make_disk
	exit 0
fi
[ $# -ge 2 ] || usage
kind=$1 out=$2
packages="$COMMON ${3:-linux-image-amd64} ${*:4}"
case $kind in
domu) ;;
dom0) packages+=" $DOM0" ;;
*) usage ;;
esac
mkdir -p "$out"
out=$(cd "$out" && pwd)
[ "$kind" = domu ] || [ -e "$root/build/dom0/demo.img" ] ||
	"$here/build.sh"
if [ -e "$out/disk.img" ] &&
	[ "$(cat "$out/disk.stamp" 2>/dev/null)" = "$(stamp)" ]; then
	exit 0
fi
need_tools
rm -rf "$out/disk.stamp" "$out/files" "$out"/key*
ssh-keygen -q -t ed25519 -N '' -C ringlet -f "$out/key"
make_root
if [ "$(id -u)" = 0 ]; then
	make_disk
else
	fakeroot "$0" --make-disk "$kind" "$out"
fi
rm -f "$out"/{root,early,late}.tar
stamp >"$out/disk.stamp"
say "$out/disk.img: $(du -m "$out/disk.img" | cut -f1) of $MIB MiB used"
