#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names of addresses, without -n: those of tcpdump where a server answers, and no harm where one is silent.
. "$(dirname "$0")/../lib.sh"

why=$(lacks unshare ip python3)
[ -z "$why" ] || skip_all "$why" names
# Everything goes with these namespaces: the name server's address, the interfaces.
if [ -z "${INSIDE:-}" ]; then
	INSIDE=1 unshare -n -m --kill-child --fork "$0" # no exec: the folder is removed here
	exit
fi
served() { # is anybody there at port 53?
	[ -n "$(ss -Hlun 'sport = 53')" ]
}

ip link set lo up
echo "nameserver 127.0.0.1" >"$TEST_TMP/resolv.conf"
echo "hosts: files dns" >"$TEST_TMP/nsswitch.conf"
mount --bind "$TEST_TMP/resolv.conf" /etc/resolv.conf
[ -e /etc/nsswitch.conf ] && mount --bind "$TEST_TMP/nsswitch.conf" /etc/nsswitch.conf

python3 - "$TEST_TMP/in.pcap" <<'PY'
import struct, sys
with open(sys.argv[1], 'wb') as f:
    f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
    for i in range(3000):
        f.write(struct.pack('<IIII', 1700000000, i, 32, 32))
        f.write(struct.pack('>BBHHHBBHIIHHHHI', 0x45, 0, 32, i, 0, 64, 17, 0, 0x0a000001 + i % 40, 0x0a000001 + i % 37, 1000, 2000, 12, 0, 0))
PY

if command -v dnsmasq >/dev/null && command -v tcpdump >/dev/null; then
	records=()
	for i in {1..30}; do records+=("--host-record=h$i.example.test,10.0.0.$i"); done
	# The other ten have no name.
	dnsmasq -k -p 53 -a 127.0.0.1 -z --no-hosts --no-resolv -u root --pid-file= --log-facility=- --bogus-priv "${records[@]}" \
		>/dev/null 2>&1 &
	server=$!
	wait_for 5 served
	tcpdump -r "$TEST_TMP/in.pcap" >"$TEST_TMP/theirs" 2>/dev/null
	"$PTCPDUMP" -r "$TEST_TMP/in.pcap" >"$TEST_TMP/ours" 2>/dev/null
	is names_as_tcpdump "$(cmp "$TEST_TMP/ours" "$TEST_TMP/theirs" && grep -q 'h1.example.test' "$TEST_TMP/ours" && echo same)" same
	kill $server
	wait $server 2>/dev/null
else
	skip names_as_tcpdump "no dnsmasq or no tcpdump here"
fi

# Nobody reads what comes there.
python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
time.sleep(100)' &
server=$!
wait_for 5 served
start=$(now_ms)
is silent_server_file "$("$PTCPDUMP" -r "$TEST_TMP/in.pcap" 2>/dev/null | md5sum)" \
	"$("$PTCPDUMP" -nr "$TEST_TMP/in.pcap" 2>/dev/null | md5sum)"
at_most silent_server_file_ms $(($(now_ms) - start)) 8000

ip link add names0 type veth peer name names1
ip addr add 10.0.0.1/24 dev names0
ip link set names0 up
ip link set names1 up
start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -i names0 udp
capture=$!
python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for i in range(20000):
    s.sendto(bytes(20), ("10.0.0.255", 1000 + i % 50))
    if i % 200 == 0:
        time.sleep(0.01)'
start=$(now_ms)
kill -INT $capture
wait $capture
at_most silent_server_live_end_ms $(($(now_ms) - start)) 1500
is silent_server_live_lines "$(wc -l <"$TEST_TMP/out")" 20000
is silent_server_live_drops "$(grep dropped "$TEST_TMP/err")" "0 packets dropped by kernel"
kill $server
end_test
