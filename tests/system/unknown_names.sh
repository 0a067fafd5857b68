#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --pname - finds live what it finds by -r: packets of processes of which nothing but the pid is known. That is so here
# since their folders of /proc are hidden from the capture, which began after them.
. "$(dirname "$0")/../lib.sh"

names=
for backend in $(backends); do names="$names $backend-live $backend-read $backend-with-a-pid"; done
why=$(lacks ip unshare mount python3)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

ns=ptun$$
out=$TEST_TMP/out
err=$TEST_TMP/err
cleanup() {
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	ip netns del "$ns" 2>/dev/null
	wait 2>/dev/null
}
ip netns add "$ns" && ip -n "$ns" link set lo up && mkdir "$TEST_TMP/nothing" || exit 1

# One sends to the other, the receiver to nobody; and beside them somebody sends who has a name.
ip netns exec "$ns" python3 -Sc 'import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7223))
while True:
	s.recv(100)' &
receiver=$!
mkfifo "$TEST_TMP/go" || exit 1
ip netns exec "$ns" python3 -Sc 'import socket, sys
for line in sys.stdin:
	socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 7223))' <>"$TEST_TMP/go" &
sender=$!
bound() { [ -n "$(ip netns exec "$ns" ss -Hlun 'sport = :7223')" ]; }
wait_for 10 bound || exit 1

start() { # ARGUMENTS...
	# shellcheck disable=SC2016 # the inner shell's
	start_capture "$out" "$err" ip netns exec "$ns" unshare -m sh -c 'mount --bind "$1" "/proc/$2" &&
		mount --bind "$1" "/proc/$3" && shift 3 && exec "$@"' sh "$TEST_TMP/nothing" $sender $receiver \
		"$PTCPDUMP" --backend "$backend" -Z root -i lo -nn "$@" "udp port 7223"
	pid=$!
}
finish() {
	drained "$err" kill -USR1 $pid
	kill -INT $pid
	wait $pid
}
traffic() {
	ip netns exec "$ns" python3 -Sc 'import socket
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"named", ("127.0.0.1", 7223))'
	echo >"$TEST_TMP/go"
}
packets() { # FILE: sizes of those that somebody is told of
	sed -n 's/.* [^ ]*\.[0-9]* \(In\|Out\) .*length \([0-9]*\).*/\2/p' "$1" | sort -u | xargs
}

for backend in $(backends); do
	start -w "$TEST_TMP/all.pcapng"
	traffic
	finish
	"$PTCPDUMP" -nn -r "$TEST_TMP/all.pcapng" --pname - >"$TEST_TMP/read" 2>/dev/null
	start --pname -
	traffic
	finish
	is "$backend-live" "$(packets "$out")" "1 5"
	is "$backend-read" "$(packets "$TEST_TMP/read")" "1 5"
	start --pname - --pid $receiver
	traffic
	finish
	is "$backend-with-a-pid" "$(packets "$out")" "1 5"
done
end_test
