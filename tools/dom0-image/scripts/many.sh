# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts with many small guests, after lib.sh.

# Pages that the hypervisor has free, exactly: it says so on a debug key.
free_pages() {
	xl dmesg -c >/dev/null
	xl debug-keys m
	xl dmesg | sed -n 's/.*memory: .* pages, \([0-9]*\) free.*/\1/p
		s/.*Dom heap: \([0-9]*\)kB free.*/\1 kB/p' |
		awk '{ print $2 == "kB" ? $1 / 4 : $1 }'
}

# small_create NAME KERNEL: 8 MiB.
small_create() {
	cat >"/tmp/$1.cfg" <<-END
		name = "$1"
		type = "pv"
		kernel = "/boot/$2"
		memory = 8
	END
	timeout $PATIENCE xl create -q "/tmp/$1.cfg"
}

# many_create PREFIX KERNEL COUNT: their numbers are in $ids then.
many_create() {
	local i
	ids=()
	for ((i = 0; i < $3; i++)); do
		small_create "$1$i" "$2" || return 1
		ids+=("$(xl domid "$1$i")")
	done
	echo "$3 guests"
}

# tell_all KEY VALUE: by their directory `data` in the store.
tell_all() {
	local id words=()
	for id in "${ids[@]}"; do
		words+=("/local/domain/$id/data/$1" "$2")
	done
	xenstore-write "${words[@]}"
}

all_told() {
	local id paths=()
	for id in "${ids[@]}"; do
		paths+=("/local/domain/$id/data/told")
	done
	xenstore-read "${paths[@]}" >/tmp/told 2>/dev/null &&
		[ "$(grep -c "^$1 " /tmp/told)" = ${#ids[@]} ]
}

# told NUMBER: what all said, in /tmp/told.
told() {
	wait_most $((PATIENCE + 10 * ${#ids[@]})) all_told "$1" && return
	sort /tmp/told | uniq -c | sort -rn | head -n 5
	echo "only $(grep -c "^$1 " /tmp/told) of ${#ids[@]} answered"
	return 1
}

# Each guest's offer is for the one before it.
ring() {
	local i n=${#ids[@]} words=()
	for ((i = 0; i < n; i++)); do
		words+=("/local/domain/${ids[i]}/data/previous"
			"${ids[(i + n - 1) % n]}")
	done
	xenstore-write "${words[@]}" && wait_for offers || return 1
	words=()
	for ((i = 0; i < n; i++)); do
		words+=("/local/domain/${ids[i]}/data/next"
			"${ids[(i + 1) % n]}")
	done
	xenstore-write "${words[@]}"
}

offers() {
	local id paths=()
	for id in "${ids[@]}"; do
		paths+=("/local/domain/$id/data/offer")
	done
	xenstore-read "${paths[@]}"
}

no_guests() {
	[ "$(xl list | wc -l)" = 2 ] && [ -z "$(pidof xl)" ]
}

destroy_all() {
	local id
	for id in "${ids[@]}"; do
		timeout $PATIENCE xl destroy "$id" || return 1
	done
	wait_for no_guests
}

store_content() {
	xenstore-ls -f / | sort
}
