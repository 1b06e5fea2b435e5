#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Boots a hypervisor with the Dom0 image in QEMU, without any hardware
# virtualisation. Settings come from the environment:
#
#   HV=ringlet        ringlet, ringlet-debug, xen (Debian's 4.17), or a file
#   SMP=1             CPUs          MEM=1024   MiB of the machine
#   DOM0_MEM=512      MiB of Dom0   EXTRA=     more hypervisor options
#   DOM0_EXTRA=       more words for Dom0's kernel command line
#   SCRIPT=           run this one of tools/dom0-image/scripts in Dom0, print
#                     its lines, end with its result
#   IMAGE=            boots build/dom0-IMAGE, made by dom0-image/build.sh
#                     --name IMAGE, a disk too, instead of build/dom0
#   GUESTS=           1 adds the unpacked guest kernel and GRUB for guests
#   TIMEOUT=600       seconds that a scripted run may take
#   LOG=              where a scripted run's console goes
#   DISK= DISKIF=ahci ahci, ide, nvme or virtio; DISK is a raw image
#   NET=              e1000, e1000e or virtio, on QEMU's user network
#                     (without SCRIPT: virtio), none
#   QEMU=qemu-system-x86_64   CPU=max,-smap   MACHINE=pc   QEMU_EXTRA=
#
# Without SCRIPT the terminal is the machine's console: Ctrl-A X ends QEMU,
# Ctrl-A Ctrl-A sends one Ctrl-A on to the guest.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

HV=${HV:-ringlet}
SMP=${SMP:-1}
MEM=${MEM:-1024}
DOM0_MEM=${DOM0_MEM:-512}
EXTRA=${EXTRA:-}
DOM0_EXTRA=${DOM0_EXTRA:-}
SCRIPT=${SCRIPT:-}
TIMEOUT=${TIMEOUT:-600}
DISK=${DISK:-}
DISKIF=${DISKIF:-ahci}
NET=${NET:-}
IMAGE=${IMAGE:-}
GUESTS=${GUESTS:-}
QEMU=${QEMU:-qemu-system-x86_64}
MACHINE=${MACHINE:-pc}
QEMU_EXTRA=${QEMU_EXTRA:-}

# Lines after which nothing more will come.
DEAD='[Pp]anic on CPU|Panic within the panic|Kernel panic - not syncing'

say() {
	printf 'run: %s\n' "$*"
}

die() {
	printf 'run: %s\n' "$*" >&2
	exit 2
}

# QEMU before 8 gets SMAP wrong for guests in ring 3 of the kernel half.
default_cpu() {
	local major
	major=$("$QEMU" --version | sed -n '1s/.*version \([0-9]*\).*/\1/p')
	if [ "${major:-0}" -lt 8 ]; then
		echo max,-smap
	else
		echo max
	fi
}

hypervisor_image() {
	case $HV in
	xen) "$root/tools/xen-oracle.sh" | tail -n 1 ;;
	ringlet | ringlet-debug) echo "$root/build/$HV" ;;
	*) echo "$HV" ;;
	esac
}

add_disk() {
	local id=disk0
	[ -n "$DISK" ] || return 0
	[ -e "$DISK" ] || die "no disk image $DISK"
	args+=(-drive "if=none,id=$id,format=raw,file=$DISK")
	case $DISKIF in
	ahci) args+=(-device "ahci,id=ahci0"
		-device "ide-hd,bus=ahci0.0,drive=$id") ;;
	ide) args+=(-device "ide-hd,bus=ide.0,drive=$id") ;;
	nvme) args+=(-device "nvme,serial=ringlet,drive=$id") ;;
	virtio) args+=(-device "virtio-blk-pci,drive=$id") ;;
	*) die "unknown DISKIF=$DISKIF" ;;
	esac
}

add_net() {
	[ "${NET:=none}" != none ] || return 0
	args+=(-netdev "user,id=net0")
	case $NET in
	e1000 | e1000e) args+=(-device "$NET,netdev=net0,romfile=") ;;
	virtio) args+=(-device "virtio-net-pci,netdev=net0,romfile=") ;;
	*) die "unknown NET=$NET" ;;
	esac
}

# The verdict line, if it is there yet.
verdict() {
	sed -n 's/.*RINGLET-DONE \([0-9]*\).*/\1/p' "$LOG" | tail -n 1
}

# grace SECONDS: lets QEMU end by itself before it is ended.
grace() {
	local i
	for ((i = 0; i < $1 * 2; i++)); do
		kill -0 "$qemu_pid" 2>/dev/null || return 0
		sleep 0.5
	done
	kill "$qemu_pid" 2>/dev/null || :
}

watch_run() {
	local end=$((SECONDS + TIMEOUT))
	while kill -0 "$qemu_pid" 2>/dev/null; do
		if [ -n "$(verdict)" ]; then
			grace 10
		elif grep -qaE "$DEAD" "$LOG"; then
			say "the machine died"
			grace 3
		elif [ $SECONDS -ge $end ]; then
			say "no verdict in $TIMEOUT seconds"
			grace 0
		fi
		sleep 0.5
	done
}

run_script() {
	local rc show
	LOG=${LOG:-$root/build/log/$SCRIPT-$(basename "$HV").log}
	mkdir -p "$(dirname "$LOG")"
	: >"$LOG"
	say "script $SCRIPT, console in $LOG"
	"$QEMU" "${args[@]}" -serial "file:$LOG" -monitor none </dev/null &
	qemu_pid=$!
	trap 'kill $qemu_pid 2>/dev/null || :' EXIT
	trap 'exit 130' INT TERM
	tail -n +1 -s 0.3 -f --pid=$qemu_pid "$LOG" &
	show=$!
	watch_run
	wait $show || :
	rc=$(verdict)
	if [ -z "$rc" ]; then
		say "FAIL $SCRIPT: ended without a verdict"
		exit 3
	fi
	say "script $SCRIPT ended with $rc after $SECONDS s"
	exit "$rc"
}

command -v "$QEMU" >/dev/null || "$root/tools/deps.sh" run
CPU=${CPU:-$(default_cpu)}
dir=$root/build/dom0${IMAGE:+-$IMAGE}
if [ -z "$IMAGE" ]; then
	"$root/tools/dom0-image/build.sh"
elif [ ! -e "$dir/initrd.img" ]; then
	die "no $dir; make dom0-image NAME=$IMAGE builds it"
fi
image=$(hypervisor_image)
[ -e "$image" ] || die "no $image (make builds it)"

# Archives of an initramfs may follow each other.
initrd=$dir/initrd.img
if [ -n "$GUESTS" ]; then
	cat "$initrd" "$dir/guests.img" >"$initrd+guests"
	initrd+=+guests
fi

dom0="console=hvc0 earlyprintk=xen $DOM0_EXTRA"
[ -z "$SCRIPT" ] || dom0+=" ringlet.script=$SCRIPT"
if [ -e "$dir/disk.img" ]; then
	dom0+=" root=LABEL=dom0 ro"
	DISK=${DISK:-$dir/disk.img}
fi
# A comma separates modules in -initrd; doubled it stands for itself.
dom0=${dom0//,/,,}

args=(-accel tcg -machine "$MACHINE" -cpu "$CPU" -smp "$SMP" -m "$MEM"
	-nodefaults -no-user-config -display none -no-reboot
	-kernel "$image"
	-append "com1=115200 console=com1 dom0_mem=${DOM0_MEM}M $EXTRA"
	-initrd "$dir/vmlinuz $dom0,$initrd")
[ -n "$SCRIPT" ] || NET=${NET:-virtio}
add_disk
add_net
# shellcheck disable=SC2206 # options, split at blanks on purpose
args+=($QEMU_EXTRA)

say "HV=$HV SMP=$SMP MEM=$MEM DOM0_MEM=$DOM0_MEM, $("$QEMU" --version |
	head -n 1)"
say "emulated, so the first line may take seconds and Dom0 half a minute"
[ -z "$SCRIPT" ] || run_script
say "Ctrl-A X ends QEMU"
exec "$QEMU" "${args[@]}" -serial mon:stdio
