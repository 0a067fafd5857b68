#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# "-- command": exit status, streams, user, signals, and that only its traffic is captured.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

run() { # ARGUMENTS: ptcpdump -i LINK ARGUMENTS, STATUS is its exit status
	"$PTCPDUMP" -i "$LINK" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	STATUS=$?
}

run -- sh -c 'exit 7'
is exit_status $STATUS 7
run -- true
is exit_status_zero $STATUS 0
run -- sh -c 'kill -9 $$'
is killed_command $STATUS 137
run -- no-such-command-here
is not_found $STATUS 127
check not_found_message grep -q "command 'no-such-command-here' not found" "$TEST_TMP/err"
run -- /etc/passwd
is not_executable $STATUS 126
run -i no-such-iface -- touch "$TEST_TMP/ran"
is no_capture_no_command "$STATUS$(ls "$TEST_TMP/ran" 2>/dev/null)" 1

is stdin_and_stdout "$(echo through | "$PTCPDUMP" -i "$LINK" -w "$TEST_TMP/x.pcapng" -- cat 2>/dev/null)" through
is stderr "$("$PTCPDUMP" -i "$LINK" -- sh -c 'echo aside >&2' 2>&1 >/dev/null | grep aside)" aside
is options_of_the_command "$("$PTCPDUMP" -i "$LINK" -w "$TEST_TMP/x.pcapng" -- echo -n -v -- a 2>/dev/null)" "-v -- a"

run -nn -- ping -q -c 2 -i 0.01 "$THERE"
is first_and_last_packet "$(lines "$TEST_TMP/out" 'ICMP echo')" 4
is named_on_every_line "$(lines "$TEST_TMP/out" ' ping\.[0-9]* \(In\|Out\) IP')" 4
check statistics grep -q '^4 packets captured$' "$TEST_TMP/err"

# The request leaves when the neighbour has answered, in nobody's context; its reply belongs to ping all the same.
ip neigh flush dev "$LINK"
run -nn icmp -- ping -q -c 1 "$THERE"
is reply_after_neighbour_discovery "$(lines "$TEST_TMP/out" 'ICMP echo')" 2

while :; do ping -q -c 1 -W 1 "$THERE"; done >/dev/null 2>&1 &
others=$!
# Long enough for some of the others', before and after.
run -nn icmp -- sh -c "sleep 0.3; ping -q -c 1 $THERE >/dev/null; sleep 0.3"
kill $others
wait $others 2>/dev/null
is only_its_own_traffic "$(lines "$TEST_TMP/out" 'ICMP echo')" 2
# One whose parent is gone, and one that has it still.
run -nn icmp -- sh -c "( (ping -q -c 1 $THERE >/dev/null; touch $TEST_TMP/first) & )
	while ! [ -e $TEST_TMP/first ]; do sleep 0.02; done; (sh -c 'ping -q -c 1 $THERE >/dev/null; :')"
is descendants "$(lines "$TEST_TMP/out" 'ICMP echo')" 4

# shellcheck disable=SC2016
is invoking_user "$(SUDO_UID=65534 SUDO_GID=65534 SUDO_USER=nobody "$PTCPDUMP" -i "$LINK" -- sh -c 'echo $(id -u) $(id -g) $USER $SUDO_UID' 2>/dev/null)" "65534 65534 nobody"

run -c 1 -nn -- sh -c "ping -q -c 3 -i 0.01 $THERE; exit 5"
is status_after_count $STATUS 5
is count_with_command "$(lines "$TEST_TMP/out" 'ICMP echo')" 1

run -- sh -c "date +%s%3N >$TEST_TMP/end"
at_most ends_shortly_after $(($(now_ms) - $(cat "$TEST_TMP/end"))) 1499

# Both get the signal, as from a terminal. Python, since background jobs of a script ignore it.
python3 - "$PTCPDUMP" "$LINK" "$TEST_TMP" <<'PY'
import os, signal, subprocess, sys, time
program, link, tmp = sys.argv[1:]
def restore():
	signal.signal(signal.SIGINT, signal.SIG_DFL)
	os.setpgid(0, 0)
p = subprocess.Popen([program, "-i", link, "--", "sh", "-c", "trap 'echo caught; exit 3' INT; sleep 20 & touch %s/trapped; wait" % tmp],
	stdout=open(tmp + "/int.out", "w"), stderr=subprocess.PIPE, preexec_fn=restore)
line = b""
while b"listening" not in line:
	line = p.stderr.readline()
until = time.time() + 5
while not os.path.exists(tmp + "/trapped") and time.time() < until:
	time.sleep(0.02)
os.killpg(p.pid, signal.SIGINT)
t = time.time()
with open(tmp + "/int.status", "w") as f:
	f.write("%d %d" % (p.wait(), time.time() - t < 2))
PY
is interrupt_status "$(cat "$TEST_TMP/int.status")" "3 1"
is interrupt_reaches_command "$(cat "$TEST_TMP/int.out")" caught

start -i "$LINK" -- sleep 30
child=$(pgrep -P "$PID")
kill -TERM "$PID"
finish
is terminated_with_command "$STATUS" 143
check terminated_command_is_gone test ! -e "/proc/$child"

start -i "$LINK" -- sh -c 'exit 9'
finish
is no_zombie "$(pgrep -c -r Z -P $$)" 0
# Neither a program of -z nor the command gets a descriptor of ours; the command keeps those that were given to us.
# shellcheck disable=SC2016
printf '#!/bin/sh\nls -l /proc/self/fd | sed -n "s/.* \\([0-9]* -> .*\\)/\\1/p" >>"%s/of_${2:-z}"\n' "$TEST_TMP" >"$TEST_TMP/list"
chmod 755 "$TEST_TMP/list"
strangers() { grep -v '^[012] \|/fd$\|of_z$\|of_command$\|list$' "$TEST_TMP/of_$1" | sort -u | tr '\n' ' '; }
given=$(ls -l /proc/self/fd | sed -n 's/.* \([0-9]* -> .*\)/\1/p' | grep -v '^[012] \|/fd$\|pipe' | sort -u | tr '\n' ' ')
for backend in $(backends); do
	rm -f "$TEST_TMP"/of_* "$TEST_TMP"/rotated*
	"$PTCPDUMP" --backend "$backend" -i "$LINK" -nn -C 1k -W 3 -z "$TEST_TMP/list" -w "$TEST_TMP/rotated" icmp -- \
		sh -c '"$1" x command; ping -q -c 20 -i 0.01 "$2"' sh "$TEST_TMP/list" "$THERE" >/dev/null 2>&1
	is "descriptors_of_z_$backend" "$(strangers z)$(($(grep -c '^1 ' "$TEST_TMP/of_z") > 2))" 1
	is "descriptors_of_command_$backend" "$(strangers command | sed 's/[0-9]* -> pipe:[^ ]* //g')" "$given"
done

is nothing_left "$(traces)" ""
end_test
