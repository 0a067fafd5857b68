# shellcheck shell=bash disable=SC2034 # what the tests read
# SPDX-License-Identifier: BSD-3-Clause
# Two hosts for session and command tests, and a way to say how a test went. Sourced, not run.

if [ "$(id -u)" -ne 0 ]; then
	echo "skip - $(basename "$0" .sh): needs root"
	exit 0
fi

NS=ptcph$$
LINK=ptcph$$
# Of its own for each run, should several tests run at a time.
SUBNET=10.211.$(($$ % 256))
HERE=$SUBNET.1
THERE=$SUBNET.2
failed=0

hosts_done() {
	# Not all of our background jobs end by themselves.
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	ip link del "$LINK" 2>/dev/null
}
trap hosts_done EXIT

ip netns add "$NS" && ip link add "$LINK" type veth peer name eth0 netns "$NS" &&
	ip addr add "$HERE/24" dev "$LINK" && ip link set "$LINK" up &&
	ip -n "$NS" addr add "$THERE/24" dev eth0 && ip -n "$NS" link set eth0 up && ip -n "$NS" link set lo up || exit 1

# So that the tests see no neighbour discovery unless they want to.
ping -q -c 1 -W 2 "$THERE" >/dev/null || exit 1

is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then
		echo "ok - $1"
	else
		echo "not ok - $1: '$2', not '$3'" | tr '\n' ' '
		echo
		failed=1
	fi
}

check() { # NAME COMMAND...
	local name=$1
	shift
	"$@"
	is "$name" $? 0
}

# Starts ptcpdump in the background with its output in $TEST_TMP/out and err; PID is set once it listens.
start() {
	: >"$TEST_TMP/err"
	"$PTCPDUMP" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	PID=$!
	wait_for 5 grep -q 'listening on' "$TEST_TMP/err"
}

wait_for() { # SECONDS COMMAND...
	local tries=$(($1 * 50))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.02
	done
}

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
