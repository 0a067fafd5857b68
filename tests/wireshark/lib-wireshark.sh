# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
# The versions of Wireshark that tests of this suite go through. Sourced behind tests/lib.sh.

LUA=$TOP/deploy/wireshark/ptcpdump.lua
cache=${WIRESHARK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ptcpdump-wireshark}

# From 4.4 on root loads no Lua: as root, all is run as nobody, who may read root's folders.
as_user=(env)
[ "$(id -u)" -ne 0 ] || as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups
	"--inh-caps=-all,+dac_read_search" "--ambient-caps=-all,+dac_read_search" "--bounding-set=-all,+dac_read_search")

# The system's, and what tests/wireshark/wireshark-fetch has brought.
versions() {
	echo system
	for suite in ${WIRESHARK_SUITES:-trixie sid}; do echo "$suite"; done
}

# Runs a function with each version that is there: with its number, which begins the names of tests.
each_version() { # FUNCTION
	local why name
	for version in $(versions); do
		why=$(misses "$version")
		if [ -n "$why" ]; then
			skip "wireshark of $version" "$why"
		else
			name=$(ws tshark --version 2>/dev/null | sed -n '1s/.*(Wireshark) \([0-9.]*[0-9]\).*/\1/p')
			if [ -n "$name" ]; then "$1" "$name"; else bad "wireshark of $version" "tshark --version says nothing"; fi
		fi
	done
}

# Prints why a version cannot be run; nothing when it can.
misses() { # VERSION
	case $1 in
	system) command -v tshark >/dev/null || echo "tshark is missing" ;;
	*) [ -e "$cache/$1/version" ] || echo "not fetched (sh tests/wireshark/wireshark-fetch $1)" ;;
	esac
}

# Of the folder that wireshark-fetch made, by its own libc.
fetched() { # VERSION PROGRAM ARGUMENT...
	local dir=$cache/$1 program=$2 loader folders
	shift 2
	loader=$(find "$dir/lib/" "$dir/usr/lib/" -name 'ld-linux*.so.*' -type f 2>/dev/null | head -n 1)
	folders=$(printf '%s:' "$dir"/usr/lib/*-linux-gnu "$dir"/lib/*-linux-gnu)
	"${as_user[@]}" env HOME="$WS_HOME" XDG_CONFIG_HOME="$WS_HOME/.config" WIRESHARK_DATA_DIR="$dir/usr/share/wireshark" \
		WIRESHARK_PLUGIN_DIR=/nonexistent "$loader" --library-path "$folders" "$dir/usr/bin/$program" "$@"
}

# Of the version that $version names, with the settings of WS_HOME only.
ws() { # PROGRAM ARGUMENT...
	if [ "$version" = system ]; then
		"${as_user[@]}" env HOME="$WS_HOME" XDG_CONFIG_HOME="$WS_HOME/.config" WIRESHARK_PLUGIN_DIR=/nonexistent "$@"
	else
		fetched "$version" "$@"
	fi
}

with_lua() { ws tshark -X "lua_script:$LUA" -n "$@"; }

WS_HOME=$TEST_TMP/home
mkdir -p "$WS_HOME"
chmod 755 "$TEST_TMP" "$WS_HOME"
