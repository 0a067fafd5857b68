#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Captures of several hosts that go on, merged by time: named pipes and standard input, one of no traffic, and the file of all.
# timeout: 120
set -u
. "$(dirname "$0")/../lib.sh"

names="in_order names owner silent_is_said silent_holds_no_longer end saved saved_names tshark standard_input filtered counted"
why=$(lacks ip ping nsenter mkfifo)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
a=ptma$id
b=ptmb$id
idle=ptmi$id
out=$TEST_TMP/out
err=$TEST_TMP/err
cleanup() {
	# shellcheck disable=SC2046 # a list of numbers
	kill $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	for name in "$a" "$b" "$idle"; do ip netns del "$name" 2>/dev/null; done
}
for name in "$a" "$b" "$idle"; do
	ip netns add "$name" && ip -n "$name" link set lo up || exit 1
done
ip -n "$a" link add eth0 address 02:00:00:00:00:01 type veth peer name eth0 address 02:00:00:00:00:02 netns "$b" || exit 1
ip -n "$a" addr add 10.205.1.1/24 dev eth0
ip -n "$b" addr add 10.205.1.2/24 dev eth0
ip -n "$a" link set eth0 up
ip -n "$b" link set eth0 up
ip -n "$a" neigh replace 10.205.1.2 lladdr 02:00:00:00:00:02 dev eth0 nud permanent
ip -n "$b" neigh replace 10.205.1.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent

captures=()
capture() { # NAMESPACE INTERFACE EXPRESSION FIFO
	start_capture "$4" "$TEST_TMP/err.$1" nsenter --net="/run/netns/$1" "$PTCPDUMP" -i "$2" -w - "$3"
	captures+=($!)
}
pings() { nsenter --net="/run/netns/$a" ping -q -c "$1" -i 0.2 -W 1 10.205.1.2 >/dev/null; } # COUNT
end_captures() {
	kill -INT "${captures[@]}" 2>/dev/null
	wait "${captures[@]}"
	captures=()
}
lines() { grep -c "$1" "$out"; }
printed() { [ "$(lines "$1")" -ge "$2" ]; } # TEXT COUNT

# Each request and reply is seen at both ends, first where it is sent.
fifos() {
	for name; do
		rm -f "$TEST_TMP/$name"
		mkfifo "$TEST_TMP/$name"
	done
}
fifos a b idle
# shellcheck disable=SC2154 # of lib.sh
"${dies_with_us[@]}" "$PTCPDUMP" -nn -tt --nano -r "web1=$TEST_TMP/a" -r "web2=$TEST_TMP/b" -r "idle=$TEST_TMP/idle" -w "$TEST_TMP/all.pcapng" --print >"$out" 2>"$err" &
merge=$!
capture "$a" eth0 icmp "$TEST_TMP/a"
capture "$b" eth0 icmp "$TEST_TMP/b"
capture "$idle" lo icmp "$TEST_TMP/idle"
pings 10
check silent_holds_no_longer wait_for 5 printed 'ICMP echo reply' 20
is silent_is_said "$(grep -c "idle=$TEST_TMP/idle: nothing has come for a second" "$err")" 1
end_captures
wait $merge
is end "$? $(lines .)" "0 40"
is in_order "$(sort -s -n -k 1,1 "$out")" "$(cat "$out")"
is names "$(lines ' eth0@web1 .*Out IP 10.205.1.1 > 10.205.1.2: ICMP echo request') $(lines ' eth0@web2 .*Out IP 10.205.1.2 > 10.205.1.1: ICMP echo reply')" "10 10"
is owner "$(lines ' eth0@web1 ping\.[0-9]* Out .*request')" 10

"$PTCPDUMP" -nn -tt --nano -r "$TEST_TMP/all.pcapng" >"$TEST_TMP/read" 2>/dev/null
is saved "$(cat "$TEST_TMP/read")" "$(cat "$out")"
"$PTCPDUMP" -nn -r "$TEST_TMP/all.pcapng" --brief >"$TEST_TMP/read" 2>/dev/null
# Of a name that is too long for the line the end stays.
is saved_names "$(grep -c 'eb1 IP ' "$TEST_TMP/read") $(grep -c 'eb2 IP ' "$TEST_TMP/read")" "20 20"
if command -v tshark >/dev/null; then
	is tshark "$(tshark -r "$TEST_TMP/all.pcapng" -T fields -e frame.interface_name 2>/dev/null | sort | uniq -c | tr -s ' \n' ' ')" \
		" 20 eth0@web1 20 eth0@web2 "
else
	skip tshark "tshark is missing"
fi

# One of them on standard input.
fifos a b
"${dies_with_us[@]}" "$PTCPDUMP" -nn -r "web1=-" -r "web2=$TEST_TMP/b" icmp and dst 10.205.1.2 <"$TEST_TMP/a" >"$out" 2>"$err" &
merge=$!
capture "$a" eth0 icmp "$TEST_TMP/a"
capture "$b" eth0 icmp "$TEST_TMP/b"
pings 5
end_captures
wait $merge
is standard_input "$? $(lines eth0@web1) $(lines eth0@web2)" "0 5 5"
is filtered "$(lines reply)" 0

# Whose packets they are is asked of all.
is counted "$("$PTCPDUMP" -r "again=$TEST_TMP/all.pcapng" --pname ping --count 2>/dev/null)" \
	"$("$PTCPDUMP" -r "$TEST_TMP/all.pcapng" --pname ping --count 2>/dev/null)"
end_test
