#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Interfaces by all their names, and renamed; network namespaces by name, those to come, and those that end.
# timeout: 240
set -u
. "$(dirname "$0")/../lib.sh"

names=
for backend in $(backends); do
	for name in altname renamed renamed-file ended; do names="$names $backend-$name"; done
	[ "$backend" = pcap ] || names="$names $backend-made-again"
done
names="$names number altname-later altname-list list list-netns link-types-netns link-types newly named-first name-file names-any ended-any descriptors"

why=$(lacks ip ping tcpdump nsenter)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
ns=ptif$id
other=${ns}x
alt=enp0s31f6-$(printf 'x%.0s' {1..117})
out=$TEST_TMP/out
err=$TEST_TMP/err
cleanup() {
	# shellcheck disable=SC2046 # a list of numbers
	kill $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	for name in "$ns" "$other" "${ns}n" "${ns}l"; do ip netns del "$name" 2>/dev/null; done
}

# eth0 of one namespace and eth1 of the other; eth1 answers.
pair() {
	ip netns add "$other" &&
		ip -n "$ns" link add eth0 address 02:00:00:00:00:01 type veth peer name eth1 address 02:00:00:00:00:02 netns "$other"
	ip -n "$other" link set lo up
	ip -n "$other" addr add 10.204.1.2/24 dev eth1
	ip -n "$other" link set eth1 up
	ip -n "$ns" addr add 10.204.1.1/24 dev eth0
	up eth0
}
up() { # DEVICE
	ip -n "$ns" link set "$1" up
	ip -n "$ns" neigh replace 10.204.1.2 lladdr 02:00:00:00:00:02 dev "$1" nud permanent
	ip -n "$other" neigh replace 10.204.1.1 lladdr 02:00:00:00:00:01 dev eth1 nud permanent
}
ip netns add "$ns" && ip -n "$ns" link set lo up && pair || exit 1
if ! ip -n "$ns" link property add dev eth0 altname "$alt"; then
	# shellcheck disable=SC2086 # words
	skip_all "no alternative names here" $names
fi

in_ns=(nsenter --net="/run/netns/$ns")
inside() { "${in_ns[@]}" "$@"; }
launch() { # PROGRAM OPTION..., which may be in front of another program
	start_capture "$out" "$err" "$@"
	pid=$!
}
start() { launch "$PTCPDUMP" -nn "$@"; }
start_inside() { launch "${in_ns[@]}" "$PTCPDUMP" -nn "$@"; }
stop() {
	drained "$err" kill -USR1 $pid
	kill -INT $pid 2>/dev/null
	wait $pid
}
echoes() { inside ping -q -c "$1" -i 0.2 -W 1 10.204.1.2 >/dev/null; } # COUNT
lines() { grep -c "$1" "$out"; }
listening() { sed -n 's/.*listening on \([^,]*\),.*/\1/p' "$err"; }
has() { inside test -e "/proc/sys/net/ipv4/conf/$1" && ip -n "$ns" link show "$1" >/dev/null 2>&1; } # DEVICE
# While it is down, as it has to be before 6.2.
rename() { # DEVICE NAME
	ip -n "$ns" link set "$1" down
	ip -n "$ns" link set "$1" name "$2"
	up "$2"
}
request='Out IP 10.204.1.1 > 10.204.1.2: ICMP echo request'

for backend in $(backends); do
	start_inside --backend "$backend" -i "$alt" -i eth0 icmp
	echoes 1
	stop
	is "$backend-altname" "$(listening) $(lines "eth0 .*$request")" "eth0 1"

	start_inside --backend "$backend" -i eth0 -w "$TEST_TMP/renamed.pcapng" --print icmp
	echoes 1
	rename eth0 wan0
	sleep 0.3 # nothing tells from outside that the new name is known
	echoes 2
	stop
	"$PTCPDUMP" -nn -r "$TEST_TMP/renamed.pcapng" >"$TEST_TMP/read" 2>/dev/null
	is "$backend-renamed" "$(lines "eth0 .*$request") $(lines "wan0 .*$request") $(grep -c '^6 packets captured' "$err")" "1 2 1"
	is "$backend-renamed-file" "$(cat "$TEST_TMP/read")" "$(cat "$out")"
	rename wan0 eth0

	# eth0 is there as long as eth1 is, and that as long as its namespace.
	start --backend "$backend" --netns "$ns" --netns "$other" -i any "icmp"
	ip netns del "$other"
	wait_for 5 not has eth0
	is "$backend-ended" "$(has eth0 && echo kept || echo gone) $(grep -c "namespace '$other' has ended" "$err")" "gone 1"
	pair
	ip -n "$ns" link property add dev eth0 altname "$alt"
	if [ "$backend" != pcap ]; then
		sleep 0.5 # likewise of a new namespace
		echoes 1
		stop
		is "$backend-made-again" "$(lines "eth0@$ns .*$request") $(lines "eth1@$other .*ICMP echo reply")" "1 1"
	else
		stop
	fi
done

# Numbers are those of -D.
number=$(inside "$PTCPDUMP" -D | sed -n 's/^\([0-9]*\)\.eth0 .*/\1/p')
start_inside -i "$number" icmp
stop
is number "$(listening)" eth0

# One that is found as -i wants it, and another that is called so later.
ip -n "$other" link property add dev eth1 altname later
start --netns "$ns" --netns "$other" -i later icmp
ip -n "$ns" link property add dev eth0 altname later
sleep 0.3 # likewise
echoes 1
stop
is altname-later "$(lines "eth0@$ns .*$request")" 1
ip -n "$ns" link property del dev eth0 altname later
ip -n "$other" link property del dev eth1 altname later

is altname-list "$(inside "$PTCPDUMP" -D | grep -c "^$number\.eth0 (altname $alt) \[Up, Running, Connected\]$")" 1
is list "$(inside "$PTCPDUMP" -D | sed 's/ (altname [^)]*)//')" "$(inside tcpdump -D)"
is list-netns "$("$PTCPDUMP" -D --netns "$other" | sed -n "s/^[0-9]*\.\(eth1 (netns $other)\) .*/\1/p")" "eth1 (netns $other)"
is link-types-netns "$("$PTCPDUMP" -L --netns "$other" -i eth1 | head -n 1)" "Data link types for eth1 (use option -y to set):"
is link-types "$(inside "$PTCPDUMP" -L -i "$alt" | head -n 1)" "Data link types for eth0 (use option -y to set):"

start --netns newly -i any -w "$TEST_TMP/newly.pcapng" --print icmp
echoes 1
ip netns add "${ns}n"
ip -n "${ns}n" link set lo up
attached() { [ "$(ip netns exec "${ns}n" "$HELPERS/tcx_count" lo)" = 2 ]; }
wait_for 1 attached
ip netns exec "${ns}n" ping -q -c 1 10.204.9.9 >/dev/null 2>&1
ip netns exec "${ns}n" ping -q -c 1 127.204.1.1 >/dev/null
ip netns del "${ns}n"
stop
is newly "$(lines 10.204.1) $(lines "lo@${ns}n .*> 127.204.1.1: ICMP echo request")" "0 1"

# Its name is there long before it; nothing else tells of it: no process starts there.
held() { find "/proc/$pid/fd" -lname "/run/netns/${ns}l" | grep -q .; }
start --netns newly -i any icmp
python3 -c 'if True:
    import ctypes, sys, time
    name = sys.argv[1]
    open(name, "w").close()
    time.sleep(0.1)  # the first look at it is over
    libc = ctypes.CDLL(None)
    libc.unshare(0x40000000)
    sys.exit(libc.mount(b"/proc/self/ns/net", name.encode(), b"none", 4096, 0))' "/run/netns/${ns}l"
is named-first "$(wait_for 0.5 held && echo held)" held
ip netns del "${ns}l"
stop

# What -r prints is what was printed.
start --netns "$ns" -i eth0 -w "$TEST_TMP/name.pcapng" --print icmp
echoes 1
stop
is name-file "$("$PTCPDUMP" -nn -r "$TEST_TMP/name.pcapng" 2>/dev/null | grep -c "eth0@$ns .*$request")" "$(lines "eth0@$ns .*$request")"

# Hundreds may come and go. What else uses namespaces meanwhile does not matter: these are some more than there are processors.
descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }
few() { [ "$(descriptors)" -lt $((before + 40)) ]; }
start --netns any -i any 'icmp and host 127.204.1.2'
before=$(descriptors)
ip netns exec "$ns" ping -q -c 1 127.204.1.2 >/dev/null
for _ in {1..100}; do
	ip netns add "${ns}n" && ip -n "${ns}n" link set lo up
	ip netns del "${ns}n"
done
wait_for 5 few
at_most descriptors "$(descriptors)" $((before + 39))
ip netns del "$other"
wait_for 5 not has eth0
is ended-any "$(has eth0 && echo kept || echo gone)" gone
stop
is names-any "$(lines "lo@$ns .*> 127.204.1.2: ICMP echo request")" 1
end_test
