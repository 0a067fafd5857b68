#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --summary: the table of a file by each grouping, its sums, hostile names in it, SIGUSR1, and what it cannot be used with.
. "$(dirname "$0")/../lib.sh"

export TZ=UTC
annotated=$TOP/tests/golden/annotated.pcapng
summary() { "$PTCPDUMP" -nr "$@" 2>"$TEST_TMP/err"; }

# --- by each grouping ------------------------------------------------------------------------------------------------------

# Of the numbers: the columns to the right of "PEER", whose titles are the same in all.
numbers='PKTS-IN  BYTES-IN  PKTS-OUT  BYTES-OUT  BYTES/S  RETR  RST  FIRST     LAST'
is by_process "$(summary "$annotated" --summary)" \
	"PROCESS        POD/CONTAINER  PEER               $numbers
zzcmd.4000001  zzpod.zzspace  10.0.0.5.60589 +2        2       322         1        355    19.3M     0    0  22:13:20  22:13:20
zzcmd.4000002  zzpod.zzspace  10.0.0.3.60202 +2        1       182         2        476    18.8M     0    0  22:13:20  22:13:20
zzcmd.4000004  zzpod.zzspace  10.0.0.0.3306 +1         1        75         2        505    11.3M     0    0  22:13:20  22:13:20
zzcmd.4000003  zzpod.zzspace  10.0.0.0.37846 +2        2       173         1        110    40.4M     0    0  22:13:20  22:13:20
12 packets, 2198 bytes"
is process_is_the_usual "$(summary "$annotated" --summary=process)" "$(summary "$annotated" --summary)"
is by_container "$(summary "$annotated" --summary=container)" \
	"CONTAINER    PEER               $numbers
zzcontainer  10.0.0.0.3306 +10        6       752         6       1446    10.6M     0    0  22:13:20  22:13:20
12 packets, 2198 bytes"
is by_pod "$(summary "$annotated" --summary=pod)" \
	"POD            PEER               $numbers
zzpod.zzspace  10.0.0.0.3306 +10        6       752         6       1446    10.6M     0    0  22:13:20  22:13:20
12 packets, 2198 bytes"
is by_user "$(summary "$annotated" --summary=user)" \
	"USER     PEER               $numbers
4200001  10.0.0.0.3306 +10        6       752         6       1446    10.6M     0    0  22:13:20  22:13:20
12 packets, 2198 bytes"
summary "$annotated" --summary=flow >"$TEST_TMP/flows"
is by_flow_first_lines "$(head -n 3 "$TEST_TMP/flows")" \
	"PROCESS        POD/CONTAINER  PROTO  LOCAL           PEER            $numbers
zzcmd.4000004  zzpod.zzspace  udp    10.0.0.2.38010  10.0.0.0.3306         1        75         1        369    18.5M     0    0  22:13:20  22:13:20
zzcmd.4000001  zzpod.zzspace  udp    10.0.0.4.22     10.0.0.5.60589        0         0         1        355        -     0    0  22:13:20  22:13:20"
is by_flow_lines "$(wc -l <"$TEST_TMP/flows")" 13
check no_line_ends_in_blanks not grep -q ' $' "$TEST_TMP/flows"
is nobody_is_known "$(summary "$TOP/tests/golden/plain.pcap" --summary | cut -c 1-23)" \
	"$(printf '%s\n' 'PROCESS  POD/CONTAINER ' '-        -             ' "$(summary "$TOP/tests/golden/plain.pcap" --summary | tail -n 1 | cut -c 1-23)")"

# --- sums ------------------------------------------------------------------------------------------------------------------

# The lines are what the last one says, which is what --count and the lengths of packets say.
sums() { # FILE BY: "PACKETS BYTES" of the lines, and of the last
	# From the right: LAST FIRST RST RETR BYTES/S BYTES-OUT PKTS-OUT BYTES-IN PKTS-IN
	summary "$1" --summary="$2" | awk 'NR > 1 && $2 !~ /^packets?,$/ { p += $(NF - 8) + $(NF - 6); b += $(NF - 7) + $(NF - 5) }
		$2 ~ /^packets?,$/ { print p + 0, b + 0, $1, $3 }'
}
# What was on the wire, by the record headers of a little-endian pcap file.
bytes() {
	python3 -c 'import struct, sys
data = open(sys.argv[1], "rb").read()
at, total, packets = 24, 0, 0
while at < len(data):
    caplen, length = struct.unpack_from("<II", data, at + 8)
    at, total, packets = at + 16 + caplen, total + length, packets + 1
print(packets, total)' "$1"
}
for file in annotated.pcapng names.pcapng cut.pcapng plain.pcap; do
	"$PTCPDUMP" -r "$TOP/tests/golden/$file" -w "$TEST_TMP/same.pcap" 2>/dev/null
	all=$(bytes "$TEST_TMP/same.pcap")
	# Of a file that is cut, --count says nothing.
	[ $file = cut.pcapng ] || is "count_$file" "$("$PTCPDUMP" -r "$TOP/tests/golden/$file" --count 2>/dev/null | cut -d ' ' -f 1)" "${all% *}"
	for by in process flow container pod user; do
		is "sums_${file}_$by" "$(sums "$TOP/tests/golden/$file" $by)" "$all $all"
	done
done
"$PTCPDUMP" -r "$annotated" -w "$TEST_TMP/udp.pcap" udp 2>/dev/null
udp=$(bytes "$TEST_TMP/udp.pcap")
is with_a_filter "$(summary "$annotated" --summary udp | tail -n 1)" "${udp% *} packets, ${udp#* } bytes"
is as_many_as_c_says "$(summary "$annotated" --summary -c 1 | tail -n 1 | cut -d ' ' -f -2)" "1 packet,"
is of_nothing "$(summary "$annotated" --summary port 1 | tail -n 1)" "0 packets, 0 bytes"

# A packet of two interfaces: twice in the sum, which says so.
is interfaces_are_told "$(printf '%s\n' "$annotated" "$annotated" >"$TEST_TMP/list" && summary_of_list=$("$PTCPDUMP" -nV "$TEST_TMP/list" --summary 2>/dev/null) &&
	tail -n 1 <<<"$summary_of_list")" "24 packets, 4396 bytes on 2 interfaces: a packet counts on each of them that it was seen on"

# --- beside other output -----------------------------------------------------------------------------------------------------

is with_w "$(summary "$annotated" --summary -w "$TEST_TMP/saved.pcapng" | tail -n 1)" "12 packets, 2198 bytes"
is with_w_saves "$("$PTCPDUMP" -r "$TEST_TMP/saved.pcapng" --count 2>/dev/null)" "$("$PTCPDUMP" -r "$annotated" --count 2>/dev/null)"
is with_print "$(summary "$annotated" --summary --print)" "$(summary "$annotated"; summary "$annotated" --summary)"
is context_decides "$(summary "$annotated" --context process --summary | sed -n 2p | cut -c 1-28)" "zzcmd.4000001  -            "

# --- names that strangers choose -------------------------------------------------------------------------------------------------

# The same length, so that the file stays whole: escape sequences, line ends, invalid UTF-8, characters of two columns.
hostile() { # FILE NAME (of as many bytes as zzcontainer)
	python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
name = eval("b\"" + sys.argv[3] + "\"")
assert len(name) == len(b"zzcontainer"), len(name)
open(sys.argv[2], "wb").write(data.replace(b"zzcontainer", name))' "$annotated" "$1" "$2"
}
lines=$(summary "$annotated" --summary=container | wc -l)
for name in '\x1b[31m\x1b[2J\x07 ' 'a\nb\rc\td\ne\nf' '\xff\xfe\x80\xc3\xe2\x82\xf0\x9f\x98\x00\x01' '\xe4\xb8\xad\xe6\x96\x87\xe5\xad\x97\xe7q' \
	'\xe2\x80\xae\xe2\x80\x8fabcde'; do
	hostile "$TEST_TMP/hostile.pcapng" "$name" || bad "hostile_$name" "not made"
	summary "$TEST_TMP/hostile.pcapng" --summary=container >"$TEST_TMP/out"
	why=
	[ "$(wc -l <"$TEST_TMP/out")" -eq "$lines" ] || why="other lines"
	[ -z "$why" ] && LC_ALL=C grep -q $'[\x01-\x09\x0b-\x1f\x7f]' "$TEST_TMP/out" && why="control characters"
	[ -z "$why" ] && ! iconv -f utf-8 -t utf-8 "$TEST_TMP/out" >/dev/null 2>&1 && why="invalid UTF-8"
	[ -z "$why" ] && ! tail -n 1 "$TEST_TMP/out" | grep -q '^12 packets, 2198 bytes$' && why="$(tail -n 1 "$TEST_TMP/out")"
	result "hostile_$name" "$why"
done

# --- SIGUSR1 -----------------------------------------------------------------------------------------------------------------------

mkfifo "$TEST_TMP/in"
: >"$TEST_TMP/messages"
"$PTCPDUMP" -nr "$TEST_TMP/in" --summary >"$TEST_TMP/out" 2>"$TEST_TMP/messages" &
pid=$!
exec 3>"$TEST_TMP/in"
size=$(stat -c %s "$annotated")
# All but the last packet, whose rest is to come.
head -c $((size - 10)) "$annotated" >&3
said $pid reading "$TEST_TMP/messages"
asked() { kill -USR1 $pid && sleep 0.1 && grep -q 'packets, ' "$TEST_TMP/out"; }
check user_signal_while_nothing_comes wait_for 5 asked
is user_signal_table "$(head -n 1 "$TEST_TMP/out" | cut -d ' ' -f 1) $(grep -c 'POD/CONTAINER' "$TEST_TMP/out")" \
	"PROCESS $(grep -c 'packets, ' "$TEST_TMP/out")"
tail -c 10 "$annotated" >&3
exec 3>&-
wait $pid
is user_signal_status $? 0
is user_signal_end "$(tail -n 1 "$TEST_TMP/out")" "12 packets, 2198 bytes"

# --- what it cannot be used with -----------------------------------------------------------------------------------------------------

refused() { # NAME MESSAGE OPTION...
	local name=$1 message=$2 status
	shift 2
	"$PTCPDUMP" -r "$annotated" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	status=$?
	is "refuses_$name" "$status $(wc -c <"$TEST_TMP/out") $(grep -cF -- "$message" "$TEST_TMP/err")" "1 0 1"
}
refused count "--count and --summary are mutually exclusive" --summary --count
refused standard_output "-w - cannot be used with --summary" --summary -w -
refused top "--summary and --top are mutually exclusive" --summary --top
refused other_groupings "--summary" --summary=port
is closed_reader "$("$PTCPDUMP" -r "$annotated" --summary 2>"$TEST_TMP/err" | true; cat "$TEST_TMP/err" | grep -vc reading)" 0
"$PTCPDUMP" -r "$annotated" --summary >/dev/full 2>"$TEST_TMP/err"
is full_disk "$? $(grep -c "can't write to 'standard output': No space left" "$TEST_TMP/err")" "1 1"
end_test
