# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Sourced by the scripts that need Debian packages unpacked, not installed.
# Callers set `root` (the checkout) and have `set -eu` on.

# shellcheck disable=SC2154 # set by the caller
debs=$root/cache/debs
apt_own=

say() {
	printf '%s: %s\n' "${0##*/}" "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# apt with the machine's sources and keys. Root needs no sandbox user for a
# folder of its own; private lists need no right to write to /var.
apt_run() {
	local tool=$1
	shift
	local opt=(-o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3)
	if [ -n "$apt_own" ]; then
		opt+=(-o Dir::State::lists="$apt_own/lists"
			-o Dir::Cache="$apt_own/cache")
	fi
	"$tool" "${opt[@]}" "$@"
}

# Fetches fresh package lists into cache/, away from the machine's own.
apt_update_own() {
	apt_own=$root/cache/apt
	mkdir -p "$apt_own/lists/partial" "$apt_own/cache/archives/partial"
	say "fetching package lists into cache/apt"
	apt_run apt-get -q update
}

apt_known() {
	local pkg
	for pkg in "$@"; do
		[ -n "$(apt_run apt-cache madison "$pkg" 2>/dev/null)" ] ||
			return 1
	done
}

# deb_file PACKAGE: prints the path of its downloaded file, if there is one.
deb_file() {
	local file
	for file in "$debs/$1"_*.deb; do
		[ -e "$file" ] && printf '%s\n' "$file" && return
	done
	return 1
}

# apt writes a file under its final name from the first byte on, so one is taken
# over only when all of them are whole.
debs_download() {
	rm -rf "$debs/new"
	mkdir -p "$debs/new"
	(cd "$debs/new" && apt_run apt-get -q download "$@") &&
		mv "$debs"/new/*.deb "$debs/" && rmdir "$debs/new"
}

# debs_fetch PACKAGE...: downloads (apt checks signatures and hashes) what is
# not in the cache yet. Nothing is installed.
debs_fetch() {
	local pkg need=()
	for pkg in "$@"; do
		deb_file "$pkg" >/dev/null || need+=("$pkg")
	done
	[ ${#need[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null || die "needs apt-get (Debian 12)"
	say "downloading ${#need[@]} package(s) into cache/debs"
	apt_known "${need[@]}" || apt_update_own
	debs_download "${need[@]}" && return
	# The lists named a version that the mirror has replaced meanwhile.
	apt_update_own
	debs_download "${need[@]}" || die "download failed: ${need[*]}"
}

# dep_of PACKAGE PREFIX: the first dependency whose name begins with PREFIX.
dep_of() {
	local line name
	apt_known "$1" || apt_update_own
	while read -r line; do
		name=${line#Depends: }
		[[ $line == Depends:\ * && $name == "$2"* ]] || continue
		printf '%s\n' "$name"
		return
	done < <(apt_run apt-cache depends "$1")
	return 1
}

# --- packages that the machine's own apt does not list ------------------------

# Callers set `out`, a folder below cache/: apt with one source and folders of
# its own there, so that the machine's stays as it is.

# Exit code 3: the mirror has no such thing.
absent() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 3
}

# One at a time; until the caller ends.
own_lock() {
	# shellcheck disable=SC2154 # set by the caller
	mkdir -p "$out/apt/lists/partial" "$out/apt/cache/archives/partial"
	exec 9>"$out/lock"
	flock 9
}

# own_source SUFFIX: the machine's source of its release, with this behind the
# name of the suite. Sets codename.
own_source() {
	local uri format
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	command -v apt-get >/dev/null || die "needs apt-get (Debian 12)"
	# shellcheck disable=SC2016 # apt's variables
	format='$(CODENAME) $(COMPONENT) $(REPO_URI)'
	uri=$(apt-get indextargets --format "$format" 'Created-By: Packages' |
		awk -v suite="$codename" '$1 == suite && $2 == "main" {
			print $3 }' | head -n 1)
	[ -n "$uri" ] || absent "apt has no source of $codename"
	printf 'deb %s %s%s main\n' "$uri" "$codename" "$1" \
		>"$out/apt/sources.list"
}

# own_apt TOOL ARGUMENT...
own_apt() {
	"$1" -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=3 \
		-o Dir::Etc::sourcelist="$out/apt/sources.list" \
		-o Dir::State::lists="$out/apt/lists" \
		-o Dir::Cache="$out/apt/cache" -o Debug::NoLocking=true "${@:2}"
}

# own_update COMPLAINT [APT]: fresh lists, by own_apt or another; if the mirror
# has none, that is what is said.
own_update() {
	"${2:-own_apt}" apt-get -q --error-on=any update \
		>"$out/apt/log" 2>&1 && return
	cat "$out/apt/log" >&2
	! grep -qE '(^| )404( |$)|does not have a Release' "$out/apt/log" ||
		absent "$1"
	die "fetching package lists failed"
}
