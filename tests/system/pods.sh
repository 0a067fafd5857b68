#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Pods of a real containerd, made through the CRI, and a container of ctr's. timeout: 400
. "$TOP/tests/system/lib-containers.sh"

cni=/usr/lib/cni
[ -x $cni/bridge ] || cni=/opt/cni/bin
PATH=$PATH:$cni
need containerd ctr runc bridge host-local python3 curl ip nsenter -- pods_of_two_containers pod_name_filter pod_exec_late pod_verbose \
	containerd_name nerdctl_name
net_up && containerd_start || {
	not_ok containerd_starts "$(tail -n 1 "$TEST_TMP/ctd.log")"
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
# The web server is on this machine too, so it may be the end that a packet is shown with. Ports come again with another SYN.
server = re.compile(r' busybox\.%s |ParentProc \[busybox\.%s\]' % (sys.argv[2], sys.argv[2]))
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
    if ' up0 ' in line:
        continue  # packets of both ends are there
    if server.search(line):
        continue
    if not line.endswith('Container [%s], Pod [p%d.ns1]' % ('ab'[n % 2], n // 2)):
        bad.append(line)
for line in bad[:3]:
    print(line, file=sys.stderr)
if bad or len(set(owner.values())) != 40:
    print('%d of %d packets wrong, %d of 40 containers seen' % (len(bad), len(packets), len(set(owner.values()))))
EOF
result pods_of_two_containers "$(python3 "$TEST_TMP/pods.py" "$TEST_TMP/pods.out" $httpd_pid)"

# --- one pod, some of whose containers start later; the other pod is not wanted ---
p1=$(cri run web prod)
cri ctr "$p1" early localhost/bb:test sh -c 'while :; do sleep 0.4; wget -q -O /dev/null http://10.232.0.2/1; done' >/dev/null
p2=$(cri run web other)
cri ctr "$p2" x localhost/bb:test sh -c 'while :; do sleep 0.4; wget -q -O /dev/null http://10.232.0.2/2; done' >/dev/null
capture pod -i any -n --pod-name web.prod 'tcp port 80'
sleep 1
cri ctr "$p1" late localhost/bb:test sh -c 'wget -q -O /dev/null http://10.232.0.2/3; sleep 600' >/dev/null
capture_end 1
why=
grep -q 'ptcbr0.*GET /1 .*Container \[early\], Pod \[web.prod\]' "$TEST_TMP/pod.out" || why="no request of the early container;"
grep -q 'ptcbr0.*GET /3 .*Container \[late\], Pod \[web.prod\]' "$TEST_TMP/pod.out" || why="$why no request of the late container;"
grep -q 'GET /2 \|web.other' "$TEST_TMP/pod.out" && why="$why packets of another pod"
result pod_name_filter "$why"
why=
grep -q 'ptcbr0.*Flags \[S\],.*Container \[late\]' "$TEST_TMP/pod.out" || why="no SYN"
result pod_exec_late "$why"

# --- -v, and saved ---
capture verbose -i any -n -v 'tcp port 80'
capture_end 1.5
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
exit $failed
