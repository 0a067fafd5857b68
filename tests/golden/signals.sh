#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Signals that ask for something while a file is read, and messages of wrong use that are tcpdump's.
. "$(dirname "$0")/../lib.sh"

says() { # NAME TEXT OPTION...
	local name=$1 text=$2 got
	shift 2
	got=$("$PTCPDUMP" "$@" 2>&1 >/dev/null)
	case $? in
	1) [[ $got == *"ptcpdump: $text"* ]] && ok "$name" && return ;;
	esac
	bad "$name" "'$got'"
}

mkfifo "$TEST_TMP/in"
"$PTCPDUMP" -nr - <"$TEST_TMP/in" >/dev/null 2>"$TEST_TMP/messages" &
pid=$!
exec 3>"$TEST_TMP/in"
head -c 24 "$TOP/tests/golden/plain.pcap" >&3
said $pid reading "$TEST_TMP/messages"
kill -USR1 $pid
kill -USR2 $pid
tail -c +25 "$TOP/tests/golden/plain.pcap" >&3
exec 3>&-
wait $pid
status=$?
if [ $status -eq 0 ] && grep -q '^ptcpdump: 0 packets captured$' "$TEST_TMP/messages"; then
	ok user_signals_while_reading
else
	bad user_signals_while_reading "$status $(tail -n 1 "$TEST_TMP/messages")"
fi

# A pipe that nobody empties, and more than it holds. Nothing else lets the program sleep.
sleeps() { # PID: its child
	local _
	for _ in 1 2 3 4 5; do
		grep -q '^State:.S' "/proc/$(pgrep -P "$1" ptcpdump)/status" 2>/dev/null || return 1
		sleep 0.01
	done
}
for _ in $(seq 100); do echo "$TOP/tests/golden/plain.pcap"; done >"$TEST_TMP/list"
mkfifo "$TEST_TMP/full"
exec 4<>"$TEST_TMP/full"
for what in "-XX" "-w -"; do
	# shellcheck disable=SC2086 # options
	timeout -s KILL 20 "$PTCPDUMP" -n -V "$TEST_TMP/list" $what >"$TEST_TMP/full" 2>"$TEST_TMP/messages" 4>&- &
	pid=$!
	wait_for 5 sleeps $pid
	pkill -INT -P $pid
	wait $pid
	status=$?
	if [ $status -eq 0 ] && grep -q 'takes nothing more, the rest is not written' "$TEST_TMP/messages"; then
		ok "interrupted_while_nobody_reads: $what"
	else
		bad "interrupted_while_nobody_reads: $what" "$status $(tail -n 1 "$TEST_TMP/messages")"
	fi
done
exec 4>&-

says follow_forks_of_a_file "-f cannot be used with -V or -r." -f -r "$TOP/tests/golden/plain.pcap"
says direction_of_a_file "inbound/outbound not supported on Ethernet when reading savefiles" \
	-r "$TOP/tests/golden/plain.pcap" inbound
if [ "$(id -u)" -eq 0 ]; then
	says adapter_zero "Invalid adapter index 0" -i 0
	says adapter_out_of_range "Invalid adapter index 9999: only " -i 9999
else
	skip "adapter_zero, adapter_out_of_range" "needs root"
fi
end_test
