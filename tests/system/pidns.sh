#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# In a pid namespace of its own ptcpdump selects and shows the pids of that namespace, and those of processes outside of it
# as the host's. timeout: 300
# With "within NAME BACKEND" as arguments it is what runs inside.
. "$(dirname "$0")/../lib.sh"

PORT=7222

# Runs a command line as a process named so, which waits for a line of the FIFO "NAME.go" before each round.
waiting() { # NAME COMMAND
	mkfifo "$TEST_TMP/$1.go" || exit 1
	bash -c 'exec -a "$0" "$@"' "$1" "$TEST_TMP/$1" -c "while read -r x; do $2; done" <>"$TEST_TMP/$1.go" 2>/dev/null &
}
tell() { echo 1<>"$TEST_TMP/$1.go"; }              # NAME
send="echo x >/dev/udp/127.0.0.1/$PORT"
program() { cp "$(command -v bash)" "$TEST_TMP/$1"; } # NAME

# --- inside --------------------------------------------------------------------------

start() {
	start_capture "$TEST_TMP/out" "$TEST_TMP/err" "$PTCPDUMP" --backend "$backend" -i lo -nn "$@" "udp dst port $PORT"
	pid=$!
}
finish() {
	drained "$TEST_TMP/err" kill -USR1 "$pid" >/dev/null
	kill -INT "$pid"
	wait "$pid"
}
owners() { # FILE: "name.pid" of each packet, each once
	awk '{ print $3 }' "$1" | sort -u | xargs
}
others() { # everybody sends
	tell "$name-early"
	tell "o-$name"
	"$TEST_TMP/$name-late" -c "$send" &
	late=$!
	wait "$late"
	wait_for 5 test -s "$TEST_TMP/o-$name.sent"
	rm -f "$TEST_TMP/o-$name.sent"
}
read_back() { # ARGUMENTS
	"$PTCPDUMP" -nn -r "$TEST_TMP/$name.pcapng" "$@" 2>/dev/null >"$TEST_TMP/read"
	owners "$TEST_TMP/read"
}

within() {
	local name=$1 backend=$2 early outside late
	outside=$(cat "$TEST_TMP/o-$name.pid")@host
	program "$name-early"
	program "$name-late"
	waiting "$name-early" "$send"
	early=$!

	start -w "$TEST_TMP/$name.pcapng" --print
	others
	finish
	is "$name-shown" "$(owners "$TEST_TMP/out")" \
		"$(printf '%s\n' "$name-early.$early" "$name-late.$late" "o-$name.$outside" | sort | xargs)"
	is "$name-read-shown" "$(read_back)" "$(owners "$TEST_TMP/out")"
	is "$name-read-pid" "$(read_back --pid "$early")" "$name-early.$early"
	is "$name-read-pid-of-host" "$(read_back --pid "${outside%@*}")" ""
	is "$name-read-pid-outside" "$(read_back --pid "$outside")" "o-$name.$outside"
	check "$name-read-verbose" grep -q "Process (pid $early, cmd " <("$PTCPDUMP" -v -r "$TEST_TMP/$name.pcapng" 2>/dev/null)

	start --pid "$early"
	others
	finish
	is "$name-pid" "$(owners "$TEST_TMP/out")" "$name-early.$early"

	start --pid "$outside"
	others
	finish
	is "$name-pid-outside" "$(owners "$TEST_TMP/out")" "o-$name.$outside"

	start --pname "$name-early"
	others
	finish
	is "$name-pname-from-before" "$(owners "$TEST_TMP/out")" "$name-early.$early"

	start --pname "o-$name"
	others
	finish
	is "$name-pname-outside" "$(owners "$TEST_TMP/out")" "o-$name.$outside"

	start --pid "$outside" --pname "o-$name"
	others
	finish
	is "$name-both-outside" "$(owners "$TEST_TMP/out")" "o-$name.$outside"

	start --pname "$name-late"
	others
	finish
	is "$name-pname-from-now" "$(owners "$TEST_TMP/out")" "$name-late.$late"
	kill "$early"
	wait "$early" 2>/dev/null

	program "$name-fork"
	waiting "$name-fork" "$TEST_TMP/$name-late -c 'echo \$\$ >$TEST_TMP/$name-child.pid; $send'"
	early=$!
	start --pid "$early" -f
	tell "$name-fork"
	wait_for 5 test -s "$TEST_TMP/$name-child.pid"
	"$TEST_TMP/$name-late" -c "$send"
	finish
	is "$name-follow-forks" "$(owners "$TEST_TMP/out")" "$name-late.$(cat "$TEST_TMP/$name-child.pid")"
	kill "$early"
	wait "$early" 2>/dev/null

	# shellcheck disable=SC2016 # the command's
	"$PTCPDUMP" --backend "$backend" -i lo -nn "udp dst port $PORT" -- "$TEST_TMP/$name-late" -c \
		'echo $$ >'"$TEST_TMP/$name-command.pid; $send" >"$TEST_TMP/out" 2>/dev/null
	is "$name-command" "$(owners "$TEST_TMP/out")" "$name-late.$(cat "$TEST_TMP/$name-command.pid")"
}

if [ "${1:-}" = within ]; then
	within "$2" "$3"
	end_test
fi

# --- outside -------------------------------------------------------------------------

tests="shown read-shown read-pid read-pid-of-host read-pid-outside read-verbose pid pid-outside pname-from-before
pname-outside both-outside pname-from-now follow-forks command"
names="foreign-proc-said foreign-proc-command"
for name in $(backends) nested; do
	for test in $tests; do names="$names $name-$test"; done
done
why=$(lacks unshare nsenter ip awk)
# What is outside must have the numbers of the initial namespace.
[ "$why" ] || [ "$(readlink /proc/self/ns/pid)" = 'pid:[4026531836]' ] || why="runs in a pid namespace"
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

NS=ptpid$$
cleanup() {
	# shellcheck disable=SC2046
	kill $(jobs -p) 2>/dev/null
	ip netns del "$NS" 2>/dev/null
}
ip netns add "$NS" && ip -n "$NS" link set lo up || exit 1
here=(nsenter "--net=/run/netns/$NS")
own=(unshare -p -f --mount-proc --kill-child)

run() { # NAME BACKEND COMMAND...: in what namespaces
	local name=$1 backend=$2
	shift 2
	program "o-$name" # the kernel keeps 15 characters
	mkfifo "$TEST_TMP/o-$name.go" || exit 1
	"${here[@]}" "$TEST_TMP/o-$name" -c "while read -r x; do $send; echo >$TEST_TMP/o-$name.sent; done" \
		<>"$TEST_TMP/o-$name.go" 2>/dev/null &
	echo $! >"$TEST_TMP/o-$name.pid"
	# shellcheck disable=SC2034 # read by end_test
	"${here[@]}" "$@" "$0" within "$name" "$backend" || failed=1
	kill $! 2>/dev/null
	wait $! 2>/dev/null
}
for backend in $(backends); do run "$backend" "$backend" "${own[@]}"; done
run nested tc "${own[@]}" "${own[@]}"

# Without a /proc of its own, ps shows other pids than $$ there.
program foreign
# shellcheck disable=SC2016 # the command's
"${here[@]}" unshare -p -f "$PTCPDUMP" -i lo -nn "udp dst port $PORT" -- "$TEST_TMP/foreign" -c \
	'read -r pid rest </proc/self/stat; echo "$pid" >'"$TEST_TMP/foreign.pid; $send" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
check foreign-proc-said grep -q 'ptcpdump: /proc is of another pid namespace than ours' "$TEST_TMP/err"
is foreign-proc-command "$(owners "$TEST_TMP/out")" "foreign.$(cat "$TEST_TMP/foreign.pid")"
end_test
