#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A dissector in the hands of an attacker (tests/main/attacked.c), who tries to get out of where packets are printed: all is
# refused, whatever the options are.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

ATTACKED=$HELPERS/attacked
ulimit -c 0
# What a library may try, at once; what ends the process by SIGSYS, one by one.
refused="open proc create overwrite unlink socket connect connect-unix fork kill type code"
deadly="execve ptrace read-parent bpf setuid namespace mount chmod"

attack() { # WORDS OPTION...: standard output and error of a run in which a packet comes
	local words=$1 pid
	shift
	: >"$TEST_TMP/attacked"
	ATTACK=$words "$ATTACKED" "$@" >"$TEST_TMP/attacked" 2>&1 &
	pid=$!
	if [ "$1" = -i ]; then
		listens $pid "$TEST_TMP/attacked"
		ping -q -c 2 -i 0.1 -W 1 "$THERE" >/dev/null
		kill -INT $pid 2>/dev/null
	fi
	wait $pid
	status=$?
}

words_of() { # what was tried and told
	sed -n "s/.*attack \([a-z-]*\): $1.*/\1/p" "$TEST_TMP/attacked" | tr '\n' ' '
}

# What dies by it prints no line, and the run says so.
killed() { grep -q 'was ended by signal 31' "$TEST_TMP/attacked" || [ $status -eq 159 ]; }

attacks() { # NAME OPTION...
	local name=$1 word got
	shift
	attack "$refused" "$@"
	is "refused: $name" "$(words_of '')" "$refused "
	is "none_succeeds: $name" "$(words_of succeeded)" ""
	got=
	for word in $deadly; do
		attack "$word" "$@"
		if [ -n "$(words_of succeeded)" ] || { [ -z "$(words_of '')" ] && ! killed; }; then got="$got $word"; fi
	done
	is "refused or killed: $name" "$got" ""
}

attacks live -i "$LINK" -nn icmp
attacks "live, as root" -i "$LINK" -nn -Z root icmp
attack "$refused" -i "$LINK" icmp
is "refused: live, with names" "$(words_of '')$(words_of succeeded)" "$refused "
attack "$refused" -i "$LINK" -nn -v --print -w "$TEST_TMP/x.pcapng" icmp
is "refused: live, with a file" "$(words_of '')$(words_of succeeded)" "$refused "
attack "$refused" -i "$LINK" -l -C 1 -w "$TEST_TMP/x.pcapng" --print --context process icmp -- ping -q -c 1 -W 1 "$THERE"
is "refused: live, with a command" "$(words_of '')$(words_of succeeded)" "$refused "

# From files.
saved=$TEST_TMP/saved.pcapng
"$PTCPDUMP" -i "$LINK" -c 2 -w "$saved" icmp -- ping -q -c 2 -i 0.1 -W 1 "$THERE" >/dev/null 2>&1
printf '%s\n' "$saved" "$saved" >"$TEST_TMP/list"
attacks read -r "$saved" -nn icmp
attacks "read, as root" -r "$saved" -nn -Z root
attacks "list, written and rotated by root" -V "$TEST_TMP/list" -nn --print -w "$TEST_TMP/x.pcapng" -C 1 -z true
attack "$refused" -r "$saved" host "$THERE" and port not domain or icmp
is "refused: read, with names" "$(words_of '')$(words_of succeeded)" "$refused "
attack "open fork" -r "$saved" -nn --no-sandbox
is "read without a sandbox" "$(words_of succeeded)" "open fork "

# The attacker can do something where nothing holds him.
if "$ATTACKED" --help all | grep -q -e --no-sandbox; then
	attack "open socket fork" -i "$LINK" -nn --no-sandbox icmp
	is "without a sandbox" "$(words_of succeeded)" "open socket fork "
fi
end_test
