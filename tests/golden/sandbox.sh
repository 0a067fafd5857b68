#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What reads a file does it in the sandbox, from the first byte on, and gets what it needs all the same.
. "$(dirname "$0")/../lib.sh"

cd "$(dirname "$0")" || exit 1
status_of() { # FIELD
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$PID/status" 2>/dev/null
}
reads() { # OPTION...: from a named pipe to which nothing was written yet
	rm -f "$TEST_TMP/fifo"
	mkfifo "$TEST_TMP/fifo"
	"$PTCPDUMP" -r "$TEST_TMP/fifo" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	PID=$!
	exec 5>"$TEST_TMP/fifo"
}
in_sandbox() { [ "$(status_of Seccomp) $(status_of NoNewPrivs)" = '2 1' ]; }
others() { # processes of the run beside the one that reads
	local pid n=0
	for pid in $(cat "/proc/$PID/task/$PID/children" 2>/dev/null); do n=$((n + 1)); done
	echo $n
}

for options in "-nn" "-n" "-d" "-nn host localhost" "-nn --count" "-w $TEST_TMP/copy.pcap"; do
	# shellcheck disable=SC2086
	reads $options
	check "before the first byte: $options" wait_for 5 in_sandbox
	is "no capability: $options" "$(status_of CapPrm) $(status_of CapEff) $(status_of CapInh) $(status_of CapAmb)" \
		'0000000000000000 0000000000000000 0000000000000000 0000000000000000'
	cat plain.pcap >&5
	exec 5>&-
	wait $PID
	is "status: $options" $? 0
done
reads -nn
wait_for 5 in_sandbox
is nobody_else_is_needed "$(others)" 0
exec 5>&-
wait $PID

is info "$("$PTCPDUMP" --log-level info -nn -c 1 -r plain.pcap 2>&1 | grep -c '^ptcpdump: sandbox: seccomp\( and Landlock ABI [0-9]*\|, without Landlock\)$')" 1
is info_without "$("$PTCPDUMP" --no-sandbox --log-level info -nn -c 1 -r plain.pcap 2>&1 | grep -c sandbox)" 0
if [ "$(id -u)" -eq 0 ]; then
	reads -nn -Z root
	wait_for 5 in_sandbox
	is root_without_capabilities "$(status_of Uid | cut -f 1) $(status_of CapPrm) $(status_of CapBnd)" \
		"0 0000000000000000 0000000000000000"
	exec 5>&-
	wait $PID
else
	skip root_without_capabilities "needs root"
fi

# Whoever starts us may ignore that children end.
is children_ignored "$(env --ignore-signal=CHLD "$PTCPDUMP" -nn -r plain.pcap --count 'host localhost or ip' 2>&1 | tail -n 1)" \
	"$("$PTCPDUMP" -nn -r plain.pcap --count 'host localhost or ip' 2>/dev/null)"

# Nothing is left of what was not to be: no file, and what was there as it was.
mkdir -m 777 "$TEST_TMP/d"
"$PTCPDUMP" -r plain.pcap -w "$TEST_TMP/d/new" 'tcp and and' 2>/dev/null
is wrong_expression_status $? 1
is wrong_expression_makes_no_file "$(ls "$TEST_TMP/d")" ""
echo old >"$TEST_TMP/d/old"
chmod 666 "$TEST_TMP/d/old"
"$PTCPDUMP" -r plain.pcap -w "$TEST_TMP/d/old" 'host no.such.name.invalid' 2>/dev/null
is unknown_name_leaves_the_file "$? $(cat "$TEST_TMP/d/old")" "1 old"
cp plain.pcap "$TEST_TMP/d/in"
"$PTCPDUMP" -r "$TEST_TMP/d/in" -w "$TEST_TMP/d/in" 2>"$TEST_TMP/err"
is input_is_not_overwritten "$? $(grep -c 'is the file that is being read' "$TEST_TMP/err")" "1 1"
check input_is_whole cmp -s plain.pcap "$TEST_TMP/d/in"

# The list, its files, those that are written and what -z does are somebody else's.
printf '%s\n' "$PWD/plain.pcap" "$PWD/plain.pcap" "$PWD/plain.pcap" >"$TEST_TMP/list"
one=$("$PTCPDUMP" -nn -r plain.pcap 2>/dev/null | wc -l)
is list "$("$PTCPDUMP" -nn -V "$TEST_TMP/list" 2>/dev/null | wc -l)" $((3 * one))
is list_on_standard_input "$("$PTCPDUMP" -nn -V - 2>/dev/null <"$TEST_TMP/list" | wc -l)" $((3 * one))
printf '%s\n' "$TEST_TMP/slow" "$PWD/plain.pcap" >"$TEST_TMP/list2"
mkfifo "$TEST_TMP/slow"
"$PTCPDUMP" -nn -V "$TEST_TMP/list2" >/dev/null 2>&1 &
PID=$!
exec 5>"$TEST_TMP/slow"
wait_for 5 in_sandbox
is list_is_left "$(find "/proc/$PID/fd" -lname "$TEST_TMP/list2" | wc -l)" 0
cat plain.pcap >&5
exec 5>&-
wait $PID
is list_is_left_status $? 0
printf '#!/bin/sh\necho "${1##*/}" >>%s/done\n' "$TEST_TMP/d" >"$TEST_TMP/after"
chmod 755 "$TEST_TMP" "$TEST_TMP/after"
"$PTCPDUMP" -V "$TEST_TMP/list" -C 1k -w "$TEST_TMP/d/rot" -z "$TEST_TMP/after" 2>/dev/null
is rotated_status $? 0
files=$(cd "$TEST_TMP/d" && ls rot* | wc -l)
check rotated test "$files" -gt 2
each_done() { [ "$(sort -u "$TEST_TMP/d/done" | wc -l)" -eq $((files - 1)) ]; }
check programs_have_run wait_for 5 each_done

# Who opens files ends with who reads, whatever ends that.
mkfifo "$TEST_TMP/nobody-reads"
for signal in INT KILL; do
	"$PTCPDUMP" -r plain.pcap -w "$TEST_TMP/nobody-reads" 2>/dev/null &
	PID=$!
	wait_for 5 in_sandbox
	other=$(cat "/proc/$PID/task/$PID/children")
	check "there is another: $signal" test -n "$other"
	kill -$signal $PID
	wait $PID 2>/dev/null
	check "it ends: $signal" wait_for 5 gone "$other"
done
end_test
