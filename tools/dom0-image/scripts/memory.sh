# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the memory* scripts, after lib.sh: pages, exactly, as the program
# memory (tools/dom0-image/programs/dom0) has them from the hypervisor.

# A kernel that is not packed makes each create seconds shorter.
kernel_prepare() {
	[ -e /boot/vmlinux ] || kernel-unpack /boot/vmlinuz /boot/vmlinux
}

# word KEY TEXT: the value of KEY=VALUE in it.
word() {
	local one
	for one in $2; do
		[ "${one%%=*}" != "$1" ] || echo "${one#*=}"
	done
}

# host KEY: free, claimed, total.
host() {
	word "$1" "$(memory free)"
}

# of GUEST KEY: pages, max, claimed.
of() {
	word "$2" "$(memory domain "$(xl domid "$1")")"
}

# has GUEST KEY PAGES
has() {
	[ "$(of "$1" "$2")" = "$3" ]
}

host_has() {
	[ "$(host "$1")" = "$2" ]
}

# pages_same NAME PAGES: free to the page, once all is freed.
pages_same() {
	local rc=0
	wait_for host_has free "$2" || rc=1
	result "$1" $rc "free pages before $2, after $(host free)"
}

# A disk in memory for guests; prints the device.
disk_make() {
	truncate -s 16M /tmp/disk.img && losetup -f && losetup "$(losetup -f)" \
		/tmp/disk.img
}

# tenant_config NAME WORDS [CONFIG LINE...]: 8 MiB, guests/tenant.
tenant_config() {
	cat >"/etc/xen/$1.cfg" <<-END
		name = "$1"
		type = "pv"
		kernel = "/boot/tenant"
		extra = "$2"
		memory = 8
		on_crash = "preserve"
	END
	printf '%s\n' "${@:3}" >>"/etc/xen/$1.cfg"
}

# data GUEST KEY: what a tenant wrote for others.
data() {
	xenstore-read "/local/domain/$(xl domid "$1")/data/$2" 2>/dev/null
}

# rounds_least FOLDER N
rounds_least() {
	local n
	n=$(xenstore-read "$1/rounds") && [ "$n" -ge "$2" ]
}

# traffic GUEST ROUNDS: so many rounds more, and nothing wrong in any.
traffic() {
	local n folder
	folder=/local/domain/$(xl domid "$1")/data
	n=$(xenstore-read "$folder/rounds" 2>/dev/null)
	wait_for rounds_least "$folder" $((${n:-0} + $2)) || return 1
	n=$(xenstore-read "$folder/wrong")
	echo "$(xenstore-read "$folder/rounds") rounds, $n wrong"
	[ "$n" = 0 ]
}

# fails WORDS COMMAND...: it does and says so; the last line has what.
fails() {
	local words=$1 text rc
	shift
	text=$(timeout $PATIENCE "$@" 2>&1)
	rc=$?
	echo "$text"
	echo "status $rc: $(grep -m 1 -i -- "$words" <<<"$text")"
	[ $rc != 0 ] && [ $rc != 124 ] && grep -qi -- "$words" <<<"$text"
}

alone() {
	local n
	n=$(xl list | tail -n +2 | wc -l)
	[ "$n" = 1 ]
}
