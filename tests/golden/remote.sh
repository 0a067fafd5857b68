#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Which words the program gets at the far end of a remote capture, through shells of several kinds, and what becomes of what it
# sends. Without a network: the far end is a shell here, and its ptcpdump a script that keeps its words and has packets.
. "$(dirname "$0")/../lib.sh"

export REAL=$PTCPDUMP WORDS=$TEST_TMP/words CAPTURE=$TEST_TMP/capture.pcapng
mkdir "$TEST_TMP/bin"
cat >"$TEST_TMP/bin/ptcpdump" <<'END'
#!/bin/sh
[ "$1" != --remote-hello ] || exec "$REAL" --remote-hello
for word; do printf '%s\n.\n' "$word"; done >"$WORDS"
cat "$CAPTURE"
# Not before it is told.
cat >/dev/null
END
# Who is not root, like the user of this test maybe, is asked for there by sudo -n.
cat >"$TEST_TMP/bin/sudo" <<'END'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
END
chmod 755 "$TEST_TMP/bin/ptcpdump" "$TEST_TMP/bin/sudo"
at="env PATH=$TEST_TMP/bin:$PATH"

# Two TCP packets over Ethernet, 5 s apart.
python3 - "$CAPTURE" <<'END'
import struct, sys
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, bytes([10, 0, 0, 1]), bytes([10, 0, 0, 2]))
frame = bytes(12) + b"\x08\0" + ip + struct.pack("!HHIIHHHH", 1000, 80, 1, 0, 0x5002, 1000, 0, 0)
data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
data += block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HH4s", 2, 4, b"eth0") + bytes(4))
for at in (0, 5000000):
    data += block(6, struct.pack("<IIIII", 0, 0, at, len(frame), len(frame)) + frame)
open(sys.argv[1], "wb").write(data)
END

run() { # ARGUMENTS...
	timeout 20 "$PTCPDUMP" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	STATUS=$?
}
words() { printf '%s\n.\n' --until-silence=20 --compact-comments --process-blocks=none -w - "$@"; }
is_given() { # NAME WORDS...: behind those that are always there
	is "$1" "$(cat "$WORDS")" "$(words "${@:2}")"
}

nasty=$'a\'b "c" $(touch '"$TEST_TMP"$'/oops) `id` \\ ; * ! # ~\nd'
shells=("env" "bash -s --")
! command -v busybox >/dev/null || shells+=("busybox")
for shell in "${shells[@]}"; do
	rm -f "$WORDS"
	SSH_CONNECTION='' run --remote-command "it=$at $shell" -c 2 -i eth0,eth1 --pname "$nasty" -Q in -s 96 -vv -nn -p \
		--pid 7 'tcp and (port 80)'
	is_given "words-${shell%% *}" --interface=eth0,eth1 "--pname=$nasty" --direction=in --snapshot-length=96 \
		--no-promiscuous-mode --pid=7 '(tcp and (port 80))'
	is "status-${shell%% *}" "$STATUS" 0
	check "nothing_run-${shell%% *}" [ ! -e "$TEST_TMP/oops" ]
done
is packets "$(grep -c 'eth0@it' "$TEST_TMP/out")" 2

# Neither what prints and saves, nor users of this host.
run --remote-command "it=$at" -c 2 -U -w "$TEST_TMP/saved.pcapng" --uid nobody-knows-me -tttt -e --color always
is_given not_passed_on --uid=nobody-knows-me
is saved "$("$PTCPDUMP" -nn -r "$TEST_TMP/saved.pcapng" 2>/dev/null | grep -c 'eth0@it')" 2

# The connection that carries it all is left out, but for those who ask.
login='not (tcp and host 10.1.1.1 and port 7 and host fe80::2 and port 22)'
export SSH_CONNECTION='10.1.1.1 7 fe80::2%eth0 22'
run --remote-command "it=$at" -c 2
is_given login "$login"
run --remote-command "it=$at" -c 2 'udp or icmp'
is_given login_and "$login and (udp or icmp)"
run --remote-command "it=$at" -c 2 'udp and not own'
is_given own '(udp and not own)'
# shellcheck disable=SC2016 # not meant to be expanded
SSH_CONNECTION='10.1.1.1 7 $(touch oops) 22' run --remote-command "it=$at" -c 2
is_given forged
unset SSH_CONNECTION

# A file with the expression is one that is here.
echo 'udp # what is it?' >"$TEST_TMP/expression"
run --remote-command "it=$at" -c 2 -F "$TEST_TMP/expression"
check expression_file grep -q '^(udp' "$WORDS"

# Two hosts at once: names, and numbers where there are none.
run --remote-command "it=$at" --remote-command "$at" --remote-command "$at " -c 6 -nn
is three-names "$(grep -o 'eth0@[a-z0-9]*' "$TEST_TMP/out" | sort | uniq -c | xargs)" "2 eth0@it 2 eth0@remote2 2 eth0@remote3"

# What a login prints before is not meant for us.
run --remote-command "it=echo noise; echo PTCP; printf nothing; echo; $at" -c 2 -nn
is noise "$STATUS $(grep -c eth0@it "$TEST_TMP/out")" '0 2'

# A signal to all of them at once, as of timeout(1), and to all that are called so: the last packets come, nothing is broken.
for signal in TERM INT HUP; do
	: >"$TEST_TMP/out"
	setsid "$PTCPDUMP" --remote-command "it=$at" -nn -l >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	group=$!
	for _ in {1..100}; do
		[ "$(grep -c eth0@it "$TEST_TMP/out")" != 2 ] || break
		sleep 0.1
	done
	kill -USR1 -- "-$group"
	kill -s "$signal" -- "-$group"
	wait "$group"
	is "group-$signal" "$? $(grep -c 'it: ' "$TEST_TMP/err")" '0 0'
done

# One who answers nothing, and complains without end.
run --remote-command 'it=complain() { exec >&-; while :; do echo no; sleep 0.01; done >&2; }; complain' -c 2
is endless_messages "$STATUS $(grep -c 'it: what runs there has closed its output' "$TEST_TMP/err")" '1 1'
end_test
