# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts that run in Dom0. Every wait in here has a limit.

failed=0
[ -p /run/nothing ] || mkfifo /run/nothing

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
# is the detail, and how long it took.
check() {
	local name=$1 text rc=0 start
	shift
	start=$(now_ms)
	text=$("$@" 2>&1 </dev/null) || rc=$?
	[ $rc = 0 ] || echo "$text"
	result "$name" $rc "${text##*$'\n'}" "($(($(now_ms) - start)) ms)"
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

# Seconds. What is waited for takes one or two, on a loaded machine some more;
# this ends what hangs.
PATIENCE=300

# wait_for COMMAND...: until the command succeeds.
wait_for() {
	wait_most $PATIENCE "$@"
}

# wait_most SECONDS COMMAND...: a limit of another kind.
wait_most() {
	local end=$(($(now_ms) + $1 * 1000))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt $end ] || return 1
		read -rt 0.3 <>/run/nothing # sleeps, without another process
	done
	return 0
}

# settled COMMAND...: what it prints when that is the same a second later. A
# domain that is gone still gives its memory back.
settled() {
	local was now
	now=$("$@")
	until [ "$now" = "${was-}" ]; do
		was=$now
		sleep 1
		now=$("$@")
	done
	echo "$now"
}

# digest FILE: its MD5, and nothing else.
digest() {
	md5sum <"$1" | cut -d' ' -f1
}

# find_disk MIB: the first disk of at least this size, in $disk.
find_disk() {
	local dev
	for dev in /sys/block/{sd,vd,nvme}*; do
		[ -e "$dev/size" ] || continue
		[ "$(<"$dev/size")" -ge $(($1 * 2048)) ] || continue
		disk=/dev/${dev##*/}
		return 0
	done
	return 1
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
	check "$name-create" timeout $PATIENCE xl create "/etc/xen/$name.cfg" "$@" ||
		return 1
	echo "RINGLET-TIME $name-create $(($(now_ms) - start)) ms"
	if ! wait_for guest_said_up "$name" $((ups + 1)); then
		guest_explain "$name"
		result "$name-up" 1 "said nothing in time"
		return 1
	fi
	echo "RINGLET-TIME $name-up $(($(now_ms) - start)) ms"
	result "$name-up" 0 \
		"$(grep -o 'demo: up after.*' "$(guest_log "$name")" |
			tail -n 1 | tr -d '\r')"
}

guest_shutdown() {
	check "$1-shutdown" timeout $PATIENCE xl shutdown -w "$1"
	wait_for guest_gone "$1"
	result "$1-gone" $? "$(xl list | tail -n +2 | wc -l) domain(s) left"
}

free_is() {
	[ "$(xl_info free_memory)" = "$1" ]
}

# free_same NAME MIB: what guests used must come back (freeing takes a while).
free_same() {
	local rc=0
	wait_for free_is "$2" || rc=1
	result "$1" $rc "free MiB before $2, after $(xl_info free_memory)"
}

# --- commands in a guest whose kernel was told demo.agent ---------------------

declare -A guest_tty

# Many times a second, so without another process.
guest_said() {
	local text
	read -r -d '' text <"$(guest_log "$1")"
	[[ $text == *"agent: $2 ends"* ]]
}

# agent_guest NAME [xl's options]: a guest that obeys, made of the demo guest.
agent_guest() {
	local kernel=/boot/vmlinuz
	# Unpacked, where the image has it so, it saves seconds for each guest.
	[ ! -e /boot/vmlinux ] || kernel=/boot/vmlinux
	sed -e "s|\"demo\"|\"$1\"|" -e "s|/boot/vmlinuz|$kernel|" \
		-e 's/console=hvc0/& demo.agent/' \
		/etc/xen/demo.cfg >"/etc/xen/$1.cfg"
	guest_create "$@" && guest_obeys "$1"
}

# guest_obeys NAME: to be called before guest_run.
guest_obeys() {
	guest_tty[$1]=$(xenstore-read \
		"/local/domain/$(xl domid "$1")/console/tty")
}

# guest_run NAME COMMAND: its output, and its status; after $PATIENCE seconds, or
# $guest_limit, 124.
guest_run() {
	local name=$1 word log
	word=$(now_ms)-$BASHPID
	log=$(guest_log "$name")
	printf '%s %s\n' "$word" "${2//$'\n'/ }" >"${guest_tty[$name]}"
	if ! wait_most "${guest_limit:-$PATIENCE}" guest_said "$name" "$word"; then
		guest_explain "$name" >&2
		return 124
	fi
	tr -d '\r' <"$log" | sed -n "/agent: $word begins/,/agent: $word ends/{
		/agent: $word/!p; }"
	return "$(sed -n "s/.*agent: $word ends \([0-9]*\).*/\1/p" "$log")"
}

# run_ended MARK NAME: the mark is not in the command that the guest's terminal
# echoes.
run_ended() {
	grep -q "^ran-$1=[0-9]" "$(guest_log "$2")"
}

# shell_run NAME COMMAND...: types it at the shell on the guest's console;
# prints what it prints and returns what it returns, or 99 if it does not end.
shell_run() {
	local name=$1 mark=${EPOCHREALTIME/./} log rc
	shift
	log=$(guest_log "$name")
	printf "echo r''un-%s; { %s\n}; echo r''an-%s=\$?\n" \
		"$mark" "$*" "$mark" >"$(xenstore-read \
			"/local/domain/$(xl domid "$name")/console/tty")"
	wait_for run_ended "$mark" "$name" || return 99
	tr -d '\r' <"$log" | awk -v mark="$mark" '
		index($0, "ran-" mark "=") == 1 { exit }
		on
		$0 == "run-" mark { on = 1 }'
	rc=$(sed -n "s/^ran-$mark=\([0-9]*\).*/\1/p" "$log")
	return "${rc:-98}"
}
