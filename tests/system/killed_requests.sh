#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Killed after any of its requests to the kernel's tc, without tcx, nothing is left but what --clean and the next run remove.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks tc strace)
[ -z "$why" ] || skip_all "$why" killed_after_each
export PTCPDUMP_TC=clsact

# One whole run of one thread: it attaches, captures a packet and detaches. SIGKILL comes at the entry of a call.
run() { # ARGUMENTS of strace
	: >"$TEST_TMP/err"
	strace -qq -o "$TEST_TMP/trace" -e trace=sendto "$@" \
		"$PTCPDUMP" -i "$LINK" -nn -w "$TEST_TMP/x.pcapng" -c 1 icmp 2>"$TEST_TMP/err" &
	PID=$!
	said "$PID" 'listening on' "$TEST_TMP/err" && pings 2
	finish 2>/dev/null
}
filters() {
	for side in ingress egress; do tc filter show dev "$LINK" $side; done 2>/dev/null | grep -c 'handle 0x7074000'
}
left() {
	tc qdisc show dev "$LINK" | grep clsact
	[ "$(filters)" = 0 ] || echo "$(filters) filters"
}

run
is whole_run "$STATUS$(left)" 0
# strace does not know all sockets of netlink as such, so it cannot tell which of them are requests to tc.
calls=$(grep -c '^sendto' "$TEST_TMP/trace")
check makes_requests [ "$calls" -ge 4 ]
bad=$(for call in $(seq "$calls"); do
	for cure in clean run; do
		run -e "inject=sendto:signal=KILL:when=$((call + 1))"
		[ $cure = run ] || "$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
		[ $cure = clean ] || run
		left | sed "s/^/call $call, $cure: /"
		tc qdisc del dev "$LINK" clsact 2>/dev/null
	done
done)
result killed_after_each "$bad"

# An empty one that somebody else has made stays, whoever was killed upon it.
tc qdisc add dev "$LINK" clsact
run -e "inject=sendto:signal=KILL:when=$calls"
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
run
is others_empty_one_stays "$(filters) $(tc qdisc show dev "$LINK" | grep -c clsact)" "0 1"
end_test
