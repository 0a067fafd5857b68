#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Devices without link header beside Ethernet: files that tcpdump and tshark read.
# timeout: 120
set -u
. "$(dirname "$0")/../lib.sh"

kinds="idle idle_cooked late only_raw mixed mixed_warning add_ethernet add_ethernet_pcap cooked late_pcap"
names=$(for kind in $kinds; do echo "${kind}_tc ${kind}_socket-filter"; done)
why=$(lacks ip ping tcpdump tshark)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
ns=ptmx$id
tuns=
cleanup() {
	# shellcheck disable=SC2046,SC2086 # lists of numbers
	kill $(jobs -p) $tuns 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	wait 2>/dev/null
}
ip netns add "$ns" && ip -n "$ns" link set lo up || exit 1

has_link() { ip -n "$ns" link show "$1" >/dev/null 2>&1; }
tun() { # NUMBER: a tun device that answers pings to 10.203.NUMBER.2
	ip netns exec "$ns" "$HELPERS/tun_echo" "tn$1" &
	tuns="$tuns $!"
	wait_for 2 has_link "tn$1"
	ip -n "$ns" addr add "10.203.$1.1/24" dev "tn$1"
	ip -n "$ns" link set "tn$1" up
}
no_tun() {
	# shellcheck disable=SC2086 # a list of numbers
	kill $tuns 2>/dev/null
	# shellcheck disable=SC2086
	wait $tuns 2>/dev/null
	tuns=
	wait_for 2 not has_link tn1
	wait_for 2 not has_link tn2
}

err=$TEST_TMP/err
start() { # ARGUMENTS...
	start_capture /dev/null "$err" ip netns exec "$ns" "$PTCPDUMP" --backend "$backend" -Z root -i any "$@" icmp
	capture=$!
}
stop() {
	drained "$err" kill -USR1 $capture
	kill -INT $capture
	wait $capture
	status=$?
}
pings() { # ADDRESS...: a request and a reply of each
	local address
	for address; do ip netns exec "$ns" ping -q -c 1 -W 1 "$address" >/dev/null; done
}
# How many packets ptcpdump, tshark and tcpdump find in a file, and what the last complains of.
readers() { # FILE
	"$PTCPDUMP" -nn -r "$1" 2>/dev/null | wc -l
	tshark -nr "$1" 2>/dev/null | wc -l
	tcpdump -nn -r "$1" 2>"$TEST_TMP/tcpdump" | wc -l
	grep -v '^reading from\|^Warning: interface names' "$TEST_TMP/tcpdump"
}
# What a device sends right after it appeared may be missed.
left_out() {
	pings 10.203.1.2
	grep -q 'are left out' "$err"
}
reads() { # NAME FILE WANT
	is "${1}_$backend" "$status $(readers "$2" | tr '\n' ' ')" "0 $3 "
}
link_types() { tshark -nr "$1" -T fields -e frame.encap_type 2>/dev/null | sort -u | tr '\n' ' '; } # FILE

for backend in tc socket-filter; do
	f=$TEST_TMP/$backend
	tun 1
	tun 2
	start -w "$f.pcapng"
	pings 127.0.0.1
	stop
	reads idle "$f.pcapng" "2 2 2"
	start -w "$f.pcap"
	pings 127.0.0.1
	stop
	reads idle_cooked "$f.pcap" "2 2 2"

	start -w "$f.raw.pcapng"
	pings 10.203.1.2 10.203.2.2 10.203.1.2
	stop
	reads only_raw "$f.raw.pcapng" "6 6 6"

	start -w "$f.mixed.pcapng"
	pings 127.0.0.1 10.203.1.2 10.203.2.2
	stop
	reads mixed "$f.mixed.pcapng" "6 6 2 tcpdump: pcap_loop: an interface has a type 101 different from the type of the first interface"
	is "mixed_warning_$backend" "$(grep -c 'another link type.*tcpdump.*--add-ethernet-header' "$err")" 1

	start --add-ethernet-header -w "$f.ether.pcapng"
	pings 127.0.0.1 10.203.1.2 10.203.2.2
	stop
	reads add_ethernet "$f.ether.pcapng" "6 6 6"
	start --add-ethernet-header -s 60 -w "$f.ether.pcap"
	pings 127.0.0.1 10.203.1.2
	stop
	is "add_ethernet_pcap_$backend" \
		"$(link_types "$f.ether.pcap")$(tshark -nr "$f.ether.pcap" -T fields -e frame.len -e frame.cap_len 2>/dev/null | sort -u)" \
		"1 98	60"

	start -w "$f.cooked.pcap"
	pings 127.0.0.1 10.203.1.2 10.203.2.2
	stop
	is "cooked_$backend" "$status $(readers "$f.cooked.pcap" | tr '\n' ' ')$(tcpdump -nn -r "$f.cooked.pcap" 2>/dev/null | grep -c ' Out IP 10.203')" \
		"0 6 6 6 2"
	no_tun

	start -w "$f.late.pcapng"
	pings 127.0.0.1
	tun 1
	pings 127.0.0.1
	stop
	reads late "$f.late.pcapng" "4 4 4"
	no_tun

	start -U -w "$f.late.pcap"
	pings 127.0.0.1
	wait_for 3 test -s "$f.late.pcap"
	tun 1
	wait_for 5 left_out
	pings 127.0.0.1
	stop
	is "late_pcap_$backend" "$status $(readers "$f.late.pcap" | tr '\n' ' ')$(grep -c 'are left out' "$err") $(grep -cE ': [1-9][0-9]* packets? left out' "$err")" \
		"0 4 4 4 1 1"
	no_tun
done
end_test
