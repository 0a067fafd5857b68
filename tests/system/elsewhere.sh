#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Traffic in the network namespaces of containers and pods: which are captured in, and what they are called. timeout: 250
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="own_lo own_network_none own_shared own_sidecar own_later veth_once veth_named netns_container netns_pod netns_backends netns_list
	netns_any_names netns_saved netns_unknown netns_restarted hint_elsewhere"
PATH=$PATH:/usr/lib/cni:/opt/cni/bin
need dockerd docker containerd ctr runc bridge host-local python3 curl iptables ip nsenter -- $tests
net_up && dockerd_start && docker_image && containerd_start || {
	bad daemons_start "$(tail -qn 1 "$TEST_TMP/dockerd.log" "$TEST_TMP/ctd.log")"
	exit 1
}
start() { # NAME COMMAND OPTIONS...
	local name=$1 command=$2
	shift 2
	docker run -d --name "$name" "$@" localhost/bb:test sh -c "$command" >/dev/null || bad "$name" "does not start"
}
talks() { echo "while :; do sleep 0.3; wget -q -O /dev/null http://$1; done"; } # ADDRESS/NUMBER
start web "httpd -f -p 80"
start guest "$(talks 127.0.0.1:80/1)" --network container:web
start none "$(talks 127.0.0.1:9/2)" --network none
start client "$(talks 10.232.0.2/3)"
start agent "$(talks 127.0.0.1:9/4)" --network host
pod=$(cri run web-0 prod)
cri ctr "$pod" side localhost/bb:test sh -c "$(talks 127.0.0.1:81/5)" >/dev/null
peer_of() { # CONTAINER: our end of its veth pair
	local n
	n=$(docker exec "$1" cat /sys/class/net/eth0/iflink)
	in_ns ip -o link | sed -n "s/^$n: \([^@:]*\).*/\1/p"
}
# The namespaces of others on this machine, and what of them is said, are none of our business.
run_for() { # NAME TEXT ARGUMENTS...: captures until that is shown
	local name=$1 text=$2
	shift 2
	capture "$name" -n "$@"
	wait_for 8 has "$name.out" "$text"
	capture_end
}
# Lines of other interfaces than those, which are there or not
only() { grep -v "^[0-9:.]* \($2\) " "$TEST_TMP/$1.out" | head -n 1; } # NAME PATTERN

run_for none 'lo@none ' --container-name none
has none.out 'lo@none .*Container \[none\]' && result own_network_none "$(only none 'lo@none')" || bad own_network_none "nothing"
run_for guest 'lo@web ' --container-name guest
has guest.out ' lo@web .*Container \[guest\]' && result own_shared "$(only guest 'lo@web\|eth0@web\|docker0')" || bad own_shared "$(head -n 1 "$TEST_TMP/guest.out")"
run_for side 'lo@web-0.prod ' --container-name side
has side.out 'lo@web-0.prod .*Container \[side\], Pod \[web-0.prod\]' && result own_sidecar "$(only side 'lo@web-0.prod')" || bad own_sidecar "nothing"
run_for agent ' lo .*Container \[agent\]' --container-name agent
result own_lo "$(has agent.out ' lo .*Container \[agent\]' || echo nothing)$(only agent lo)"

# A container that starts later, also one whose network is its own lo.
capture later -n --container-name later
docker run --rm --name later --network none localhost/bb:test sh -c 'for i in 1 2 3; do sleep 0.3; wget -q -O /dev/null http://127.0.0.1:9/; done' >/dev/null 2>&1
capture_end
result own_later "$(has later.out 'lo@later .*Flags \[S\],.*Container \[later\]' || echo nothing)"

# The other end of a pair that is seen is not shown as well; the bridge is, and so is what was named. Up to when the namespace is
# known, the veth is all that there is, and a little longer: the third request is after that.
veth=$(peer_of client)
capture once -n -i any --container-name client 'tcp port 80'
requests() { [ "$(grep -c 'eth0@client .*GET /3 ' "$TEST_TMP/once.out")" -ge 5 ]; }
wait_for 10 requests
capture_end
why=
has once.out ' docker0 .*GET /3 ' || why="nothing on docker0;"
awk '/eth0@client .*GET/ && ++n == 3 { late = 1 } late' "$TEST_TMP/once.out" >"$TEST_TMP/late.out"
[ "$(grep -c 'eth0@client .*GET' "$TEST_TMP/late.out")" -ge 2 ] || why="$why no requests;"
grep -q " $veth " "$TEST_TMP/late.out" && why="$why $(grep -m 1 " $veth " "$TEST_TMP/late.out")"
result veth_once "$why"
run_for named " $veth .*GET /3 " -i any -i "$veth" --container-name client
result veth_named "$(has named.out " $veth .*GET /3 " || echo nothing)"

# --- --netns ---
run_for word 'lo@web ' --netns container:web
result netns_container "$(has word.out 'lo@web ' || echo nothing)$(only word 'lo@web\|eth0@web')"
id=$(docker inspect -f '{{.Id}}' none)
capture pod -n --netns "pod:web-0.prod,container:${id:0:13}"
both() { has pod.out 'lo@web-0.prod ' && has pod.out 'lo@none '; }
wait_for 8 both
capture_end
result netns_pod "$(both || echo 'not both')$(only pod 'lo@web-0.prod\|eth0@web-0.prod\|lo@none')"
why=
for backend in cgroup-skb socket-filter tp-btf pcap; do
	"$PTCPDUMP" --backend help | grep "^$backend " | grep -q 'not here' && continue
	run_for backend 'lo@web ' --netns container:web -i lo --backend $backend
	has backend.out 'lo@web .*Container \[web\]' || why="$why nothing by $backend: $(tail -n 1 "$TEST_TMP/backend.err");"
	[ $backend = pcap ] && continue
	run_for backend 'lo@none ' --container-name none --backend $backend
	has backend.out 'lo@none .*Container \[none\]' || why="$why nothing of none by $backend;"
done
result netns_backends "$why"
list() { in_ns "$PTCPDUMP" --docker-address "$DOCKER" --containerd-address "$CTD" --cri-runtime-address "$CTD" -D "$@"; }
why=
[ "$(list --netns container:web | grep -c '(netns web)')" -ge 2 ] || why="$(list --netns container:web 2>&1 | head -n 1)"
list --netns any | grep -q 'eth0 (netns web-0.prod)' || why="$why no pod among all;"
list --netns container:nobody >/dev/null 2>"$TEST_TMP/list.err" && why="$why exit status of an unknown one;"
grep -q 'no such container or pod' "$TEST_TMP/list.err" || why="$why $(head -n 1 "$TEST_TMP/list.err")"
list --netns container:web,container:noen >/dev/null 2>"$TEST_TMP/list.err" || why="$why exit status of one of two;"
grep -q "'container:noen': did you mean 'container:none'" "$TEST_TMP/list.err" || why="$why $(head -n 1 "$TEST_TMP/list.err")"
list --netns container: 2>&1 | grep -q 'the name is missing' || why="$why no name;"
result netns_list "$why"

# All of them: by name from the first packet on, and what "ip netns" calls one stays.
capture all -n --netns any -i lo 'net 127.0.0.0/8'
named() { has all.out 'lo@web ' && has all.out 'lo@none ' && has all.out 'lo@web-0.prod '; }
wait_for 8 named
docker run --rm --name new --network none localhost/bb:test sh -c 'for i in 1 2; do wget -q -O /dev/null http://127.0.0.1:9/; sleep 0.2; done' >/dev/null 2>&1
in_netns_ping() { nsenter --net="/run/netns/$SRV" busybox wget -q -O /dev/null http://127.0.0.1:9/; }
in_netns_ping 2>/dev/null
capture_end
why=
for n in web none web-0.prod new "$SRV"; do has all.out "lo@$n " || why="$why no lo@$n: $(cut -d " " -f 2 "$TEST_TMP/all.out" | sort | uniq -c | tr "\n" " ")"; done
grep 'Container \[' "$TEST_TMP/all.out" | grep -q ' lo@[0-9]* ' && why="$why $(grep 'Container \[' "$TEST_TMP/all.out" | grep -m 1 ' lo@[0-9]* ')"
result netns_any_names "$why"

# What -r prints is what was printed, and other programs see the name.
run_for saved 'lo@web-0.prod ' --container-name side -w "$TEST_TMP/saved.pcapng" --print
"$PTCPDUMP" -n -r "$TEST_TMP/saved.pcapng" >"$TEST_TMP/read.out" 2>/dev/null
why=
cmp -s "$TEST_TMP/saved.out" "$TEST_TMP/read.out" || why="$(diff "$TEST_TMP/saved.out" "$TEST_TMP/read.out" | head -n 2 | tr '\n' ' ')"
grep -aq 'lo@web-0.prod' "$TEST_TMP/saved.pcapng" || why="$why no such name in the file"
result netns_saved "$why"

# It starts later, and is started again: its namespace is another one then.
capture unknown -n --netns container:soon
wait_for 8 has unknown.err 'no such container or pod yet'
start soon "$(talks 127.0.0.1:9/6)" --network none
wait_for 8 has unknown.out 'lo@soon '
why=
has unknown.out 'lo@soon ' || why="nothing;"
has unknown.err 'no such container or pod yet' || why="$why $(head -n 1 "$TEST_TMP/unknown.err")"
result netns_unknown "$why"
docker restart -t 0 soon >/dev/null
since=$(wc -l <"$TEST_TMP/unknown.out")
again() { tail -n +$((since + 3)) "$TEST_TMP/unknown.out" | grep -q 'lo@soon '; }
result netns_restarted "$(wait_for 8 again || echo nothing)"
capture_end

capture hint -n -i up0 --container-name none --log-level info
wait_for 8 has hint.err "docker.sock' answers"
capture_end
result hint_elsewhere "$(has hint.err 'with --netns container:none' || head -n 1 "$TEST_TMP/hint.err")"
end_test
