#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Nothing is left of a run that was killed but what --clean removes, and what living ones use stays. timeout: 300
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks tc unshare nsenter)
[ -z "$why" ] || skip_all "$why" clean
export TMPDIR=$TEST_TMP/tmp
mkdir -m 1777 "$TMPDIR"

filters() { # how many are on our link, and on its other end
	for side in ingress egress; do
		tc filter show dev "$LINK" $side
		ip netns exec "$NS" tc filter show dev eth0 $side
	done 2>/dev/null | grep -c 'handle 0x7074000'
}
no_filters() { [ "$(filters)" = 0 ]; }
qdiscs() {
	{
		tc qdisc show dev "$LINK"
		ip netns exec "$NS" tc qdisc show dev eth0
	} | grep -c clsact
}
left() {
	traces
	echo "$(filters) $(qdiscs)" | grep -v '^0 0$'
	find "$TMPDIR" -mindepth 1
	grep -v '^0' /sys/kernel/rcu_expedited
	ip netns exec "$NS" bpftool net show dev eth0 2>/dev/null | grep ptcp
}

killed() { # NAME DELAY COMMAND...: and the guards of it end by themselves
	local name=$1 delay=$2 pid helpers
	shift 2
	setsid "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	pid=$!
	sleep "$delay"
	helpers=$(pgrep -P "$pid" | tr '\n' ' ')
	kill -KILL "$pid"
	wait "$pid" 2>/dev/null
	for helper in $helpers; do wait_for 3 gone "$helper" || echo "$name: $(cat "/proc/$helper/comm") is still there"; done
	"$PTCPDUMP" --clean >"$TEST_TMP/cleaned" 2>&1 || echo "$name: $(cat "$TEST_TMP/cleaned")"
	wait_for 2 nothing_left
	left | sed "s/^/$name: /"
}
nothing_left() { [ -z "$(left)" ]; }

for backend in $(backends); do
	modes=-
	[ "$backend" != tc ] || modes='tcx clsact'
	for mode in $modes; do
		[ "$mode" = - ] || export PTCPDUMP_TC=$mode
		where="--netns $NS"
		[ "$backend" != pcap ] || where=
		bad=$(for delay in 0.02 0.06 0.12 0.2 0.3 0.6; do
			# shellcheck disable=SC2086 # words
			killed "$delay" $delay "$PTCPDUMP" --backend "$backend" -i any -nn -w "$TEST_TMP/x.pcapng" $where
			killed "keys, $delay" $delay "$PTCPDUMP" --backend "$backend" -i "$LINK" -nn --embed-keylog-to-pcapng \
				-w "$TEST_TMP/x.pcapng" -- sleep 1
			killed "text, $delay" $delay "$PTCPDUMP" --backend "$backend" -i "$LINK"
		done 2>&1)
		result "killed_$backend$mode" "$bad"
		unset PTCPDUMP_TC
	done
done

# What is left stays until then, is named, and not a second time.
leave() { # COMMAND...
	PTCPDUMP_TC=clsact start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$@"
	PID=$!
}
leave "$PTCPDUMP" -i any --netns "$NS" -nn -w "$TEST_TMP/x.pcapng"
kill -KILL "$PID"
finish 2>/dev/null
check clsact_leaves_something not no_filters
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
is says_what "$?$(grep -c "^eth0 (netns $NS): removed 2 filters$" "$TEST_TMP/cleaned")" 01
is removes_it "$(left)" ""
is nothing_twice "$("$PTCPDUMP" --clean | grep -c "$NS")" 0

# One with tcx, or without, takes away what lies on its interface.
for mode in tcx clsact; do
	leave "$PTCPDUMP" -i "$LINK" -nn
	kill -KILL "$PID"
	finish 2>/dev/null
	before=$(filters)
	PTCPDUMP_TC=$mode start -i "$LINK" -nn
	during=$(filters)
	kill -INT "$PID"
	finish
	if [ "$STATUS" = 1 ] && [ $mode = tcx ]; then
		skip cleared_by_tcx "this kernel has no tcx"
		"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
		continue
	fi
	is "cleared_by_$mode" "$before $during $(filters)" "2 $([ $mode = tcx ] && echo 0 || echo 2) 0"
done

# Those that live keep what they have; a qdisc that others use stays.
leave "$PTCPDUMP" -i "$LINK" -nn icmp
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
pings 2
shown
is living_stays "$(filters) $(lines "$TEST_TMP/out" 'ICMP echo') $(grep -c "$LINK" "$TEST_TMP/cleaned")" "2 4 0"
tc filter add dev "$LINK" ingress pref 40000 protocol ip u32 match u32 0 0
kill -KILL "$PID"
finish 2>/dev/null
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
is others_qdisc_stays "$(filters) $(qdiscs) $(tc filter show dev "$LINK" ingress | grep -c 'pref 40000')" "0 1 3"
tc qdisc del dev "$LINK" clsact

# Pids of another pid namespace mean something else; from outside, all are seen.
leave unshare -pf --mount-proc "$PTCPDUMP" -i "$LINK" -nn icmp
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
is living_in_a_pid_namespace "$(filters)" 2
kill -KILL "$(pgrep -P "$PID")"
finish 2>/dev/null
gone_and_clean() { "$PTCPDUMP" --clean >"$TEST_TMP/cleaned" && no_filters; }
wait_for 3 gone_and_clean
is dead_in_a_pid_namespace "$(left)" ""

# What was set and what versions before have left on the disk.
before=$(cat /sys/kernel/rcu_expedited)
if [ "$before" = 0 ] && echo $((0x70746370)) 2>/dev/null >/sys/kernel/rcu_expedited; then
	"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
	is expedited "$(cat /sys/kernel/rcu_expedited)$(grep -c rcu_expedited "$TEST_TMP/cleaned")" 01
	(flock -s 9 && echo $((0x70746370)) >&9 && "$PTCPDUMP" --clean) 9<>/sys/kernel/rcu_expedited >"$TEST_TMP/cleaned" 2>&1
	is expedited_in_use "$(cat /sys/kernel/rcu_expedited)$(grep -c rcu_expedited "$TEST_TMP/cleaned")" $((0x70746370))0
	echo 0 >/sys/kernel/rcu_expedited
	echo 1 >/sys/kernel/rcu_expedited
	"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
	is expedited_by_others "$(cat /sys/kernel/rcu_expedited)" 1
	echo 0 >/sys/kernel/rcu_expedited
else
	skip expedited "/sys/kernel/rcu_expedited cannot be written"
fi
mkdir -m 711 "$TMPDIR/ptcpdump-killed"
echo secret >"$TMPDIR/ptcpdump-killed/keys"
touch -d '2 minutes ago' "$TMPDIR/ptcpdump-killed"
"$PTCPDUMP" --clean >"$TEST_TMP/cleaned"
is folder "$(find "$TMPDIR" -mindepth 1)$(grep -c "ptcpdump-killed: removed" "$TEST_TMP/cleaned")" 1
setpriv --reuid 65534 --clear-groups "$PTCPDUMP" --clean 2>"$TEST_TMP/err"
is not_root "$?$(grep -c 'CAP_SYS_ADMIN.*sudo' "$TEST_TMP/err")" 11
end_test
