#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 100 containers: all that start beside a capture are named, and what start, stop and memory take with them. MANY: another
# number of them, at most 250. timeout: 280
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

N=${MANY:-100}
ends_within=$((5 + N * 80 / 1000)) # as many_stop
tests="many_named many_named_uplink many_named_socket-filter many_chosen many_start_bridge many_start_netns many_start many_stop
	many_memory many_maps many_start_socket-filter many_stop_socket-filter many_start_namespaces"
# shellcheck disable=SC2086 # several words
need dockerd docker containerd runc python3 curl iptables ip nsenter -- $tests
net_up && dockerd_start && docker_image || {
	bad docker_starts "$(tail -n 1 "$TEST_TMP/dockerd.log")"
	exit 1
}

# What maps or programs take, as the kernel counts it, each once however many descriptors there are.
bpf_kb() { # PID KIND
	cat /proc/"$1"/fdinfo/* 2>/dev/null | awk -v id="$2_id:" '$1 == "memlock:" { size = $2 } $1 == id { of[$2] = size }
		END { for (i in of) sum += of[i]; print int(sum / 1024) }'
}
least() { [ "$2" -ge "${!1}" ] || printf -v "$1" %s "$2"; } # VARIABLE VALUE
# Sets listening, stopping (ms), resident and maps (kB): the least of three, on a machine that does other things.
measure() { # ARGUMENTS...
	local from
	listening=99999 stopping=99999 resident=9999999 maps=9999999
	for _ in 1 2 3; do
		from=$(now_ms)
		capture cost -n --log-level info "$@" icmp
		least listening $(($(now_ms) - from))
		wait_for 5 has cost.err "docker.sock' answers"
		least resident "$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$capture_pid/status")"
		least maps "$(bpf_kb $capture_pid map)"
		programs=$(bpf_kb $capture_pid prog)
		from=$(now_ms)
		kill -INT "$capture_pid"
		wait_for 30 gone "$capture_pid"
		least stopping $(($(now_ms) - from))
	done
	echo "$(docker ps -q | wc -l) containers, $*: listens after $listening ms, ends within $stopping ms, $resident kB resident," \
		"$maps kB of maps, $programs kB of programs" >&2
}

measure -i any
listening0=$listening resident0=$resident maps0=$maps
as_with_none=$((listening0 * 2 + 100))
capture tap -i any -n --backend socket-filter 'tcp port 80'
tap_pid=$capture_pid
capture many -i any -n 'tcp port 80'
from=$(now_ms)
all_request $N 900
echo "$N containers in $((($(now_ms) - from) / 1000)) s" >&2
capture_end
capture_name=tap capture_pid=$tap_pid
capture_end
named() { python3 "$here/named.py" "$TEST_TMP/$1.out" "$2" ', Container [c%s]' $N; } # NAME IFACES
why=$(named many 'docker0|veth')
[ "$(docker ps -q | wc -l)" = $N ] || why="$why not all run;"
nameless=$(grep ' IP ' "$TEST_TMP/many.out" | grep -vc ' Container \[c')
[ "$nameless" = 0 ] || why="$why $nameless lines without a container;"
[ "$(stat_of many dropped)" = 0 ] || why="$why $(stat_of many dropped) dropped"
result many_named "$why"
result many_named_uplink "$(named many up0)"
result many_named_socket-filter "$(named tap 'docker0|veth|up0')"

capture one -i any -n --container-name c7 'tcp port 80'
for n in 6 7 8; do docker exec c$n wget -q -O /dev/null http://10.232.0.2/$n; done
shown
from=$(now_ms)
capture_stop
echo "$N containers, -i any --container-name c7: ends within $(($(now_ms) - from)) ms" >&2
why=
has one.out 'GET /7 .*Container \[c7\]' || why="nothing;"
grep -q 'GET /[68] ' "$TEST_TMP/one.out" && why="$why packets of others"
result many_chosen "$why"

# What costs is a device: the bridge alone shows all containers, and costs as much as with none.
measure -i docker0
at_most many_start_bridge "$listening" $as_with_none
measure --netns container:c7 -i any
at_most many_start_netns "$listening" $as_with_none
# Up to 20 ms for each side of a device; twice that on a busy machine.
measure -i any
at_most many_start "$listening" $((listening0 + N * 80))
at_most many_stop "$stopping" $((N * 80))
at_most many_memory $((resident - resident0)) $((N * 20))
at_most many_maps $((maps - maps0)) $((N * 20))
measure -i any --backend socket-filter
at_most many_start_socket-filter "$listening" $((as_with_none + N * 5))
at_most many_stop_socket-filter "$stopping" $((N * 10))
measure --netns any -i any --backend socket-filter
at_most many_start_namespaces "$listening" $((as_with_none + N * 10))
end_test
