#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers that share namespaces with the host or with each other, talk to each other, or run in containers; and what was
# saved of them. timeout: 200
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="shared_namespaces shared_namespaces_uplink shared_filters saved_filters labels_and_images unknown_namespaces between_containers veth_of_a_container from_the_host docker_in_docker
	docker_in_docker_inside"
need dockerd docker containerd runc python3 curl iptables ip nsenter -- $tests
net_up && dockerd_start && docker_image || {
	bad docker_starts "$(tail -n 1 "$TEST_TMP/dockerd.log")"
	exit 1
}
start() { # NAME OPTIONS...
	local name=$1
	shift
	docker run -d --name "$name" "$@" localhost/bb:test sleep 600 >/dev/null || bad "$name" "does not start"
}
get() { docker exec "$1" wget -q -O /dev/null "http://10.232.0.2/$2"; }
once() { # NAME NUMBER OPTIONS...: a container whose first process makes the request
	local name=$1 n=$2
	shift 2
	docker run --rm --name "$name" "$@" localhost/bb:test wget -q -O /dev/null "http://10.232.0.2/$n"
}

# --- whom a packet is of, whatever is shared: request N is of container cN ---
start c0
start c1 --net container:c0
start c2 --pid host
start c3 --net host
start c4 --net host --pid host --ipc host --uts host
capture shared -i any -n 'tcp port 80'
for i in 0 1 2 3 4; do get "c$i" "$i"; done
once c5 5 --net container:c0
once c6 6 --pid host
once c7 7 --net host
once c8 8 --net host --pid host --ipc host --uts host
once c9 9 --pid container:c0
capture_end
result shared_namespaces "$(python3 "$here/named.py" "$TEST_TMP/shared.out" 'docker0|veth' ', Container [c%s]' 6)"
result shared_namespaces_uplink "$(python3 "$here/named.py" "$TEST_TMP/shared.out" up0 ', Container [c%s]' 10)"

# --- the wanted ones only, of several that share a namespace ---
capture filter -i any -n --container-name c1 --container-id "$(docker inspect -f '{{.Id}}' c4 | cut -c 1-20)" --container-name c10,c11 'tcp port 80'
for i in 0 1 2 3 4; do get "c$i" "$i"; done
once c10 10 --net host
once c11 11 --net container:c0
once c12 12 --net container:c0
capture_end
why=
for n in 1 4 10 11; do
	grep -q "up0 .*GET /$n " "$TEST_TMP/filter.out" || why="$why no request $n;"
done
[ "$(grep -c 'up0 .*Flags \[S\],' "$TEST_TMP/filter.out")" = 4 ] || why="$why $(grep -c 'up0 .*Flags \[S\],' "$TEST_TMP/filter.out") SYNs of 4;"
grep -v ', Container \[c\(1\|4\|10\|11\)\]$' "$TEST_TMP/filter.out" | grep -q . && why="$why packets of others"
result shared_filters "$why"

# --- the same on what was saved ---
capture save -i any -w "$TEST_TMP/saved.pcapng" 'tcp port 80'
for i in 0 1 3; do get "c$i" "$i"; done
capture_end
why=
read_back() { # NUMBER ARGUMENTS...: the request of that number and no other
	local n=$1 got
	shift
	got=$("$PTCPDUMP" -n -r "$TEST_TMP/saved.pcapng" "$@" 2>/dev/null | sed -n 's/.*up0 .*GET \/\([0-9]*\) .*/\1/p' | sort -n | xargs)
	[ "$got" = "$n" ] || why="$why $*: requests '$got' instead of '$n';"
}
read_back "0 1 3"
read_back 1 --container-name c1
read_back "0 3" --container-name c0 --container-name c3
read_back 3 --container-id "$(docker inspect -f '{{.Id}}' c3 | cut -c 1-12)"
read_back "" --container-name c2
read_back "" --pod-name c0
"$PTCPDUMP" -r "$TEST_TMP/saved.pcapng" --container-id 0123456789a 2>&1 | grep -q "container-id '0123456789a': at least 12 characters" ||
	why="$why no message for a short id"
result saved_filters "$why"

# --- by label, image, compose project and pattern, live and of what was saved ---
start l1 --label tier=web --label com.docker.compose.project=shop --label com.docker.compose.service=front
start l2 --label tier=db --label com.docker.compose.project=shop --label com.docker.compose.service=back
capture save -i any -w "$TEST_TMP/saved.pcapng" 'tcp port 80'
others=$capture_pid
capture label -i any -n --label 'tier=w*' 'tcp port 80'
others="$others $capture_pid"
capture compose -i any -n --compose shop --container-name 'l*' --image bb:test 'tcp port 80'
# Later than the captures, too.
start l3 --label tier=web
for i in 1 2 3; do get "l$i" "2$i"; done
get c0 20
capture_end
# shellcheck disable=SC2086
kill -INT $others && wait $others
why=
read_back "20 21 22 23"
read_back "21 23" --label tier=web
read_back "21 22 23" --label tier
read_back "21 22" --compose shop
read_back 22 --compose shop/back
read_back "" --compose shop/back --label tier=web
read_back "20 21 22 23" --image bb
read_back "" --image bb:1
read_back "20 21 22 23" --image 'local*/b?:test'
read_back "22 23" --container-name 'l[23]'
read_back "" --namespace prod
live() { # NAME NUMBERS: the requests that a capture saw at the uplink
	local got
	got=$(sed -n 's/.*up0 .*GET \/\([0-9]*\) .*/\1/p' "$TEST_TMP/$1.out" | sort -n | xargs)
	[ "$got" = "$2" ] || why="$why live, $1: requests '$got' instead of '$2';"
}
live label "21 23"
live compose "21 22"
result labels_and_images "$why"

# --- namespaces that no runtime made are no containers, with a filter or without ---
capture alien -i any -n 'tcp port 80'
in_ns unshare -p -f -m --mount-proc wget -q -O /dev/null http://10.232.0.2/13
capture_end
why=
grep -q 'up0 .*GET /13 ' "$TEST_TMP/alien.out" || why="no packets;"
grep -q 'Container' "$TEST_TMP/alien.out" && why="$why $(grep -m 1 Container "$TEST_TMP/alien.out")"
capture alien -i any -n --container-name c0 'tcp port 80'
in_ns unshare -p -f -m --mount-proc wget -q -O /dev/null http://10.232.0.2/14
in_ns curl -s -o /dev/null http://10.232.0.2/15
capture_end
grep -q 'GET /' "$TEST_TMP/alien.out" && why="$why passes a container filter"
result unknown_namespaces "$why"

# --- both ends are containers: each device shows the end that its direction means ---
docker run -d --name web localhost/bb:test httpd -f -p 80 >/dev/null
web=$(docker inspect -f '{{.NetworkSettings.IPAddress}}' web)
capture between -i any -n 'tcp port 80'
docker exec c0 wget -q -O /dev/null "http://$web/none" 2>/dev/null
capture_end
why=
grep -q 'GET /none' "$TEST_TMP/between.out" || why="no request;"
both=', Container \[\(c0\|web\)\], PeerContainer \[\(c0\|web\)\]$'
grep -v "$both" "$TEST_TMP/between.out" | grep -q . && why="$why $(grep -v -m 1 "$both" "$TEST_TMP/between.out")"
# In on docker0 is for its receiver, Out of its port on the bridge from its sender.
grep 'docker0 .*In .*GET /none' "$TEST_TMP/between.out" | grep -qv ', Container \[web\]' && why="$why In is not for web;"
result between_containers "$why"

# --- the host's end of a pair is its container's cable: that one is shown, either way, also from a file ---
veth_of() { # CONTAINER
	local index
	index=$(nsenter -t "$(docker inspect -f '{{.State.Pid}}' "$1")" -n ip -o link show eth0 | sed 's/.*@if\([0-9]*\):.*/\1/')
	in_ns ip -o link | sed -n "s/^$index: \([^@:]*\)[@:].*/\1/p"
}
why=
cables() { # FILE
	local name other
	for name in c0 web; do
		other=$([ $name = c0 ] && echo web || echo c0)
		grep -q "$(veth_of $name) .* In IP .*, Container \[$name\], PeerContainer \[$other\]$" "$1" || why="$why no In of $name;"
		grep -q "$(veth_of $name) .* Out IP .*, Container \[$name\], PeerContainer \[$other\]$" "$1" || why="$why no Out of $name;"
		grep "$(veth_of $name) " "$1" | grep -q "Container \[$other\], Peer" && why="$why $other on the cable of $name;"
	done
}
cables "$TEST_TMP/between.out"
capture cable -i any -w "$TEST_TMP/cable.pcapng" 'tcp port 80'
docker exec c0 wget -q -O /dev/null "http://$web/none" 2>/dev/null
capture_end
"$PTCPDUMP" -n -r "$TEST_TMP/cable.pcapng" >"$TEST_TMP/cable.out" 2>/dev/null
cables "$TEST_TMP/cable.out"
result veth_of_a_container "$why"

# --- the host talks to a container: its own process is shown, and a filter for the container takes all of it ---
capture host -i any -n --container-name web 'tcp port 80'
in_ns curl -s -o /dev/null "http://$web/host"
capture_end
why=
[ "$(grep -c 'docker0 .*Flags \[S\.*\],' "$TEST_TMP/host.out")" = 2 ] || why="no SYN or SYN-ACK on docker0;"
grep 'docker0 .*GET /host' "$TEST_TMP/host.out" | grep -q ' curl\.[0-9]* Out ' || why="$why $(grep -m 1 'GET /host' "$TEST_TMP/host.out")"
result from_the_host "$why"

# --- Docker in Docker: a daemon of one knows the containers that it made ---
mkdir -p "$TEST_TMP/inner"
inner() { command docker -H "unix://$TEST_TMP/inner/sock" "$@"; }
dirs=$(for d in /usr /lib /lib64 /bin /sbin /etc; do [ ! -e $d ] || echo "-v $d:$d:ro"; done)
docker run -d --name outer --cap-add SYS_ADMIN --cap-add NET_ADMIN --cap-add NET_RAW --cap-add SYS_PTRACE --cap-add DAC_READ_SEARCH \
	--security-opt seccomp=unconfined --security-opt systempaths=unconfined --security-opt apparmor=unconfined --device-cgroup-rule 'a *:* rwm' --cgroupns host $dirs \
	-v "$TEST_TMP/inner:$TEST_TMP/inner" -v "$TEST_TMP/img:$TEST_TMP/img:ro" -v /sys/fs/cgroup:/sys/fs/cgroup --tmpfs /run \
	-e PATH=/usr/sbin:/usr/bin:/sbin:/bin localhost/bb:test \
	dockerd --data-root "$TEST_TMP/inner/root" --exec-root /run/docker --pidfile /run/docker.pid -H "unix://$TEST_TMP/inner/sock" \
	--bridge=none --iptables=false --ip6tables=false --storage-driver vfs >/dev/null
wait_for 10 inner version >/dev/null 2>&1
outer=$(docker inspect -f '{{.Id}}' outer)
inner load -q -i "$TEST_TMP/img/bb.tar" >/dev/null 2>&1 &&
	inner run -d --name inmost --net host --cgroup-parent "/docker/$outer/docker" localhost/bb:test sleep 600 >/dev/null 2>"$TEST_TMP/inner.err" || {
	skip_all "no dockerd runs in a container here: $(tail -n 1 "$TEST_TMP/inner.err")" docker_in_docker docker_in_docker_inside
}
capture nested -i any -n 'tcp port 80'
inner exec inmost wget -q -O /dev/null http://10.232.0.2/20
get outer 21
capture_end
# The daemon that is asked does not know the container in its container, but the one around it.
why=
for n in 20 21; do
	grep "docker0 .*GET /$n " "$TEST_TMP/nested.out" | grep -q 'Container \[outer\]$' || why="$why $(grep -m 1 "docker0 .*GET /$n " "$TEST_TMP/nested.out");"
done
result docker_in_docker "$why"
capture nested -i any -n --docker-address "$TEST_TMP/inner/sock" 'tcp port 80'
inner exec inmost wget -q -O /dev/null http://10.232.0.2/22
capture_end
why=
grep 'docker0 .*GET /22 ' "$TEST_TMP/nested.out" | grep -q 'Container \[inmost\]$' || why="$(grep -m 1 'docker0 .*GET /22 ' "$TEST_TMP/nested.out")"
result docker_in_docker_inside "$why"
inner rm -f inmost >/dev/null
end_test
