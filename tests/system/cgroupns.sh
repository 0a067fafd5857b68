#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# In a cgroup namespace of its own, programs at its root see nothing of what other cgroups send: what the host's clients
# send is told at the device, and nobody else is credited with it. And one that takes no more programs is told of.
. "$(dirname "$0")/../lib.sh"

tests="cgroupns_tcp cgroupns_udp cgroupns_full"
why=$(lacks ip nsenter unshare python3)
[ -z "$why" ] || skip_all "$why" $tests
root=/sys/fs/cgroup/unified
[ -e $root/cgroup.procs ] || root=/sys/fs/cgroup
[ -e $root/cgroup.procs ] || skip_all "no cgroup v2" $tests
folder=$root/ptcgns-$$
here=ptcgns-a-$$ there=ptcgns-b-$$
pids=
cleanup() {
	kill $pids 2>/dev/null
	wait 2>/dev/null
	ip netns del "$here" 2>/dev/null
	ip netns del "$there" 2>/dev/null
	rmdir "$folder" 2>/dev/null
	return 0
}
mkdir "$folder" 2>/dev/null || skip_all "cannot make a cgroup" $tests
for ns in "$here" "$there"; do ip netns add "$ns" && ip -n "$ns" link set lo up || exit 1; done
ip link add ptcgns-a netns "$here" type veth peer name ptcgns-b netns "$there" || exit 1
ip -n "$here" addr add 10.99.27.1/24 dev ptcgns-a && ip -n "$here" link set ptcgns-a up || exit 1
ip -n "$there" addr add 10.99.27.2/24 dev ptcgns-b && ip -n "$there" link set ptcgns-b up || exit 1
in_ns() { nsenter --net="/run/netns/$1" "${@:2}"; }

in_ns "$there" python3 -c '
import socket
s = socket.create_server(("10.99.27.2", 7227))
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(("10.99.27.2", 7227))
print("ready", flush=True)
while True:
    c, _ = s.accept()
    c.recv(10); c.send(b"answer"); c.close()
    data, peer = u.recvfrom(10)
    u.sendto(data, peer)' >"$TEST_TMP/server" &
pids="$pids $!"
wait_for 5 grep -q ready "$TEST_TMP/server" || exit 1

# shellcheck disable=SC2016
capture() {
	start_capture "$TEST_TMP/out" "$TEST_TMP/err" sh -c 'echo $$ >"$1/cgroup.procs" && exec unshare -C -m sh -c "
		umount -l $3 && mount -t cgroup2 cgroup2 $3 && exec nsenter --net=/run/netns/$2 \"\$0\" -i ptcgns-a -nn port 7227" "$0"' \
		"$PTCPDUMP" "$folder" "$here" "$root"
}
capture
capture=$!
pids="$pids $capture"
# What waits for its neighbour is not sent by a task.
in_ns "$here" python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"", ("10.99.27.2", 9))'
for _ in 1 2 3; do
	nsenter --net="/run/netns/$here" python3 -c '
import socket
c = socket.create_connection(("10.99.27.2", 7227))
c.send(b"question"); c.recv(10)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(("10.99.27.2", 7227)); u.send(b"datagram"); u.recv(20)' &
	echo $! >>"$TEST_TMP/clients"
	wait $!
done
seen() { [ "$(grep -c ' UDP' "$TEST_TMP/out")" -ge 6 ]; }
wait_for 5 seen
kill -INT "$capture"
wait "$capture"
wrong() { # PATTERN: a packet that names nobody, or another than a client
	grep "$1" "$TEST_TMP/out" |
		grep -vE "python3[^ ]*\.($(xargs <"$TEST_TMP/clients" | tr ' ' '|')) " | head -n 1
}
result cgroupns_tcp "$(grep -q 'Flags \[S\.\]' "$TEST_TMP/out" || echo nothing)$(wrong ' Flags ')"
result cgroupns_udp "$(grep -q ' UDP' "$TEST_TMP/out" || echo nothing)$(wrong ' UDP')"

# As many other captures do.
"$HELPERS/cgroup_fill" "$folder" || exit 1
capture
capture=$!
pids="$pids $capture"
kill -INT "$capture"
wait "$capture"
is cgroupns_full "$? $(grep -c 'no "inet_egress" (.*64 programs.*): ' "$TEST_TMP/err")" "0 1"
end_test
