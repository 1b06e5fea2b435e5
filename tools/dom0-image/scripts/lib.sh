# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts that run in Dom0. Every wait in here has a limit.

failed=0

# result NAME RC DETAIL...: one verdict line; the script fails if any failed.
result() {
	local name=$1 rc=$2
	shift 2
	if [ "$rc" = 0 ]; then
		echo "RINGLET-TEST $name PASS $*"
	else
		echo "RINGLET-TEST $name FAIL $*"
		failed=1
	fi
}

# check NAME COMMAND...: passes if the command does; its last line of output
# is the detail.
check() {
	local name=$1 text rc=0
	shift
	text=$("$@" 2>&1 </dev/null) || rc=$?
	[ $rc = 0 ] || echo "$text"
	result "$name" $rc "${text##*$'\n'}"
	return $rc
}

finish() {
	exit $failed
}

need_xen() {
	xl info >/dev/null 2>&1 && return
	result toolstack 1 "xl info does not answer"
	finish
}

# Milliseconds since boot.
now_ms() {
	local up
	read -r up _ </proc/uptime
	echo $((10#${up/./} * 10))
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || return 1
		sleep 0.3
	done
	return 0
}

cmdline_value() {
	local word
	for word in $(</proc/cmdline); do
		[ "${word%%=*}" != "$1" ] || printf '%s\n' "${word#*=}"
	done
}

xl_info() {
	xl info | sed -n "s/^$1 *: *//p"
}

# --- guests ------------------------------------------------------------------

guest_log() {
	echo "/var/log/xen/console/guest-$1.log"
}

# How often the guest has said so far that it is up.
guest_ups() {
	grep -c 'demo: up after' "$(guest_log "$1")" 2>/dev/null || :
}

guest_said_up() {
	[ "$(guest_ups "$1")" -ge "$2" ]
}

guest_gone() {
	! xl domid "$1" >/dev/null 2>&1
}

# One of xl list's letters (running, blocked, paused, shutdown, crashed).
guest_in_state() {
	xl list "$1" 2>/dev/null | awk 'NR == 2 { print $5 }' | grep -q "$2"
}

# For the log, when a guest did not do what it should have.
guest_explain() {
	tail -n 30 "$(guest_log "$1")"
	timeout 10 xl list
	timeout 10 xl vcpu-list "$1"
	timeout 10 xenctx -a "$(xl domid "$1")"
}

# guest_create NAME [xl's options]: and waits until its userspace is there.
guest_create() {
	local name=$1 start ups
	shift
	start=$(now_ms)
	ups=$(guest_ups "$name")
	check "$name-create" timeout 240 xl create "/etc/xen/$name.cfg" "$@" ||
		return 1
	echo "RINGLET-TIME $name-create $(($(now_ms) - start)) ms"
	if ! wait_for 120 guest_said_up "$name" $((ups + 1)); then
		guest_explain "$name"
		result "$name-up" 1 "said nothing in time"
		return 1
	fi
	echo "RINGLET-TIME $name-up $(($(now_ms) - start)) ms"
	result "$name-up" 0 \
		"$(grep 'demo: up after' "$(guest_log "$name")" | tail -n 1 |
			tr -d '\r')"
}

guest_shutdown() {
	check "$1-shutdown" timeout 120 xl shutdown -w "$1"
	wait_for 20 guest_gone "$1"
	result "$1-gone" $? "$(xl list | tail -n +2 | wc -l) domain(s) left"
}

free_is() {
	[ "$(xl_info free_memory)" = "$1" ]
}

# free_same NAME MIB: what guests used must come back (freeing takes a while).
free_same() {
	local rc=0
	wait_for 30 free_is "$2" || rc=1
	result "$1" $rc "free MiB before $2, after $(xl_info free_memory)"
}
