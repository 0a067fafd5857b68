#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Live captures under ThreadSanitizer, with all that runs in threads: names of hosts and of users, several devices that are
# attached, programs that are loaded meanwhile. timeout: 120
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

tests="threads_any threads_tap threads_file"
why=$(lacks ip nsenter python3 setarch)
[ -z "$why" ] || skip_all "$why" $tests
NS=threads-$$
TSAN_PTCPDUMP=$BUILD/tsan/ptcpdump
[ -x "$TSAN_PTCPDUMP" ] || { bad threads_any "make tsan has not been run"; end_test; }
cleanup() {
	kill "${load_pid:-}" 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	return 0
}
ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
for i in 1 2 3; do ip -n "$NS" link add "a$i" up type veth peer name "b$i" && ip -n "$NS" link set "b$i" up; done

# Many addresses, whose names are asked for, and many processes of two users.
cat >"$TEST_TMP/load.py" <<'PY'
import os, socket, subprocess, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sent = 0
while True:
    sent += 1
    s.sendto(b'x' * 50, (f'127.0.{sent // 250 % 250}.{sent % 250 + 1}', 9))
    if sent % 50 == 0:
        subprocess.run(['bash', '-c', 'echo x >/dev/udp/127.0.0.1/9'], user=65534 if sent % 100 else 0)
    if sent % 20 == 0:
        time.sleep(0.01)
PY
nsenter --net="/run/netns/$NS" python3 "$TEST_TMP/load.py" &
load_pid=$!

many() { [ "$(wc -c <"$TEST_TMP/out")" -gt 300000 ]; }
watched() { # NAME ARGUMENTS...
	local name=$1 pid status
	shift
	# Address space that is laid out by chance may be where the sanitizer wants to be.
	TSAN_OPTIONS="exitcode=66" start_capture "$TEST_TMP/out" "$TEST_TMP/err" nsenter --net="/run/netns/$NS" \
		setarch -R "$TSAN_PTCPDUMP" "$@"
	pid=$!
	wait_for 20 many
	kill -INT "$pid"
	wait "$pid"
	status=$?
	result "$name" "$(grep -A 8 'ThreadSanitizer' "$TEST_TMP/err")$([ $status = 0 ] && many || echo "exit status $status, $(wc -c <"$TEST_TMP/out") bytes")"
}
watched threads_any -i any -v udp
watched threads_tap -i any -v --backend socket-filter udp
watched threads_file -i any -U -w - udp
end_test
