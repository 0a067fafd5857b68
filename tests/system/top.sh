#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --top in real terminals: what stands on the screen of tmux in several sizes and over sshd, what keys do, that numbers agree
# with --summary and with the interface's own, that hostile names stay where they are, and that the terminal is given back
# whatever happens. timeout: 300
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"
. "$(dirname "$0")/sshd.lib.sh"
why=$(lacks tmux ssh sshd ssh-keygen python3)
[ -z "$why" ] || skip_all "$why" top

FILE=$TOP/tests/golden/annotated.pcapng
SOCKET=$TEST_TMP/tmux
ESC=$(printf '\033')

cleanup_hosts=$(declare -f cleanup)
eval "hosts_$cleanup_hosts"
cleanup() {
	tm kill-server
	[ -z "${SSHD:-}" ] || kill "$SSHD" 2>/dev/null
	hosts_cleanup
}

# --- terminals ---------------------------------------------------------------------------

# What runs in a terminal: the command in the foreground, with the modes before and after it.
cat >"$TEST_TMP/inside" <<-'END'
	#!/bin/bash
	stty -g >"$TEST_TMP/modes.before"
	bash -c 'echo $$ >"$TEST_TMP/pid"; exec "$@"' - "$@"
	echo $? >"$TEST_TMP/status.new"
	stty -g >"$TEST_TMP/modes.after"
	mv "$TEST_TMP/status.new" "$TEST_TMP/status"
	echo "the end of it"
	sleep 300
END
chmod +x "$TEST_TMP/inside"

tm() { tmux -S "$SOCKET" -f /dev/null "$@" 2>/dev/null; }
# A session of that size, and nothing from the one before.
session() { # COLUMNS ROWS COMMAND
	tm kill-session -t test
	tm new-session -d -s test -x "$1" -y "$2" "$3" && tm resize-window -t test -x "$1" -y "$2"
}
terminal() { # COLUMNS ROWS COMMAND...
	rm -f "$TEST_TMP/status" "$TEST_TMP/pid"
	session "$1" "$2" "$(printf '%q ' "$TEST_TMP/inside" "${@:3}")"
}
resize() { tm resize-window -t test -x "$1" -y "$2"; }
# The server stays.
tm new-session -d -s keep 'sleep 600'
tm set-option -g status off
screen() { tm capture-pane -t test -p; }
key() { tm send-keys -t test "$@"; }
has() { screen | grep -qE -- "$1"; }
shows() { # NAME PATTERN
	if wait_for 10 has "$2"; then ok "$1"; else bad "$1" "no '$2' in: $(screen)"; fi
}
ended() { test -e "$TEST_TMP/status"; }
# The program has ended as it should, and the terminal is what it was.
given_back() { # NAME STATUS
	if ! wait_for 10 ended; then
		bad "$1" "it does not end: $(screen)"
		return
	fi
	is "$1" "$(cat "$TEST_TMP/status") $(cat "$TEST_TMP/modes.after")" "$2 $(cat "$TEST_TMP/modes.before")"
	wait_for 5 has 'the end of it'
	is "$1-screen" "$(tm display -t test -p '#{alternate_on} #{cursor_flag} #{wrap_flag}')" "0 1 1"
}

# --- a file, in several sizes -----------------------------------------------------------------

# NAME BYTES-IN BYTES-OUT of all processes, sorted.
by_process() { "$PTCPDUMP" --summary -r "$FILE" 2>/dev/null | awk '/^zzcmd/ { print $1, $6, $8 }' | sort; }

for size in 80x24 40x10 200x50; do
	terminal "${size%x*}" "${size#*x}" "$PTCPDUMP" --top -r "$FILE"
	shows "file-$size" '^[0-9:]{8} by process, sorted by bytes'
	shows "totals-$size" '^12 packets, 2198 bytes, '
	shows "heads-$size" '^PROCESS .*BYTES-IN +BYTES-OUT +B/S'
	is "lines-$size" "$(screen | grep -c .)" 8
	key q
	given_back "q-$size" 0
	shows "banner-$size" 'reading from file'
done

terminal 200 50 "$PTCPDUMP" --top -r "$FILE"
shows wide-heads '^PROCESS +POD/CONTAINER +PEER +BYTES-IN +BYTES-OUT +B/S +PKTS-IN +PKTS-OUT +RETR +RST +FIRST +LAST'
is agrees-with-summary "$(screen | awk '/^zzcmd/ { print $1, $5, $6 }' | sort)" "$(by_process)"
resize 40 10
shows shrunk '^zzcmd\.40+\.\. +[0-9]+ +[0-9]+ +[0-9.MkG]+$'
is shrunk-lines "$(screen | grep -c .)" 8
resize 20 5
shows tiny '^PROCESS'
resize 1 1
sleep 0.3
resize 80 24
shows grown '^zzcmd\.4000001 zzpod\.zzspace 10\.0\.0\.5\.60589 \+2 +322 +355'

# --- keys -------------------------------------------------------------------------------------

key g
shows key-g 'by flow, sorted by bytes'
key n
shows key-n 'by flow, sorted by name'
key Left
shows key-left 'sorted by retransmits'
key s Right b
shows key-s 'sorted by bytes'
key / 6 0 5 8 9
shows filter 'filter: 60589_'
not_others() { ! has '10\.0\.0\.3\.60202' && has '10\.0\.0\.5\.60589'; }
check filtered wait_for 5 not_others
key Enter
shows filter-kept 'filter: 60589  Esc shows all'
key Escape
shows filter-gone '10\.0\.0\.3\.60202'
key / Z Z C M D
shows filter-of-any-case '^zzcmd'
key Escape
not_filtered() { ! has 'filter:'; }
check escape wait_for 5 not_filtered
key h
shows help 'q +quit'
key x
shows help-left 'by flow'
key Space
shows paused PAUSED
key Space g
shows groups 'by container'
key g g
shows by-user 'by user'
key z
shows cleared '^0 packets, 0 bytes'
key -H 1b 5b 39 39 39 39 39 39 39 3b 3b 3f 7e 1b 5b 5b 41 ff fe c3 28
key g
shows odd-keys 'by process'
key q
given_back q 0

# --- ends ----------------------------------------------------------------------------------------

for signal in TERM INT HUP QUIT; do
	terminal 80 24 "$PTCPDUMP" --top -r "$FILE"
	shows "up-for-$signal" 'by process'
	kill -"$signal" "$(cat "$TEST_TMP/pid")"
	given_back "$signal" 0
done
terminal 80 24 "$PTCPDUMP" --top -r "$FILE"
shows up-for-ctrl-c 'by process'
key C-c
given_back ctrl-c 0

head -c 1000 "$FILE" >"$TEST_TMP/cut.pcapng"
terminal 80 24 "$PTCPDUMP" --top -r "$TEST_TMP/cut.pcapng"
shows damaged 'by process'
shows damaged-told 'cut.pcapng'
key q
given_back damaged 1
terminal 80 24 "$PTCPDUMP" --top -r "$FILE" 'tcp port nonsense-port'
given_back bad-expression 1
shows bad-expression-told 'nonsense-port'

# A shell with jobs stops and continues it.
rm -f "$TEST_TMP/status"
session 80 24 "PS1='ready> ' bash --norc --noprofile -i"
shows shell '^ready>'
key "$PTCPDUMP --top -r $FILE" Enter
shows in-a-shell 'by process'
key C-z
shows stopped 'Stopped'
is stopped-screen "$(tm display -t test -p '#{alternate_on} #{cursor_flag}')" "0 1"
key 'stty | grep -c "\-icanon\|\-echo"' Enter
shows stopped-modes '^0$'
key fg Enter
shows continued '^zzcmd\.4000001'
key q
shows after-it '^ready> *$'

# --- no terminal -------------------------------------------------------------------------------------

summary=$("$PTCPDUMP" --summary -r "$FILE" 2>/dev/null)
is plain "$("$PTCPDUMP" --top -r "$FILE" 2>/dev/null </dev/null)" "$summary"
terminal 200 50 env TERM=dumb "$PTCPDUMP" --top -r "$FILE"
given_back dumb 0
is dumb-table "$(screen | sed -n '/^PROCESS/,/packets/p')" "$summary"

for other in --print --count --summary --json '-w -'; do
	# shellcheck disable=SC2086 # an option and its value
	text=$("$PTCPDUMP" --top -r "$FILE" $other 2>&1 >"$TEST_TMP/out")
	is "refused-with-${other// /}" "$? $(grep -c -- --top <<<"$text")" "1 1"
done

# --- a stream that grows, keys from the terminal ---------------------------------------------------------

mkfifo "$TEST_TMP/more"
cat >"$TEST_TMP/stream" <<-'END'
	#!/bin/bash
	{
		head -c 2000 "$1"
		cat "$2"
	} | "$PTCPDUMP" --top -r -
END
chmod +x "$TEST_TMP/stream"
terminal 80 24 "$TEST_TMP/stream" "$FILE" "$TEST_TMP/more"
shows stream '^[0-9]+ packets'
screen >"$TEST_TMP/before"
key g
shows stream-keys 'by flow'
exec 3>"$TEST_TMP/more"
tail -c +2001 "$FILE" >&3
shows stream-goes-on '^12 packets, 2198 bytes'
exec 3>&-
shows stream-ends 'all is read'
key q
given_back stream 0
terminal 80 24 "$TEST_TMP/stream" "$FILE" "$TEST_TMP/more"
shows stream-again '^[0-9]+ packets'
exec 3>"$TEST_TMP/more"
key q
has_no_table() { ! has PROCESS; }
check stream-q-at-once wait_for 5 has_no_table
exec 3>&-
given_back stream-again 0

# --- several of them ----------------------------------------------------------------------------------------

mkfifo "$TEST_TMP/other"
exec 3<>"$TEST_TMP/other"
terminal 120 24 "$PTCPDUMP" --top -r "web1=$FILE" -r "web2=$TEST_TMP/other"
cat "$TOP/tests/golden/names.pcapng" >&3
shows several 'zzif@web1,zzif@web2'
shows several-packets '^[0-9]+ packets, .* bytes/s$'
key g
shows several-keys 'by flow'
key q
given_back several 0
exec 3>&-

# --- live ------------------------------------------------------------------------------------------------

sysctl -q "net.ipv6.conf.$LINK.disable_ipv6=1"
ip netns exec "$NS" sysctl -q net.ipv6.conf.eth0.disable_ipv6=1
# Neighbours would be looked for in between.
ip neigh replace "$THERE" lladdr "$(ip -n "$NS" -br link show eth0 | awk '{ print $3 }')" dev "$LINK" nud permanent
ip -n "$NS" neigh replace "$HERE" lladdr "$(ip -br link show "$LINK" | awk '{ print $3 }')" dev eth0 nud permanent

counters() { # packets and bytes of the interface, both ways
	(cd "/sys/class/net/$LINK/statistics" && echo $(($(cat rx_packets) + $(cat tx_packets))) $(($(cat rx_bytes) + $(cat tx_bytes))))
}
total() { screen | sed -nE 's/^([0-9]+) packets?, ([0-9]+) bytes.*/\1 \2/p'; }
captured() { # since NAME: what the screen and the interface have more
	local now=() was=()
	read -ra now <<<"$(total)" && read -ra was <<<"$1" && echo "$((now[0] - was[0])) $((now[1] - was[1]))"
}
agrees() {
	local now=() was=()
	read -ra now <<<"$(counters)"
	read -ra was <<<"$counters_before"
	[ "$(captured "$total_before")" = "$((now[0] - was[0])) $((now[1] - was[1]))" ]
}
hostile=$TEST_TMP/$(printf '\033[2J\033[31m\nX\233H')
wide=$TEST_TMP/$(printf '\344\270\255\346\226\207\345\220\215')
cp "$(command -v ping)" "$hostile"
cp "$(command -v ping)" "$wide"

terminal 200 24 "$PTCPDUMP" --top -i "$LINK" -w "$TEST_TMP/live.pcapng"
shows live "by process, sorted by bytes  $LINK"
total_before=$(total)
counters_before=$(counters)
"$hostile" -q -c 20 -i 0.01 -s 700 "$THERE" >/dev/null &
"$wide" -q -c 10 -i 0.01 -s 300 "$THERE" >/dev/null &
pings 50
wait $!
check live-agrees wait_for 10 agrees
shows live-hostile '^\\x1b\\x5b2J\\x1b\\x5b31m\\nX\\x9bH\.[0-9]+ .* 14840 +14840 '
shows live-wide '^中文名.[0-9]+ .* 3420 +3420 '
shows live-title-stays '^[0-9:]{8} by process'
is live-no-sequences "$(tm capture-pane -t test -pe | sed -n '4,$p' | grep -c "$ESC\[31m")" 0
kill -USR1 "$(cat "$TEST_TMP/pid")"
shows live-message '^ptcpdump: [0-9]+ packets? captured'
key z
shows live-cleared '^0 packets, 0 bytes'
pings 3
shows live-anew '^6 packets, 588 bytes'
key q
given_back live 0
shows live-end 'packets received by filter'

terminal 200 24 "$PTCPDUMP" --top -r "$TEST_TMP/live.pcapng"
shows file-hostile '^\\x1b\\x5b2J\\x1b\\x5b31m\\nX\\x9bH\.[0-9]+ .* 14840 +14840 '
shows file-wide '^中文名.[0-9]+ .* 3420 +3420 '
key q
given_back file-hostile 0

for signal in TERM INT; do
	terminal 80 24 "$PTCPDUMP" --top -i "$LINK"
	shows "live-for-$signal" 'by process'
	kill -"$signal" "$(cat "$TEST_TMP/pid")"
	given_back "live-$signal" 0
	shows "live-$signal-end" 'packets received by filter'
done

# Two interfaces: each counts what it sees.
terminal 80 24 "$PTCPDUMP" --top -i "$LINK" -i lo
shows both 'a packet is counted on each interface'
key q
given_back both 0

# Without a terminal: a table a second, and one in the end.
start --top -i "$LINK"
pings 5
tables() { [ "$(lines "$TEST_TMP/out" '^PROCESS')" -ge "$1" ]; }
check plain-live-redraws wait_for 10 tables 2
kill -INT "$PID"
finish
is plain-live "$STATUS $(tail -n 1 "$TEST_TMP/out") $(lines "$TEST_TMP/out" "$ESC")" "0 10 packets, 980 bytes 0"

# A terminal that takes nothing keeps nobody waiting.
cat >"$TEST_TMP/stalled.py" <<-'END'
	import os, pty, signal, sys, time
	pid, fd = pty.fork()
	if pid == 0:
	    os.environ["TERM"] = "xterm"
	    os.execv(sys.argv[2], sys.argv[2:])
	open(sys.argv[1], "w").write(str(pid))
	signal.signal(signal.SIGTERM, lambda *_: None)
	signal.pause()
	os.kill(pid, signal.SIGINT)
	print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
rm -f "$TEST_TMP/pid" "$TEST_TMP/live.pcapng"
# shellcheck disable=SC2154 # of lib.sh
"${dies_with_us[@]}" python3 "$TEST_TMP/stalled.py" "$TEST_TMP/pid" "$PTCPDUMP" --top=flow -i "$LINK" -w "$TEST_TMP/live.pcapng" >"$TEST_TMP/out" &
python=$!
wait_for 10 test -s "$TEST_TMP/live.pcapng"
for port in {1..300}; do echo >"/dev/udp/$THERE/$((port + 20000))"; done 2>/dev/null
sleep 3
pings 20
kill -TERM $python
stopped=$(now_ms)
wait $python
is stalled "$(cat "$TEST_TMP/out")" 0
at_most stalled-ends-soon $(($(now_ms) - stopped)) 5000
is stalled-saves "$("$PTCPDUMP" -r "$TEST_TMP/live.pcapng" -n icmp 2>/dev/null | grep -c 'echo re')" 40

# --- over ssh ----------------------------------------------------------------------------------------------

mkdir -p /run/sshd
sshd_keys
sshd_serve sshd "${dies_with_us[@]}" <<-END
	Port 2222
	ListenAddress $HERE
END
remote=(ssh -tt -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -i "$TEST_TMP/key" -p 2222
	"root@$HERE")
terminal 80 24 "${remote[@]}" "$PTCPDUMP --top -i $LINK icmp"
shows ssh "by process, sorted by bytes  $LINK  icmp"
pings 4
shows ssh-packets '^8 packets, 784 bytes'
resize 50 12
shows ssh-resized '^PROCESS [^K]*BYTES-IN BYTES-OUT +B/S$'
key Down Up g
shows ssh-keys 'by flow'
key q
given_back ssh 0
shows ssh-end 'packets received by filter'

end_test
