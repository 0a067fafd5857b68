#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Live text is printed by a process that holds nothing: what it has, and what happens when either of both goes wrong.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

printer() { pgrep -P "$PID" | head -n 1; }
of() { # PROCESS FIELD
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}
capture_adds_up() { # captured + dropped = received
	awk '/packets? captured$/ { c = $1 } /received by filter$/ { r = $1 } /dropped by kernel$/ { d = $1 } END { exit c + d != r }' "$TEST_TMP/err"
}
text() { lines "$TEST_TMP/out" "$1"; }

for user in '' root nobody; do
	start ${user:+-Z "$user"} -i "$LINK" -nn -w "$TEST_TMP/x.pcapng" --print icmp
	child=$(printer)
	is "holds_nothing${user:+_with_$user}" \
		"$(of "$child" Seccomp) $(of "$child" CapPrm) $(of "$child" CapEff) $(of "$child" CapBnd) $(of "$child" CapInh) $(of "$child" NoNewPrivs)" \
		"2 0000000000000000 0000000000000000 0000000000000000 0000000000000000 1"
	is "is_not_root${user:+_with_$user}" "$(of "$child" Uid | tr '\t' '\n' | grep -cx 0)" 0
	is "open_descriptors${user:+_with_$user}" "$(find "/proc/$child/fd" -type l -printf '%f %l\n' | sort -n | tail -n +4 | sed 's/.* //; s/:.*//' | sort -u)" socket
	is "does_not_read_our_input${user:+_with_$user}" "$(readlink "/proc/$child/fd/0" | sed 's/:.*//')" socket
	kill -INT "$PID"
	finish
	check "ends_with_us${user:+_with_$user}" gone "$child"
done

# Nothing of the capture is mapped, and what is shared cannot be written but for a page.
start -i "$LINK" -nn --backend pcap icmp
is no_mapping_of_the_capture "$(awk '$2 ~ /s$/ { print $2, $6 }' "/proc/$(printer)/maps" | sort -u | paste -sd ,)" \
	"r--s /memfd:ptcpdump-text,rw-s /dev/zero"
kill -INT "$PID"
finish

# Nobody prints.
start -i "$LINK" -w "$TEST_TMP/x.pcapng" icmp
is none_without_text "$(printer)" ""
kill -INT "$PID"
finish

# Ctrl-C, which both get: all that was captured is printed.
start_capture "$TEST_TMP/out" "$TEST_TMP/err" setsid "$PTCPDUMP" -i "$LINK" -nn -XX icmp
PID=$!
pings 200
shown
kill -INT -- -"$PID"
finish
is interrupted "$STATUS $(text 'ICMP echo')" "0 400"

# What is not asked to end does not.
start -i "$LINK" -nn icmp
child=$(printer)
kill -INT "$child"
kill -TERM "$child"
kill -HUP "$child"
pings 5
shown
kill -INT "$PID"
finish
is signals_are_ours "$STATUS $(text 'ICMP echo')" "0 10"

# Stopped, it keeps packets waiting, then lost ones are counted; what is captured is printed.
start -i "$LINK" -nn -B 512 udp
child=$(printer)
kill -STOP "$child"
"$HELPERS/udp_burst" "$THERE" 9 20000 1000
kill -CONT "$child"
shown
kill -INT "$PID"
finish
is stopped_and_continued "$STATUS $(text 'UDP, length 1000')" "0 $(sed -n 's/ packets captured$//p' "$TEST_TMP/err")"
check stopped_and_continued_adds_up capture_adds_up

# Stopped for good, it does not hold up the end, whether it had anything to do or not; what is lost is said.
for packets in 0 30; do
	start -i "$LINK" -nn icmp
	kill -STOP "$(printer)"
	[ $packets = 0 ] || pings $packets
	kill -INT "$PID"
	check "stopped_and_interrupted_$packets" wait_for 5 gone "$PID"
	kill -KILL "$PID" 2>/dev/null
	finish
	is "stopped_is_said_$packets" "$STATUS $(grep -c 'the process that prints is stopped: what it has not printed is lost' "$TEST_TMP/err")" "1 1"
	check "stopped_adds_up_$packets" capture_adds_up
done

# Dead, it ends the run, which says so; the file is whole.
start -i "$LINK" -nn -w "$TEST_TMP/whole.pcapng" --print icmp
child=$(printer)
pings 20
shown
kill -SEGV "$child"
wait_for 5 gone "$PID"
finish
is crash_status "$STATUS" 1
check crash_is_said grep -q 'the process that prints was ended by signal 11 (Segmentation fault)' "$TEST_TMP/err"
is crash_leaves_a_whole_file "$("$PTCPDUMP" -r "$TEST_TMP/whole.pcapng" --count 2>/dev/null)" "40 packets"
check crash_adds_up capture_adds_up

# Nor does it stay behind: not when it has nothing to do, and not when nobody takes what it prints.
start -i "$LINK" -nn icmp
child=$(printer)
pings 10
kill -KILL "$PID"
finish 2>/dev/null
check ends_with_the_killed wait_for 2 gone "$child"
mkfifo "$TEST_TMP/full" || exit 1
exec 4<>"$TEST_TMP/full"
start_capture "$TEST_TMP/full" "$TEST_TMP/err" "$PTCPDUMP" -i "$LINK" -nn -l -XX icmp 4>&-
PID=$!
child=$(printer)
pings 200
kill -KILL "$PID"
finish 2>/dev/null
check ends_with_the_killed_while_nobody_reads wait_for 4 gone "$child"
exec 4>&-

# A full disk.
start_capture /dev/full "$TEST_TMP/err" "$PTCPDUMP" -i "$LINK" -nn icmp
PID=$!
pings 1
finish
is full_disk "$STATUS $(grep -c "can't write to 'standard output': No space left on device" "$TEST_TMP/err")" "1 1"

# A mistake of options is said before anything is attached.
"$PTCPDUMP" -i "$LINK" -T nothing >/dev/null 2>"$TEST_TMP/err"
is bad_option "$? $(cat "$TEST_TMP/err")" "1 ptcpdump: unknown packet type 'nothing'"
end_test
