#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Which interface shows a packet of a container, how often, and with whose name: what docs/containers.md says of it. timeout: 120
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

others=$(backends | grep -x 'socket-filter\|tp-btf\|pcap')
tests="shown_table shown_rows_are_all shown_promiscuous shown_cgroup-skb shown_pod_lo who_bridge who_uplink who_veth who_inside who_lo"
for backend in $others; do tests="$tests shown_$backend"; done
PATH=$PATH:/usr/lib/cni:/opt/cni/bin
# shellcheck disable=SC2086 # several words
need dockerd docker docker-proxy containerd ctr runc bridge host-local python3 curl iptables ip nsenter -- $tests
pids=()
cleanup() {
	kill "${pids[@]}" 2>/dev/null
	containers_cleanup
}
# As Docker is when nothing is set: docker-proxy serves who cannot be translated.
net_up && dockerd_start --userland-proxy=true && docker_image && containerd_start || {
	bad daemons_start "$(tail -qn 1 "$TEST_TMP"/*.log)"
	exit 1
}

# The rows of the table, each known by its request, GET /NUMBER. The captures of a row are those of the container given first.
requests=('' # They count from 1.
	'client:from a container to the outside'
	'client:from a container to another one on the bridge'
	'client:from a container to a port of the host'
	'web:from the host to a container'
	'web:from the outside to a published port'
	'web:from the host to a published port of 127.0.0.1'
	'client:from a container to a published port of another one'
	'client:inside a container or pod, on its lo'
	'hostnet:from a container in the host'\''s network to the host')
last=$((${#requests[@]} - 1))
serve="mkdir -p /www; for i in \$(seq $((last + 1))); do echo \$i >/www/\$i; done; exec busybox httpd -f -p 80 -h /www"
docker run -d --name web -p 8080:80 localhost/bb:test sh -c "$serve" >/dev/null
docker run -d --name client localhost/bb:test sh -c "$serve" >/dev/null
docker run -d --name hostnet --network host localhost/bb:test sleep 600 >/dev/null
in_ns busybox httpd -f -p 80 -h "$TEST_TMP/www" &
pids+=($!)
address=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
device_of() { veth_of "$(docker inspect -f '{{.State.Pid}}' "$1")"; } # CONTAINER
client_veth=$(device_of client)
web_veth=$(device_of web)

get() { docker exec "$1" wget -q -O /dev/null "http://$2"; }
host_gets() { nsenter --net="/run/netns/$1" curl -sSf -m 5 -o /dev/null "http://$2"; }
all_requests() {
	get client 10.232.0.2/1 &&
		get client "$address/2" &&
		get client 10.233.0.1/3 &&
		host_gets "$NS" "$address/4" &&
		host_gets "$SRV" 10.232.0.1:8080/5 &&
		host_gets "$NS" 127.0.0.1:8080/6 &&
		get client 10.232.0.1:8080/7 &&
		get client 127.0.0.1/8 &&
		get hostnet 127.0.0.1/9 &&
		get hostnet "$address/10" # is in no row
} 2>"$TEST_TMP/requests.err"
wait_for 10 all_requests || bad all_answer "$(cat "$TEST_TMP/requests.err")"

# Several captures at once, each into its files.
begin() { # NAME ARGUMENTS...
	capture "$@" -n 'tcp port 80 or tcp port 8080'
	pids+=("$capture_pid")
	running+=("$capture_name:$capture_pid")
}
end_all() {
	local entry
	for entry in "${running[@]}"; do
		capture_name=${entry%:*}
		capture_pid=${entry#*:}
		capture_end
	done
	running=()
}
during_requests() {
	all_requests || bad all_answer "$(cat "$TEST_TMP/requests.err")"
	end_all
}

# --- how often ---
running=()
begin any -i any
begin alone -i docker0 -p
begin uplink -i up0
begin veth_client -i "$client_veth"
begin veth_web -i "$web_veth"
for name in client web hostnet; do begin own_$name --netns "container:$name" -i any; done
for name in client web hostnet; do begin chosen_$name -i any --container-name "$name"; done
during_requests
for backend in $others cgroup-skb; do begin "any-$backend" -i any --backend "$backend"; done
during_requests
# In a run of its own: the bridge shows more to everybody while somebody has it so.
begin bridge -i docker0
begin any2 -i any
during_requests

times() { # NAME NUMBER
	if [ -e "$TEST_TMP/$1.out" ]; then grep -c "GET /$2 " "$TEST_TMP/$1.out"; else echo -; fi
}
why=
for n in $(seq "$last"); do
	of=${requests[n]%%:*}
	row="| ${requests[n]#*:} |"
	for name in any bridge alone "veth_$of" uplink "own_$of" "chosen_$of"; do row="$row $(times "$name" "$n") |"; done
	echo "$row" >&2
	grep -qxF "$row" "$TOP/docs/containers.md" || why="$why not in the table: $row;"
done
result shown_table "$why"
is shown_rows_are_all "$(sed -n '/^| a request /,/^$/p' "$TOP/docs/containers.md" | grep -c '^| \(from\|inside\) ')" "$last"
is shown_promiscuous "$(times any 2) $(times any2 2)" "2 3"
for backend in $others; do
	why=
	for n in $(seq "$last"); do
		[ "$(times "any-$backend" "$n")" = "$(times any "$n")" ] || why="$why $(times "any-$backend" "$n") times ${requests[n]#*:};"
	done
	result "shown_$backend" "$why"
done
counts=
for n in 1 2 3 4 5; do counts="$counts $(times any-cgroup-skb $n)"; done
is shown_cgroup-skb "$counts" " 0 0 1 1 0" # nothing of what is only forwarded

# --- with whose name ---
why=
# The ends that each line of a request on a device names, and each of its answer; adds what is wrong to why.
who() { # CAPTURE DEVICE NUMBER REQUEST ANSWER
	why+=$(awk -v device="$2" -v get="GET /$3 " -v request="$4" -v answer="$5" '
		function check(kind, want) {
			seen[kind]++
			ends = match($0, /, (Peer)?Container \[/) ? substr($0, RSTART + 2) : ""
			if (ends != want && !wrong[kind]++)
				print " not " want ": " $0 ";"
		}
		function port(address) { return substr(address, match(address, /[0-9]+:?$/)) + 0 }
		$2 != device { next }
		index($0, get) { asked[port($6)]; check("request", request) }
		/ HTTP: HTTP\/1/ && port($8) in asked { check("answer", answer) }
		END { if (!seen["request"] || !seen["answer"]) print " nothing of " get "on " device ";" }
	' "$TEST_TMP/$1.out")
}
who_says() { # TEST
	result "$1" "$why"
	why=
}
alike() { who "$@" "$4"; } # CAPTURE DEVICE NUMBER BOTH

alike any up0 1 'Container [client]'
alike any up0 5 'Container [web]'
who_says who_uplink
alike any "$client_veth" 1 'Container [client]'
alike any "$client_veth" 2 'Container [client], PeerContainer [web]'
alike any "$client_veth" 3 'PeerContainer [client]'
alike any "$web_veth" 2 'Container [web], PeerContainer [client]'
alike any "$web_veth" 4 'PeerContainer [web]'
alike any "$web_veth" 5 'Container [web]'
alike any "$web_veth" 10 'Container [web], PeerContainer [hostnet]'
who_says who_veth
who any lo 9 'Container [hostnet]' 'PeerContainer [hostnet]'
who_says who_lo

# --- pods: the containers of one share its lo, and nothing of it is elsewhere ---
in_ns iptables -I FORWARD -j ACCEPT
p=$(cri run web prod)
server=$(cri ctr "$p" server localhost/bb:test sh -c "$serve")
side=$(cri ctr "$p" side localhost/bb:test sleep 600)
pid_of() { ctr -a "$CTD" -n k8s.io task ls | awk -v id="$1" '$1 == id { print $2 }'; } # ID
pod_address=$(nsenter -t "$(pid_of "$server")" -n ip -o -4 addr show eth0 | sed 's/.* inet \([0-9.]*\).*/\1/')
pod_requests() {
	ctr -a "$CTD" -n k8s.io task exec --exec-id "e${EPOCHREALTIME#*[.,]}" "$side" wget -q -O /dev/null http://127.0.0.1/1 && get client "$pod_address/2"
} 2>"$TEST_TMP/requests.err"
wait_for 5 pod_requests || bad pod_answers "$(cat "$TEST_TMP/requests.err")"
begin pods -i any
begin in_pod --netns pod:web.prod -i any
pod_requests
end_all
why=
[ "$(times pods 1)" = 0 ] || why=" the host shows it;"
[ "$(times in_pod 1)" = 1 ] || why="$why $(times in_pod 1) times in the pod;"
result shown_pod_lo "$why"

why=
alike own_client eth0@client 1 'Container [client]'
alike own_client eth0@client 2 'Container [client], PeerContainer [web]'
alike own_client eth0@client 3 'Container [client]'
alike own_client lo@client 8 'Container [client]'
alike own_web eth0@web 4 'Container [web]'
who in_pod lo@web.prod 1 'Container [side], Pod [web.prod], PeerContainer [server]' 'Container [server], Pod [web.prod], PeerContainer [side]'
who_says who_inside
alike any docker0 1 'Container [client]'
alike any docker0 3 'PeerContainer [client]'
alike any docker0 4 'PeerContainer [web]'
alike any docker0 5 'Container [web]'
alike any docker0 10 'Container [hostnet], PeerContainer [web]'
who bridge docker0 2 'Container [web], PeerContainer [client]' 'Container [client], PeerContainer [web]'
receives='Container [server], Pod [web.prod], PeerContainer [client]'
sends='Container [client], PeerContainer [server], PeerPod [web.prod]'
who pods docker0 2 "$receives" "$receives"
who pods ptcbr0 2 "$sends" "$sends"
who_says who_bridge
end_test
