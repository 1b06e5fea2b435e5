# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the life-* scripts, after lib.sh: guests in which witness runs
# (tools/dom0-image/programs), and the small guest mortal (guests/mortal).

# A kernel that is not packed makes each create seconds shorter.
kernel_prepare() {
	[ -e /boot/vmlinux ] || kernel-unpack /boot/vmlinuz /boot/vmlinux
}

# witness_config NAME MIB [CONFIG LINE...]: /etc/xen/NAME.cfg, of 112 MiB.
witness_config() {
	local name=$1 mib=$2
	shift 2
	sed "s/^name.*/name = \"$name\"/; s/^memory.*/memory = 112/
		s|/boot/vmlinuz|/boot/vmlinux|
		s/loglevel=4/loglevel=4 demo.witness=$mib/" \
		/etc/xen/demo.cfg >"/etc/xen/$name.cfg"
	printf '%s\n' "$@" >>"/etc/xen/$name.cfg"
}

# mortal_config NAME WORD [CONFIG LINE...]: 8 MiB; an NMI ends it as WORD says.
mortal_config() {
	cat >"/etc/xen/$1.cfg" <<-END
		name = "$1"
		type = "pv"
		kernel = "/boot/mortal"
		extra = "$2"
		memory = 8
	END
	printf '%s\n' "${@:3}" >>"/etc/xen/$1.cfg"
}

# The newest whole line of witness.
witness_line() {
	tail -c 4096 "$(guest_log "$1")" | tr -d '\r' |
		sed -n 's/^\(WITNESS .*\)\.$/\1/p' | tail -n 1
}

# witness_value NAME KEY
witness_value() {
	local word
	for word in $(witness_line "$1"); do
		[ "${word%%=*}" != "$2" ] || echo "${word#*=}"
	done
}

witness_passed() {
	[ "$(witness_value "$1" passes)" -ge "$2" ]
}

# Two more passes over all its memory, nothing wrong with it, and no clock
# stepped back.
witness_goes_on() {
	local rc
	wait_for witness_passed "$1" 0 &&
		wait_for witness_passed "$1" \
			$(($(witness_value "$1" passes) + 2))
	rc=$?
	witness_line "$1"
	[ $rc = 0 ] && [ "$(witness_value "$1" bad)" = 0 ] &&
		[ "$(witness_value "$1" back)" -le 0 ]
}

# By how much the guest's clock is ahead of Dom0's (ns). What the guest grants
# is another page after a while, so this may take another try.
clock_ahead() {
	wait_for clock_compared "$1" && cat /tmp/ahead
}

clock_compared() {
	witness -c "$(xl domid "$1")" "$(witness_value "$1" ref)" >/tmp/ahead
}
