#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The backends: each sees the same packets as tcpdump, with their owner; -L, -J, -y, -j and -I are as tcpdump's.
# timeout: 180
set -u
. "$(dirname "$0")/../lib.sh"

# Those whose programs see packets without tc.
taps() { backends | grep -vx -e tc -e pcap; }

names=
for backend in $(backends); do
	for name in owner filter count file link-header netns killed other-lo; do names="$names $backend-$name"; done
done
for backend in $(taps); do
	for name in pid thread direction lost new-device new-device-within-1-s; do names="$names $backend-$name"; done
done
names="$names pcap-pid pcap-command pcap-without-bpf pcap-burst list-L list-J link-type monitor-pcap time-stamp-type-pcap
pcap-devices direction lo-once time-stamp-type monitor monitor-tc backend-help any any-lo-counts nothing-left"

why=$(lacks tcpdump curl python3 setpriv bpftool)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
ns=ptbk$id
a=ptx$id
b=pty$id
c=ptz$id
d=ptw$id
# Of its own for each run, should several run at a time.
subnet=10.199.$((id % 256))
here=$subnet.1
peer=$subnet.2
server=
cleanup() {
	[ "$server" ] && kill "$server" 2>/dev/null
	ip link del "$a" 2>/dev/null
	ip link del "$c" 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	wait 2>/dev/null
}

# Nothing but what the tests send: no IPv6.
ip netns add "$ns" && ip link add "$a" type veth peer name "$b" netns "$ns" || exit 1
sysctl -q -w "net.ipv6.conf.$a.disable_ipv6=1"
ip netns exec "$ns" sysctl -q -w "net.ipv6.conf.$b.disable_ipv6=1"
ip addr add $here/25 dev "$a"
ip link set "$a" up
ip -n "$ns" addr add $peer/25 dev "$b"
ip -n "$ns" link set "$b" up
ip -n "$ns" link set lo up
ip neigh replace $peer lladdr "$(ip netns exec "$ns" cat "/sys/class/net/$b/address")" dev "$a" nud permanent
ip -n "$ns" neigh replace "$here" lladdr "$(cat "/sys/class/net/$a/address")" dev "$b" nud permanent
head -c 20000 /dev/zero >"$TEST_TMP/data"
ip netns exec "$ns" python3 -m http.server -d "$TEST_TMP" -b $peer 8000 >/dev/null 2>&1 &
server=$!
closed() { # has the server, too, ended its connections?
	[ -z "$(ip netns exec "$ns" ss -Htn state connected exclude time-wait 'sport = :8000')" ]
}
fetch() {
	curl -s "http://$peer:8000/data" -o /dev/null && wait_for 5 closed
}
wait_for 10 fetch || bad server "does not answer"

out=$TEST_TMP/out
err=$TEST_TMP/err
start() {
	start_capture "$out" "$err" "${run[@]}" "$PTCPDUMP" -nn "$@"
	pid=$!
}
run=()
stop() {
	drained "$err" kill -USR1 $pid
	kill -INT $pid 2>/dev/null
	wait $pid
}
# tcpdump at the same time, for comparison.
other_start() { # FILTER
	: >"$TEST_TMP/tcpdump.err" # the one before was listening, too
	tcpdump -Z root --immediate-mode -nn -i "$a" -w "$TEST_TMP/tcpdump.pcap" "$1" 2>"$TEST_TMP/tcpdump.err" &
	other=$!
	listens $other "$TEST_TMP/tcpdump.err"
}
other_stop() {
	drained "$TEST_TMP/tcpdump.err" kill -USR1 $other
	kill -INT $other
	wait $other
}
count() { sed -n "s/^\([0-9]*\) packets\{0,1\} $1.*/\1/p" "$err"; }
lines() { grep -c "$1" "$out"; }

for backend in $(backends); do
	start --backend "$backend" -i "$a" 'tcp port 8000'
	other_start 'tcp port 8000'
	ping -q -c 2 -i 0.2 $peer >/dev/null
	fetch
	stop
	other_stop
	wanted=$(tcpdump -nn -r "$TEST_TMP/tcpdump.pcap" 2>/dev/null | wc -l)
	is $backend-count "$(count captured) $(count received) $(count dropped) $(wc -l <"$out")" "$wanted $wanted 0 $wanted"
	is $backend-owner "$(lines "^[0-9:.]* $a curl\.[0-9]* \(In\|Out\) IP ")" "$wanted"
	is $backend-filter "$(lines ICMP)" 0
done

# What -w writes, what -e shows, and a namespace, where the kernel answers: no socket receives the request.
test_output() {
	local hex=-xx mac_a mac_b
	[ "$1" = cgroup-skb ] && hex=-x
	mac_a=$(cat "/sys/class/net/$a/address")
	mac_b=$(ip netns exec "$ns" cat "/sys/class/net/$b/address")
	start --backend "$1" -i "$a" -w "$TEST_TMP/file.pcapng" 'tcp port 8000 or icmp'
	other_start 'tcp port 8000 or icmp'
	ping -q -c 1 -s 1200 $peer >/dev/null
	fetch
	stop
	other_stop
	# Packets of two CPUs may change places.
	is "$1-file" "$(tcpdump -nn -t $hex -r "$TEST_TMP/file.pcapng" 2>/dev/null | sort | cksum)" \
		"$(tcpdump -nn -t $hex -r "$TEST_TMP/tcpdump.pcap" 2>/dev/null | sort | cksum)"
	start --backend "$1" -e -i "$a" icmp
	ping -q -c 1 $peer >/dev/null
	stop
	is "$1-link-header" "$(lines 'ICMP echo') $(lines "$mac_a > $mac_b, ethertype IPv4") $(lines "$mac_b > $mac_a")" \
		"2 $([ "$1" = cgroup-skb ] && echo 0 0 || echo 1 1)"
	start --backend "$1" --netns "$ns" -i "$b" icmp
	ping -q -c 1 $peer >/dev/null
	stop
	is "$1-netns" "$(lines "$b.* In IP.*request") $(lines "$b.* Out IP.*reply")" \
		"$([ "$1" = cgroup-skb ] && echo 0 || echo 1) 1"
}

# Programs that the process has, while it has them; after kill -9 none may be left.
programs() {
	sed -n 's/^prog_id:[[:space:]]*//p' /proc/"$1"/fdinfo/* 2>/dev/null | sort -un
}
loaded() { # ID...: prints those that are
	local id
	for id; do bpftool prog show id "$id" >/dev/null 2>&1 && printf ' %s' "$id"; done
}
unloaded() { [ -z "$(loaded "$@")" ]; }
test_killed() {
	local ids
	start -Z root --backend "$1" -i "$a"
	ids=$(programs $pid)
	kill -KILL $pid
	wait $pid 2>/dev/null
	# shellcheck disable=SC2086 # numbers
	wait_for 4 unloaded $ids
	# shellcheck disable=SC2086
	is "$1-killed" "$([ "$ids" ] && echo some)$(loaded $ids) $(ip -d link show dev "$a" | grep -c "promiscuity [1-9]")" "some 0"
}

first_ping() {
	sent=$(now_ms)
	ping -q -c 1 -W 1 $subnet.130 >/dev/null
	drained "$err" kill -USR1 $pid
	[ "$(lines "$c .* Out IP")" -gt 0 ] && [ "$(lines "$c .* In IP")" -gt 0 ]
}
# Without root's rights by then.
test_new_device() {
	start --backend "$1" -i any icmp
	ip link add "$c" type veth peer name "$d" netns "$ns"
	ip addr add $subnet.129/30 dev "$c"
	ip -n "$ns" addr add $subnet.130/30 dev "$d"
	ip link set "$c" up
	ip -n "$ns" link set "$d" up
	# Seen both ways when the packets of one are; only then the one that counts.
	began=$(now_ms)
	wait_for 5 first_ping
	at_most "$1-new-device-within-1-s" $((sent - began)) 1000
	stop_at=$(lines "$c ")
	ping -q -c 1 $subnet.130 >/dev/null
	stop
	tail -n "+$((stop_at + 1))" "$out" >"$out.new"
	is "$1-new-device" "$(grep -c "$c ping\.[0-9]* Out IP.*request" "$out.new") $(grep -c "$c ping\.[0-9]* In IP.*reply" "$out.new")" "1 1"
	ip link del "$c"
}

test_process() {
	start --backend pcap -i "$a" --pname ping
	fetch
	ping -q -c 2 -i 0.2 $peer >/dev/null
	stop
	is pcap-pid "$(count captured) $(lines "ping\.[0-9]* \(Out\|In\) .*ICMP echo")" "4 4"
	"$PTCPDUMP" -nn --backend pcap -i "$a" -- ping -q -c 1 $peer >"$out" 2>"$err"
	is pcap-command "$(lines "ping\.[0-9]* \(Out\|In\) .*ICMP echo")" 2
}

# Where no eBPF is permitted, /proc tells who owns what lives long enough.
test_without_bpf() {
	local without="-bpf,-perfmon,-sys_admin"
	run=(setpriv --bounding-set "$without" --inh-caps "$without")
	start --backend pcap -i "$a" 'udp port 9009'
	run=()
	python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("'$peer'", 9009))
for i in range(5):
    try: s.send(b"x")
    except OSError: pass
    time.sleep(0.1)'
	stop
	if grep -q 'CAP_BPF.* missing' "$err" && [ "$(lines 'python3[.0-9]* Out IP')" -ge 2 ]; then
		ok pcap-without-bpf
	else
		bad pcap-without-bpf "$(cat "$err" "$out" | head -n 4 | tr '\n' ' ')"
	fi
}

# What is lost is counted.
test_burst() {
	start --backend pcap -B 65536 -i "$a" -w "$TEST_TMP/burst.pcapng" 'udp port 9009'
	"$HELPERS/udp_burst" $peer 9009 50000 22
	stop
	is pcap-burst "$(($(count captured) + $(count dropped))) $(count received)" "50000 50000"
	rm -f "$TEST_TMP/burst.pcapng"
}

# In tcpdump's words, but for DLTs that another version of libpcap has: the program may bring its own.
test_lists() {
	local got wanted
	got=$("$PTCPDUMP" -L -i lo 2>&1) wanted=$(tcpdump -L -i lo 2>&1)
	is list-L "$got" "$wanted"
	got=$("$PTCPDUMP" -J -i "$a" 2>&1) wanted=$(tcpdump -J -i "$a" 2>&1)
	is list-J "$got" "$wanted"
}

test_flags() {
	local got wanted
	got=$("$PTCPDUMP" -i "$a" -y RAW 2>&1 | sed 's/^ptcpdump: //')
	wanted=$(tcpdump -i "$a" -y RAW 2>&1 | sed 's/^tcpdump: //')
	is link-type "$got" "$wanted"
	got=$("$PTCPDUMP" -I -i "$a" 2>&1 | sed 's/^ptcpdump: //')
	wanted=$(tcpdump -I -i "$a" 2>&1 | sed 's/^tcpdump: //')
	is monitor "$got" "$wanted"
	"$PTCPDUMP" --backend tc -I -i "$a" 2>&1 | grep -q 'use --backend pcap' && ok monitor-tc || bad monitor-tc "no hint"
	# The device has none but the host's: a warning, and a capture all the same.
	start -i "$a" -j adapter icmp
	ping -q -c 1 $peer >/dev/null
	stop
	is time-stamp-type "$(lines 'ICMP echo') $(grep -c "timestamp type 'adapter' on $a" "$err")" "2 1"
	got=$("$PTCPDUMP" --backend pcap -I -i "$a" 2>&1 | sed 's/^ptcpdump: //')
	is monitor-pcap "$got" "$wanted"
	start --backend pcap -i "$a" -j adapter_unsynced icmp
	ping -q -c 1 $peer >/dev/null
	stop
	is time-stamp-type-pcap "$(lines 'ICMP echo') $(grep -c "timestamp type 'adapter_unsynced' on $a" "$err")" "2 1"
	# shellcheck disable=SC2016
	got=$(unshare -n sh -c 'for i in 1 2 3 4 5; do
			ip link add "a$i" type veth peer name "b$i" && ip link set "a$i" up && ip link set "b$i" up
		done
		exec "$0" --backend pcap -i a1,b1,a2,b2,a3,b3,a4,b4,a5' "$PTCPDUMP" 2>&1)
	is pcap-devices "$? $got" "1 ptcpdump: too many interfaces for the pcap backend: at most 8"
	# The names that the manual has, in its order.
	is backend-help "$(backends | xargs)" "$(sed -n '/^\.It Fl -backend/,/^\.Bl/s/^\.Cm \([^ ]*\) [,.]$/\1/p' "$TOP/man/ptcpdump.8" | xargs)"
}

# Process filter, -Q, -s and counted losses of backends whose programs see packets without tc.
test_tap() {
	local got= dir
	start --backend "$1" -i any --pname ping icmp
	fetch
	ping -q -c 2 -i 0.2 $peer >/dev/null
	stop
	is "$1-pid" "$(lines "$a ping\.[0-9]* \(Out\|In\) .*ICMP echo")" 4
	# The name that the thread had when it sent, not that of its process, or a later one.
	start --backend "$1" -v -i "$a" 'udp dst port 9010'
	python3 -c '
import ctypes, socket
prctl = ctypes.CDLL(None).prctl
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
prctl(15, b"sending")
s.sendto(b"x", ("'$peer'", 9010))
prctl(15, b"later")'
	stop
	is "$1-thread" "$(lines 'Thread (.*name sending)')" 1
	for dir in in out inout; do
		start --backend "$1" -i "$a" -Q $dir -s 60 icmp
		ping -q -c 1 $peer >/dev/null
		stop
		got="$got$(lines 'Out IP.*request')$(lines 'In  *IP.*reply') "
	done
	is "$1-direction" "$got" "01 10 11 "
	start --backend "$1" -B 64 -i "$a" -w "$TEST_TMP/burst.pcapng" 'udp port 9009'
	"$HELPERS/udp_burst" $peer 9009 50000 22
	stop
	is "$1-lost" "$(($(count captured) + $(count dropped))) $(count received)" "50000 50000"
	rm -f "$TEST_TMP/burst.pcapng"
}

test_direction() {
	local got=
	for dir in in out inout; do
		start --backend pcap -i "$a" -Q $dir icmp
		ping -q -c 1 $peer >/dev/null
		stop
		got="$got$(lines 'Out IP.*request')$(lines 'In  *IP.*reply') "
	done
	is direction "$got" "01 10 11 "
	start --backend pcap -i lo 'icmp and host 127.232.1.1'
	ping -q -c 1 127.232.1.1 >/dev/null
	stop
	is lo-once "$(lines request) $(lines reply)" "1 1"
}

# An interface of another namespace may have the same index.
test_other_lo() {
	start --backend "$1" -i lo 'icmp and host 127.232.1.3'
	ip netns exec "$ns" ping -q -c 2 -i 0.2 127.232.1.3 >/dev/null
	ping -q -c 1 127.232.1.3 >/dev/null
	stop
	is "$1-other-lo" "$(lines request) $(lines reply)" "1 1"
}

test_any() {
	start --backend pcap -i any "icmp and host $peer"
	ping -q -c 1 $peer >/dev/null
	stop
	is any "$(lines 'Out IP.*request') $(lines 'In  *IP.*reply')" "1 1"
	# libpcap leaves out half of what lo shows to this device, and tcpdump counts it, too.
	start --backend pcap -i any 'icmp and host 127.232.1.2'
	ping -q -c 1 127.232.1.2 >/dev/null
	stop
	is any-lo-counts "$(count captured) $(count received) $(count dropped)" "2 4 0"
}

for backend in $(taps); do
	test_tap "$backend"
	test_new_device "$backend"
done
for backend in $(backends); do
	test_output "$backend"
	test_other_lo "$backend"
	test_killed "$backend"
done
test_process
test_without_bpf
test_burst
test_lists
test_flags
test_direction
test_any
is nothing-left "$(ip -d link show dev "$a" | grep -c "promiscuity [1-9]") $(tc filter show dev "$a" egress | wc -l)" "0 0"
end_test
