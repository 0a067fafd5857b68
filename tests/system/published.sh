#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Published ports of a real dockerd, which holds them itself or by docker-proxy: what comes is the container's.
# timeout: 120
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

# busybox cannot take datagrams.
python=$(python3 -c 'import sys; print(sys.executable)')
sink='import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("", 53)); print("ready", flush=True)
while True: s.recv(9)'
ready() { docker logs "$1" | grep -q ready; }
modes=(true false)
tests=()
for m in "${modes[@]}"; do tests+=("published_udp_proxy_$m" "published_request_proxy_$m" "published_anywhere_proxy_$m" "published_selected_proxy_$m"); done
need dockerd docker containerd runc python3 iptables ip nsenter -- "${tests[@]}"

# $1: port, $2: udp or tcp; asks three times
ask() {
	nsenter --net="/run/netns/$SRV" python3 - "$@" <<-'PYTHON'
		import socket, sys
		to = "10.232.0.1", int(sys.argv[1])
		s = socket.socket(type=socket.SOCK_DGRAM)
		for _ in range(3):
		    if sys.argv[2] == "udp":
		        s.sendto(b"x", to)
		    else:
		        socket.socket().connect_ex(to)
	PYTHON
}

# $1: lines that there are at least; the others: what the lines must match
all_of() {
	local n=$1 bad
	[ "$(wc -l <"$TEST_TMP/$capture_name.out")" -ge "$n" ] || echo "only $(wc -l <"$TEST_TMP/$capture_name.out") packets of $n"
	bad=$(grep -v "$2" "$TEST_TMP/$capture_name.out" | head -n 1)
	[ -z "$bad" ] || echo "$bad"
}

net_up
for m in "${modes[@]}"; do
	if ! dockerd_start --userland-proxy="$m" || ! docker_image; then
		bad "published_udp_proxy_$m" "$(tail -n 1 "$TEST_TMP/dockerd.log")"
		exit 1
	fi
	docker run -d --rm --name "sink$m" -p 7000:53/udp -p 7001:80/tcp -v /:/host:ro localhost/bb:test \
		busybox chroot /host "$python" -c "$sink" >/dev/null
	wait_for 5 ready "sink$m"
	capture udp -i up0 -n 'udp port 7000'
	ask 7000 udp
	capture_end
	result "published_udp_proxy_$m" "$(all_of 3 " python3[^ ]* In .*, Container \[sink$m\]")"
	# Nobody listens there inside: the container is named, and no process of it.
	capture tcp -i up0 -n 'tcp port 7001'
	ask 7001 tcp
	capture_end
	result "published_request_proxy_$m" "$(all_of 6 "In .*, Container \[sink$m\]\|python3[^ ]* Out ")"
	capture any -i any -n 'udp port 7000 or udp port 53'
	ask 7000 udp
	capture_end
	result "published_anywhere_proxy_$m" "$(all_of 9 " python3[^ ]* .*, Container \[sink$m\]")"
	capture selected -i up0 -n --container-name "sink$m" 'udp port 7000 or tcp port 7001'
	ask 7000 udp
	ask 7001 tcp
	capture_end
	result "published_selected_proxy_$m" "$(all_of 6 "Container \[sink$m\]")"
	docker rm -f "sink$m" >/dev/null
	kill "$(cat "$TEST_TMP/dockerd.pid")"
	wait_for 10 gone "$(cat "$TEST_TMP/dockerd.pid" 2>/dev/null)"
done
