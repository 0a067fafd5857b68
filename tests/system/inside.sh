#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ptcpdump in a privileged container, as the README starts it, names the host's processes and the containers beside it. timeout: 150
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="inside_starts inside_sees_host inside_names_container inside_filters_container inside_without_host_cgroups inside_saves inside_own_pids \
	inside_says_what_it_misses inside_says_which_flags inside_without_var_run"
need dockerd docker containerd runc python3 curl iptables ip nsenter -- $tests
# The file that "make static" makes; else the one that was linked with this system's libraries, and those libraries.
program=$BUILD/static/ptcpdump
[ -x "$program" ] || program=$PTCPDUMP
net_up && dockerd_start && docker_image || {
	bad docker_starts "$(tail -n 1 "$TEST_TMP/dockerd.log")"
	exit 1
}

# The last stage of the Dockerfile, on an image that is there.
mkdir -p "$TEST_TMP/context/build/static" "$TEST_TMP/context/lib" "$TEST_TMP/context/etc/ssl/certs"
cp -r "$TOP/LICENSE" "$TOP/NOTICE" "$TOP/LICENSES" "$TEST_TMP/context"
cp /etc/ssl/certs/ca-certificates.crt "$TEST_TMP/context/etc/ssl/certs"
cp "$program" "$TEST_TMP/context/build/static/ptcpdump"
ldd "$program" 2>/dev/null | sed -n 's/.*\(=> \|\t\)\(\/[^ ]*\) (.*/\2/p' | xargs -r cp -L -t "$TEST_TMP/context/lib"
loader=$(ldd "$program" 2>/dev/null | sed -n 's/^\t\(\/[^ ]*\) (.*/\1/p')
sed -n '/^FROM .*-slim/,$p' "$TOP/Dockerfile" |
	sed -e 's/^FROM .*/FROM localhost\/bb:test\nENV PATH=\/usr\/bin:\/bin/' -e '/^COPY/s/ --from=build//' \
	-e '/^COPY/s/ \/src\// /g' -e 's/^COPY \//COPY /' >"$TEST_TMP/context/Dockerfile"
if [ -n "$loader" ]; then
	sed -i "/^ENTRYPOINT/i COPY lib /lib\nCOPY lib$loader $loader" "$TEST_TMP/context/Dockerfile"
	cp --parents -L "$loader" "$TEST_TMP/context/lib"
fi
DOCKER_BUILDKIT=0 docker build -q -t ptcpdump "$TEST_TMP/context" >"$TEST_TMP/build.log" 2>&1 || {
	bad inside_starts "docker build: $(tail -n 1 "$TEST_TMP/build.log")"
	exit 1
}

# The README's line; the daemon of this test has its socket elsewhere, and network namespace and bridge of its own.
readme=$(sed -n 's/^ *docker run --rm -it \(.*\) ptcpdump:[^ ]* -i any$/\1/p' "$TOP/README.md")
# Where this machine itself lacks a capability, --privileged fails: what is needed instead, and nothing hidden.
if ! docker run --rm --privileged localhost/bb:test true 2>/dev/null; then
	echo "no container can be --privileged here" >&2
	caps=$(printf -- ' --cap-add %s' SYS_ADMIN NET_ADMIN NET_RAW SYS_PTRACE DAC_READ_SEARCH)
	readme=${readme/--privileged/$caps --security-opt seccomp=unconfined --security-opt systempaths=unconfined}
fi
inside() { # NAME OPTIONS-OF-DOCKER ARGUMENTS...
	local name=$1 options=$2
	shift 2
	command docker -H "unix://$DOCKER" run --rm --name "$name" $options -v "$TEST_TMP:$TEST_TMP" ptcpdump \
		--docker-address "$DOCKER" "$@" >"$TEST_TMP/$name.out" 2>"$TEST_TMP/$name.err" &
	listens $! "$TEST_TMP/$name.err"
}
inside_end() { # NAME
	drained "$TEST_TMP/$1.err" docker kill -s USR1 "$1" >/dev/null
	docker kill -s INT "$1" >/dev/null
	wait_for 3 not docker inspect "$1" >/dev/null 2>&1 || docker rm -f "$1" >/dev/null
}
get() { docker exec "$1" wget -q -O /dev/null "http://10.232.0.2/$2"; }

docker run -d --name web localhost/bb:test sleep 600 >/dev/null
docker run -d --name other localhost/bb:test sleep 600 >/dev/null

inside tool "$readme" -i any -n --log-level info 'tcp port 80'
grep -q listening "$TEST_TMP/tool.err" || {
	bad inside_starts "$(head -n 1 "$TEST_TMP/tool.err")"
	exit 1
}
ok inside_starts
get web 1
nsenter --net="/run/netns/$NS" curl -s -o /dev/null http://10.232.0.2/2 &
curl_pid=$!
wait $curl_pid
docker run -d --rm --name brief localhost/bb:test wget -q -O /dev/null http://10.232.0.2/3 >/dev/null
inside_end tool
why=
grep 'GET /2 ' "$TEST_TMP/tool.out" | grep -q "up0 curl.$curl_pid Out .*ParentProc \\[inside\\.sh\\.$$\\]" ||
	why="$(grep 'GET /2 ' "$TEST_TMP/tool.out" | head -n 1)"
[ "$(stat_of tool dropped)" = 0 ] || why="$why packets dropped"
result inside_sees_host "$why"
why=
grep 'docker0 .*GET /1 ' "$TEST_TMP/tool.out" | grep -q 'Container \[web\]$' || why="exec: $(grep -m 1 'GET /1 ' "$TEST_TMP/tool.out")"
grep 'docker0 .*GET /3 ' "$TEST_TMP/tool.out" | grep -q 'Container \[brief\]$' || why="$why new: $(grep -m 1 'GET /3 ' "$TEST_TMP/tool.out")"
result inside_names_container "$why"

inside filter "$readme" -i any -n --container-name web --container-name soon 'tcp port 80'
get web 4
get other 5
docker run -d --rm --name soon localhost/bb:test wget -q -O /dev/null http://10.232.0.2/6 >/dev/null
inside_end filter
why=
for n in 4 6; do grep -q "docker0 .*GET /$n " "$TEST_TMP/filter.out" || why="$why no request $n;"; done
[ "$(grep -c 'docker0 .*Flags \[S\],' "$TEST_TMP/filter.out")" = 2 ] || why="$why not two SYNs;"
grep -q 'GET /5 ' "$TEST_TMP/filter.out" && why="$why packets of another container"
result inside_filters_container "$why"

# A cgroup namespace of its own, as Docker gives by default, shows other paths: ids and /proc must do.
inside private "${readme/--cgroupns=host/--cgroupns=private}" -i any -n 'tcp port 80'
get web 7
docker run -d --rm --name brief2 localhost/bb:test wget -q -O /dev/null http://10.232.0.2/8 >/dev/null
inside_end private
why=
grep 'docker0 .*GET /7 ' "$TEST_TMP/private.out" | grep -q 'Container \[web\]$' || why="exec: $(grep -m 1 'GET /7 ' "$TEST_TMP/private.out")"
grep 'docker0 .*GET /8 ' "$TEST_TMP/private.out" | grep -q 'Container \[brief2\]$' || why="$why new: $(grep -m 1 'GET /8 ' "$TEST_TMP/private.out")"
result inside_without_host_cgroups "$why"

inside saver "$readme" -i any -w "$TEST_TMP/saved.pcapng" 'tcp port 80'
get web 9
inside_end saver
why=
"$PTCPDUMP" -n -r "$TEST_TMP/saved.pcapng" --container-name web 2>/dev/null | grep -q 'docker0 .*GET /9 .*Container \[web\]$' || why="not in the file"
result inside_saves "$why"

# A pid namespace of its own: what runs there by its own pids, what runs elsewhere by the host's.
inside pids "${readme/--pid=host/}" -i any -n 'tcp port 80'
get web 10
docker exec pids sh -c 'echo $$; exec wget -q -O /dev/null http://10.232.0.2/11' >"$TEST_TMP/own.pid"
inside_end pids
why=
grep 'docker0 .*GET /10 ' "$TEST_TMP/pids.out" | grep -q ' wget\.[0-9]*@host .*Container \[web\]$' ||
	why="outside: $(grep -m 1 'GET /10 ' "$TEST_TMP/pids.out")"
# Its shell may run it as "busybox".
grep -q "up0 [a-z]*\.$(cat "$TEST_TMP/own.pid") Out .*GET /11 " "$TEST_TMP/pids.out" ||
	why="$why inside, pid $(cat "$TEST_TMP/own.pid"): $(grep -m 1 'GET /11 ' "$TEST_TMP/pids.out")"
inside command "${readme/--pid=host/}" -i any -n 'tcp port 80' -- wget -q -O /dev/null http://10.232.0.2/12
wait_for 5 not docker inspect command >/dev/null 2>&1
grep -q 'up0 wget\.[0-9]* Out .*GET /12 ' "$TEST_TMP/command.out" || why="$why command: $(head -n 1 "$TEST_TMP/command.out")"
result inside_own_pids "$why"

# What a namespace hides is said, and only where it does. Without /sys there is no other root than that of our own namespace.
own=${readme/--cgroupns=host/--cgroupns=private}
inside groups "${own/-v \/sys:\/sys:ro/}" -i any -n 'tcp port 80'
inside_end groups
why=
grep -q "pid namespace here .*--pid=host" "$TEST_TMP/pids.err" || why="nothing of pids;"
grep -q "root of the control groups .*--cgroupns=host" "$TEST_TMP/groups.err" || why="$why nothing of control groups;"
for name in tool filter private saver; do
	grep -q "not the host's" "$TEST_TMP/$name.err" && why="$why $name: $(grep -m 1 "not the host's" "$TEST_TMP/$name.err");"
done
result inside_says_what_it_misses "$why"

# Without any of the flags, all that the documentation names are told.
docker run --rm ptcpdump -i any >"$TEST_TMP/flags.err" 2>&1
why=
for flag in $(sed -n '/^To see all/,/^Started with less/s/^ \{8,\}\(docker run\|--cap-add\|--security-opt\)/\1/p' "$TOP/docs/containers.md" |
	grep -o -- '--cap-add [A-Z_]*\|--security-opt [a-z=]*\|--cgroupns=host' | tr ' ' +); do
	grep -q -e "${flag/+/ }" "$TEST_TMP/flags.err" || why="$why ${flag/+/ } is not named;"
done
grep -q -e '--security-opt systempaths' "$TEST_TMP/flags.err" || why="$why $(head -n 1 "$TEST_TMP/flags.err")"
result inside_says_which_flags "$why"

# The image of this test has no /var/run, neither as a link nor as a folder.
docker run --rm --name varrun ${readme/-v \/run:\/run:ro/} -v "$DOCKER:/run/docker.sock:ro" ptcpdump -i docker0 -n 'tcp port 80' \
	>"$TEST_TMP/varrun.out" 2>"$TEST_TMP/varrun.err" &
listens $! "$TEST_TMP/varrun.err"
get web 13
inside_end varrun
why=
grep 'GET /13 ' "$TEST_TMP/varrun.out" | grep -q 'Container \[web\]$' || why="$(cat "$TEST_TMP/varrun.out" "$TEST_TMP/varrun.err" | head -n 3)"
result inside_without_var_run "$why"
end_test
