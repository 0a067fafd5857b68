#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is captured, what is counted, and what is left behind.
# timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"

names="burst counts-tiny-ring order vlan vlan-snaplen tun gso direction lo-once looped-back idle-latency vanish vanish-unheard appear rename
rename-counts netns netns-any netns-foreign-sys kill9-tcx kill9-clsact clsact-foreign clsact-clean unknown-interface no-root nothing-left"

why=$(lacks ip tc ping python3 setpriv nsenter taskset)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

id=$$
ns=ptcn$id
a=pta$id
b=ptb$id
cleanup() {
	# shellcheck disable=SC2046 # a list of numbers
	kill $(jobs -p) 2>/dev/null
	ip link del "$a" 2>/dev/null
	ip link del "pt$id" 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	ip netns del "${ns}x" 2>/dev/null
	wait 2>/dev/null
}

ip netns add "$ns" && ip link add "$a" type veth peer name "$b" netns "$ns" || exit 1
ip addr add 10.203.1.1/24 dev "$a"
ip link set "$a" up
ip -n "$ns" addr add 10.203.1.2/24 dev "$b"
ip -n "$ns" link set "$b" up
ip -n "$ns" link set lo up
peer=10.203.1.2
# On a busy machine the neighbour may be given up for a moment, and packets end before they reach the device.
ip neigh replace $peer lladdr "$(ip netns exec "$ns" cat "/sys/class/net/$b/address")" dev "$a" nud permanent

out=$TEST_TMP/out
err=$TEST_TMP/err
# Starts a capture in the background and waits until it listens.
start() {
	start_capture "$out" "$err" "$PTCPDUMP" -nn "$@"
	pid=$!
}
shown() { drained "$err" kill -USR1 $pid; }
stop() {
	shown
	kill -INT $pid 2>/dev/null
	wait $pid
}
count() { sed -n "s/^\([0-9]*\) packets\{0,1\} $1.*/\1/p" "$err"; }
lines() { grep -c "$1" "$out"; }

test_burst() {
	start -i "$a" -w "$TEST_TMP/burst.pcapng" 'udp port 9009'
	"$HELPERS/udp_burst" $peer 9009 400000 22
	stop
	is burst "$(count captured) captured $(count dropped) dropped" "400000 captured 0 dropped"
	rm -f "$TEST_TMP/burst.pcapng"
}

# Whatever is lost is counted: nothing else than captured + dropped = received is true.
test_counts() {
	start -i "$a" -B 8 'udp port 9009'
	"$HELPERS/udp_burst" $peer 9009 100000 22
	stop
	local captured dropped received
	captured=$(count captured) dropped=$(count dropped) received=$(count received)
	[ "$received" = 100000 ] && [ "$dropped" -gt 0 ] && [ $((captured + dropped)) = "$received" ] &&
		[ "$(lines UDP)" = "$captured" ] && ok counts-tiny-ring ||
		bad counts-tiny-ring "captured $captured dropped $dropped received $received printed $(lines UDP)"
}

test_order() {
	start -i "$a" -tt --nano 'udp portrange 9001-9002'
	taskset -c 0 "$HELPERS/udp_burst" $peer 9001 20000 22 &
	local first=$!
	taskset -c $(($(nproc) - 1)) "$HELPERS/udp_burst" $peer 9002 20000 22
	wait $first
	stop
	local n
	n=$(awk '{ t = substr($1, 6) } t < last { n++ } { last = t } END { print n + 0 }' "$out")
	is order "$(count captured) captured, $n earlier than the one before" "40000 captured, 0 earlier than the one before"
}

# The stack takes the tag out of a frame that comes in; it has to be put back.
test_vlan() {
	local ip=4500001c00010000400166d00acb01020acb01010800f7ff00000000
	start -i "$a" -e 'vlan 5 and icmp'
	ip netns exec "$ns" "$HELPERS/frame_send" "$b" "ffffffffffff02000000000181006005""0800$ip"
	stop
	grep -q 'ethertype 802.1Q (0x8100), length 46: vlan 5, p 3' "$out" && ok vlan || bad vlan "$(head -n 1 "$out")"
	start -i "$a" -s 20 -w "$TEST_TMP/vlan.pcap" vlan
	ip netns exec "$ns" "$HELPERS/frame_send" "$b" "ffffffffffff02000000000181006005""0800$ip"
	stop
	is vlan-snaplen "$(od -An -v -tx1 -j 32 "$TEST_TMP/vlan.pcap" | tr -d ' \n')" \
		140000002e000000ffffffffffff02000000000181006005""08004500
}

test_tun() {
	"$HELPERS/tun_echo" "pt$id" &
	local echo=$!
	wait_for 2 ip link show "pt$id" >/dev/null 2>&1
	ip addr add 10.203.2.1/24 dev "pt$id"
	ip link set "pt$id" up
	start -i "pt$id" icmp
	ping -q -c 2 -i 0.2 -W 1 10.203.2.2 >/dev/null
	stop
	is tun "$(lines 'ICMP echo request') $(lines 'ICMP echo reply') $(grep -c 'link-type RAW' "$err")" "2 2 1"
	kill $echo
	wait $echo 2>/dev/null
}

listening() { [ -n "$(ip netns exec "$ns" ss -Hltn "sport = $1")" ]; } # PORT
# Packets that the stack hands over before they are cut are captured whole, what lies in fragments too.
test_gso() {
	head -c 4000000 /dev/urandom >"$TEST_TMP/sent"
	ip netns exec "$ns" python3 -c '
import socket
s = socket.create_server(("'$peer'", 9010)); c, _ = s.accept()
while c.recv(1 << 20): pass' &
	local server=$!
	wait_for 5 listening 9010
	start -i "$a" -w "$TEST_TMP/gso.pcap" 'tcp dst port 9010'
	python3 -c '
import socket, sys
s = socket.create_connection(("'$peer'", 9010)); s.sendall(open(sys.argv[1], "rb").read())' "$TEST_TMP/sent"
	wait $server
	stop
	python3 - "$TEST_TMP/gso.pcap" "$TEST_TMP/sent" <<'EOF' >"$TEST_TMP/gso.txt"
import struct, sys
data, sent = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read()
pos, first, longest, got = 24, None, 0, {}
while pos < len(data):
    _, _, caplen, length = struct.unpack_from("<IIII", data, pos)
    p = data[pos + 16:pos + 16 + caplen]
    pos += 16 + caplen
    seq, = struct.unpack_from(">I", p, 38)
    if p[47] & 2:
        first = seq + 1
    payload = p[34 + (p[46] >> 4) * 4:]
    longest = max(longest, length)
    assert caplen == length, "cut"
    if payload:
        got[(seq - first) & 0xffffffff] = payload
stream, end = b"", 0
for at in sorted(got):
    stream += got[at][max(0, end - at):]
    end = max(end, at + len(got[at]))
print("same" if stream == sent else "differs", "long" if longest > 20000 else "short")
EOF
	is gso "$(cat "$TEST_TMP/gso.txt")" "same long"
}

test_direction() {
	local got=
	for dir in in out inout; do
		start -i "$a" -Q $dir icmp
		ping -q -c 1 -W 1 $peer >/dev/null
		stop
		got="$got$(lines request)$(lines reply) "
	done
	is direction "$got" "01 10 11 "
	start -i lo 'icmp and host 127.203.1.1'
	ping -q -c 1 -W 1 127.203.1.1 >/dev/null
	stop
	is lo-once "$(lines request) $(lines reply)" "1 1"
}

# The stack gives itself a copy of what it sends to all, without a link header and at no tap.
test_looped_back() {
	start -i "$a"
	ping -q -b -c 1 -W 1 10.203.1.255 >/dev/null 2>&1
	ping -q -c 1 -W 1 -I "$a" 224.0.0.1 >/dev/null 2>&1
	stop
	is looped-back "$(lines '10.203.1.255: ICMP echo request') $(lines '224.0.0.1: ICMP echo request') $(lines 'ethertype Unknown')" "1 1 0"
}

# On a quiet link one packet is shown within the settle time and 50 ms; most of this is python and ping.
test_latency() {
	local got
	got=$(python3 - "$PTCPDUMP" "$a" $peer <<'EOF'
import subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "-l", "-nn", "--settle", "0", "-i", sys.argv[2], "-tt", "icmp[icmptype] = icmp-echo"],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
while "listening" not in p.stderr.readline(): pass
worst = 0
for i in range(5):
    time.sleep(0.5) # quiet for that long
    subprocess.run(["ping", "-q", "-c", "1", "-W", "1", sys.argv[3]], stdout=subprocess.DEVNULL)
    line = p.stdout.readline()
    worst = max(worst, time.time() - float(line.split()[0]))
p.terminate()
print("%d" % (worst * 1000))
EOF
	)
	[ -n "$got" ] && [ "$got" -lt 50 ] && ok idle-latency || bad idle-latency "${got:-no packet} ms"
}

test_devices() {
	ip link add "pt$id" type veth peer name "pt${id}x"
	ip link set "pt$id" up
	start -i "pt$id"
	ip link del "pt$id"
	wait $pid
	is vanish "$? $(grep -c 'interface disappeared' "$err")" "1 1"
	# More news than the kernel keeps for us, that of its end among them.
	ip link add "pt$id" type veth peer name "pt${id}x"
	ip link set "pt$id" up
	start -i "pt$id"
	kill -STOP $pid
	for i in $(seq 2000); do echo "link set dev $a alias $i"; done | ip -batch -
	ip link del "pt$id"
	kill -CONT $pid
	wait_for 10 gone $pid
	kill $pid 2>/dev/null
	wait $pid
	is vanish-unheard "$? $(grep -c 'interface disappeared' "$err")" "1 1"
	start -i any 'icmp[icmptype] = icmp-echo and host 10.203.3.1'
	ip link add "pt$id" type veth peer name "pt${id}x"
	ip addr add 10.203.3.2/24 dev "pt$id"
	ip link set "pt${id}x" up
	ip link set "pt$id" up
	ip neigh add 10.203.3.1 lladdr 02:00:00:00:00:01 dev "pt$id"
	# No longer: a packet that is sent after that has to be seen.
	wait_for 0.5 attached "pt$id" "pt${id}x"
	ping -q -c 1 -W 1 10.203.3.1 >/dev/null
	shown
	# A device may not be renamed while it is up before 6.2.
	ip link set "pt$id" down
	ip link set "pt$id" name "pt${id}y"
	ip link set "pt${id}y" up
	ip neigh replace 10.203.3.1 lladdr 02:00:00:00:00:01 dev "pt${id}y"
	sleep 0.5 # nothing tells from outside that the new name is known
	ping -q -c 1 -W 1 10.203.3.1 >/dev/null
	stop
	ip link del "pt${id}y"
	is appear "$(lines "pt$id .*Out")$(lines "pt${id}x .*In")" 12
	is rename "$(lines "pt${id}y .*Out") $(grep -c . "$err")" "1 $(grep -c -e packets -e listening -e verbose "$err")"
	is rename-counts "$(count captured) $(count received)" "4 4"
}

test_netns() {
	start --netns "$ns" -i "$b" icmp
	ping -q -c 1 -W 1 $peer >/dev/null
	stop
	is netns "$(lines "$b@$ns .*request") $(lines "$b@$ns .*reply")" "1 1"
	start --netns any -i any 'icmp[icmptype] = icmp-echo and host 127.203.1.2'
	ip netns add "${ns}x"
	ip -n "${ns}x" link set lo up
	wait_for 0.5 attached_in "${ns}x" lo
	ip netns exec "${ns}x" ping -q -c 1 -W 1 127.203.1.2 >/dev/null
	ip netns del "${ns}x"
	stop
	is netns-any "$(lines "lo@${ns}x .*request")" 1
	# A namespace without a name, by a process that neither forks nor executes, so only its socket tells of it.
	start --netns any -i any 'udp port 7999 and host 127.203.1.3'
	python3 - <<'EOF'
import ctypes, fcntl, socket, struct, time
if ctypes.CDLL(None).unshare(0x40000000):
    raise OSError("unshare")
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(s, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))
for i in range(100):
    s.sendto(b"x", ("127.203.1.3", 7999))
    time.sleep(0.002)
EOF
	stop
	local seen
	seen=$(lines 'lo@.* > 127.203.1.3.7999')
	[ "$seen" -ge 50 ] && ok netns-unshared || bad netns-unshared "$seen of 100 datagrams"
	# As in a container's namespace entered by nsenter(1): /sys is still the host's.
	start_capture "$out" "$err" nsenter --net="/run/netns/$ns" "$PTCPDUMP" --log-level info -nn -c 1 -i "$b" icmp
	pid=$!
	ping -q -c 1 -W 1 $peer >/dev/null
	wait $pid
	is netns-foreign-sys "$(lines "request") $(grep -c 'backend pcap' "$err")" "1 0"
}

# Programs of a capture at each side of every one of these devices.
attached() { # DEVICE...
	local dev
	for dev; do [ "$("$HELPERS/tcx_count" "$dev")" = 2 ] || return 1; done
}
attached_in() { # NAMESPACE DEVICE
	[ "$(ip netns exec "$1" "$HELPERS/tcx_count" "$2")" = 2 ]
}
no_programs() { [ "$("$HELPERS/tcx_count" "$a")" = 0 ]; }

filters() { # cls_bpf filters of ours
	{
		tc filter show dev "$a" ingress
		tc filter show dev "$a" egress
	} 2>/dev/null | grep -c ptcp_
}
qdiscs() { tc qdisc show dev "$a" | grep -c clsact; }

test_leftovers() {
	local before
	start -i "$a"
	before=$("$HELPERS/tcx_count" "$a")
	kill -KILL $pid
	wait $pid 2>/dev/null
	wait_for 2 no_programs
	is kill9-tcx "$before $("$HELPERS/tcx_count" "$a") $(filters) $(qdiscs)" "2 0 0 0"
	# Without tcx filters outlive a killed process; the next run removes them, and only them.
	PTCPDUMP_TC=clsact start -i "$a"
	kill -KILL $pid
	wait $pid 2>/dev/null
	local left
	left=$(filters)
	PTCPDUMP_TC=clsact start -i "$a" icmp
	ping -q -c 1 -W 1 $peer >/dev/null
	stop
	is kill9-clsact "$left $(lines ICMP) $(filters) $(qdiscs)" "2 2 0 0"
	tc qdisc add dev "$a" clsact
	tc filter add dev "$a" egress protocol ip pref 1 u32 match u32 0 0 classid 1:1
	tc filter show dev "$a" egress >"$TEST_TMP/before"
	PTCPDUMP_TC=clsact start -i "$a" icmp
	stop
	tc filter show dev "$a" egress >"$TEST_TMP/after"
	[ -s "$TEST_TMP/before" ] && cmp -s "$TEST_TMP/before" "$TEST_TMP/after" && ok clsact-foreign || bad clsact-foreign "$(cat "$TEST_TMP/after")"
	tc qdisc del dev "$a" clsact
	PTCPDUMP_TC=clsact start -i "$a" icmp
	stop
	is clsact-clean "$(qdiscs)" 0
}

test_errors() {
	"$PTCPDUMP" -i "no$id" >/dev/null 2>"$err"
	is unknown-interface "$? $(grep -c "no$id" "$err")" "1 1"
	cp "$PTCPDUMP" "$TEST_TMP/ptcpdump"
	chmod 755 "$TEST_TMP" "$TEST_TMP/ptcpdump"
	setpriv --reuid 65534 --clear-groups "$TEST_TMP/ptcpdump" -i lo >/dev/null 2>"$err"
	is no-root "$? $(grep -c 'CAP_NET_ADMIN.*sudo' "$err")" "1 1"
}

test_burst
test_counts
test_order
test_vlan
test_tun
test_gso
test_direction
test_looped_back
test_latency
test_devices
test_netns
test_leftovers
test_errors
wait_for 2 no_programs
is nothing-left "$("$HELPERS/tcx_count" "$a") $(filters) $(find /sys/fs/bpf -name '*ptcp*' 2>/dev/null | wc -l)" "0 0 0"
end_test
