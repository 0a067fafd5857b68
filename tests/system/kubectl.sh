#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kubectl-ptcpdump on a cluster of two network namespaces, by a kubectl that runs pods' commands there. timeout: 400
. "$(dirname "$0")/../lib.sh"

why=$(lacks ip nsenter python3 ping dash setpriv)
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
	ip netns exec "$node" ping -q -i 0.2 127.0.0.1 >/dev/null 2>&1 &
	disown
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
start() { # WORD...: in the background, as a terminal's shell would: it can be interrupted
	: >"$TEST_TMP/out"
	: >"$TEST_TMP/err"
	env --default-signal=INT dash "$PLUGIN" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	plugin=$!
}
stop() { # SIGNAL
	kill -s "$1" "$plugin" 2>/dev/null
	wait_for 15 gone "$plugin" || kill -9 "$plugin"
	wait "$plugin" 2>/dev/null
	status=$?
}
has_all() { # FILE TEXT...
	local text
	for text in "${@:2}"; do grep -q -e "$text" "$TEST_TMP/$1" || return 1; done
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

# --- which pods, on which nodes ---

cluster ready ready
start web-0 -n prod -c app -i lo -nn icmp
wait_for 20 has_all err "$K1: listening"
stop TERM
is one_pod_words "$(words | grep -cFx -e --pod-name=web-0.prod) $(words | grep -cFx -e --container-name=app)" "1 1"
is one_pod_node "$(calls '[m["spec"]["nodeName"] for m in made]')" "['$K1']"
is one_pod_status "$status" 0
nothing_left one_pod

cluster ready slow
start -l app=web -n prod -i lo -nn icmp
wait_for 20 has_all err "$K1: listening" "$K2: listening"
stop INT
is selector_nodes "$(calls 'sorted(m["spec"]["nodeName"] for m in made)')" "['$K1', '$K2']"
# As patterns that are names: a node does not complain about pods of another one.
is selector_words "$(words | grep -c -Fx -e '--pod-name=web-[0].prod') $(words | grep -c -Fx -e '--pod-name=web-[1].prod')" "2 2"
nothing_left selector

run -l app=web --all-namespaces --dry-run
is all_namespaces "$(grep -c '^  nodeName: ' "$TEST_TMP/out")" 2
run web-0 --dry-run # of the namespace of the context
is current_namespace "$(grep '^  nodeName: ' "$TEST_TMP/out")" "  nodeName: \"$K1\""
run pending -n prod
is pending_pod "$? $(cat "$TEST_TMP/err")" "1 kubectl-ptcpdump: pod pending.prod is on no node yet
kubectl-ptcpdump: there is nothing to capture"
run nobody -n prod
is no_pod "$? $(cat "$TEST_TMP/err")" "1 kubectl-ptcpdump: there is no pod nobody in namespace prod"
run web-0 -n prod -c apq
is no_container "$(head -n 1 "$TEST_TMP/err")" "kubectl-ptcpdump: pod web-0.prod has no container apq; it has: app proxy  "
run --node k9
is no_node "$? $(cat "$TEST_TMP/err")" "1 kubectl-ptcpdump: there is no node k9; there are: $K1  $K2  win "

# --- all nodes: text and files ---

cluster ready ready
run --all-nodes -- -i lo -nn -c 40 icmp
is all_nodes_status "$?" 0
is all_nodes_packets "$(grep -c "lo@$K1 ping" "$TEST_TMP/out" | sed 's/^[1-9].*/some/') $(grep -c "lo@$K2 ping" "$TEST_TMP/out" |
	sed 's/^[1-9].*/some/') $(grep -c . "$TEST_TMP/out")" "some some 40"
is all_nodes_with_linux "$(calls 'len(made)')" 2
nothing_left all_nodes
run --node "$K1" --node "$K2" -i lo -w "$TEST_TMP/w.pcapng" -c 40 icmp
is file_status "$?" 0
"$PTCPDUMP" -nn -r "$TEST_TMP/w.pcapng" >"$TEST_TMP/read" 2>/dev/null
is file_is_read "$(grep -c . "$TEST_TMP/read") $(grep -o 'lo@[^ ]*' "$TEST_TMP/read" | sort -u | wc -l)" "40 2"
nothing_left file

# --- what is handed on, byte for byte ---

odd=$'icmp or\n(icmp and  "lo"!=2)' label=$'app=a\'b"c $(touch '"$TEST_TMP"$'/x) \\\\ *'
cluster ready ready
start --node "$K1" -- -i lo -nn --label "$label" $'icmp or\n  icmp'
wait_for 20 has_all err "$K1: listening"
stop TERM
is words_of_remote "$(tr '\0\n' '\n\001' <"$TEST_TMP/words" | grep -cFx -e "--label=$label") $(tr '\0\n' '\n\001' <"$TEST_TMP/words" |
	grep -cFx -e "(icmp or"$'\001'"  icmp)")" "1 1"
cluster ready ready
PTCPDUMP=/nonexistent run --node "$K1" -- -i lo -c 1 --label "$label" "$odd"
printf '%s\0' -i lo -c 1 --label "$label" "$odd" >"$TEST_TMP/words.want"
check words_of_lone cmp -s "$TEST_TMP/words" "$TEST_TMP/words.want"
check nothing_was_run test ! -e "$TEST_TMP/x"
nothing_left words

# --- without a ptcpdump here ---

cluster ready ready
PTCPDUMP=/nonexistent run --node "$K1" -i lo -nn -c 4 icmp
is lone "$? $(grep -c 'lo ping.*ICMP' "$TEST_TMP/out")" "0 4"
PTCPDUMP=/nonexistent start --node "$K1" -i lo -nn -w "$TEST_TMP/lone.pcapng" icmp
wait_for 20 has_all err 'listening'
sleep 1 # for some packets
stop INT
is lone_interrupted "$status $(grep -c 'packets captured' "$TEST_TMP/err")" "0 1"
check lone_file test "$("$PTCPDUMP" -nn -r "$TEST_TMP/lone.pcapng" 2>/dev/null | grep -c ICMP)" -gt 0
nothing_left lone
cluster ready ready
PTCPDUMP=/nonexistent run --all-nodes -i lo
is lone_of_two "$? $(grep -c 'merged by ptcpdump' "$TEST_TMP/err") $(calls 'len(made)')" "1 1 0"

# --- Ctrl-C, as a terminal sends it ---

cluster ready ready
cat >"$TEST_TMP/terminal.py" <<'EOF'
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
out, pressed, end = b"", False, time.time() + 40
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try:
            data = os.read(fd, 65536)
        except OSError:
            break
        out += data
    if not pressed and all(("lo@%s ping" % n).encode() in out for n in sys.argv[1].split()):
        os.write(fd, b"\x03")
        pressed = True
sys.stdout.buffer.write(out)
sys.stdout.flush()
status = os.waitpid(pid, 0)[1]
print("\npressed", pressed, "status", os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1)
EOF
for shell in dash 'busybox ash' bash; do
	name=ctrl_c_${shell%% *}
	command -v ${shell%% *} >/dev/null || {
		skip "$name" "${shell%% *} is missing"
		continue
	}
	timeout 60 python3 "$TEST_TMP/terminal.py" "$NODES" $shell "$PLUGIN" --all-nodes -- -i lo -nn -l icmp >"$TEST_TMP/out" 2>&1
	is "$name" "$(tail -n 1 "$TEST_TMP/out") $(grep -c 'dropped by kernel' "$TEST_TMP/out")" "pressed True status 0 3"
	nothing_left "$name"
done

# --- kill -9: the node ends the pod, and --clean removes it ---

cluster ready ready
start --all-nodes --agent-lifetime 77 -- -i lo -w "$TEST_TMP/killed.pcapng" icmp
wait_for 20 has_all err "$K1: listening" "$K2: listening"
# shellcheck disable=SC2046 # numbers
kill -9 "$plugin" $(ps -o pid= --ppid "$plugin")
wait "$plugin" 2>/dev/null
is killed_pods_stay "$(find "$KUBE_STATE/made" -name "*.json" | wc -l)" 2
is killed_deadline "$(calls '[(m["spec"]["activeDeadlineSeconds"], m["spec"]["containers"][0]["command"]) for m in made]')" \
	"[(77, ['sleep', '77']), (77, ['sleep', '77'])]"
nobody_captures() { ! for node in $NODES; do ip netns pids "$node" | xargs -r -I{} cat /proc/{}/comm; done 2>/dev/null | grep -q ptcpdump; }
check killed_captures_end wait_for 30 nobody_captures
start --node "$K1" -i lo -w "$TEST_TMP/other.pcapng" icmp
wait_for 20 has_all err "$K1: listening"
mv "$TEST_TMP/err" "$TEST_TMP/err.other"
run --clean
is clean "$? $(find "$KUBE_STATE/made" -name "*.json" | wc -l) $(grep -c "stays: process $plugin" "$TEST_TMP/err") $(grep -c 'removed: ptcp' "$TEST_TMP/err")" "0 1 1 1"
stop TERM
run --clean=all
is clean_nothing "$? $(cat "$TEST_TMP/err")" "0 kubectl-ptcpdump: removed: nothing"
nothing_left killed

# --- what fails ---

cluster ready image
run --all-nodes -- -i lo -nn -c 4 icmp
is image_status "$?" 1
is image_others_go_on "$(grep -c 'lo@\?[^ ]* ping' "$TEST_TMP/out")" 4
is image_why "$(grep -c "^kubectl-ptcpdump: $K2: the pod does not start: ImagePullBackOff; it is left out\$" "$TEST_TMP/err") $(grep -c \
	'^    Failed: Failed to pull image "ptcpdump:1.0.0-rc1": not found?\[2J$' "$TEST_TMP/err")" "1 1"
nothing_left image
cluster never never
run --agent-wait 2 --all-nodes -i lo
is never_ready "$? $(grep -c 'not ready after 2 s (--agent-wait): Pending' "$TEST_TMP/err") $(tail -n 1 "$TEST_TMP/err")" \
	"1 2 kubectl-ptcpdump: no node can capture"
nothing_left never
start --all-nodes -i lo
two_made() { [ "$(find "$KUBE_STATE/made" -name '*.json' | wc -l)" -eq 2 ]; }
wait_for 10 two_made
stop INT
is interrupted_while_it_waits "$status" 130
nothing_left interrupted
cluster refused refused
run --node "$K1" -i lo
is refused "$? $(grep -c 'no pod can be made: .*violates PodSecurity; it is left out' "$TEST_TMP/err")" "1 1"
nothing_left refused
cluster ready ready ', "errors": { "exec": "error: unable to upgrade connection" }'
run --all-nodes -i lo
is exec_fails "$? $(grep -c 'unable to upgrade connection' "$TEST_TMP/err")" "1 2"
nothing_left exec_fails
cluster ready ready ', "errors": { "get": "Unable to connect to the server" }'
run web-0 -n prod
is no_server "$? $(cat "$TEST_TMP/err") $(calls 'len(made)')" "1 Unable to connect to the server 0"
cluster ready ready ', "errors": { "delete": "Unable to connect to the server" }'
run --node "$K1" -i lo -c 1 icmp
is not_removed "$(grep -c 'may still be there: ptcpdump-.*--clean --agent-namespace kube-system$' "$TEST_TMP/err")" 1
cluster ready ready
run --clean=all
nothing_left not_removed

cluster ready ready
start --all-nodes -- -i lo -nn -l icmp
wait_for 20 has_all out "lo@$K1 ping" "lo@$K2 ping"
kill -9 "$(cat "$KUBE_STATE"/made/*-1.kubectl)"
check exec_dies_is_told wait_for 10 has_all err "^$K1: .*[^s]$"
lines=$(grep -c "lo@$K2" "$TEST_TMP/out")
more() { [ "$(grep -c "lo@$K2" "$TEST_TMP/out")" -gt "$lines" ]; }
check exec_dies_others_go_on wait_for 10 more
stop INT
is exec_dies_status "$status" 1
nothing_left exec_dies

# --- the DaemonSet: its words, with its capabilities only ---

mkdir -m 755 "$TEST_TMP/captures" "$TEST_TMP/metrics"
readarray -d '' -t words < <(python3 -c 'import sys, yaml
c = yaml.safe_load(open(sys.argv[1]))["spec"]["template"]["spec"]["containers"][0]
caps = "-all" + "".join(",+" + k.lower() for k in c["securityContext"]["capabilities"]["add"])
sys.stdout.write("\0".join([caps] + [w.replace("/captures", sys.argv[2] + "/captures").replace("/metrics", sys.argv[2] + "/metrics") for w in c["args"]]) + "\0")' \
	"$TOP/deploy/kubernetes/daemonset.yaml" "$TEST_TMP")
words[-1]=icmp
start_capture /dev/null "$TEST_TMP/recorder" nsenter --net="/run/netns/$K1" setpriv --bounding-set "${words[0]}" \
	"$PTCPDUMP" --log-level info "${words[@]:1}"
recorder=$!
sleep 1 # for some packets
kill "$recorder"
wait "$recorder"
is daemonset_status "$? $(grep -ci 'capabilit\|not permitted\|denied' "$TEST_TMP/recorder")" "0 0"
check daemonset_packets test "$("$PTCPDUMP" -nn -r "$TEST_TMP/captures/node.pcapng0" 2>/dev/null | grep -c 'ping\..*ICMP')" -gt 0

# --- words that would mean something elsewhere ---

cluster ready ready
refuses() { # NAME WORD...
	run "${@:2}"
	is "refuses $1" "$? $(calls 'len(made)')" "1 0"
}
long=$(printf 'a%.0s' $(seq 254))
for word in 'a b' "a'b" 'a;id' '$(id)' 'a"b' '../x' 'A' 'a_b' '-x' 'a-' 'a..b' $'a\nb' '' 'a|b' 'a*' "$long"; do
	name=$(printf %q "${word:0:9}")
	refuses "pod $name" -n prod "$word"
	refuses "node $name" --node "$word"
done
for word in 'a b' 'a.b' "${long:0:64}" '"' $'x\n  hostPID: false'; do
	name=$(printf %q "${word:0:9}")
	refuses "namespace $name" web-0 -n "$word"
	refuses "agent-namespace $name" web-0 -n prod --agent-namespace "$word"
	refuses "container $name" web-0 -n prod -c "$word"
done
refuses image web-0 -n prod --agent-image 'x", command: ["id'
refuses account web-0 -n prod --agent-service-account 'a" b'
refuses policy web-0 -n prod --agent-pull-policy Sometimes
refuses labels web-0 -n prod --agent-labels $'a=b\n'
refuses own_labels web-0 -n prod --agent-labels kubectl-ptcpdump/owner=x
refuses lifetime web-0 -n prod --agent-lifetime 0
refuses two_targets web-0 -l app=web
refuses no_target -i lo
for node in 'n1;id' 'n1"'; do
	cat >"$KUBE_STATE/cluster.json" <<-END
		{ "nodes": { $(python3 -c 'import json, sys; print(json.dumps(sys.argv[1]))' "$node"): {} }, "pods": [
			{ "metadata": { "name": "x", "namespace": "prod" }, "spec": { "nodeName": "n1\$(id)", "containers": [] }, "status": { "phase": "Running" } } ] }
	END
	refuses "node of the cluster $node" --all-nodes
	refuses "node of a pod $node" x -n prod
done

end_test
