#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers of a real Podman, by the Docker-compatible socket of its service. timeout: 120
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

tests="podman_names podman_name_filter podman_term podman_rename podman_restart podman_of_a_user"
need podman runc python3 curl ip nsenter -- $tests
net_up
mkdir -p "$TEST_TMP/img"
python3 "$here/image.py" "$TEST_TMP/img"
# Limits that need no right to raise them.
printf '[containers]\ndefault_ulimits = [ "nofile=1024:1024", "nproc=1024:1024" ]\n' >"$TEST_TMP/containers.conf"
export CONTAINERS_CONF=$TEST_TMP/containers.conf
options="--root $TEST_TMP/root --runroot $TEST_TMP/run --tmpdir $TEST_TMP/tmp --storage-driver vfs --cgroup-manager cgroupfs
	--runtime runc --events-backend file"
podman() { nsenter --net="/run/netns/$NS" podman $options "$@"; }
service_start() {
	nsenter --net="/run/netns/$NS" podman $options system service --time 0 "unix://$DOCKER" >>"$TEST_TMP/service.log" 2>&1 &
	service_pid=$!
	wait_for 5 curl -s --unix-socket "$DOCKER" http://d/_ping >/dev/null
}
cleanup() {
	podman rm -fa -t 0 >/dev/null 2>&1
	[ -z "$service_pid" ] || kill "$service_pid" 2>/dev/null
	[ -z "$user_pid" ] || kill $user_pid 2>/dev/null
	containers_cleanup
	[ -z "$user" ] || rm -rf "$user"
	find /sys/fs/cgroup -depth -type d \( -path '*/libpod_parent/*' -o -name libpod_parent \) -exec rmdir {} + 2>/dev/null
	return 0
}
run() { # NAME COMMAND...: in the network of the host
	local name=$1
	shift
	podman run -d --network host --name "$name" localhost/bb:test "$@" >/dev/null
}
get() { podman exec "$1" wget -q -O /dev/null "http://10.232.0.2/$2"; }

why=
podman load -q -i "$TEST_TMP/img/bb.tar" >/dev/null 2>"$TEST_TMP/load.err" && run before sleep 600 2>"$TEST_TMP/load.err" ||
	why=$(tail -n 1 "$TEST_TMP/load.err")
[ -n "$why" ] || service_start || why="its service does not start"
[ -z "$why" ] || skip_all "podman cannot run a container here: $why" $tests

capture names -i up0 -n -v --log-level info 'tcp port 80'
get before 1
run after sh -c 'wget -q -O /dev/null http://10.232.0.2/2; sleep 600'
capture_end
why=
for n in before after; do
	grep -q "^    Container (name $n, id [0-9a-f]\{64\}, image localhost/bb:test, labels {" "$TEST_TMP/names.out" || why="$why no $n;"
done
grep -q "docker at '$DOCKER' answers" "$TEST_TMP/names.err" || why="$why no answer"
result podman_names "$why"

capture filter -i up0 -n --container-name after --container-name later 'tcp port 80'
get before 3
get after 4
run later wget -q -O /dev/null http://10.232.0.2/5
capture_end
why=
for n in 4 5; do grep -q "GET /$n " "$TEST_TMP/filter.out" || why="$why no request $n;"; done
[ "$(grep -c 'Flags \[S\],' "$TEST_TMP/filter.out")" = 2 ] || why="$why not two SYNs;"
grep -q 'GET /3 ' "$TEST_TMP/filter.out" && why="$why packets of another container"
result podman_name_filter "$why"

capture term -i up0 -n 'tcp port 80 and container (late* or nobody)'
get after 4
run latest wget -q -O /dev/null http://10.232.0.2/10
capture_end
why=
grep -q 'GET /10 ' "$TEST_TMP/term.out" || why="$why no request;"
[ "$(grep -c 'Flags \[S\],' "$TEST_TMP/term.out")" = 1 ] || why="$why not one SYN;"
grep -q 'GET /4 ' "$TEST_TMP/term.out" && why="$why packets of another container"
result podman_term "$why"

capture rename -i up0 -n 'tcp port 80'
get after 6
podman rename after renamed
sleep 0.5 # nothing tells from outside that the new name is known
get renamed 7
capture_end
why=
grep 'GET /6 ' "$TEST_TMP/rename.out" | grep -q 'Container \[after\]$' || why="no old name;"
grep 'GET /7 ' "$TEST_TMP/rename.out" | grep -q 'Container \[renamed\]$' || why="$why $(grep -m 1 'GET /7 ' "$TEST_TMP/rename.out")"
result podman_rename "$why"

capture restart -i up0 -n --log-level info 'tcp port 80'
kill -9 $service_pid
wait_for 5 gone $service_pid
rm -f "$DOCKER"
why=
service_start || why="the service does not start again"
wait_for 2 has restart.err 'answers again' || why="$why not asked again within 2 s;"
run again wget -q -O /dev/null http://10.232.0.2/8
capture_end
grep 'GET /8 ' "$TEST_TMP/restart.out" | grep -q 'Container \[again\]$' || why="$why no name"
result podman_restart "$why"

# --- the socket of a user who logs in during the capture, below a folder of theirs; ptcpdump is an ordinary user by then ---
user=/run/user/$((200000 + $$))
DOCKER=$TEST_TMP/none.sock capture user -i up0 -n --log-level info 'tcp port 80'
kill $service_pid
mkdir -p "$user/podman"
chown -R "${user##*/}" "$user"
chmod 700 "$user" "$user/podman"
nsenter --net="/run/netns/$NS" podman $options system service --time 0 "unix://$user/podman/podman.sock" >>"$TEST_TMP/service.log" 2>&1 &
user_pid=$!
# It is that user's, as their own daemon's would be.
wait_for 5 test -S "$user/podman/podman.sock"
chown "${user##*/}" "$user/podman/podman.sock"
wait_for 4 has user.err "docker at '$user/podman/podman.sock' answers"
get renamed 9
capture_end
why=
grep -q "docker at '$user/podman/podman.sock' answers" "$TEST_TMP/user.err" || why="not asked;"
grep 'GET /9 ' "$TEST_TMP/user.out" | grep -q 'Container \[renamed\]$' || why="$why $(grep -m 1 'GET /9 ' "$TEST_TMP/user.out")"
result podman_of_a_user "$why"
end_test
