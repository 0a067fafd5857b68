#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Containers of a real dockerd. timeout: 400
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

need dockerd docker containerd runc python3 curl iptables ip nsenter -- docker_short_lived docker_short_lived_uplink docker_name_filter \
	docker_id_filter docker_exec_filter docker_term docker_term_not docker_rename docker_waits_for_match docker_restart docker_hostile_labels docker0_alone docker_at_the_start
net_up && dockerd_start && docker_image || {
	bad docker_starts "$(tail -n 1 "$TEST_TMP/dockerd.log")"
	exit 1
}

# That short is what is tested.
short() { requests "$1" "$2" 0.3; }
many_lines() { [ "$(wc -l <"$TEST_TMP/$capture_name.out")" -gt 500 ]; }
get() { docker exec "$1" wget -q -O /dev/null "http://10.232.0.2/$2"; }

# --- 50 containers that live for 300 ms ---
capture short -i any -n 'tcp port 80'
all_request 50 0.3
capture_end
why=$(python3 "$here/named.py" "$TEST_TMP/short.out" 'docker0|veth' ', Container [c%s]' 50)
[ -z "$why" ] && [ "$(stat_of short dropped)" != 0 ] && why="$(stat_of short dropped) dropped"
result docker_short_lived "$why"
# Behind the masquerade the addresses are the host's.
result docker_short_lived_uplink "$(python3 "$here/named.py" "$TEST_TMP/short.out" 'up0' ', Container [c%s]' 50)"

# --- filters: a container from before, one from after, and one that is not wanted ---
docker run -d --name before localhost/bb:test sleep 600 >/dev/null
docker run -d --name other localhost/bb:test sleep 600 >/dev/null
capture name -i any -n --container-name before --container-name after 'tcp port 80'
docker run -d --name after localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/2; sleep 600' >/dev/null
get before 1
get other 3
capture_end
why=
for n in 1 2; do
	grep -q "GET /$n " "$TEST_TMP/name.out" || why="$why no request $n;"
done
syns() { grep -c "docker0 .*Flags \\[$1\\]," "$TEST_TMP/$capture_name.out"; }
[ "$(syns S)" = 2 ] && [ "$(syns 'S\.')" = 2 ] || why="$why $(syns S) SYNs and $(syns 'S\.') SYN-ACKs of 2;"
grep -q 'GET /3 \|Container \[other\]' "$TEST_TMP/name.out" && why="$why packets of another container;"
grep -q 'docker0\|veth' "$TEST_TMP/name.out" && grep 'docker0\|veth' "$TEST_TMP/name.out" | grep -v ', Container \[\(before\|after\)\]$' | grep -q . && why="$why packets without the name"
result docker_name_filter "$why"
# The request of "before" came from an exec'd process.
why=
grep 'GET /1 ' "$TEST_TMP/name.out" | grep -q 'Container \[before\]' || why="not captured"
result docker_exec_filter "$why"

id=$(docker inspect -f '{{.Id}}' before)
capture id -i any -n --container-id "${id:0:12}" 'tcp port 80'
get other 3
get before 1
capture_end
why=
grep -q 'docker0.*GET /1 ' "$TEST_TMP/id.out" || why="no request"
grep -q 'GET /3 ' "$TEST_TMP/id.out" && why="packets of another container"
result docker_id_filter "$why"

# --- terms: one that is there, and one by a label that starts later; and all that is nobody's of these ---
capture term -i any -n '(container before or label role=la*) and tcp port 80'
docker run -d --name labelled --label role=late localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/4; sleep 600' >/dev/null
get before 5
get other 6
capture_end
why=
for n in 4 5; do grep -q "docker0.*GET /$n " "$TEST_TMP/term.out" || why="$why no request $n;"; done
[ "$(syns S) $(syns 'S\.')" = "2 2" ] || why="$why $(syns S) SYNs and $(syns 'S\.') SYN-ACKs of 2;"
grep -q 'GET /6 \|Container \[other\]' "$TEST_TMP/term.out" && why="$why packets of another container"
result docker_term "$why"

capture term_not -i any -n 'tcp port 80 and not (container before or label role=late)'
docker run -d --name more localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/4; sleep 600' >/dev/null
get before 5
get labelled 5
get other 6
capture_end
why=
for n in 4 6; do grep -q "docker0.*GET /$n " "$TEST_TMP/term_not.out" || why="$why no request $n;"; done
[ "$(syns S) $(syns 'S\.')" = "2 2" ] || why="$why $(syns S) SYNs and $(syns 'S\.') SYN-ACKs of 2;"
grep -q 'GET /5 \|Container \[\(before\|labelled\)\]' "$TEST_TMP/term_not.out" && why="$why packets of the others"
result docker_term_not "$why"
docker rm -f labelled more >/dev/null

# --- renamed during the capture ---
capture rename -i any -n 'tcp port 80'
get other 8
# Packets may wait for their owner a little: those of before must be out.
wait_for 5 has rename.out 'GET /8 '
shown
docker rename other renamed
sleep 0.3 # nothing tells from outside that the new name is known
get renamed 9
capture_end
why=
grep 'GET /8 ' "$TEST_TMP/rename.out" | grep -q 'Container \[other\]$' || why="no old name;"
grep 'GET /9 ' "$TEST_TMP/rename.out" | grep -q 'Container \[renamed\]$' || why="$why no new name"
result docker_rename "$why"

# --- the bridge by itself: no packet is seen where its process sends it ---
capture bridge -i docker0 -n 'tcp port 80'
get before 4
capture_end
result docker0_alone "$(python3 "$here/named.py" "$TEST_TMP/bridge.out" docker0 ', Container [before]' 1)"

# --- running before: each packet from the first on, of more devices than are attached before dockerd has answered ---
for i in $(seq 12); do docker run -d --name "ping$i" localhost/bb:test ping -i 0.05 10.232.0.2 >/dev/null; done
capture start -i any -n 'icmp'
wait_for 5 many_lines
capture_end
result docker_at_the_start "$(grep -v ', Container \[ping[0-9]*\]$' "$TEST_TMP/start.out" | head -n 1)"
docker rm -f ping{1..12} >/dev/null

# --- nothing matches yet: it says so, and catches the first packet when it comes ---
capture wait -i any -n --container-name lateone 'tcp port 80'
why=
wait_for 2 has wait.err 'no container matches yet' || why="no message;"
short lateone 7
wait_for 2 has wait.out 'GET /7 '
capture_end
grep -q 'Flags \[S\],.*Container \[lateone\]' "$TEST_TMP/wait.out" || why="$why no SYN"
result docker_waits_for_match "$why"

# --- dockerd is killed and comes back ---
docker ps -aq | xargs -r docker -H "unix://$DOCKER" rm -f >/dev/null # dockerd would wait for them to end when it starts again
last=
capture restart -i any -n --log-level info 'tcp port 80'
dockerd_pid=$(cat "$TEST_TMP/dockerd.pid")
dead_daemon() { gone "$dockerd_pid" && gone_or_zombie "$(cat "$TEST_TMP/exec/containerd/containerd.pid")"; }
gone_or_zombie() { gone "$1" || grep -q '^State:.Z' "/proc/$1/status"; } # PID
kill -9 "$dockerd_pid"
wait_for 5 dead_daemon
# Its containerd ends with it; where nobody collects orphans, dockerd takes the zombie for a running one.
rm -f "$TEST_TMP/dockerd.pid" "$TEST_TMP/exec/containerd/containerd.pid"
why=
kill -0 $capture_pid || why="the capture ended;"
dockerd_start || why="$why dockerd does not start again;"
answers=$(now_ms)
wait_for 4 has restart.err 'answers again'
echo "connected again $(($(now_ms) - answers)) ms after dockerd answered docker version" >&2
for i in 20 21 22 23 24 25 26 27; do
	[ $(($(now_ms) - answers)) -lt 2000 ] || last=$i
	short "again$i" "$i"
	[ -z "$last" ] || break
	sleep 0.2 # spread over the 2 s
done
wait_for 2 has restart.out "GET /$last "
capture_end
# From 2 s on at the latest all have names.
grep "GET /$last " "$TEST_TMP/restart.out" | grep -q "Container \[again$last\]" || why="$why the container after 2 s has no name;"
for i in $(seq 20 "$last"); do
	grep "GET /$i " "$TEST_TMP/restart.out" | grep -q "Container \[again$i\]" && break
done
echo "named from container $((i - 19)) of $((last - 19)) after the restart of dockerd on" >&2
grep -q 'answers again' "$TEST_TMP/restart.err" || why="$why no message"
result docker_restart "$why"

# --- labels that are large, or made to forge lines ---
python3 - >"$TEST_TMP/create.json" <<'EOF'
import json
print(json.dumps({'Image': 'localhost/bb:test', 'Cmd': ['sleep', '600'], 'Labels': {
    'big': 'x' * 100000, 'evil': 'a"b\n12:00:00.000000 forged\x1b[2J'}}))
EOF
curl -s --unix-socket "$DOCKER" -H 'Content-Type: application/json' -d "@$TEST_TMP/create.json" \
	'http://localhost/containers/create?name=hostile' >/dev/null
docker start hostile >/dev/null
capture hostile -i any -n -v 'tcp port 80'
get hostile 5
capture_end
why=
grep -q 'Container (name hostile, ' "$TEST_TMP/hostile.out" || why="no container;"
grep -q '^12:00:00' "$TEST_TMP/hostile.out" && why="$why a forged line;"
grep -q "$(printf '\033')" "$TEST_TMP/hostile.out" && why="$why an escape sequence;"
grep -q 'xxx\.\.\.\\*"' "$TEST_TMP/hostile.out" || why="$why the label is not marked as cut;"
[ "$(awk '{ if (length > n) n = length } END { print n }' "$TEST_TMP/hostile.out")" -lt 65536 ] || why="$why a line is too long"
result docker_hostile_labels "$why"
end_test
