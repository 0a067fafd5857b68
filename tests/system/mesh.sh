#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers on a bridge, with a shared namespace and in the host's network, pods of several containers, the host, and a network
# behind a masquerading uplink talk to each other: what any selection catches live is what -r selects, on each kind of interface.
# MESH_OPTIONS: of containers/mesh.py. timeout: 280
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

cni=/usr/lib/cni
[ -x $cni/bridge ] || cni=/opt/cni/bin
PATH=$PATH:$cni
need dockerd docker containerd ctr runc bridge host-local python3 curl iptables ip nsenter -- "selection mesh any"
net_up && dockerd_start && docker_image && containerd_start || {
	bad mesh_starts "$(tail -qn 1 "$TEST_TMP/dockerd.log" "$TEST_TMP/ctd.log")"
	exit 1
}
# Docker does not forward to bridges that are not its own.
in_ns iptables -I FORWARD -j ACCEPT

# In a container "/host" leads to the python of the machine; what answers by itself can be asked for by its pid.
python=$(python3 -c 'import sys; print(sys.executable)')
talker="$python -S $here/talker.py"
run() { # NAME PORT OPTIONS...: a container that serves there
	local name=$1 port=$2
	shift 2
	# shellcheck disable=SC2086 # several words
	docker run -d --name "$name" -v /:/host:ro -e "ASK=busybox chroot /host $talker ask" "$@" localhost/bb:test \
		busybox chroot /host $talker serve "$port" >/dev/null || bad "$name" "does not start"
}
run alpha 80 -l tier=front -l com.docker.compose.project=shop -l com.docker.compose.service=alpha
run beta 80 -p 7000:80 -p 7000:80/udp -l tier=back -l com.docker.compose.project=shop -l com.docker.compose.service=beta
run side 81 --net container:alpha
run hostc 8081 --net host
web=$(cri run web prod) agent=$(cri run agent default hostnet)
x=$(cri ctr "$web" x localhost/bb:test httpd -f -p 80)
y=$(cri ctr "$web" y localhost/bb:test httpd -f -p 81)
agent_ctr=$(cri ctr "$agent" agent localhost/bb:test httpd -f -p 8082)
# shellcheck disable=SC2086 # several words
in_ns $talker serve 8083 &
host_server=$!

address() { docker inspect -f '{{.NetworkSettings.IPAddress}}' "$1"; }
docker_pid() { docker inspect -f '{{.State.Pid}}' "$1"; }
ctr_pid() { ctr -a "$CTD" -n k8s.io task ls | awk -v id="$1" '$1 == id { print $2 }'; }
a=$(address alpha) b=$(address beta)
pod=$(nsenter -t "$(ctr_pid "$x")" -n ip -o -4 addr show eth0 | sed 's/.* inet \([0-9.]*\).*/\1/')
veth_a=$(veth_of "$(docker_pid alpha)")
veth_pod=$(veth_of "$(ctr_pid "$x")")

mesh() {
	local name
	for name in alpha beta side hostc; do
		echo "actor $name docker -H unix://$DOCKER exec -i $name sh"
		echo "actor user-$name docker -H unix://$DOCKER exec -i -u 4242 $name sh"
		echo "select --container-name $name"
		echo "select --container-id $(docker inspect -f '{{.Id}}' "$name" | cut -c 1-20)"
		echo "select --pid $(docker_pid "$name")"
	done
	for name in "$x" "$y" "$agent_ctr"; do
		echo "actor ${name:0:12} nsenter --net=/run/netns/$NS ctr -a $CTD -n k8s.io task exec --exec-id mesh-${name:0:8} $name sh"
		echo "select --container-id ${name:0:20}"
	done
	printf 'select --container-name %s\n' x y agent POD
	printf 'select --pod-name %s\n' web.prod agent web.other
	printf 'select --namespace %s\n' prod default other
	printf 'select --image %s\n' bb 'localhost/bb:*' nginx
	printf 'select --label %s\n' tier tier=front 'app=w*' app=agent,tier=test none
	printf 'select --compose %s\n' shop shop/beta 'shop/a*' other
	printf 'select --uid %s\n' 0 4242 4243
	printf 'select --pname %s\n' wget httpd ping sh busybox python3
	echo "select --pid $host_server"
	echo "actor host env ASK=$(printf %q "$talker ask") nsenter --net=/run/netns/$NS busybox sh"
	echo "actor far env ASK=$(printf %q "$talker ask") nsenter --net=/run/netns/$SRV busybox sh"
	printf 'target %s\n' "$a" "$a:80" "$a:81" "$b:80" "$b" "$pod:80" "$pod:81" "$pod" 10.232.0.1:8081 10.232.0.1:8082 10.232.0.1:8083 \
		127.0.0.1:8081 127.0.0.1:81 10.232.0.2:80 10.232.0.2 10.232.0.1:7000 10.233.0.1:8083 10.234.0.1:8082
	printf 'iface %s\n' "$veth_a" "$veth_pod" docker0 ptcbr0 up0 lo
}
mesh >"$TEST_TMP/mesh"
# shellcheck disable=SC2086 # several words
python3 "$here/mesh.py" "/run/netns/$NS" "$DOCKER" "$CTD" ${MESH_OPTIONS:-} <"$TEST_TMP/mesh" || failed=1
kill $host_server
end_test
