#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The program as a plug-in of Wireshark: the real tshark and dumpcap call it, as a user who is not root. timeout: 300
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks tshark dumpcap curl python3 setpriv setcap bpftool)
[ -z "$why" ] || skip_all "$why" listed live pings stop refused

# Wireshark, as root, looks for plug-ins in the folder for all only, which is not the test's.
user=nobody
home=$TEST_TMP/home
program=$home/bin/ptcpdump
chmod 755 "$TEST_TMP"
mkdir -p "$home/bin"
cp "$PTCPDUMP" "$program"
chown -R "$user" "$home"
as_user() { setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env -i PATH="$PATH" HOME="$home" LC_ALL=C.UTF-8 "$@"; }

as_user "$program" --install-extcap >"$TEST_TMP/installed" 2>&1
is install "$?$(grep -c -- "/extcap/ptcpdump -> $program (" "$TEST_TMP/installed")" 02
as_user "$program" --install-extcap >"$TEST_TMP/installed" 2>&1
is install_again "$?$(grep -c 'it was there already' "$TEST_TMP/installed")" 02
listed=$(as_user tshark -D 2>/dev/null | grep ptcpdump | sed 's/^[0-9]*\. //')
is listed "$listed" 'ptcpdump (ptcpdump: all interfaces with processes)'

# What is attached is a link of ours (tcx), a filter of tc, or a packet socket. A link ends with the last process that holds it:
# where none is left and nothing is pinned or in tc, nothing is attached.
index=$(cat "/sys/class/net/$LINK/ifindex")
attaches() { # PID
	grep -qs "^ifindex:[[:space:]]*$index\$" /proc/"$1"/fdinfo/* || [ -n "$(traces)" ]
}
listens_by_socket() { awk -v i="$index" '$5 == i { found = 1 } END { exit !found }' /proc/net/packet; }
attached() {
	PID=$(pgrep -P "$TSHARK" -x ptcpdump) && { attaches "$PID" || { [ -n "$by_socket" ] && listens_by_socket; }; }
}
by_socket=
# Who is left by its parent may wait for init to take note of its end.
ended() { ! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"; } # PID
# In the background; TSHARK and PID, ours, are set once something is attached.
# Its number is tshark's: what starts it becomes it.
tshark_start() { # OPTIONS...
	: >"$TEST_TMP/out"
	setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups env -i PATH="$PATH" HOME="$home" LC_ALL=C.UTF-8 \
		tshark -l -n -o "extcap.ptcpdump.interface:$LINK" -i ptcpdump "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	TSHARK=$!
	wait_for 20 attached || bad tshark_start "nothing is attached: $(cat "$TEST_TMP/err")"
	DUMPCAP=$(pgrep -P "$TSHARK" -x dumpcap)
}
tshark_end() { # SIGNAL
	kill "-$1" "$TSHARK"
	{ wait "$TSHARK"; } 2>/dev/null
	wait_for 5 ended "$PID" || echo "ptcpdump runs on;"
	wait_for 5 ended "$DUMPCAP" || echo "dumpcap runs on;"
	wait_for 2 no_traces || echo "left: $(traces)"
}
errors() { grep -v 'Running as\|Capturing on\|Main MESSAGE\|^tshark: $\|^$\|packets* captured$' "$TEST_TMP/err" | head -n 3; }
has_lines() { [ "$(grep -c "$2" "$TEST_TMP/out")" -ge "$1" ]; } # COUNT PATTERN

# --- without the right, then with what the message says ---
as_user timeout 30 tshark -i ptcpdump -a duration:5 -w "$home/x.pcapng" >/dev/null 2>"$TEST_TMP/err"
cure=$(tr -d '\0' <"$TEST_TMP/err" | sed -n "s/.*Error [a-z]* extcap pipe: ptcpdump: no permission to capture: .*: sudo sh -c '\(.*\)'$/\1/p")
check no_right_says_the_cure test -n "$cure"
is no_right_says_nothing_else "$(errors | grep -vc 'no permission to capture')" 0
chown root "$program"
sh -c "${cure//chgrp wireshark/chgrp $(id -g "$user")}"
is cure_group "$(stat -c '%a %g' "$program")" "750 $(id -g "$user")"
# Right after the change of user it may still run what root may.
result cure_not_for_others "$(setpriv --reuid daemon --regid daemon --clear-groups sh -c '"$1" --version' sh "$program" 2>/dev/null)"

# --- whose packets ---
# A comment is one value; from tshark 4.4 on, behind its lines as values of their own.
ip netns exec "$NS" python3 -m http.server 8080 --bind "$THERE" --directory "$home/bin" >/dev/null 2>&1 &
server=$!
serves() { curl -s -o /dev/null -m 1 "http://$THERE:8080/"; }
wait_for 10 serves || bad server "does not answer"

tshark_start -T fields -E separator='|' -e ip.proto -e ip.src -e tcp.port -e frame.comment
# Both directions are taken once one packet of each was shown.
first_shown() { ping -q -c 1 -W 1 "$THERE" >/dev/null && wait_for 0.3 has_lines 2 '^1|'; }
wait_for 10 first_shown
ping -q -c 3 -i 0.05 "$THERE" >/dev/null &
ping=$!
wait $ping
curl -s -o "$TEST_TMP/got" --local-port 40000-40099 "http://$THERE:8080/ptcpdump" &
curl=$!
wait $curl
wait_for 5 has_lines 6 "^1|.*[|,]PID: $ping\\\\n"
wait_for 5 has_lines 5 '^6|'
sleep 0.5 # nothing more comes
result stop_by_int "$(tshark_end INT)"
result nothing_on_stderr "$(errors)"
is pings_of_ping "$(grep '^1|' "$TEST_TMP/out" | grep -c "[|,]PID: $ping\\\\nCmd: [^\\\\]*/ping\\\\n")" 6
is pings_of_others "$(grep '^1|' "$TEST_TMP/out" | grep -vc '[|,]PID: [0-9]*\\nCmd: [^\\]*/ping\\n')" 0
is packets_of_curl "$(grep '^6|' "$TEST_TMP/out" | grep -vc "[|,]PID: $curl\\\\nCmd: [^\\\\]*/curl\\\\n")" 0
is peers_of_curl "$(grep '^6|' "$TEST_TMP/out" | grep -vc "PeerPID: $server\\\\n")" 0
check file_came test -s "$TEST_TMP/got"

# --- filters and fields ---
# Sends both kinds until the wanted one was shown, so that the other one would have been.
both_until() { # PATTERN
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		serves
		ping -q -c 1 "$THERE" >/dev/null
		! has_lines 6 "$1" || return 0
		sleep 0.3
	done
}
only() { # NAME WANTED OPTIONS...: shows packets of this kind, and no other
	local name=$1 wanted=$2
	shift 2
	tshark_start "$@" -T fields -E separator='|' -e ip.proto -e frame.comment
	both_until "$wanted"
	result "${name}_stops" "$(tshark_end INT)"
	result "$name" "$(has_lines 6 "$wanted" || echo "too little: $(head -n 2 "$TEST_TMP/out") $(errors)")$(grep -v "$wanted" "$TEST_TMP/out" | head -n 1)"
}
only filter_of_packets '^6|' -f 'tcp port 8080'
only filter_of_processes '^6|\(.*,\)*PID: [0-9]*\\nCmd: [^\\]*/curl' -f 'pname curl'
only field_process '^1|\(.*,\)*PID: [0-9]*\\nCmd: [^\\]*/ping' -o extcap.ptcpdump.pname:ping
only field_context '^[16]|UserId: 0,UserName: root$' -o extcap.ptcpdump.context:user
by_socket=yes
only field_backend '^6|' -o extcap.ptcpdump.backend:socket-filter -f tcp
by_socket=
refused() { # NAME TEXT OPTIONS...
	local name=$1 text=$2
	shift 2
	as_user timeout 30 tshark -i ptcpdump "$@" -w "$home/x.pcapng" >/dev/null 2>"$TEST_TMP/err"
	is "$name" "$(grep -c "Error [a-z]* extcap pipe: ptcpdump: $text" "$TEST_TMP/err")" 1
}
refused bad_filter "can't parse filter expression: syntax error" -f 'tcp prot 80'
refused bad_term 'pname =: a process term has no operator' -f 'pname = curl'
refused bad_field "--pid 'abc' is not a process number" -o extcap.ptcpdump.pid:abc

# --- the end ---
for signal in TERM KILL; do
	tshark_start -w "$home/x.pcapng"
	result "stop_by_${signal,,}" "$(tshark_end $signal)"
done
tshark_start -w "$home/x.pcapng"
kill -KILL "$DUMPCAP"
result dumpcap_killed "$(wait_for 5 ended "$PID" || echo 'ptcpdump runs on')$(wait_for 2 no_traces || traces)"
kill -KILL "$TSHARK" 2>/dev/null
wait "$TSHARK" 2>/dev/null

# --- the same call without Wireshark: the reader of the fifo goes, no packet comes ---
mkfifo "$TEST_TMP/fifo"
exec {reader}<>"$TEST_TMP/fifo"
# shellcheck disable=SC2154 # dies_with_us is of lib.sh
"${dies_with_us[@]}" "$PTCPDUMP" --fifo "$TEST_TMP/fifo" --interface "$LINK" --pname '' --pid --follow-forks false \
	--extcap-capture-filter '' --capture --extcap-interface ptcpdump 2>"$TEST_TMP/err" {reader}<&- &
PID=$!
check fifo_attached wait_for 10 attaches $PID
exec {reader}<&-
result reader_gone "$(wait_for 2 ended "$PID" || echo 'ptcpdump runs on')$(wait_for 1 no_traces || traces)$(cat "$TEST_TMP/err")"
wait "$PID"
is reader_gone_status $? 0

# Nobody ever opens it, and who called is gone.
(
	"$PTCPDUMP" --fifo "$TEST_TMP/fifo" --capture --extcap-interface ptcpdump 2>/dev/null &
	echo $! >"$TEST_TMP/pid"
	sleep 0.3
)
check no_reader wait_for 2 ended "$(cat "$TEST_TMP/pid")"

kill "$server"
end_test
