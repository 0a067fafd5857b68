#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Pods of a real containerd, made through the CRI, and a container of ctr's. timeout: 400
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

cni=/usr/lib/cni
[ -x $cni/bridge ] || cni=/opt/cni/bin
PATH=$PATH:$cni
need containerd ctr runc bridge host-local python3 curl ip nsenter -- pods_of_two_containers pod_name_filter pod_exec_late pod_term pod_verbose \
	containerd_name nerdctl_name pod_host_network pod_pause pod_saved containerd_restart
net_up && containerd_start || {
	bad containerd_starts "$(tail -n 1 "$TEST_TMP/ctd.log")"
	exit 1
}

# --- 20 pods of two containers, each makes one request ---
capture pods -i any -n 'tcp port 80'
pod() { # NUMBER
	local p
	p=$(cri run "p$1" ns1) || return
	cri ctr "$p" a localhost/bb:test sh -c "wget -q -O /dev/null http://10.232.0.2/$((2 * $1)); sleep 0.3" >/dev/null
	cri ctr "$p" b localhost/bb:test sh -c "wget -q -O /dev/null http://10.232.0.2/$((2 * $1 + 1)); sleep 0.3" >/dev/null
}
for i in $(seq 0 4 19); do
	pids=
	for j in $(seq "$i" $((i + 3))); do pod "$j" & pids="$pids $!"; done
	wait $pids
done
capture_end
cat >"$TEST_TMP/pods.py" <<'EOF'
import re, sys
# The web server is on this machine too, but in no container: the pod is what is shown. Ports come again with another SYN.
owner, packets, bad, current = {}, [], [], {}
for line in open(sys.argv[1]):
    m = re.match(r'\S+ (ptcbr0|veth\S*|up0) .*IP (\S+) > (\S+): Flags', line)
    if not m:
        continue
    port = m[3] if m[2].endswith('.80') else m[2]
    syn = re.search(r'Flags \[S\], seq (\d+)', line)
    if syn:
        current[port] = (port, syn[1])
    port = current.get(port, port)
    packets.append((port, line.rstrip()))
    get = re.search(r'GET /(\d+) ', line)
    if get:
        owner[port] = int(get[1])
for port, line in packets:
    n = owner.get(port, -1)
    if not line.endswith('Container [%s], Pod [p%d.ns1]' % ('ab'[n % 2], n // 2)):
        bad.append(line)
for line in bad[:3]:
    print(line, file=sys.stderr)
on_uplink = {port for port, line in packets if ' up0 ' in line}
if bad or len(set(owner.values())) != 40 or len(on_uplink) < 40:
    print('%d of %d packets wrong, %d of 40 containers seen, %d connections on the uplink'
          % (len(bad), len(packets), len(set(owner.values())), len(on_uplink)))
print('%d packets' % len(packets), file=sys.stderr)
EOF
result pods_of_two_containers "$(python3 "$TEST_TMP/pods.py" "$TEST_TMP/pods.out")"

# --- one pod, some of whose containers start later; the other pod is not wanted ---
p1=$(cri run web prod)
cri ctr "$p1" early localhost/bb:test sh -c 'while :; do sleep 0.4; wget -q -O /dev/null http://10.232.0.2/1; done' >/dev/null
p2=$(cri run web other)
cri ctr "$p2" x localhost/bb:test sh -c 'while :; do sleep 0.4; wget -q -O /dev/null http://10.232.0.2/2; done' >/dev/null
capture pod -i any -n --pod-name web.prod 'tcp port 80'
wait_for 5 has pod.out 'GET /1 '
cri ctr "$p1" late localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/3; sleep 600' >/dev/null
wait_for 5 has pod.out 'GET /3 '
capture_end
why=
grep -q 'ptcbr0.*GET /1 .*Container \[early\], Pod \[web.prod\]' "$TEST_TMP/pod.out" || why="no request of the early container;"
grep -q 'ptcbr0.*GET /3 .*Container \[late\], Pod \[web.prod\]' "$TEST_TMP/pod.out" || why="$why no request of the late container;"
grep -q 'GET /2 \|web.other' "$TEST_TMP/pod.out" && why="$why packets of another pod"
result pod_name_filter "$why"
why=
grep -q 'ptcbr0.*Flags \[S\],.*Container \[late\]' "$TEST_TMP/pod.out" || why="no SYN"
result pod_exec_late "$why"

# --- terms: of one pod all but one container, one of which starts later ---
capture term -i any -n 'pod web.prod and label app=w* and not container early and tcp port 80'
cri ctr "$p1" later localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/4; sleep 600' >/dev/null
more() { [ "$(grep -c "url:/$1\$" "$TEST_TMP/httpd.log")" -gt "$2" ]; } # REQUEST TIMES
for n in 1 2; do wait_for 5 more $n "$(grep -c "url:/$n\$" "$TEST_TMP/httpd.log")"; done
wait_for 5 has term.out 'GET /4 '
capture_end
why=
grep -q 'ptcbr0.*Flags \[S\],.*Container \[later\], Pod \[web.prod\]' "$TEST_TMP/term.out" || why="no SYN of the later container;"
grep -q 'ptcbr0.*GET /4 .*Container \[later\]' "$TEST_TMP/term.out" || why="$why no request of it;"
grep -q 'GET /[12] \|web.other\|\[early\]' "$TEST_TMP/term.out" && why="$why packets of others"
result pod_term "$why"

# --- -v, and saved ---
capture verbose -i any -n -v 'tcp port 80'
wait_for 5 has verbose.out '^    Container (name early'
capture_end
why=
grep -q '^    Pod (name web, namespace prod, UID uid-web, labels {"app":"web","tier":"test"}, annotations {"note":"x"})' \
	"$TEST_TMP/verbose.out" || why="no line of the pod: $(grep -m 1 '^    Pod' "$TEST_TMP/verbose.out")"
grep -q '^    Container (name early, id [0-9a-f]*, image localhost/bb:test, labels {"io.kubernetes.container.name":"early"' \
	"$TEST_TMP/verbose.out" || why="$why no line of the container"
result pod_verbose "$why"

# --- a container of ctr's, which has a name only within its namespace ---
capture ctr -i any -n 'tcp port 80'
in_ns ctr -a "$CTD" -n tns run --rm --snapshotter native --net-host localhost/bb:test plain \
	sh -c 'wget -q -O /dev/null http://10.232.0.2/9' </dev/null >/dev/null 2>&1
capture_end
why=
grep 'up0.*GET /9 ' "$TEST_TMP/ctr.out" | grep -q 'Container \[plain\]' || why="$(grep -m 1 'GET /9 ' "$TEST_TMP/ctr.out")."
result containerd_name "$why"

# --- as nerdctl starts them: the id is made up of digits, the name is a label ---
id=$(printf 'nerdctl%s' $$ | sha256sum | cut -c 1-64)
capture nerdctl -i any -n 'tcp port 80'
in_ns ctr -a "$CTD" -n tns run --rm --snapshotter native --net-host --label nerdctl/name=shop localhost/bb:test "$id" \
	sh -c 'wget -q -O /dev/null http://10.232.0.2/10' </dev/null >/dev/null 2>&1
capture_end
why=
grep 'up0.*GET /10 ' "$TEST_TMP/nerdctl.out" | grep -q 'Container \[shop\]' || why="$(grep -m 1 'GET /10 ' "$TEST_TMP/nerdctl.out")."
result nerdctl_name "$why"

# --- a pod in the host's network, and one without a namespace on the command line ---
p3=$(cri run hostpod default hostnet)
cri ctr "$p3" agent localhost/bb:test sh -c 'while :; do sleep 0.4; wget -q -O /dev/null http://10.232.0.2/11; done' >/dev/null
capture hostnet -i any -n --pod-name hostpod 'tcp port 80'
wait_for 5 has hostnet.out 'GET /11 '
capture_end
why=
grep -q 'up0 .*GET /11 .*Container \[agent\], Pod \[hostpod.default\]$' "$TEST_TMP/hostnet.out" || why="no request;"
grep -v 'Container \[agent\], Pod \[hostpod.default\]$' "$TEST_TMP/hostnet.out" | grep -q . && why="$why $(grep -v -m 1 'Pod \[hostpod.default\]$' "$TEST_TMP/hostnet.out")"
result pod_host_network "$why"

# --- what the pod's first process sends, the one that holds its namespaces ---
capture pause -i any -n --pod-name web.prod 'tcp port 80'
cri_pid=$(ctr -a "$CTD" -n k8s.io task ls | awk -v id="$p1" '$1 == id { print $2 }')
sh -c 'for f in $(sed -n "s/^[0-9]*:\([^:]*\):/\1 /p" /proc/'"$cri_pid"'/cgroup | tr " " :); do
		controller=${f%%:*} path=${f#*:}
		for d in "/sys/fs/cgroup/${controller#name=}" /sys/fs/cgroup/unified /sys/fs/cgroup; do
			[ ! -w "$d$path/cgroup.procs" ] || echo $$ >"$d$path/cgroup.procs"
		done
	done 2>/dev/null
	exec nsenter -t '"$cri_pid"' -n -m wget -q -O /dev/null http://10.232.0.2/12'
capture_end
why=
grep -q 'ptcbr0 .*GET /12 .*Container \[POD\], Pod \[web.prod\]$' "$TEST_TMP/pause.out" || why="$(grep -m 1 'GET /12' "$TEST_TMP/pause.out")."
result pod_pause "$why"

# --- saved, and selected when it is read ---
capture saved -i any -w "$TEST_TMP/saved.pcapng" 'tcp port 80'
sleep 1.5 # for three requests of each
capture_end
why=
for pod in web.prod web.other hostpod; do
	full=$pod
	[ $pod != hostpod ] || full=hostpod.default
	"$PTCPDUMP" -n -r "$TEST_TMP/saved.pcapng" --pod-name $pod >"$TEST_TMP/read.out" 2>/dev/null
	grep -q "GET .*Pod \[$full\]$" "$TEST_TMP/read.out" || why="$why nothing of $pod;"
	grep -v "Pod \[$full\]$" "$TEST_TMP/read.out" | grep -q . && why="$why others than $pod;"
	"$PTCPDUMP" -n -r "$TEST_TMP/saved.pcapng" "pod $pod" 2>/dev/null | cmp -s - "$TEST_TMP/read.out" || why="$why another pod $pod;"
done
result pod_saved "$why"

# --- containerd is killed and comes back; ptcpdump is an ordinary user by then ---
cri stop "$p3" >/dev/null
capture ctdrestart -i any -n --log-level info 'tcp port 80'
# Whoever has not answered before cannot answer again.
has_twice() { [ "$(grep -c "$2" "$TEST_TMP/$1")" -ge 2 ]; } # FILE TEXT
wait_for 10 has_twice ctdrestart.err "ctd.sock' answers"
kill -9 "$ctd_pid"
wait "$ctd_pid" 2>/dev/null
sleep 1 # long enough for it to be missed
why=
containerd_start || why="does not start again;"
from=$(now_ms)
wait_for 4 has_twice ctdrestart.err 'answers again'
ms=$(($(now_ms) - from))
p4=$(cri run again ns2)
cri ctr "$p4" first localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/13; sleep 600' >/dev/null
capture_end
[ "$(grep -c 'answers again' "$TEST_TMP/ctdrestart.err")" -ge 2 ] || why="$why not both answer again;"
[ "$ms" -lt 2000 ] || why="$why after $ms ms;"
grep -q 'ptcbr0.*GET /13 .*Container \[first\], Pod \[again.ns2\]$' "$TEST_TMP/ctdrestart.out" || why="$why $(grep -m 1 'GET /13' "$TEST_TMP/ctdrestart.out")"
echo "connected to containerd and the CRI $ms ms after the images were there again" >&2
result containerd_restart "$why"
end_test
