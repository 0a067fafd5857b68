# shellcheck shell=bash disable=SC2034 # what the tests read
# SPDX-License-Identifier: BSD-3-Clause
# Two hosts for session and command tests. Sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

why=$(lacks ping ip)
[ -z "$why" ] || skip_all "$why" "$(basename "$0" .sh)"

NS=ptcph$$
LINK=ptcph$$
# Of its own for each run, should several tests run at a time.
SUBNET=10.211.$(($$ % 256))
HERE=$SUBNET.1
THERE=$SUBNET.2

cleanup() {
	# Not all of our background jobs end by themselves.
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	ip link del "$LINK" 2>/dev/null
}

ip netns add "$NS" && ip link add "$LINK" type veth peer name eth0 netns "$NS" &&
	ip addr add "$HERE/24" dev "$LINK" && ip link set "$LINK" up &&
	ip -n "$NS" addr add "$THERE/24" dev eth0 && ip -n "$NS" link set eth0 up && ip -n "$NS" link set lo up || exit 1

# So that the tests see no neighbour discovery unless they want to.
ping -q -c 1 -W 2 "$THERE" >/dev/null || exit 1

# Starts ptcpdump in the background with its output in $TEST_TMP/out and err; PID is set once it listens.
start() {
	start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" "$@"
	PID=$!
}

# Waits until the capture has shown what was sent.
shown() { drained "$TEST_TMP/err" kill -USR1 "$PID"; }

# Waits for PID; its exit status is in STATUS.
finish() {
	wait "$PID"
	STATUS=$?
}

pings() { # COUNT
	ping -q -c "$1" -i 0.01 -W 1 "$THERE" >/dev/null
}

lines() { # FILE PATTERN
	grep -c "$2" "$1"
}

# What a capture could leave behind on our link and in the kernel's list of links. Other captures may be running, so links
# are looked at by interface.
traces() {
	bpftool net show dev "$LINK" 2>/dev/null | grep ptcp
	tc qdisc show dev "$LINK" | grep clsact
	find /sys/fs/bpf -maxdepth 1 -name '*ptcp*'
}
no_traces() { [ -z "$(traces)" ]; }
