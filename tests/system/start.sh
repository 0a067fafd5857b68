#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What a capture takes once it listens: memory, libraries, programs. How long a start takes is for tests/bench to say.
set -u
. "$(dirname "$0")/../lib.sh"

names="memory buffers-asked-for no-libcurl libcurl-for-docker hooks-wait"
why=$(lacks bpftool python3)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

capture=
daemon=
stop() {
	kill "$capture" 2>/dev/null
	wait "$capture" 2>/dev/null
	capture=
}
cleanup() {
	[ -z "$capture" ] || stop
	[ -z "$daemon" ] || kill "$daemon"
}

start() { # OPTION...
	start_capture /dev/null "$TEST_TMP/err" "$PTCPDUMP" -i lo -w /dev/null "$@" "udp port 9"
	capture=$!
}
resident() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$capture/status"; }
maps() { grep -c "/$1" "/proc/$capture/maps"; }
# Bytes of a program of this capture.
program() { # NAME
	local fd ids=
	for fd in "/proc/$capture/fdinfo/"*; do
		ids="$ids $(sed -n 's/^prog_id:[^0-9]*//p' "$fd" 2>/dev/null)"
	done
	# shellcheck disable=SC2086 # words
	bpftool -j prog show | python3 -c '
import json, sys
for p in json.load(sys.stdin):
    if p.get("name") == sys.argv[1] and str(p["id"]) in sys.argv[2:]:
        print(p["bytes_xlated"])' "$1" $ids | head -n 1
}

# As nobody's daemon answers: so it is also where some run.
nowhere="--docker-address $TEST_TMP/docker.sock"
# shellcheck disable=SC2086 # words
start $nowhere
cpus=$(($(sed 's/.*[-,]//' /sys/devices/system/cpu/present) + 1))
if [ $cpus -gt 4 ]; then
	skip memory "with $cpus CPUs buffers are larger"
else
	at_most memory "$(resident)" 32768
fi
if [ -e /run/podman/podman.sock ] || ls /run/user/*/*.sock /run/user/*/podman/*.sock >/dev/null 2>&1; then
	skip no-libcurl "some daemon may answer"
else
	is no-libcurl "$(maps libcurl)" 0
fi
size=$(program ptcp_recvmsg4)
if [ -z "$size" ]; then
	skip hooks-wait "this kernel has no such hook"
elif [ "$size" -gt 16 ] && [ -n "$(ss -Hlun)" ]; then
	skip hooks-wait "somebody shares a socket here"
else
	is hooks-wait "$size" 16
fi
before=$(resident)
stop

# shellcheck disable=SC2086 # words
start $nowhere -B 4096
at_most buffers-asked-for "$(resident)" $((before - 4096))
stop

# It need not say anything.
python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(100)' "$TEST_TMP/docker.sock" &
daemon=$!
wait_for 5 test -S "$TEST_TMP/docker.sock"
# shellcheck disable=SC2086 # words
start $nowhere
if [ "$(maps libcurl)" -gt 0 ]; then
	ok libcurl-for-docker
elif readelf -d "$PTCPDUMP" 2>/dev/null | grep -q NEEDED; then
	bad libcurl-for-docker "it is not loaded"
else
	skip libcurl-for-docker "the program is static"
fi
stop
end_test
