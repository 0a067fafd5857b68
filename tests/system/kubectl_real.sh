#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kubectl-ptcpdump with a real kubectl, before an API server of ours; what is run in pods is left to the stub (tests/system/kubectl).
# timeout: 200
. "$(dirname "$0")/../lib.sh"

names=(real_all_nodes real_image real_words real_pod real_selector real_no_pod real_refused real_lone real_clean)
real=$(command -v kubectl)
why=$(lacks ip nsenter python3 ping dash kubectl)
[ -n "$why" ] || python3 -c 'import yaml' 2>/dev/null || why="python3-yaml is missing"
[ -z "$why" ] || skip_all "$why" "${names[@]}"

export KUBE_STATE=$TEST_TMP/cluster PTCPDUMP
NODE=k1-$$
stub=$TOP/tests/system/kubectl
mkdir -p "$KUBE_STATE/made" "$TEST_TMP/bin" "$TEST_TMP/home"
cleanup() {
	kill "$api" 2>/dev/null
	ip netns pids "$NODE" 2>/dev/null | xargs -r kill -9 2>/dev/null
	ip netns del "$NODE" 2>/dev/null
}
ip netns add "$NODE" && ip -n "$NODE" link set lo up || exit 1
ip netns exec "$NODE" ping -q -i 0.2 127.0.0.1 >/dev/null 2>&1 &
disown
ln -s "$PTCPDUMP" "$TEST_TMP/bin/ptcpdump"
cluster() { # MODE OF THE SECOND NODE
	cat >"$KUBE_STATE/cluster.json" <<-END
		{ "nodes": { "$NODE": { "netns": "$NODE", "path": "$TEST_TMP/bin:$PATH" }, "k2": { "mode": "$1" }, "win": { "os": "windows" } },
		  "pods": [ { "metadata": { "name": "web-0", "namespace": "prod", "labels": { "app": "web" } }, "status": { "phase": "Running" },
			"spec": { "nodeName": "$NODE", "containers": [ { "name": "app", "image": "a" }, { "name": "proxy", "image": "b" } ] } } ] }
	END
}
python3 "$stub/api.py" "$TEST_TMP/port" &
api=$!
wait_for 10 test -e "$TEST_TMP/port" || {
	bad real_all_nodes "no API server"
	end_test
}
cat >"$TEST_TMP/bin/kubectl" <<END
#!/bin/sh
case " \$* " in *" exec "*) exec python3 "$stub/kubectl" "\$@" ;; esac
HOME="$TEST_TMP/home" exec "$real" --server="http://127.0.0.1:$(cat "$TEST_TMP/port")" "\$@"
END
chmod +x "$TEST_TMP/bin/kubectl"
run() { PATH=$TEST_TMP/bin:$PATH timeout 60 dash "$TOP/deploy/kubernetes/kubectl-ptcpdump" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"; }

cluster image
run --all-nodes -- -i lo -nn -c 4 icmp
is real_all_nodes "$? $(grep -c 'lo@[^ ]* ping' "$TEST_TMP/out") $(ls "$KUBE_STATE/made")" "1 4 "
is real_image "$(grep -c '^kubectl-ptcpdump: k2: the pod does not start: ImagePullBackOff; it is left out$' "$TEST_TMP/err") $(grep -c \
	'^    Failed: Failed to pull image "ptcpdump:1.0.0-rc1": not found?\[2J$' "$TEST_TMP/err")" "1 1"
# As kubectl has understood the manifest; a server refuses what it does not know.
is real_words "$(python3 -c 'import json, os
for line in open(os.environ["KUBE_STATE"] + "/posted"):
    d = json.loads(line)
    print(d["path"], d["pod"]["spec"]["nodeName"], d["pod"]["spec"]["containers"][0]["securityContext"]["privileged"])')" \
	"/api/v1/namespaces/kube-system/pods?fieldManager=kubectl-create&fieldValidation=Strict $NODE True
/api/v1/namespaces/kube-system/pods?fieldManager=kubectl-create&fieldValidation=Strict k2 True"
run web-0 -n prod -c other
is real_pod "$(head -n 1 "$TEST_TMP/err")" "kubectl-ptcpdump: pod web-0.prod has no container other; it has: app proxy  "
run -l app=web --all-namespaces --dry-run
is real_selector "$? $(grep nodeName "$TEST_TMP/out")" "0   nodeName: \"$NODE\""
run nobody -n prod
is real_no_pod "$? $(cat "$TEST_TMP/err")" "1 kubectl-ptcpdump: there is no pod nobody in namespace prod"
cluster refused
run --node k2
is real_refused "$? $(grep -c 'k2: no pod can be made: Error from server (Forbidden): .*violates PodSecurity; it is left out' "$TEST_TMP/err")" "1 1"
cluster ready
PTCPDUMP=/nonexistent run --node "$NODE" -i lo -nn -c 2 icmp
is real_lone "$? $(grep -c 'ICMP' "$TEST_TMP/out") $(ls "$KUBE_STATE/made")" "0 2 "
# One that its plug-in, killed, has left.
python3 - "$KUBE_STATE" "$(PATH=$TEST_TMP/bin:$PATH "$TOP/deploy/kubernetes/kubectl-ptcpdump" --dry-run --node "$NODE")" <<'EOF'
import json, sys, yaml
pod = yaml.safe_load(sys.argv[2])
pod["made"] = 0
json.dump(pod, open("%s/made/%s.json" % (sys.argv[1], pod["metadata"]["name"]), "w"))
EOF
run --clean
is real_clean "$? $(grep -c 'removed: ptcpdump-' "$TEST_TMP/err") $(ls "$KUBE_STATE/made")" "0 1 "
end_test
