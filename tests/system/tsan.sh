#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Live captures under ThreadSanitizer, with the programs in the kernel: threads that look up names and users, and interfaces
# that come and go meanwhile.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

PTCPDUMP=$BUILD/tsan/ptcpdump
[ -x "$PTCPDUMP" ] || skip_all "build/tsan/ptcpdump is not built (make tsan)" tsan
# Randomized addresses of newer kernels leave no room for its shadow.
if ! "$PTCPDUMP" --version >"$TEST_TMP/version" 2>&1; then
	PTCPDUMP=$TEST_TMP/ptcpdump
	printf '#!/bin/sh\nexec setarch -R %s "$@"\n' "$BUILD/tsan/ptcpdump" >"$PTCPDUMP"
	chmod 755 "$PTCPDUMP"
	"$PTCPDUMP" --version >/dev/null 2>&1 || skip_all "ThreadSanitizer does not run here: $(tail -n 1 "$TEST_TMP/version")" tsan
fi
chmod 777 "$TEST_TMP"
export TSAN_OPTIONS="log_path=$TEST_TMP/race exitcode=66 report_signal_unsafe=0"

# Users whom /etc/passwd does not know are asked for in a thread. Nobody waits for one who takes his time, as here.
cat >"$TEST_TMP/slow.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <time.h>
int getpwuid_r(uid_t uid, struct passwd *pw, char *text, size_t size, struct passwd **found)
{
	int (*real)(uid_t, struct passwd *, char *, size_t, struct passwd **);
	nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, 0);
	*(void **)&real = dlsym(RTLD_NEXT, "getpwuid_r");
	return real(uid, pw, text, size, found);
}
C
slow=
cc -shared -fPIC -o "$TEST_TMP/slow.so" "$TEST_TMP/slow.c" 2>/dev/null && slow=$TEST_TMP/slow.so
traffic() {
	local i
	for i in {1..5}; do
		setpriv --reuid $((50000 + i)) --regid 50000 --clear-groups ping -q -c 3 -i 0.02 -W 1 "$THERE" >/dev/null
		ip link add "${LINK}c" type veth peer name "${LINK}d"
		ip link set "${LINK}c" up
		ping -q -c 3 -i 0.02 -W 1 "$THERE" >/dev/null
		ip link del "${LINK}c"
	done
}
races() { # NAME WANTED-LINES OPTION...
	local name=$1 wanted=$2
	shift 2
	LD_PRELOAD=$slow start "$@"
	traffic
	shown
	kill -INT "$PID"
	finish
	is "$name: status" "$STATUS" 0
	result "$name: races" "$(cat "$TEST_TMP"/race.* 2>/dev/null | head -c 3000)"
	rm -f "$TEST_TMP"/race.*
	[ "$wanted" = 0 ] || check "$name: lines" [ "$(lines "$TEST_TMP/out" ICMP)" -ge "$wanted" ]
}

for backend in $(backends); do
	races "$backend" 30 --backend "$backend" -i any -l -n icmp
done
races names 30 -i any -l icmp
races file 0 -i any -w "$TEST_TMP/x.pcapng" -C 1k icmp
races "one process" 30 -i any -l --no-sandbox icmp
races command 30 -i any -l icmp -- sh -c "ping -q -c 30 -i 0.02 $THERE >/dev/null; sleep 1"
end_test
