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
is silent_server_live_status $? 0
at_most silent_server_live_end_ms $(($(now_ms) - start)) 1500
is silent_server_live_lines "$(wc -l <"$TEST_TMP/out")" 20000
is silent_server_live_drops "$(grep dropped "$TEST_TMP/err")" "0 packets dropped by kernel"
kill $server
wait $server 2>/dev/null

# One that takes its time: each name is there with the first packet of its address, since a file may wait.
python3 - <<'PY' &
import socket, struct, threading, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
def answer(query, client):
    time.sleep(0.02)
    end = query.index(b"\0", 12) + 5
    label = b"host-" + query[13:13 + query[12]]
    name = bytes([len(label)]) + label + b"\4test\0"
    server.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:end]
                  + b"\xc0\x0c\0\x0c\0\1\0\0\0\x3c" + struct.pack(">H", len(name)) + name, client)
while True:
    threading.Thread(target=answer, args=server.recvfrom(512), daemon=True).start()
PY
server=$!
wait_for 5 served
is slow_server "$("$PTCPDUMP" -r "$TEST_TMP/in.pcap" 2>/dev/null | grep -c 'IP host-[0-9]*\.test\..* > host-[0-9]*\.test\.')" 3000
is short_names "$("$PTCPDUMP" -N -c 1 -r "$TEST_TMP/in.pcap" 2>/dev/null | sed 's/.*IP //;s/: .*//')" "host-1.1000 > host-1.2000"

# The process that looks up: whose it is, what it has, what it bears.
helper() {
	local pid
	for pid in $(pgrep -x ptcpdump-names); do
		[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] || echo "$pid"
	done
}
no_helper() { [ -z "$(helper)" ]; }
field() { # FIELD
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$helper/status"
}
ask() { # LAST: a packet to 10.0.0.LAST; a name or the number is shown
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(b"", ("10.0.0." + sys.argv[1], 2000))' "$1"
	wait_for 3 grep -q "> [^ ]*$1[^ ]*\.2000:" "$TEST_TMP/out"
	sed -n "s/.* > \([^ ]*$1[^ ]*\)\.2000:.*/\1/p" "$TEST_TMP/out" | tail -n 1
}
for last in {101..105}; do ip neigh add "10.0.0.$last" lladdr 02:00:00:00:00:01 dev names0; done
start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -l -i names0 udp port 2000
capture=$!
helper=$(helper)
user=$(id -un tcpdump 2>/dev/null || echo nobody)
is helper_user "$(field Uid | cut -f 1) $(field Gid | cut -f 1)" "$(id -u "$user") $(id -g "$user")"
is helper_capabilities "$(field CapInh) $(field CapPrm) $(field CapEff) $(field CapBnd) $(field CapAmb) $(field NoNewPrivs) $(field Seccomp)" \
	"$(printf '%016d ' 0 0 0 0 0)1 2"
is helper_descriptors "$(find "/proc/$helper/fd" -type l -printf '%f %l\n' | sed 's/:.*//' | sort | paste -sd ,)" \
	"0 /dev/null,1 /dev/null,2 /dev/null,3 socket"
is name "$(ask 101)" host-101.test
for signal in INT QUIT HUP TERM TSTP USR1 USR2; do kill -$signal "$helper"; done
is helper_outlives_signals "$(ask 102)" host-102.test
kill -KILL "$helper"
wait_for 2 no_helper
is number_without_helper "$(ask 103)" 10.0.0.103
is known_name_without_helper "$(ask 101)" host-101.test
is lost_helper_is_told_once "$(ask 104) $(grep -c 'no longer looked up' "$TEST_TMP/err")" "10.0.0.104 1"
kill -INT $capture
wait $capture
is status_without_helper $? 0

# Nobody waits for it: not who reads what is printed, not the end.
start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -l -i names0 udp port 2000
capture=$!
helper=$(helper)
kill -STOP "$helper"
is number_while_helper_hangs "$(ask 105)" 10.0.0.105
start=$(now_ms)
kill -INT $capture
wait $capture
at_most end_while_helper_hangs_ms $(($(now_ms) - start)) 1000
kill -CONT "$helper"
check helper_ends wait_for 2 no_helper
start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -i names0 udp port 2000
kill -KILL $!
check helper_ends_when_killed wait_for 2 no_helper
is none_with_n "$(start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -n -i names0 udp && helper; kill -INT $!; wait $!)" ""
# Nobody is left for init, which is slow or does not care in some containers.
left() {
	python3 -c 'import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    print(os.waitpid(-1, 0))
except ChildProcessError:
    print("nobody")' "$@"
}
is left_after_a_file "$(left "$PTCPDUMP" -r "$TEST_TMP/in.pcap")" nobody
is left_after_a_capture "$(left timeout -s INT 1 "$PTCPDUMP" -i names0 udp)" nobody
kill $server

# Of an interface, too, that comes while packets are printed by who may open nothing.
start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" -n -l --backend pcap -i any icmp
capture=$!
ip link add names2 type veth peer name names3
ip link set names3 up
ip addr add 10.0.1.1/24 dev names2
ip link set names2 up
later() {
	ping -q -c 1 -W 0.1 -I names2 10.0.1.9 >/dev/null
	grep -q 10.0.1.9 "$TEST_TMP/out"
}
ip neigh add 10.0.1.9 lladdr 02:00:00:00:00:01 dev names2
wait_for 5 later
is interface_that_appears "$(grep 10.0.1.9 "$TEST_TMP/out" | grep -o ' names2 ' | head -n 1)" " names2 "
kill -INT $capture
wait $capture
end_test
