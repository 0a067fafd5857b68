#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Container runtimes that are absent, silent or broken cost the start nothing and end nothing; what they say forges no line. timeout: 120
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="sockets_start sockets_say_so sockets_forge_nothing"
need python3 curl ip nsenter -- $tests
net_up
daemon_pids=
cleanup() {
	kill $daemon_pids 2>/dev/null
	containers_cleanup
	[ -z "$cgroup" ] || rmdir "$cgroup/docker-$id.scope" "$cgroup"
}
bad_daemon() { # HOW [ID]: a daemon of that kind at $TEST_TMP/HOW.sock
	python3 "$here/bad_daemon.py" "$TEST_TMP/$1.sock" "$@" &
	daemon_pids="$daemon_pids $!"
	wait_for 2 test -S "$TEST_TMP/$1.sock"
}
begin() { # NAME SOCKET ARGUMENTS...: sets $took, the milliseconds until it listens
	local name=$1 socket=$2 from
	shift 2
	from=$(now_ms)
	DOCKER=$socket CTD=$socket capture "$name" -i up0 -n "$@" 'tcp port 80'
	took=$(($(now_ms) - from))
}
said_of_each() { # NAME SOCKET
	local runtime
	for runtime in docker containerd cri; do has "$1.err" "^ptcpdump: $runtime at '$2'" || return 1; done
}
run() { # NAME SOCKET ARGUMENTS...: sets $ms and $without, each the best of three, taken in turns on a machine that does other things
	local name=$1 i
	ms= without=
	for i in 1 2 3; do
		begin none "$TEST_TMP/none.sock" --context process
		[ -n "$without" ] && [ "$without" -le $took ] || without=$took
		capture_stop
		begin "$@"
		[ -n "$ms" ] && [ "$ms" -le $took ] || ms=$took
		[ $i = 3 ] || capture_stop
	done
	in_ns curl -s -o /dev/null http://10.232.0.2/1
	wait_for 2 said_of_each "$1" "$2"
	capture_end
	grep -q ' curl\.[0-9]* Out .*GET /1 ' "$TEST_TMP/$name.out" || bad "${name}_captures" "no request"
	grep -q '^0 packets dropped' "$TEST_TMP/$name.err" || bad "${name}_captures" "packets dropped"
}

why= said=
for how in absent refused silent garbage half error endless; do
	[ $how = absent ] || bad_daemon $how
	run $how "$TEST_TMP/$how.sock" --log-level info
	echo "$how: listening after $ms ms, without runtimes $without ms" >&2
	[ "$ms" -le $((without + 200)) ] || why="$why $how: $ms ms instead of $without;"
	# Once for each of the three, and nothing that the daemons made up.
	for runtime in docker containerd cri; do
		n=$(grep -c "^ptcpdump: $runtime at '$TEST_TMP/$how.sock'" "$TEST_TMP/$how.err")
		[ "$n" = 1 ] || said="$said $n lines of $how about $runtime;"
	done
	grep -q "^forged\|$(printf '\033')" "$TEST_TMP/$how.err" && said="$said $how forges a line;"
done
result sockets_start "$why"
result sockets_say_so "$said"

# --- a name with quotes, newlines and escape sequences, of a container that a cgroup names ---
id=$(printf 'forge%s' $$ | sha256sum | cut -c 1-64)
cgroup=/sys/fs/cgroup/unified
[ -e $cgroup/cgroup.procs ] || cgroup=/sys/fs/cgroup
cgroup=$cgroup/ptcc-$$
if ! mkdir "$cgroup" "$cgroup/docker-$id.scope" 2>/dev/null; then
	cgroup=
	skip_all "cannot make a cgroup" sockets_forge_nothing
fi
bad_daemon forge "$id"
DOCKER=$TEST_TMP/forge.sock
forge() { # NAME ARGUMENTS...
	capture "$@" 'tcp port 80'
	nsenter --net="/run/netns/$NS" sh -c "echo \$\$ >'$cgroup/docker-$id.scope/cgroup.procs'; exec curl -s -o /dev/null http://10.232.0.2/2"
	capture_end
}
forge line -i up0 -n
forge lines -i up0 -n -v
forge save -i up0 -w "$TEST_TMP/forged.pcapng"
"$PTCPDUMP" -n -r "$TEST_TMP/forged.pcapng" >"$TEST_TMP/read.out" 2>"$TEST_TMP/read.err"
why=
for f in line lines read; do
	grep -q "GET /2 .*, Container \[a\"b\\\\n12:00:00\|^    Container (name a\"b\\\\n12:00:00" "$TEST_TMP/$f.out" || why="$why no escaped name in $f;"
	grep -q '^12:00:00' "$TEST_TMP/$f.out" && why="$why a forged line in $f;"
	LC_ALL=C grep -q "$(printf '[\033\r\233]')" "$TEST_TMP/$f.out" && why="$why an escape sequence in $f;"
	[ "$(awk '{ if (length > n) n = length } END { print n }' "$TEST_TMP/$f.out")" -lt 65536 ] || why="$why a line of $f is too long;"
done
[ "$(sed 's/, Container.*//; s/^[^ ]* //' "$TEST_TMP/line.out" | grep -c '^up0 ')" = "$(wc -l <"$TEST_TMP/line.out")" ] || why="$why more lines than packets;"
result sockets_forge_nothing "$why"
end_test
