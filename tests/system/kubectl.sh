#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kubectl-ptcpdump on a cluster of two network namespaces, by a kubectl that runs pods' commands there. timeout: 300
. "$(dirname "$0")/../lib.sh"

why=$(lacks ip unshare python3 ping dash setsid)
[ -n "$why" ] || python3 -c 'import yaml' 2>/dev/null || why="python3-yaml is missing"
[ -z "$why" ] || skip_all "$why" kubectl

PLUGIN=$TOP/deploy/kubernetes/kubectl-ptcpdump
export KUBE_STATE=$TEST_TMP/cluster PTCPDUMP
NODES="k1-$$ k2-$$"
read -r K1 K2 <<<"$NODES"
bin=$TEST_TMP/bin
mkdir -p "$KUBE_STATE/made" "$bin"
: >"$KUBE_STATE/calls"
PATH=$TOP/tests/system/kubectl:$PATH

cleanup() {
	local node
	for node in $NODES; do
		ip netns pids "$node" 2>/dev/null | xargs -r kill -9 2>/dev/null
		ip netns del "$node" 2>/dev/null
	done
}

# What runs in the pods: notes the words that it got.
cat >"$bin/ptcpdump" <<END
#!/bin/sh
printf '%s\0' "\$@" >>"$TEST_TMP/words"
exec "$PTCPDUMP" "\$@"
END
chmod +x "$bin/ptcpdump"
for node in $NODES; do
	ip netns add "$node" && ip -n "$node" link set lo up || exit 1
	ip netns exec "$node" ping -q -i 0.2 127.0.0.1 >/dev/null &
done

cluster() { # MODE OF THE FIRST NODE, OF THE SECOND, [MORE]
	cat >"$KUBE_STATE/cluster.json" <<-END
		{ "nodes": { "$K1": { "netns": "$K1", "path": "$bin:$PATH", "mode": "$1" },
			"$K2": { "netns": "$K2", "path": "$bin:$PATH", "mode": "$2" },
			"win": { "os": "windows" } },
		  "pods": [ $(pod web-0 prod "$K1" app=web), $(pod web-1 prod "$K2" app=web), $(pod db prod "$K2" app=db),
			$(pod web-0 test "$K2" app=web), $(pod pending prod "" app=new) ] ${3:-} }
	END
	: >"$KUBE_STATE/calls"
	rm -f "$TEST_TMP/words"
}
pod() { # NAME NAMESPACE NODE LABEL=VALUE
	echo "{ \"metadata\": { \"name\": \"$1\", \"namespace\": \"$2\", \"labels\": { \"${4%=*}\": \"${4#*=}\" } },
		\"spec\": { \"nodeName\": \"$3\", \"containers\": [ { \"name\": \"app\" }, { \"name\": \"proxy\" } ] }, \"status\": { \"phase\": \"Running\" } }"
}
run() { # WORD...
	timeout 60 dash "$PLUGIN" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
}
calls() { # EXPRESSION OF PYTHON on c, the list of calls
	python3 -c 'import json, sys, os, yaml; c = [json.loads(l) for l in open(os.environ["KUBE_STATE"] + "/calls")]
made = [yaml.safe_load(d["stdin"]) for d in c if "create" in d["argv"]]; print('"$1"')'
}
nothing_left() { # NAME
	is "$1 nothing_left" "$(ls "$KUBE_STATE/made") $(for node in $NODES; do ip netns pids "$node" | xargs -r -I{} cat /proc/{}/comm 2>/dev/null; done |
		grep -c ptcpdump)" " 0"
}
words() { tr '\0' '\n' <"$TEST_TMP/words" 2>/dev/null; }
has_option() { # NAME OPTION VALUE: a program in a pod got both, one after the other
	is "$1" "$(words | grep -c -A 1 -F -x -e "$2" | head -n 1) $(words | grep -A 1 -F -x -e "$2" | grep -c -F -x -e "$3")" "1 1"
}
