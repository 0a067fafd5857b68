#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What "own" in an expression stands for, over a real sshd: the processes that serve our login and its connection, through
# sudo, su, tmux and screen, and without rights to look. ss tells what is right. And captures of a login, of its own packets
# and of all others. timeout: 300
# All of it is in namespaces of its own, with its own /run and users. With "within" as argument it is what runs inside, with
# "look NAME HOW" or "watch" what runs in a login.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/sshd.lib.sh"

PORT=2222
ME=$(realpath "$0")
TMUX_SOCKET=$TEST_TMP/tmux
export SCREENDIR=$TEST_TMP/screens

# --- in a login --------------------------------------------------------------------------

# Says what is found, and stays until that has been compared.
look() { # NAME HOW
	echo $$ >"$TEST_TMP/out/$1.pid"
	case $2 in
	plain) "$TEST_TMP/own" ;;
	setuid) "$TEST_TMP/own-root" ;;
	forged) SSH_CONNECTION='10.1.1.1 7 10.1.1.2 22) or (ip' "$TEST_TMP/own" ;;
	su) su root -c "$TEST_TMP/own" ;;
	sudo) sudo "$TEST_TMP/own" ;;
	esac >"$TEST_TMP/out/$1.own" 2>"$TEST_TMP/out/$1.err"
	touch "$TEST_TMP/out/$1.looked"
	wait_for 60 test -e "$TEST_TMP/out/$1.compared"
}

# Captures what is our own, and what is not; has something to say meanwhile.
watch() {
	start_capture /dev/null "$TEST_TMP/own.err" "$PTCPDUMP" -i lo -w "$TEST_TMP/own.pcapng" own
	echo $! >"$TEST_TMP/own.pid"
	start_capture /dev/null "$TEST_TMP/not_own.err" "$PTCPDUMP" -i lo -w "$TEST_TMP/not_own.pcapng" 'not own'
	echo $! >"$TEST_TMP/not_own.pid"
	head -c 20000 /dev/zero | tr '\0' x
	touch "$TEST_TMP/out/watch.looked"
	wait_for 60 test -e "$TEST_TMP/out/watch.compared"
}

# --- inside ------------------------------------------------------------------------------

serve() {
	sshd_keys || exit 1
	sshd_serve sshd <<-END || exit 1
		Port $PORT
		ListenAddress 127.0.0.1
		ListenAddress ::1
		AcceptEnv TEST_TMP PTCPDUMP
	END
	said $SSHD 'Server listening on 127.0.0.1' "$TEST_TMP/sshd.log" || exit 1
}

login() { # NAME USER ADDRESS COMMAND: what is typed there; $! is the client
	ssh -tt -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -i "$TEST_TMP/key" \
		-o SetEnv="TEST_TMP=$TEST_TMP PTCPDUMP=$PTCPDUMP" -p $PORT "$2@$3" "export TERM=xterm SCREENDIR=$SCREENDIR; $4" \
		<"$TEST_TMP/nothing" >"$TEST_TMP/out/$1.ssh" 2>&1 &
}
looked() { # NAME
	wait_for 20 test -e "$TEST_TMP/out/$1.looked" && return
	bad "$1" "no answer: $(cat "$TEST_TMP/out/$1".{ssh,err} 2>/dev/null)"
	return 1
}
compared() { touch "$TEST_TMP/out/$1.compared"; } # NAME

# What ss knows of the connection of a client: "ADDRESS PORT ADDRESS PORT", the client's first.
connection_of() { # PID
	ss -Htnp state established "dport = :$PORT" | grep "pid=$1," | awk '{ print $3, $4 }' |
		sed -E 's/[][]//g; s/:([0-9]+)( |$)/ \1\2/g'
}
# The processes that hold the server's end of it.
servers_of() { # PID
	local port
	port=$(connection_of "$1" | cut -d ' ' -f 2)
	ss -Htnp state established "sport = :$PORT and dport = :$port" | grep -o 'pid=[0-9]*' | cut -d = -f 2
}

found_connections() { # NAME: as connection_of
	grep -oE 'tcp and host [0-9a-f:.]+ and port [0-9]+ and host [0-9a-f:.]+ and port [0-9]+' "$TEST_TMP/out/$1.own" |
		awk '{ print $4, $7, $10, $13 }'
}
found_servers() { # NAME
	local pid
	for pid in $(grep -oE 'pid [0-9]+' "$TEST_TMP/out/$1.own" | cut -d ' ' -f 2); do
		! grep -q ^sshd "/proc/$pid/comm" 2>/dev/null || echo "$pid"
	done
}

is_own() { # NAME CLIENT...: exactly the connections and the servers of these
	local name=$1 client connections
	shift
	connections=$(for client; do connection_of "$client"; done | sort)
	if [ "$(grep -c . <<<"$connections")" -eq $# ]; then
		is "$name-connections" "$(found_connections "$name" | sort)" "$connections"
	else
		bad "$name-connections" "of $# clients ss shows $connections"
	fi
	is "$name-servers" "$(found_servers "$name" | sort -n | xargs)" \
		"$(for client; do servers_of "$client"; done | sort -un | xargs)"
	check "$name-parent" grep -qw "pid $(cat "$TEST_TMP/out/$name.pid")" "$TEST_TMP/out/$name.own"
}

direct() { # NAME USER ADDRESS HOW
	login "$1" "$2" "$3" "'$ME' look $1 $4"
	if looked "$1"; then is_own "$1" $!; fi
	compared "$1"
	wait $!
}

# Multiplexers: what starts one, shows it, and opens a window in it.
tmux_start() { echo "tmux -S $TMUX_SOCKET new-session -d 'sleep 300'"; }
tmux_attach() { echo "tmux -S $TMUX_SOCKET attach"; }
tmux_clients() { tmux -S "$TMUX_SOCKET" list-clients 2>/dev/null | wc -l; }
tmux_window() { tmux -S "$TMUX_SOCKET" new-window "$1"; } # COMMAND
# It goes on in the background while it can still be hung up.
screen_start() { echo "screen -d -m -S own sleep 300; until screen -S own -Q windows; do sleep 0.1; done"; }
screen_attach() { echo "screen -x own"; }
# It does not say how many there are.
screen_clients() { pgrep -c -f '^screen -x own'; }
screen_window() { screen -S own -X screen bash -c "$1"; } # COMMAND

clients_are() { [ "$("$1_clients")" -eq "$2" ]; } # KIND NUMBER

from_window() { # NAME KIND CLIENT...
	"$2_window" "'$ME' look $1 plain"
	if looked "$1"; then is_own "$1" "${@:3}"; fi
	compared "$1"
}

only_the_bystander() { [ "$(ss -Htn state connected exclude time-wait "( sport = :$PORT )" | wc -l)" -eq 1 ]; }

# Begun over one login, which is gone, and shown by others. The server lets go of a login a moment after the client.
multiplexed() { # KIND
	local first second
	login "$1" root 127.0.0.1 "$("$1_start")"
	wait $!
	wait_for 10 only_the_bystander
	from_window "$1-detached" "$1"
	login "$1-first" root 127.0.0.1 "$("$1_attach")"
	first=$!
	wait_for 10 clients_are "$1" 1
	from_window "$1" "$1" $first
	login "$1-second" root ::1 "$("$1_attach")"
	second=$!
	wait_for 10 clients_are "$1" 2
	from_window "$1-both" "$1" $first $second
	kill $first
	wait_for 10 clients_are "$1" 1
	from_window "$1-other" "$1" $second
	kill $second
	wait_for 10 clients_are "$1" 0
}

# A window of tmux shows a screen.
nested() {
	local client
	login nested root 127.0.0.1 "$(tmux_attach)"
	client=$!
	wait_for 10 clients_are tmux 1
	tmux_window "env SCREENDIR=$SCREENDIR $(screen_attach)"
	wait_for 10 clients_are screen 1
	from_window nested screen $client
	kill $client
}

# Somebody else of the same name, whose terminals are served by another tmux: not ours.
bystander() {
	login bystander root 127.0.0.1 "tmux -S $TMUX_SOCKET-other new-session 'sleep 300'"
	bystander_is_there() { [ "$(tmux -S "$TMUX_SOCKET-other" list-clients 2>/dev/null | wc -l)" -eq 1 ]; }
	wait_for 20 bystander_is_there || exit 1
}

# Meanwhile there is another login, the only one over IPv6, and a ping. tcpdump tells what there was.
captured() {
	local all client port
	tcpdump -Z root --immediate-mode -i lo -w "$TEST_TMP/all.pcap" 2>"$TEST_TMP/all.err" &
	all=$!
	listens $all "$TEST_TMP/all.err"
	login watch root 127.0.0.1 "'$ME' watch"
	client=$!
	looked watch || return
	wait_for 10 all_said
	login other root ::1 true
	wait $!
	ping -q -c 3 -i 0.01 127.0.0.1 >/dev/null
	port=$(connection_of $client | cut -d ' ' -f 2)
	end_capture own
	end_capture not_own
	kill -INT $all
	wait $all
	compared watch
	wait $client

	is not_own-without_the_login "$(packets not_own.pcapng "tcp port $port" | wc -l)" 0
	is not_own-has_all_others "$(packets not_own.pcapng 'ip6 or icmp')" "$(packets all.pcap 'ip6 or icmp')"
	is own-without_others "$(packets own.pcapng "not tcp port $port" | wc -l)" 0
	# Encrypted it is no shorter.
	check own-has_the_login [ "$(tcpdump -nn -q -r "$TEST_TMP/own.pcapng" "tcp src port $PORT" 2>/dev/null |
		awk '{ n += $NF } END { print n }')" -ge 20000 ]
}
all_said() { [ "$(wc -c <"$TEST_TMP/out/watch.ssh")" -ge 20000 ]; }
end_capture() { # NAME
	local pid
	pid=$(cat "$TEST_TMP/$1.pid")
	drained "$TEST_TMP/$1.err" kill -USR1 "$pid"
	kill -INT "$pid"
	wait_for 10 gone "$pid" || bad "$1" "does not end"
}
packets() { tcpdump -nn -S -t -r "$TEST_TMP/$1" "$2" 2>/dev/null | sort; } # FILE EXPRESSION

users() {
	{ cat /etc/passwd && echo "owner:*:12345:12345::$TEST_TMP/out:/bin/bash"; } >"$TEST_TMP/passwd"
	mount --bind "$TEST_TMP/passwd" /etc/passwd || exit 1
	[ -e /etc/sudoers ] || return
	printf 'Defaults use_pty\nowner ALL=(ALL) NOPASSWD: ALL\n' >"$TEST_TMP/sudoers"
	chmod 440 "$TEST_TMP/sudoers"
	mount --bind "$TEST_TMP/sudoers" /etc/sudoers || exit 1
}

within() {
	chmod 755 "$TEST_TMP"
	mkdir -m 777 "$TEST_TMP/out"
	mkdir -m 700 "$SCREENDIR"
	cp "$HELPERS/own" "$TEST_TMP/own"
	cp "$HELPERS/own" "$TEST_TMP/own-root"
	chmod 4755 "$TEST_TMP/own-root"
	# Open for writing: the input of logins does not end.
	mkfifo "$TEST_TMP/nothing"
	exec 7<>"$TEST_TMP/nothing"
	ip link set lo up
	mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd || exit 1
	users
	serve
	bystander

	direct root root 127.0.0.1 plain
	direct v6 root ::1 plain
	direct su root 127.0.0.1 su
	direct user owner 127.0.0.1 setuid
	direct without_rights owner 127.0.0.1 plain
	direct without_rights_v6 owner ::1 plain
	direct forged owner 127.0.0.1 forged
	if command -v sudo >/dev/null; then
		direct sudo owner 127.0.0.1 sudo
	else
		skip sudo "sudo is missing"
	fi
	captured
	multiplexed tmux
	multiplexed screen
	nested
}

case ${1:-} in
look) look "$2" "$3" ;;
watch) watch ;;
within)
	within
	end_test
	;;
esac
[ $# -eq 0 ] || exit

# --- outside -----------------------------------------------------------------------------

names=
for name in root v6 su user without_rights without_rights_v6 forged sudo nested \
	{tmux,screen}{-detached,,-both,-other}; do
	names="$names $name-connections $name-servers $name-parent"
done
names="$names not_own-without_the_login not_own-has_all_others own-without_others own-has_the_login"
PATH=$PATH:/usr/sbin
why=$(lacks unshare sshd ssh ssh-keygen tmux screen ss pgrep tcpdump ping)
# shellcheck disable=SC2086 # words
[ -z "$why" ] || skip_all "$why" $names

unshare --net --mount --pid --fork --mount-proc --kill-child "$ME" within
failed=$?
end_test
