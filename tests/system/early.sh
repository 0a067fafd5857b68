#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers of what is seen while devices are attached and the runtimes are still asked. timeout: 120
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="early_names early_ids early_filter early_filter_counts early_unjudged"
COUNT=20
need python3 ip nsenter -- $tests
root=/sys/fs/cgroup/unified
[ -e $root/cgroup.procs ] || root=/sys/fs/cgroup
folder=$root/ptcc-$$
CTD=$TEST_TMP/none.sock
pids= daemons=0
cleanup() {
	kill $capture_pid $pids 2>/dev/null
	wait 2>/dev/null
	ip netns del "$NS" 2>/dev/null
	rmdir "$folder"/* "$folder" 2>/dev/null
	return 0
}
mkdir "$folder" 2>/dev/null || skip_all "cannot make a cgroup" $tests
for id in $(python3 "$here/crowd.py" ids $COUNT); do mkdir "$folder/$id" || skip_all "cannot make a cgroup" $tests; done
ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
# To attach to each takes some 30 ms; lo, where the packets are, is the first.
for i in $(seq 15); do ip -n "$NS" link add "a$i" up type veth peer name "b$i" && ip -n "$NS" link set "b$i" up; done

crowd() { # ARGUMENTS...: in the namespace and the background; sets $crowd_pid
	nsenter --net="/run/netns/$NS" python3 "$here/crowd.py" "$@" &
	crowd_pid=$!
	pids="$pids $crowd_pid"
}
answers_after() { # SECONDS: another daemon, at $DOCKER
	[ -z "${daemon_pid:-}" ] || kill "$daemon_pid"
	DOCKER=$TEST_TMP/docker-$((++daemons)).sock
	crowd serve "$DOCKER" $COUNT "$1"
	daemon_pid=$crowd_pid
	wait_for 5 test -S "$DOCKER"
}
no_lines_but() { # FILE PATTERN: says which, or that there are none
	[ -s "$TEST_TMP/$1.out" ] || echo "no packets"
	grep -v "$2" "$TEST_TMP/$1.out" | head -n 1
}
# "12 packets captured", received and dropped as they should be when nothing that is wanted gets lost
adds_up() { # NAME
	local captured received dropped
	captured=$(stat_of "$1" captured) received=$(stat_of "$1" 'received by filter') dropped=$(stat_of "$1" 'dropped by kernel')
	[ "$captured" -gt 0 ] && [ "$dropped" = 0 ] && [ "$captured" = "$received" ] || echo "$captured of $received, $dropped dropped"
}
seen() { [ "$(wc -l <"$TEST_TMP/$capture_name.out")" -gt 20 ]; }

# --- the answers come while devices are attached, and after the first packets ---
crowd send "$folder" $COUNT
why=
for seconds in 0.05 0.4; do
	answers_after $seconds
	capture "names-$seconds" -i any -n 'udp port 9'
	wait_for 5 seen
	capture_stop
	why="$why$(no_lines_but "names-$seconds" ', Container \[c[0-9]*\]$')"
done
result early_names "$why"

# --- they come too late: the ids are known by the control groups ---
answers_after 30
capture ids -i any -n 'udp port 9'
wait_for 5 seen
capture_stop
result early_ids "$(no_lines_but ids ', Container \[[0-9a-f]\{12\}\]$')"

# --- with a filter, what cannot be wanted is neither captured nor counted: of the host, and of a container ---
answers_after 0.05
crowd flood
flood_pid=$crowd_pid
crowd flood "$folder" 7
sleep 0.2
capture filter -i any -n -B 512 --container-name c3 'udp port 9'
wait_for 5 seen
capture_stop
result early_filter "$(no_lines_but filter ', Container \[c3\]$')"
result early_filter_counts "$(adds_up filter)$(grep 'faster than' "$TEST_TMP/filter.err")"

# --- which container it is becomes known later: what has no room until then is counted apart ---
kill "$flood_pid"
answers_after 1.2
capture unjudged -i any -n -B 512 --container-name c3 'udp port 9'
wait_for 5 seen
capture_stop
why=$(adds_up unjudged)
grep -q '^ptcpdump: [0-9]* packets came faster than it was known' "$TEST_TMP/unjudged.err" || why="$why nothing is said of packets that are lost"
result early_unjudged "$why"
end_test
