#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Live captures as a whole: -c, statistics, signals, promptness, wrong use.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

captured() { # of the last start
	sed -n 's/^\([0-9]*\) packets* captured$/\1/p' "$TEST_TMP/err"
}

saved() { # COUNT FILE
	[ "$("$PTCPDUMP" -r "$2" --count 2>/dev/null)" = "$1 packets" ]
}

start -i "$LINK" -nn -c 5 icmp
pings 10
finish
is count_status $STATUS 0
is count_is_exact "$(lines "$TEST_TMP/out" 'ICMP echo') $(captured)" "5 5"
check count_one_more_received grep -q '^[0-9]* packets received by filter$' "$TEST_TMP/err"

start -i "$LINK" -nn icmp
check banner grep -q "^listening on $LINK, link-type EN10MB (Ethernet), snapshot length 262144 bytes\$" "$TEST_TMP/err"
check banner_hint grep -q '^ptcpdump: verbose output suppressed, use -v\[v\]... for full protocol decode$' "$TEST_TMP/err"
pings 20
shown
check statistics_while_running grep -q 'ptcpdump: 40 packets captured, 40 packets received by filter, 0 packets dropped by kernel' "$TEST_TMP/err"
kill -TERM "$PID"
finish
is terminated $STATUS 0
is every_packet "$(lines "$TEST_TMP/out" 'ICMP echo')" 40
is statistics "$(tail -n 3 "$TEST_TMP/err" | tr '\n' ';')" \
	"40 packets captured;40 packets received by filter;0 packets dropped by kernel;"

start -i "$LINK" -nn -w "$TEST_TMP/flush.pcapng" icmp
check banner_with_file grep -q "^ptcpdump: listening on $LINK" "$TEST_TMP/err"
pings 3
shown
kill -USR2 "$PID"
wait_for 2 saved 6 "$TEST_TMP/flush.pcapng"
is flushed "$("$PTCPDUMP" -r "$TEST_TMP/flush.pcapng" --count 2>/dev/null)" "6 packets"
is silent_with_file "$(cat "$TEST_TMP/out")" ""
kill -INT "$PID"
finish
is interrupted $STATUS 0

start -i "$LINK" -nn -w "$TEST_TMP/print.pcapng" --print icmp
pings 2
kill -HUP "$PID"
finish
is hung_up $STATUS 0
is printed_and_saved "$(lines "$TEST_TMP/out" 'ICMP echo') $("$PTCPDUMP" -r "$TEST_TMP/print.pcapng" --count 2>/dev/null)" "4 4 packets"
"$PTCPDUMP" -nn -r "$TEST_TMP/print.pcapng" >"$TEST_TMP/again" 2>/dev/null
check read_back_the_same cmp "$TEST_TMP/out" "$TEST_TMP/again"

# A pipe that nobody empties: who asks us to end need not wait for it.
mkfifo "$TEST_TMP/full" || exit 1
full_pipe() { # what reads nothing tells that there is no room for a page
	python3 -c 'import select; w = select.poll(); w.register(4, select.POLLOUT); exit(bool(w.poll(0)))'
}
exec 4<>"$TEST_TMP/full"
start_capture "$TEST_TMP/full" "$TEST_TMP/err" "$PTCPDUMP" -i "$LINK" -nn -l -XX icmp 4>&-
PID=$!
pings 200
# Blocked in the middle, it answers nobody.
wait_for 5 full_pipe
kill -INT "$PID"
wait_for 5 grep -q 'takes nothing more, the rest is not written' "$TEST_TMP/err"
is interrupted_while_nobody_reads $? 0
finish
is ends_while_nobody_reads $STATUS 0

# Nor does a file end in the midst of a packet for as long as text waits.
start_capture "$TEST_TMP/full" "$TEST_TMP/err" "$PTCPDUMP" -i "$LINK" -nn -B 32768 --print -w "$TEST_TMP/waits.pcapng" udp 4>&-
PID=$!
text_waits() { full_pipe && grep -q '^State:.S' "/proc/$PID/status"; }
timeout 1 cat <&4 >/dev/null # what the one before has left
kill -STOP "$PID"
"$HELPERS/udp_burst" "$THERE" 9 10000 1400 # at once, more than is written at once
kill -CONT "$PID"
wait_for 5 text_waits
is text_waits $? 0
"$PTCPDUMP" -r "$TEST_TMP/waits.pcapng" --count >/dev/null 2>&1
is file_is_whole_while_text_waits $? 0
kill -INT "$PID"
finish
exec 4>&-

# A line within 200 ms on an idle link, although nobody asked for -l.
mkfifo "$TEST_TMP/pipe" || exit 1
: >"$TEST_TMP/err"
"$PTCPDUMP" -i "$LINK" -nn icmp >"$TEST_TMP/pipe" 2>"$TEST_TMP/err" &
PID=$!
exec 3<"$TEST_TMP/pipe"
listens "$PID" "$TEST_TMP/err"
sleep 0.3 # idle for longer than it keeps a line
before=$(now_ms)
pings 1
read -r -t 2 line <&3
took=$(($(now_ms) - before))
check "prompt" [ -n "$line" ]
at_most prompt_within_200_ms $took 199
exec 3<&-
pings 1
finish
is reader_gone_status $STATUS 0
is reader_gone_quietly "$(grep -c 'ptcpdump: [^v]' "$TEST_TMP/err")" 0

# A limit of size is as a full disk, and no signal, not that of a broken pipe either; the command has both.
start_capture "$TEST_TMP/out" "$TEST_TMP/err" sh -c 'ulimit -f 64 && exec "$@"' - \
	"$PTCPDUMP" -i "$LINK" -nn -w "$TEST_TMP/limited.pcapng" icmp
PID=$!
ping -q -c 60 -s 1000 -i 0.01 -W 1 "$THERE" >/dev/null
finish
is limit_of_size "$STATUS $(grep -c "can't write to '.*/limited.pcapng': File too large" "$TEST_TMP/err")" "1 1"
is limit_is_told_with_what_is_kept "$(sed -n "s/.*limited.pcapng' holds \([0-9]* packets*\)$/\1/p" "$TEST_TMP/err")" \
	"$("$PTCPDUMP" -r "$TEST_TMP/limited.pcapng" --count 2>/dev/null)"
is limit_statistics "$(grep -c 'packets dropped by kernel' "$TEST_TMP/err")" 1
"$PTCPDUMP" -r "$TEST_TMP/limited.pcapng" --count >/dev/null 2>&1
is whole_at_the_limit $? 0
is command_ignores_neither $((0x$("$PTCPDUMP" -i "$LINK" -w "$TEST_TMP/x.pcapng" -- sed -n 's/^SigIgn:.//p' /proc/self/status 2>/dev/null) & 0x1001000)) 0

# Files that are opened never take the place of a closed stream: no message ends up in a capture.
pings 200 &
"$PTCPDUMP" -i "$LINK" -nn -c 2 icmp >&- 2>"$TEST_TMP/err"
is no_standard_output "$?$(grep -c "can't write to 'standard output': Bad file descriptor" "$TEST_TMP/err")" 11
wait
pings 200 &
"$PTCPDUMP" -i "$LINK" -nn -c 2 -w "$TEST_TMP/closed.pcapng" --log-level debug icmp <&- >&- 2>&-
is no_streams "$? $("$PTCPDUMP" -r "$TEST_TMP/closed.pcapng" --count 2>&1 | tail -n 1)" "0 2 packets"
is command_without_stdin "$("$PTCPDUMP" -i "$LINK" -w "$TEST_TMP/x.pcapng" -- ls -l /proc/self/fd/0 2>&1 <&- | grep -c null)" 0
wait

# The soft limit of descriptors is ours to raise; the command keeps its own. A hard one that is too low is named.
is few_descriptors "$( (ulimit -Sn 32 && "$PTCPDUMP" -i any -w "$TEST_TMP/x.pcapng" -- sh -c 'ulimit -n' 2>"$TEST_TMP/err"))" 32
for limit in 20 40 60 64; do
	(ulimit -n $limit && timeout -s INT 5 "$PTCPDUMP" -i any -w "$TEST_TMP/x.pcapng" 2>&1 | grep -q 'Too many open files') || echo "$limit"
done >"$TEST_TMP/silent"
is no_descriptors "$(cat "$TEST_TMP/silent")" ""

start -i "$LINK"
kill -KILL "$PID"
finish 2>/dev/null
wait_for 2 no_traces
is killed_leaves_nothing "$(traces)" ""

# The children talk, not the process that was named.
sh -c 'while :; do ping -q -c 1 -W 1 "$1" >/dev/null; sleep 0.1; done' sh "$THERE" &
parent=$!
start -i "$LINK" -nn -w "$TEST_TMP/hint.pcap" --pid $parent icmp
wait_for 2 pgrep -P $parent ping >/dev/null
kill -INT "$PID"
finish
is hint_children "$(grep -c -- '--pid itself; -f takes the packets of its child process' "$TEST_TMP/err")" 1
is hint_pcap_keeps_no_processes "$(grep -c 'hint.pcap: a pcap file keeps no processes' "$TEST_TMP/err")" 1
start -i "$LINK" -nn --pid $parent -f icmp
kill -INT "$PID"
finish
is no_hint_with_them "$(grep -c -- '-f takes' "$TEST_TMP/err")" 0
kill $parent
wait $parent 2>/dev/null

refused() { # NAME MESSAGE ARGUMENTS...
	local name=$1 message=$2 before status ms
	shift 2
	before=$(now_ms)
	timeout 5 "$PTCPDUMP" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" </dev/null
	status=$? ms=$(($(now_ms) - before))
	is "$name" "$status$(grep -q -- "$message" "$TEST_TMP/err" || cat "$TEST_TMP/err")" 1
	at_most "${name}_at_once" "$ms" $((${AT_ONCE:-300} - 1))
}

refused unknown_interface "no-such-iface" -i no-such-iface
refused interface_number "99999" -i 99999
refused bad_filter "syntax error" -i "$LINK" nonsense expression
refused hint_interface "'lo' is an interface: \"-i lo\"" lo
refused hint_command "put \"--\" in front of it: ptcpdump -- cat ..." -i "$LINK" cat -n /etc/passwd
refused hint_display_filter "display filter of Wireshark; here: 'tcp port 80'" -i "$LINK" tcp.port == 80
refused missing_folder "/no-such-folder" -i "$LINK" -w /no-such-folder/x
refused unreadable_file "No such file" -r /no-such-file
refused folder_as_file "directory" -r /tmp
refused pid_of_letters "abc" --pid abc
refused pid_of_nobody "4194303: no such process" -i "$LINK" --pid 4194303
refused no_command 'no command after "--"' -i "$LINK" --
refused file_without_name "empty" -r ""
python3 -c 'import threading, time
t = threading.Thread(target=time.sleep, args=(5,)); t.start(); print(t.native_id, flush=True)' >"$TEST_TMP/tid" &
thread_of=$!
wait_for 5 test -s "$TEST_TMP/tid"
refused pid_of_a_thread "is a thread of the process $thread_of" -i "$LINK" --pid "$(cat "$TEST_TMP/tid")"
kill "$thread_of"
wait "$thread_of" 2>/dev/null
refused unknown_user "no-such-user" -i "$LINK" -Z no-such-user
refused link_type "IEEE802_11" -i "$LINK" -y IEEE802_11
if command -v setpriv >/dev/null; then
	setpriv --reuid 65534 --clear-groups "$PTCPDUMP" -i lo 2>"$TEST_TMP/err"
	is no_root "$?$(grep -c 'CAP_NET_ADMIN.*sudo' "$TEST_TMP/err")" 11
else
	skip no_root "setpriv is missing"
fi

# The reader of a pipe goes, and no packet comes by which that would be noticed.
mkfifo "$TEST_TMP/quiet"
exec {reader}<>"$TEST_TMP/quiet"
: >"$TEST_TMP/err"
# shellcheck disable=SC2154 # dies_with_us is of lib.sh
"${dies_with_us[@]}" "$PTCPDUMP" -i "$LINK" -U -w - icmp >"$TEST_TMP/quiet" 2>"$TEST_TMP/err" {reader}<&- &
PID=$!
listens $PID "$TEST_TMP/err"
exec {reader}<&-
check reader_gone_without_a_packet wait_for 2 gone "$PID"
finish
is reader_gone_status "$STATUS$(grep -c '^0 packets captured' "$TEST_TMP/err")" 01
is nothing_left "$(traces)" ""
end_test
