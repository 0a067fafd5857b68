# SPDX-License-Identifier: BSD-3-Clause
# For tests with real container runtimes: each daemon has data, sockets and bridge of its own, dockerd even its own network
# namespace, so that no rule and no interface of the host is touched. Sourced, not run.
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

here=$TOP/tests/system/containers
NS=ptcc-d$$ # where dockerd and the bridges are
SRV=ptcc-s$$ # a host behind the uplink "up0", with a web server at 10.232.0.2
DOCKER=$TEST_TMP/docker.sock
CTD=$TEST_TMP/ctd.sock
ends_within=5 # seconds that a capture may take to end

need() { # COMMANDS... then "--" TESTS...: without root or a command, skips the tests and ends
	local why='' commands=()
	while [ "$1" != -- ]; do
		commands+=("$1")
		shift
	done
	shift
	why=$(lacks "${commands[@]}")
	if [ -z "$why" ] && [ ! -x /bin/busybox ]; then
		why="busybox is missing (scripts/setup.sh containers)"
	elif [ -z "$why" ] && ldd /bin/busybox >/dev/null 2>&1; then
		why="busybox is not static"
	fi
	[ -z "$why" ] || skip_all "$why" "$@"
}

docker() { command docker -H "unix://$DOCKER" "$@"; }
in_ns() { nsenter --net="/run/netns/$NS" "$@"; }

net_up() {
	ip netns add "$NS" && ip netns add "$SRV" || return 1
	ip -n "$NS" link set lo up
	ip -n "$SRV" link set lo up
	ip -n "$NS" link add up0 type veth peer name srv0 netns "$SRV"
	ip -n "$NS" addr add 10.232.0.1/24 dev up0
	ip -n "$NS" link set up0 up
	ip -n "$SRV" addr add 10.232.0.2/24 dev srv0
	ip -n "$SRV" link set srv0 up
	in_ns sysctl -qw net.ipv4.ip_forward=1
	mkdir -p "$TEST_TMP/www"
	for i in $(seq 0 100); do echo "$i" >"$TEST_TMP/www/$i"; done
	nsenter --net="/run/netns/$SRV" busybox httpd -f -vv -p 80 -h "$TEST_TMP/www" 2>"$TEST_TMP/httpd.log" &
	httpd_pid=$!
}

dockerd_start() { # MORE OPTIONS...
	nsenter --net="/run/netns/$NS" setsid dockerd --data-root "$TEST_TMP/root" --exec-root "$TEST_TMP/exec" --pidfile "$TEST_TMP/dockerd.pid" \
		-H "unix://$DOCKER" --bip 10.233.0.1/24 --storage-driver vfs "${@:---userland-proxy=false}" \
		</dev/null >>"$TEST_TMP/dockerd.log" 2>&1 &
	wait_for 15 docker_answers
}
docker_answers() { docker version >/dev/null 2>&1; }

docker_image() {
	docker image inspect localhost/bb:test >/dev/null 2>&1 && return 0
	mkdir -p "$TEST_TMP/img"
	python3 "$here/image.py" "$TEST_TMP/img" && docker load -q -i "$TEST_TMP/img/bb.tar" >/dev/null
}

# A container that makes one request at once, GET /NUMBER, and lives for some seconds more. One may not start, or not reach
# anybody, for reasons of dockerd's own, ten at a time: then once more.
requests() { # NAME NUMBER SECONDS
	run_requests "$@" || { docker rm -f "$1" >/dev/null 2>&1; run_requests "$@"; }
	wait_for 2 served "$2" && return
	echo "$1 made no request, as the web server tells: once more" >&2
	docker rm -f "$1" >/dev/null 2>&1
	run_requests "$@"
}
run_requests() {
	docker run -d --rm --name "$1" localhost/bb:test sh -c "wget -q -O /dev/null http://10.232.0.2/$2; exec sleep $3" >/dev/null
}
served() { grep -q "url:/$1\$" "$TEST_TMP/httpd.log"; }
# Several of them, cN for the number N, ten at a time.
all_request() { # COUNT SECONDS
	local i j pids
	for i in $(seq 0 10 $(($1 - 1))); do
		pids=
		for j in $(seq "$i" $((i + 9 < $1 ? i + 9 : $1 - 1))); do requests "c$j" "$j" "$2" & pids="$pids $!"; done
		# shellcheck disable=SC2086 # numbers
		wait $pids
	done
}

containerd_start() {
	local bin=/usr/lib/cni
	[ -x $bin/bridge ] || bin=/opt/cni/bin
	mkdir -p "$TEST_TMP/cni" "$TEST_TMP/img"
	cat >"$TEST_TMP/ctd.toml" <<-EOF
		version = 2
		root = "$TEST_TMP/ctd-root"
		state = "$TEST_TMP/ctd-state"
		[grpc]
		  address = "$CTD"
		[plugins."io.containerd.internal.v1.opt"]
		  path = "$TEST_TMP/ctd-opt"
		[plugins."io.containerd.grpc.v1.cri"]
		  sandbox_image = "localhost/pause:test"
		  restrict_oom_score_adj = true
		  disable_apparmor = true
		  stream_server_port = "0"
		  [plugins."io.containerd.grpc.v1.cri".containerd]
		    snapshotter = "native"
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "$bin"
		    conf_dir = "$TEST_TMP/cni"
	EOF
	cat >"$TEST_TMP/cni/10-test.conflist" <<-EOF
		{ "cniVersion": "0.4.0", "name": "ptcc", "plugins": [ { "type": "bridge", "bridge": "ptcbr0", "isGateway": true,
		  "ipMasq": false, "ipam": { "type": "host-local", "dataDir": "$TEST_TMP/ipam",
		  "ranges": [[{ "subnet": "10.234.0.0/24" }]], "routes": [{ "dst": "0.0.0.0/0" }] } } ] }
	EOF
	mkdir -p /run/netns
	mountpoint -q /run/netns || mount --bind /run/netns /run/netns
	mount --make-shared /run/netns
	ip -n "$SRV" route add 10.234.0.0/24 via 10.232.0.1 2>/dev/null
	nsenter --net="/run/netns/$NS" setsid containerd --config "$TEST_TMP/ctd.toml" </dev/null >"$TEST_TMP/ctd.log" 2>&1 &
	ctd_pid=$!
	wait_for 10 containerd_answers
	python3 "$here/image.py" "$TEST_TMP/img"
	for n in k8s.io tns; do
		for i in bb pause; do
			ctr -a "$CTD" -n "$n" image import --snapshotter native "$TEST_TMP/img/$i.tar" >/dev/null || return 1
		done
	done
}

containerd_answers() { ctr -a "$CTD" version >/dev/null 2>&1; }
cri() { in_ns python3 "$here/cri.py" "$CTD" "$@"; }

# The host's end of the pair that leads into a process's namespace.
veth_of() { # PID
	local index
	index=$(nsenter -t "$1" -n ip -o link show eth0 | sed 's/.*@if\([0-9]*\):.*/\1/')
	in_ns ip -o link | sed -n "s/^$index: \([^@:]*\)[@:].*/\1/p"
}

# nsenter itself, not a function of the shell: the process is then the program, and not a shell that ignores SIGINT.
capture() { # NAME ARGUMENTS...: starts ptcpdump in the network namespace; waits until it listens
	local name=$1
	shift
	capture_name=$name
	start_capture "$TEST_TMP/$name.out" "$TEST_TMP/$name.err" nsenter --net="/run/netns/$NS" "$PTCPDUMP" \
		--docker-address "$DOCKER" --containerd-address "$CTD" --cri-runtime-address "$CTD" "$@"
	capture_pid=$!
}

# Waits until the capture has shown what came.
shown() { drained "$TEST_TMP/$capture_name.err" kill -USR1 $capture_pid; }
has() { grep -q "$2" "$TEST_TMP/$1"; } # FILE TEXT

capture_end() {
	shown
	capture_stop
}
capture_stop() {
	kill -INT $capture_pid 2>/dev/null
	wait_for "$ends_within" gone $capture_pid && return
	bad "capture_ends" "ptcpdump does not end within $ends_within s"
	kill -9 $capture_pid
}

# What a line of stderr says before "packets dropped by kernel" and "packets captured".
stat_of() { sed -n "s/^\([0-9]*\) packets $2.*/\1/p" "$TEST_TMP/$1.err"; }

tasks_gone() { # NAMESPACE: are there none that run?
	! ctr -a "$CTD" -n "$1" task ls | grep -q RUNNING
}

containers_cleanup() {
	local p n t
	kill $capture_pid $httpd_pid 2>/dev/null
	if [ -e "$CTD" ]; then
		for p in $(cri list 2>/dev/null | awk '/^pod/{print $2}'); do cri stop "$p" >/dev/null 2>&1; done
		for n in k8s.io tns; do
			for t in $(ctr -a "$CTD" -n $n task ls -q); do ctr -a "$CTD" -n $n task kill -s 9 "$t"; done
			wait_for 2 tasks_gone $n
			for t in $(ctr -a "$CTD" -n $n task ls -q); do ctr -a "$CTD" -n $n task rm "$t"; done
			for t in $(ctr -a "$CTD" -n $n container ls -q); do ctr -a "$CTD" -n $n container rm "$t"; done
		done >/dev/null 2>&1
		kill $ctd_pid
	fi
	if [ -e "$TEST_TMP/dockerd.pid" ]; then
		docker ps -aq | xargs -r -n 20 docker -H "unix://$DOCKER" rm -f >/dev/null 2>&1
		kill "$(cat "$TEST_TMP/dockerd.pid")"
	fi
	wait 2>/dev/null
	for n in "$NS" "$SRV"; do
		ip netns pids "$n" 2>/dev/null | xargs -r kill 2>/dev/null
		ip netns del "$n" 2>/dev/null
	done
	awk -v d="$TEST_TMP/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | xargs -r umount -l
	find /sys/fs/cgroup -depth -type d \( -path '*/kubepods/*' -o -path '*/tns/*' -o -path '*/docker/*' -o -name kubepods \
		-o -name tns -o -name docker \) -exec rmdir {} + 2>/dev/null
	return 0
}
# Tests that have more to remove define their own.
cleanup() { containers_cleanup; }
