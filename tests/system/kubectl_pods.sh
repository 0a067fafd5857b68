#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kubectl-ptcpdump with pods of a real containerd, whose socket the pod that captures has below /host/run only. timeout: 300
# shellcheck source=tests/system/lib-containers.sh
. "$(dirname "$0")/lib-containers.sh"

cni=/usr/lib/cni
[ -x $cni/bridge ] || cni=/opt/cni/bin
PATH=$PATH:$cni
need containerd ctr runc bridge host-local python3 curl ip nsenter unshare dash -- pod container selector lone netns
python3 -c 'import yaml' 2>/dev/null || skip_all "python3-yaml is missing" pod container selector lone netns
CTD=$TEST_TMP/node/run/containerd/containerd.sock
mkdir -m 755 "$TEST_TMP/node" "$TEST_TMP/node/run" "$TEST_TMP/node/run/containerd" "$TEST_TMP/node/run/netns"
made_host=
[ -d /host ] || { mkdir -m 755 /host && made_host=1; }
cleanup() {
	containers_cleanup
	[ -z "$made_host" ] || rmdir /host
}
net_up && containerd_start || {
	bad containerd_starts "$(tail -n 1 "$TEST_TMP/ctd.log")"
	exit 1
}

# In the node's root, new ones appear, too. What is unmounted there stays mounted here.
mount --rbind /run/netns "$TEST_TMP/node/run/netns" && mount --make-rslave "$TEST_TMP/node/run/netns"
export KUBE_STATE=$TEST_TMP/cluster PTCPDUMP
mkdir -p "$KUBE_STATE/made" "$TEST_TMP/bin"
ln -s "$PTCPDUMP" "$TEST_TMP/bin/ptcpdump"
cat >"$KUBE_STATE/cluster.json" <<END
{ "nodes": { "node1": { "netns": "$NS", "path": "$TEST_TMP/bin:$PATH", "root": "$TEST_TMP/node" } },
  "pods": [ $(for ns in prod other; do
	[ $ns = prod ] || echo ,
	echo "{ \"metadata\": { \"name\": \"web\", \"namespace\": \"$ns\", \"labels\": { \"app\": \"web\", \"tier\": \"$ns\" } },
		\"spec\": { \"nodeName\": \"node1\", \"containers\": [ { \"name\": \"one\" }, { \"name\": \"two\" } ] }, \"status\": { \"phase\": \"Running\" } }"
done) ] }
END

n=0
for ns in prod other; do
	pod=$(cri run web $ns)
	for name in one two; do
		n=$((n + 1))
		cri ctr "$pod" $name localhost/bb:test sh -c "while :; do sleep 0.3; wget -q -O /dev/null http://10.232.0.2/$n; done" >/dev/null
	done
done

shows() { # NAME WANTED: numbers of requests; WORD...
	local name=$1 wanted=$2 why='' i
	shift 2
	dash "$TOP/deploy/kubernetes/kubectl-ptcpdump" "$@" -i any -n 'tcp port 80' >"$TEST_TMP/$name.out" 2>"$TEST_TMP/$name.err" &
	for i in $wanted; do
		wait_for 20 has "$name.out" "GET /$i " || why="$why no GET /$i;"
	done
	kill $!
	wait $!
	grep -q 'container matches yet\|no container runtime' "$TEST_TMP/$name.err" && why="$why $(grep -m 1 'contain' "$TEST_TMP/$name.err")"
	for i in 1 2 3 4; do
		case " $wanted " in *" $i "*) continue ;; esac
		! has "$name.out" "GET /$i " || why="$why a GET /$i;"
	done
	[ -z "$(ls "$KUBE_STATE/made")" ] || why="$why a pod is left"
	result "$name" "$why"
}
PATH=$TOP/tests/system/kubectl:$PATH
shows pod '1 2' web -n prod
is pod_is_named "$(grep 'GET /1 ' "$TEST_TMP/pod.out" | head -n 1 | grep -o 'Container \[one\], Pod \[web.prod\]$')" "Container [one], Pod [web.prod]"
shows container '4' web -n other -c two
shows selector '1 2 3 4' -l app=web --all-namespaces
PTCPDUMP=/nonexistent shows lone '3 4' -l tier=other --all-namespaces
shows netns '1 2 3 4' --node node1 -- --netns "/host/run/netns/$SRV"
end_test
