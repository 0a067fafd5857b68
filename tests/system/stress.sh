#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each backend where much happens at once: it is stopped and goes on while packets come, 1,000 interfaces and 100 network
# namespaces come and go, and 2,000 processes a second send a packet and end. What was received is captured or counted as dropped,
# what was sent is received, and what was opened for what is gone is closed. STRESS=N: a Nth of each. timeout: 600
set -u
. "$(dirname "$0")/../lib.sh"

part=${STRESS:-1}
interfaces=$((1000 / part)) namespaces=$((100 / part)) processes=$((2000 / part))

# --netns is for backends with programs of their own.
can_netns() { [ "$1" != pcap ]; }
names=
for backend in $(backends); do
	names="$names stopped-$backend interfaces-$backend processes-$backend processes-owned-$backend"
	! can_netns "$backend" || names="$names namespaces-$backend"
done
why=$(lacks ip ping setpriv)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
ns=ptst$id
far=ptsu$id
out=$TEST_TMP/out
err=$TEST_TMP/err
file=$TEST_TMP/x.pcapng
cleanup() {
	local n
	# shellcheck disable=SC2046 # a list of numbers
	kill -CONT $(jobs -p) 2>/dev/null
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	for n in $(ip netns list | sed -n "s/^\(ptst${id}[^ ]*\|ptsu$id\).*/\1/p"); do ip netns del "$n"; done
	wait 2>/dev/null
}

ip netns add "$ns" && ip netns add "$far" && ip -n "$ns" link add va type veth peer name vb netns "$far" || exit 1
ip -n "$ns" addr add 10.204.1.1/24 dev va
ip -n "$far" addr add 10.204.1.2/24 dev vb
for n in "$ns" "$far"; do ip -n "$n" link set lo up; done
ip -n "$ns" link set va up
ip -n "$far" link set vb up
peer=10.204.1.2
ip -n "$ns" neigh replace $peer lladdr "$(ip netns exec "$far" cat /sys/class/net/vb/address)" dev va nud permanent

inside() { ip netns exec "$ns" "$@"; }
start() { # OPTIONS...
	rm -f "$file"
	start_capture "$out" "$err" ip netns exec "$ns" "$PTCPDUMP" --backend "$backend" -nn "$@"
	pid=$!
}
stop() {
	drained "$err" kill -USR1 $pid
	kill -INT $pid 2>/dev/null
	wait $pid
	status=$?
}
count() { sed -n "s/^\([0-9]*\) packets\{0,1\} $1.*/\1/p" "$err"; }
fds() { find "/proc/$pid/fd" 2>/dev/null | wc -l; }
# Whether the counters add up; SENT: and that many were received.
adds_up() { # NAME [SENT]
	local captured received dropped
	captured=$(count captured) received=$(count received) dropped=$(count dropped)
	if [ "$status" -eq 0 ] && [ -n "$received" ] && [ $((captured + dropped)) -eq "$received" ] && [ "${2:-$received}" -eq "$received" ]; then
		ok "$1"
	else
		bad "$1" "status $status, captured $captured, dropped $dropped, received $received of ${2:-any}: $(tail -n 3 "$err")"
	fi
}
in_file() { "$PTCPDUMP" -r "$file" --count 2>/dev/null | sed 's/ .*//'; }

test_stopped() {
	start -i va -w "$file" 'udp port 9009'
	inside "$HELPERS/udp_burst" $peer 9009 20000 200 &
	local burst=$!
	sleep 0.05 # in the midst of it
	kill -STOP $pid
	wait $burst
	inside "$HELPERS/udp_burst" $peer 9009 40000 1000
	kill -CONT $pid
	inside "$HELPERS/udp_burst" $peer 9009 20000 200
	stop
	if [ "$(in_file)" = "$(count captured)" ]; then
		adds_up "stopped-$backend" 80000
	else
		bad "stopped-$backend" "$(count captured) captured, $(in_file) in the file"
	fi
}

links() { # add N | del
	local i
	if [ "$1" = del ]; then
		ip -n "$ns" link del group 77
		return
	fi
	for ((i = 0; i < $2 / 2; i++)); do echo "link add d$i group 77 type veth peer name e$i group 77"; done | ip -n "$ns" -batch -
	ip -n "$ns" link set group 77 up
}

# Closed is what its last packets do not need any more.
closed() { [ "$(fds)" -le $((before + 8)) ]; }

test_interfaces() {
	start -i any -w "$file"
	before=$(fds)
	inside ping -q -i 0.01 -c 300 $peer >/dev/null &
	local ping=$!
	links add $interfaces
	links del
	links add $((interfaces / 4))
	links del
	wait $ping
	if wait_for 10 closed; then
		stop
		adds_up "interfaces-$backend"
	else
		bad "interfaces-$backend" "$before descriptors before, $(fds) after"
		stop
	fi
}

test_namespaces() {
	local i
	start -i any --netns any -w "$file"
	before=$(fds)
	for ((i = 0; i < namespaces; i++)); do
		ip netns add "${ns}x$i" && ip -n "${ns}x$i" link set lo up
		ip netns exec "${ns}x$i" ping -q -c 1 127.0.0.1 >/dev/null
		# Some live beside others.
		[ $i -lt 10 ] || ip netns del "${ns}x$((i - 10))"
	done
	for ((i = namespaces - 10; i < namespaces; i++)); do ip netns del "${ns}x$i"; done
	# Those of other programs come and go, too.
	if wait_for 15 closed; then
		stop
		adds_up "namespaces-$backend"
	else
		bad "namespaces-$backend" "$before descriptors before, $(fds) after"
		stop
	fi
}

test_processes() {
	local sent owned
	start -i va -w "$file" 'udp port 9010'
	sent=$(inside "$HELPERS/fork_storm" $peer 9010 $processes 3)
	stop
	adds_up "processes-$backend" "$sent"
	owned=$("$PTCPDUMP" -nn -r "$file" --pname fork_storm --count 2>/dev/null | sed 's/ .*//')
	is "processes-owned-$backend" "$owned" "$(count captured)"
}

for backend in $(backends); do
	test_stopped
	test_interfaces
	test_processes
	! can_netns "$backend" || test_namespaces
done
end_test
