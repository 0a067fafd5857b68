#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Captures on other hosts over real sshds: two hosts in network namespaces, nginx on one and curl on the other. Owners of both ends
# and the order of packets, hosts that fail in all ways that there are, copies of the program, ends of all kinds, clocks.
# timeout: 400
# All of it is in namespaces of its own. With "within" as argument it is what runs inside.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/sshd.lib.sh"

ME=$(realpath "$0")
BIN=$TEST_TMP/bin # ssh, as its user has set it up
NET=10.214

# --- hosts -------------------------------------------------------------------------------

host_address() { echo "$NET.$1.1"; }   # NUMBER
there() { ip netns exec "$@"; }        # HOST COMMAND...
folder() { echo "$TEST_TMP/tmp-$1"; }  # HOST: for temporary files there
running() { ip netns pids "$1" 2>/dev/null | xargs -r -I{} cat /proc/{}/comm 2>/dev/null | grep -cE '^(ptcpdump|sh|head)$'; } # HOST
nothing_runs() { [ "$(running "$1")" -eq 0 ]; }
nothing_left() { nothing_runs "$1" && [ -z "$(ls -A "$(folder "$1")")" ]; }

make_host() { # HOST NUMBER PATH
	ip netns add "$1" && ip link add "to-$1" type veth peer name eth0 netns "$1" &&
		ip addr add "$NET.$2.2/24" dev "to-$1" && ip link set "to-$1" up &&
		ip -n "$1" addr add "$NET.$2.1/24" dev eth0 && ip -n "$1" link set eth0 up && ip -n "$1" link set lo up || exit 1
	mkdir -m 1777 "$(folder "$1")"
	serve_host "$@"
}
serve_host() { # HOST NUMBER PATH
	sshd_serve "$1" there "$1" <<-END || exit 1
		Port 2222
		ListenAddress $(host_address "$2")
		SetEnv PATH=$3:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR=$(folder "$1")
	END
}

ssh_client() {
	mkdir -p "$BIN"
	cat >"$TEST_TMP/ssh_config" <<-END
		Host web1
			HostName $(host_address 1)
		Host db1
			HostName $(host_address 2)
		Host away
			HostName $NET.1.77
		Host refusing
			HostName $(host_address 1)
			Port 1
		Host stranger
			HostName $(host_address 1)
			IdentityFile $TEST_TMP/other_key
		Host * !stranger
			IdentityFile $TEST_TMP/key
		Host *
			Port 2222
			User root
			IdentitiesOnly yes
			UserKnownHostsFile /dev/null
			StrictHostKeyChecking no
			LogLevel ERROR
	END
	printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$TEST_TMP/ssh_config" >"$BIN/ssh"
	chmod 755 "$BIN/ssh"
	local name
	sshd_keys && ssh-keygen -q -t ed25519 -N '' -f "$TEST_TMP/other_key" || exit 1
}

programs() {
	mkdir "$TEST_TMP"/{agent,none,old,wrong_clock}
	# A copy: where it was built may be root's alone.
	cp "$PTCPDUMP" "$TEST_TMP/agent/ptcpdump"
	printf '#!/bin/sh\necho "ptcpdump: unrecognized option" >&2\nexit 1\n' >"$TEST_TMP/old/ptcpdump"
	local lib
	for lib in /usr/lib/*/faketime/libfaketime.so.1; do
		printf '#!/bin/sh\nLD_PRELOAD=%s FAKETIME=+7s FAKETIME_DONT_FAKE_MONOTONIC=1 exec %s "$@"\n' "$lib" "$PTCPDUMP"
	done >"$TEST_TMP/wrong_clock/ptcpdump"
	chmod 755 "$TEST_TMP"/{old,wrong_clock}/ptcpdump
}

network() {
	ip link set lo up
	make_host web1 1 "$TEST_TMP/agent"
	make_host db1 2 "$TEST_TMP/agent"
	ip link add eth1 netns web1 type veth peer name eth1 netns db1 && ip -n web1 addr add "$NET.3.1/24" dev eth1 &&
		ip -n db1 addr add "$NET.3.2/24" dev eth1 && ip -n web1 link set eth1 up && ip -n db1 link set eth1 up || exit 1
	mkdir "$TEST_TMP/www"
	cat >"$TEST_TMP/nginx.conf" <<-END
		daemon off; worker_processes 1; user root; pid $TEST_TMP/www/pid; error_log $TEST_TMP/www/error.log;
		events { worker_connections 64; }
		http { access_log off;
			$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $TEST_TMP/www/$kind;"; done)
			server { listen $NET.3.1:80; location / { return 200 ok; } } }
	END
	there web1 nginx -c "$TEST_TMP/nginx.conf" -p "$TEST_TMP/www" 2>/dev/null &
	wait_for 10 fetch || exit 1
}
fetch() { there db1 curl -s -o /dev/null "http://$NET.3.1/"; }

# --- captures ----------------------------------------------------------------------------

listening() { [ "$(grep -c 'listening on' "$TEST_TMP/err")" -ge "$1" ]; } # HOSTS
listening_or_gone() { listening "$1" || gone "$PID"; }

# In the background, once so many hosts listen.
begin() { # HOSTS ARGUMENTS...
	local hosts=$1
	shift
	: >"$TEST_TMP/out"
	: >"$TEST_TMP/err"
	# shellcheck disable=SC2154 # of the library
	"${new_group[@]}" "${as_user[@]}" env PATH="$BIN:$PATH" "${dies_with_us[@]}" "${program:-$PTCPDUMP}" "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" &
	PID=$!
	wait_for 40 listening_or_gone "$hosts" && listening "$hosts"
}
as_user=() new_group=()
told() { [ "$(grep -cE "$1" "$TEST_TMP/out")" -ge "$2" ]; } # PATTERN LINES
says() { grep -qE -e "$1" "$TEST_TMP/err"; }
# Until so many packets have come here.
arrived() { kill -USR1 "$PID" 2>/dev/null && sed -n 's/^ptcpdump: \([0-9]*\) packets* captured$/\1/p' "$TEST_TMP/err" | tail -n 1 | grep -qx "$1"; }
finish() { # [SIGNAL]: STATUS and the time that it took in MS
	local from
	from=$(now_ms)
	[ -z "${1:-}" ] || kill -s "$1" "$PID" 2>/dev/null
	wait "$PID" 2>/dev/null
	STATUS=$?
	MS=$(($(now_ms) - from))
}
check_says() { # NAME PATTERN
	if says "$2"; then ok "$1"; else bad "$1" "'$(cat "$TEST_TMP/err")' has not $2"; fi
}
check_started() { # NAME HOSTS ARGUMENTS...
	begin "${@:2}" || bad "$1" "does not start: $(cat "$TEST_TMP/err")"
}
nothing_remains() { # NAME: the hosts have SECONDS for it
	local host
	for host in web1 db1; do
		if wait_for "${2:-10}" nothing_left "$host"; then
			ok "$1-nothing_remains_at_$host"
		else
			bad "$1-nothing_remains_at_$host" "$(running "$host") processes, $(ls -A "$(folder "$host")")"
		fi
	done
}

# Both ends of each packet, by the host that saw it; lines of each in order.
both_hosts() {
	check_started both 2 --remote web1 --remote root@db1 -i eth1 -nn -tt 'tcp port 80'
	fetch
	wait_for 10 told 'Flags \[F.*eth1@db1|eth1@db1.*Flags \[F' 2
	wait_for 10 told 'eth1@web1' "$(grep -c eth1@db1 "$TEST_TMP/out")"
	finish INT
	is both-status "$STATUS" 0
	check both-as_many [ "$(grep -c eth1@web1 "$TEST_TMP/out")" -ge 10 ]
	is both-same "$(grep -c eth1@web1 "$TEST_TMP/out")" "$(grep -c eth1@db1 "$TEST_TMP/out")"
	is both-owner_of_web1 "$(grep eth1@web1 "$TEST_TMP/out" | grep -vc ' nginx\.')" 0
	is both-owner_of_db1 "$(grep eth1@db1 "$TEST_TMP/out" | grep -vc ' curl\.')" 0
	check both-in_order sort -c -s -n -k 1,1 "$TEST_TMP/out"
	# Who sends one sees it first.
	is both-sent_first "$(awk '{ key = ""; for (i = 5; i <= NF && $i != "ParentProc"; i++) key = key $i
		sub(/,ParentProc.*|,\[.*/, "", key) } / Out / { out[key] = 1 } / In / && !(key in out) { print }' "$TEST_TMP/out" | wc -l)" 0
	check_says both-counts_of_web1 '^web1: [1-9][0-9]* packets captured, .* 0 dropped by kernel$'
	check_says both-counts_of_db1 '^db1: [1-9][0-9]* packets captured'
	check_says both-counts "^$(grep -c . "$TEST_TMP/out") packets captured$"
	nothing_remains both
}

saved() {
	check_started saved 2 --remote web1 --remote db1 -i eth1 -w "$TEST_TMP/saved.pcapng" 'pname nginx or pname curl'
	fetch
	wait_for 10 arrived 20
	finish TERM
	is saved-status "$STATUS" 0
	"$PTCPDUMP" -nn -r "$TEST_TMP/saved.pcapng" >"$TEST_TMP/out" 2>"$TEST_TMP/read.err"
	check saved-owners_of_web1 told 'eth1@web1 nginx\.' 5
	check saved-owners_of_db1 told 'eth1@db1 curl\.' 5
	check saved-for_others [ "$(tshark -r "$TEST_TMP/saved.pcapng" -Y tcp 2>/dev/null | wc -l)" -eq 20 ]
}

# All that passes the interface of the login, but for the login.
without_itself() {
	check_started without_itself 1 --remote web1 -i eth0 -nn
	ping -q -c 3 -i 0.05 "$(host_address 1)" >/dev/null
	wait_for 10 told 'ICMP echo reply' 3
	# What it sends of these would come again.
	sleep 1
	finish INT
	is without_itself "$(grep -vcE 'ICMP|ARP|ICMP6' "$TEST_TMP/out")" 0
	check_started own 1 --remote web1 -i eth0 -nn -c 5 'own'
	finish
	is own "$(grep -c '\.2222' "$TEST_TMP/out")" 5
	is own-status "$STATUS" 0
	nothing_remains own
}

as_plain_user() {
	as_user=(setpriv --reuid 12345 --regid 12345 --clear-groups)
	cp "$TEST_TMP/key" "$TEST_TMP/owners_key"
	chown 12345 "$TEST_TMP/owners_key"
	printf '#!/bin/sh\nexec %s -F %s -i %s "$@"\n' "$(command -v ssh)" "$TEST_TMP/ssh_config" "$TEST_TMP/owners_key" >"$BIN/ssh"
	program=$TEST_TMP/agent/ptcpdump
	check_started plain_user 1 --remote web1 -i eth1 -nn -c 4 'tcp port 80'
	fetch
	finish
	is plain_user "$STATUS $(grep -c 'eth1@web1 nginx' "$TEST_TMP/out")" "0 4"
	as_user=() program=
	printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" "$TEST_TMP/ssh_config" >"$BIN/ssh"
}

# --- hosts that fail ---------------------------------------------------------------------

# db1 goes on, and is told of at the end.
beside() { # NAME HOST PATTERN
	check_started "$1" 1 --remote "$2" --remote db1 -i eth1 -nn 'tcp port 80'
	fetch
	wait_for 10 told 'eth1@db1 curl' 5
	check "$1-others_go_on" told 'eth1@db1 curl' 5
	finish INT
	is "$1-status" "$STATUS" 1
	check_says "$1-says_why" "$3"
}

failing_hosts() {
	beside refusing refusing "^ptcpdump: refusing: ssh can't connect, for the reason above"
	check_says refusing-reason '^refusing: ssh: connect to host .* port 1: Connection refused'
	beside stranger stranger "^ptcpdump: stranger: ssh can't connect"
	check_says stranger-reason '^stranger: .*Permission denied'
	beside away away "^ptcpdump: away: ssh can't connect"
	# It takes connections, and that is all.
	listener web1 | xargs kill -STOP
	beside stuck web1 "^ptcpdump: web1: ssh can't connect"
	check_says stuck-reason '^web1: .*timed out'
	begin 1 --remote web1 -i eth1 &
	wait_for 10 connecting
	pkill -INT -P $! -x ptcpdump
	wait_for 5 not connecting
	check stuck-can_be_interrupted not connecting
	wait $!
	listener web1 | xargs kill -CONT

	begin 1 --remote refusing
	finish
	is all_fail-status "$STATUS" 1
	begin 1 --remote-command 'it=false'
	finish
	check_says command_fails '^ptcpdump: it: no shell answers there: the command has ended with exit status 1'
	is command_fails-status "$STATUS" 1

	begin 2 --remote web1 --remote db1 -i eth1 'tcp and and'
	finish
	check_says expression-of_web1 '^web1: .*syntax error'
	check_says expression-of_db1 '^ptcpdump: db1: the capture there has ended with exit status 1'
	is expression-status "$STATUS" 1
	nothing_remains expression
}

# What comes from there moves no cursor and fits a line.
hostile_messages() {
	begin 1 --remote-command \
		"evil=sh -c 'printf \"a\\033[2Jb\\n\" >&2; head -c 5000 /dev/zero | tr \"\\\\0\" x >&2; exit 3'"
	finish
	check_says hostile-escaped '^evil: a\\x1b\[2Jb$'
	check_says hostile-short '^evil: x{1000,1030}\.\.\.$'
	check_says hostile-why '^ptcpdump: evil: .*exit status 3'
}

while_it_runs() { # NAME HOW-TO-HARM-WEB1: the capture on web1 fails, that on db1 goes on
	check_started "$1" 2 --remote web1 --remote db1 -i eth1 -nn 'tcp port 80'
	fetch
	wait_for 10 told 'eth1@web1' 5
	"${@:2}"
}
goes_on() { # NAME SECONDS PATTERN
	wait_for "$2" says "$3"
	check_says "$1-says_why" "$3"
	: >"$TEST_TMP/out"
	fetch
	wait_for 15 told 'eth1@db1 curl' 5
	check "$1-others_go_on" told 'eth1@db1 curl' 5
	finish INT
	is "$1-status" "$STATUS" 1
}

dying_hosts() {
	while_it_runs dies kill_logins KILL
	goes_on dies 20 '^ptcpdump: web1: the connection broke'
	nothing_remains dies
	while_it_runs agent_ends kill_agent KILL
	goes_on agent_ends 20 '^ptcpdump: web1: the capture there has ended with exit status 137'
	nothing_remains agent_ends
	while_it_runs client_ends kill_client
	goes_on client_ends 20 '^ptcpdump: web1: the capture there has ended with exit status 137'
	nothing_remains client_ends
}
listener() { ip netns pids "$1" | while read -r pid; do ! is_listener "$pid" || echo "$pid"; done; } # HOST
connecting() { pgrep -f -- '-- web1 sh$' >/dev/null; }
kill_agent() { pids_there web1 '^ptcpdump$' | xargs kill -s "$1"; }
kill_logins() { pids_there web1 '^sshd-session$|^sshd$' | while read -r pid; do is_listener "$pid" || kill -s "$1" "$pid"; done; }
is_listener() { tr '\0' ' ' <"/proc/$1/cmdline" | grep -qE 'sshd.* -D -e -f .*|sshd: .* \[listener\]'; } # PID
pids_there() { # HOST PATTERN
	local pid
	for pid in $(ip netns pids "$1"); do ! grep -qE "$2" "/proc/$pid/comm" 2>/dev/null || echo "$pid"; done
}
kill_client() { pgrep -f -- '-- web1 sh$' | xargs kill -KILL; }

# The far end of the connection stops, or the network is cut: both are noticed by silence.
silent_hosts() {
	while_it_runs hangs kill_logins STOP
	goes_on hangs 40 '^ptcpdump: web1: the connection broke'
	kill_logins CONT
	nothing_remains hangs 30

	while_it_runs cut ip link set to-web1 down
	goes_on cut 40 '^ptcpdump: web1: the connection broke'
	wait_for 40 no_agent_at_web1
	check cut-agent_ends no_agent_at_web1
	# Its shell may wait for a connection that comes back.
	ip link set to-web1 up
	kill_logins KILL
	nothing_remains cut
}
no_agent_at_web1() { [ -z "$(pids_there web1 '^ptcpdump$')" ]; }

# --- ends of ours --------------------------------------------------------------------------

ends() {
	local signal

	check_started count 2 --remote web1 --remote db1 -i eth1 -nn -c 3 'tcp port 80'
	fetch
	finish
	is count "$STATUS $(grep -c . "$TEST_TMP/out")" "0 3"
	nothing_remains count

	check_started killed 2 --remote web1 --remote db1 -i eth1 -nn 'tcp port 80'
	finish KILL
	nothing_remains killed

	check_started interrupted 2 --remote web1 --remote db1 -i eth1 -w "$TEST_TMP/interrupted.pcapng" 'tcp port 80'
	fetch
	finish INT
	is interrupted-status "$STATUS" 0
	# Those of the last moment, too.
	at_most interrupted-soon "$MS" 5000
	is interrupted-has_all "$("$PTCPDUMP" -nn -r "$TEST_TMP/interrupted.pcapng" 2>/dev/null | grep -c 'Flags \[S')" 4
	nothing_remains interrupted

	# Ctrl-C reaches ssh as well, and so does what timeout(1) sends.
	for signal in INT TERM; do
		new_group=(setsid)
		check_started "group_$signal" 2 --remote web1 --remote db1 -i eth1 -w "$TEST_TMP/group.pcapng" 'tcp port 80'
		new_group=()
		fetch
		kill -s "$signal" -- "-$PID"
		finish
		is "group_$signal" "$STATUS $("$PTCPDUMP" -nn -r "$TEST_TMP/group.pcapng" 2>/dev/null | grep -c 'Flags \[S')" '0 4'
		nothing_remains "group_$signal"
	done

	# Nobody reads on.
	check_started reader_gone 2 --remote web1 --remote db1 -i eth1 -nn -l -w >(head -c 1 >/dev/null) 'tcp port 80'
	fetch
	wait_for 10 gone "$PID"
	finish
	nothing_remains reader_gone

}

# --- programs ------------------------------------------------------------------------------

path_of_web1() { # PATH
	pids_there web1 '^sshd' | xargs -r kill
	wait_for 10 no_sshd
	serve_host web1 1 "$1"
}
no_sshd() { [ -z "$(pids_there web1 '^sshd')" ]; }

other_programs() {
	path_of_web1 "$TEST_TMP/old"
	beside old web1 "^ptcpdump: web1: its ptcpdump can't serve \(exit status 1\)"
	if [ -x "$BUILD/static/ptcpdump" ]; then
		check_started copy_for_old 1 --remote web1 --remote-copy -i eth1 -nn -c 2 'tcp port 80'
		fetch
		finish
		is copy_for_old "$STATUS $(grep -c eth1@web1 "$TEST_TMP/out")" '0 2'
	fi
	path_of_web1 "$TEST_TMP/none"
	beside missing web1 '^ptcpdump: web1: no ptcpdump in the PATH there: install it, or --remote-copy'

	if [ ! -x "$BUILD/static/ptcpdump" ]; then
		skip copy "there is no static program: make static"
		return
	fi
	check_started copy 2 --remote web1 --remote db1 --remote-copy -i eth1 -nn 'tcp port 80'
	is copy-folder "$(stat -c %a "$(folder web1)"/ptcpdump.*)" 700
	fetch
	wait_for 10 told 'eth1@web1 nginx' 5
	check copy-captures told 'eth1@web1 nginx' 5
	finish INT
	is copy-status "$STATUS" 0
	nothing_remains copy
	check_started copy_killed 2 --remote web1 --remote db1 --remote-copy -i eth1 -nn 'tcp port 80'
	finish KILL
	nothing_remains copy_killed

	# It is itself the static one, alone in its folder.
	mkdir "$TEST_TMP/alone"
	cp "$BUILD/static/ptcpdump" "$TEST_TMP/alone/"
	program=$TEST_TMP/alone/ptcpdump
	check_started copy_of_itself 1 --remote web1 --remote-copy -i eth1 -nn -c 2 'tcp port 80'
	fetch
	finish
	is copy_of_itself "$STATUS $(grep -c eth1@web1 "$TEST_TMP/out")" '0 2'
	cp "$PTCPDUMP" "$TEST_TMP/alone/"
	begin 1 --remote web1 --remote-copy -i eth1
	finish
	check_says copy_of_none '^ptcpdump: web1: --remote-copy: only the static program'
	program=
	nothing_remains copies
}

clocks() {
	if [ ! -s "$TEST_TMP/wrong_clock/ptcpdump" ] || grep -q '\*' "$TEST_TMP/wrong_clock/ptcpdump"; then
		skip clock "faketime is missing"
		return
	fi
	path_of_web1 "$TEST_TMP/wrong_clock"
	check_started clock 2 --remote web1 --remote db1 -i eth1 -nn -tt 'tcp port 80'
	fetch
	wait_for 10 arrived 20
	finish INT
	check_says clock-told "^ptcpdump: web1's clock is (6999|7000)\.[0-9] ms ahead of ours \(\+- [0-9.]* ms\); --remote-clock"
	check clock-left [ "$(behind_web1)" -ge 6900 ]
	check_started clock_corrected 2 --remote web1 --remote db1 --remote-clock -i eth1 -nn -tt 'tcp port 80'
	fetch
	wait_for 10 arrived 20
	finish INT
	check_says clock_corrected-told "^ptcpdump: web1's clock is .*: corrected"
	at_most clock_corrected "$(behind_web1)" 100
	check clock_corrected-in_order sort -c -s -n -k 1,1 "$TEST_TMP/out"
}
# How many ms the first packet of web1 seems later than that of db1.
behind_web1() {
	awk '/eth1@web1/ && !w { w = $1 } /eth1@db1/ && !d { d = $1 } END { printf "%d\n", (w - d) * 1000 }' "$TEST_TMP/out"
}

# --- who may -------------------------------------------------------------------------------

users() {
	{ cat /etc/passwd && echo "owner:*:12345:12345::$TEST_TMP/owner:/bin/sh"; } >"$TEST_TMP/passwd"
	mkdir "$TEST_TMP/owner"
	mount --bind "$TEST_TMP/passwd" /etc/passwd || exit 1
	# Before there are hosts, which have mounts of their own.
	[ -e /etc/sudoers ] || return
	: >"$TEST_TMP/sudoers"
	chmod 440 "$TEST_TMP/sudoers"
	mount --bind "$TEST_TMP/sudoers" /etc/sudoers || exit 1
}
may_sudo() { # RULE
	printf 'Defaults use_pty\n%s\n' "$1" >"$TEST_TMP/sudoers"
}
without_root() {
	[ -e /etc/sudoers ] || { skip sudo "sudo is missing"; return; }
	path_of_web1 "$TEST_TMP/agent"
	may_sudo "owner ALL=(root) NOPASSWD: $TEST_TMP/agent/ptcpdump"
	check_started sudo 1 --remote owner@web1 -i eth1 -nn 'tcp port 80'
	fetch
	wait_for 10 told 'eth1@web1 nginx' 5
	check sudo-captures told 'eth1@web1 nginx' 5
	finish INT
	is sudo-status "$STATUS" 0
	nothing_remains sudo
	check_started sudo_killed 1 --remote owner@web1 -i eth1 -nn 'tcp port 80'
	finish KILL
	nothing_remains sudo_killed
	may_sudo ''
	begin 1 --remote owner@web1 -i eth1
	finish
	check_says no_sudo-reason '^web1: sudo: a password is required'
	check_says no_sudo-cure '^ptcpdump: web1: sudo does not let us capture there: connect as root'
	is no_sudo-status "$STATUS" 1
}

# --- what makes no sense ---------------------------------------------------------------------

refused() { # NAME PATTERN ARGUMENTS...
	"$PTCPDUMP" "${@:3}" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is "refused-$1-status" $? 1
	check_says "refused-$1" "$2"
}
refusals() {
	refused option "--remote '-oProxyCommand=x' is not" --remote=-oProxyCommand=x
	refused option_behind_user "--remote 'a@-x' is not" --remote a@-x
	refused file 'cannot be used with -r' --remote web1 -r x
	refused list 'cannot be used with -D' --remote web1 -D
	refused command 'cannot be used with a command' --remote web1 -- true
	refused dump 'cannot be used with -d' --remote web1 -d
	refused twice "two remote captures are called 'web1'" --remote web1 --remote root@web1
	refused nothing '--remote-copy needs --remote' --remote-copy
}

within() {
	mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd || exit 1
	chmod 755 "$TEST_TMP"
	ssh_client
	programs
	users
	network
	local part
	for part in ${PARTS:-refusals both_hosts saved without_itself as_plain_user failing_hosts hostile_messages dying_hosts ends \
		other_programs clocks without_root silent_hosts}; do
		"$part"
	done
}

if [ "${1:-}" = within ]; then
	within
	end_test
fi

# --- outside -----------------------------------------------------------------------------

PATH=$PATH:/usr/sbin
why=$(lacks unshare sshd ssh ssh-keygen nginx curl tshark ping pgrep setpriv)
[ -z "$why" ] || skip_all "$why" remote

unshare --net --mount --pid --fork --mount-proc --kill-child "$ME" within
failed=$?
end_test
