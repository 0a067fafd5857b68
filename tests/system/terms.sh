#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Process terms in expressions, on real programs: a resolver and dig, sshd and a login, nginx with workers of another user,
# curl, ping. Each expression selects the same packets live, all at a time, and by -r of what a capture without any has
# saved; tcpdump tells by addresses, ports and lengths which these are. timeout: 180
# All of it is in namespaces of its own. With "within" as argument it is what runs inside.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/sshd.lib.sh"

ME=$(realpath "$0")
BIN=$TEST_TMP/bin # programs under other names
GO=$TEST_TMP/go	  # pipes, of which those read that wait to be told
TAP=10.213.7

# --- expressions -------------------------------------------------------------------------

# Calls FUNCTION with NAME, WHERE (of all there is: lo, any), LIVE (options that -r has not), RIGHT (for tcpdump), ARGUMENTS...
cases() { # FUNCTION
	examples "$1" "" ""
	examples "$1" -socket-filter "--backend socket-filter"
	examples "$1" -pcap "--backend pcap"
	"$1" from_a_file lo "" "$right_of_either" -F "$TEST_TMP/expression"
	"$1" exe lo "" 'host (127.0.1.1 or 127.0.1.2)' "exe $BIN/c*"
	"$1" exe_base_name lo "" 'host 127.0.1.2' 'exe curl-tw?'
	"$1" cmdline lo "" 'host 127.0.1.4' 'cmdline "*/magic?word*"'
	"$1" parent lo "" 'host 127.0.1.5' 'parent builder'
	"$1" parent_by_number lo "" 'host 127.0.1.5' "parent $builder"
	"$1" number lo "" 'udp port 9011' "pid $family"
	"$1" number_with_children lo "" 'udp port 9011 or host 127.0.1.6' -f "pid $family"
	"$1" executes lo "" 'udp port 9012 and udp[4:2] = 10' 'pname during'
	"$1" executes_another lo "" 'udp port 9012 and udp[4:2] != 10' 'udp port 9012 and not pname during'
	"$1" user_changes lo "" 'udp port 9013 and udp[4:2] = 10' 'udp port 9013 and uid www-data'
	"$1" beside_an_option lo "" 'host 127.0.1.2 and tcp port 443' --uid 0 'exe curl-two and port 443'
	"$1" namespace any "" 'host 127.0.2.1' 'netns there'
	"$1" all_but_a_namespace any "" 'icmp and host 127.0.2.2' 'icmp and not netns there and host (127.0.2.1 or 127.0.2.2)'
	[ -z "$tap" ] || "$1" nobody any "" "net $TAP.0/24 and tcp port 9" "tcp and unknown"
}
right_of_either='(icmp[icmptype] = icmp-echo and src host 127.0.1.8) or (dst host 127.0.0.80 and tcp dst port (80 or 443)) or
	(dst host 127.0.1.9 and tcp src port 80)'
examples() { # FUNCTION SUFFIX LIVE
	"$1" "resolver$2" lo "$3" 'port 53 and not host (127.0.0.53 or 127.0.0.54)' 'port 53 and not pname systemd-resolved'
	"$1" "ssh$2" lo "$3" 'tcp and not port 2222' "tcp and not pname $sshd"
	"$1" "either$2" lo "$3" "$right_of_either" "src pid $pings or (dst uid www-data and tcp port (80 or 443))"
}

# --- programs ----------------------------------------------------------------------------

listens_at() { [ -n "$(ss -Hlntu "src $1")" ]; } # ADDRESS:PORT
served() { # ADDRESS:PORT...
	local at
	for at; do wait_for 10 listens_at "$at" || {
		echo "nobody listens at $at" >&2
		exit 1
	}; done
}

name_servers() {
	# The resolver has an address for its own questions.
	"$BIN/nameserver" -k -p 53 -a 127.0.0.2 -z --no-hosts --no-resolv -u root --pid-file= --log-facility=- \
		--host-record=direct.test,10.0.0.1 --host-record=asked.test,10.0.0.2 2>/dev/null &
	"$BIN/systemd-resolved" -k -p 53 -a 127.0.0.53 -z --no-hosts --no-resolv -u root --pid-file= --log-facility=- \
		--server=127.0.0.2@127.0.0.54 2>/dev/null &
	served 127.0.0.2:53 127.0.0.53:53
}

web_server() { # NAME USER ADDRESS
	mkdir "$TEST_TMP/$1"
	cat >"$TEST_TMP/$1.conf" <<-END
		daemon off; worker_processes 1; user $2; pid $TEST_TMP/$1/pid; error_log $TEST_TMP/$1/error.log;
		events { worker_connections 64; }
		http { access_log off;
			$(for kind in client_body proxy fastcgi uwsgi scgi; do echo "${kind}_temp_path $TEST_TMP/$1/$kind;"; done)
			server { listen $3:80; listen $3:443; listen $3:8080; location / { return 200 ok; } } }
	END
	nginx -c "$TEST_TMP/$1.conf" -p "$TEST_TMP/$1" 2>/dev/null &
	served "$3:80" "$3:443" "$3:8080"
	# Of the user that it is to be by then.
	curl -s -o /dev/null "http://$3:8080/" || exit 1
}

ssh_server() {
	sshd_keys || exit 1
	sshd_serve sshd <<-END || exit 1
		Port 2222
		ListenAddress 127.0.0.22
	END
	served 127.0.0.22:2222
}

# Without anybody there, those who send would be told so.
sinks() {
	local port
	for port in 9011 9012 9013; do
		socat -u "UDP-RECV:$port,bind=127.0.0.9" OPEN:/dev/null &
		served "127.0.0.9:$port"
	done
}

# Those that an expression has by number, and wait.
waiting_programs() {
	mkfifo "$GO"/{pings,family,builder,frames}
	bash -c 'read -r <"$1/pings"; exec ping -q -c 3 -i 0.01 -I 127.0.1.8 127.0.0.9 >/dev/null' - "$GO" &
	pings=$!
	bash -c 'read -r <"$1/family"; echo -n 1 >/dev/udp/127.0.0.9/9011
		(curl -s -o /dev/null --interface 127.0.1.6 http://127.0.0.81/; :); echo -n 1 >/dev/udp/127.0.0.9/9011' - "$GO" &
	family=$!
	"$BIN/builder" -c 'read -r <"$1/builder"; curl -s -o /dev/null --interface 127.0.1.5 http://127.0.0.81/
		echo -n 1 >/dev/udp/127.0.0.9/9012' - "$GO" &
	builder=$!
}

# A device whose other end is no program of the network: requests to a port where nobody listens, and to one with a server.
tap_device() {
	[ -c /dev/net/tun ] || return
	tap=terms0
	ip tuntap add "$tap" mode tap
	sysctl -q -w "net.ipv6.conf.$tap.disable_ipv6=1"
	ip addr add "$TAP.1/24" dev "$tap"
	ip link set "$tap" address 02:00:00:00:00:01 up
	ip neigh add "$TAP.2" lladdr 02:00:00:00:00:02 dev "$tap"
	socat "TCP-LISTEN:7,bind=$TAP.1,fork" /dev/null &
	served "$TAP.1:7"
	python3 - "$tap" "$TAP" "$GO/frames" "$TEST_TMP/frames" <<-'PY' &
		import fcntl, os, socket, struct, sys
		name, net, go, done = sys.argv[1:]
		tap = os.open("/dev/net/tun", os.O_RDWR)
		fcntl.ioctl(tap, 0x400454ca, struct.pack("16sH22x", name.encode(), 0x1002))  # TUNSETIFF, IFF_TAP | IFF_NO_PI
		def total(data):
		    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
		    return ~((n >> 16) + (n & 0xffff) + (n >> 31)) & 0xffff
		def syn(port):
		    src, dst = (socket.inet_aton(net + end) for end in (".2", ".1"))
		    tcp = struct.pack("!HHIIHHHH", 4000, port, 1, 0, 0x5002, 1000, 0, 0)
		    check = total(src + dst + struct.pack("!HH", 6, len(tcp)) + tcp)
		    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, port, 0, 64, 6, 0, src, dst)
		    frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip[:10] + struct.pack("!H", total(ip)) + ip[12:]
		    os.write(tap, frame + tcp[:16] + struct.pack("!H", check) + tcp[18:])
		open(go).readline()
		for port in 9, 7:
		    syn(port)
		    while True:
		        frame = os.read(tap, 2000)
		        if frame[12:14] == b"\x08\0" and frame[23] == 6 and frame[34:36] == struct.pack("!H", port):
		            break
		open(done, "w").close()
		open(go).readline()
	PY
}

# --- captures ----------------------------------------------------------------------------

declare -A pids
# shellcheck disable=SC2154 # dies_with_us is of lib.sh
begin() { # NAME ARGUMENTS...
	: >"$TEST_TMP/$1.err"
	"${dies_with_us[@]}" "$PTCPDUMP" --settle 1000 -w "$TEST_TMP/$1.pcapng" "${@:2}" >"$TEST_TMP/$1.out" 2>"$TEST_TMP/$1.err" &
	pids[$1]=$!
}
whole() { # WHERE
	if [ "$1" = lo ]; then echo -i lo; else echo -i any --netns any; fi
}
# shellcheck disable=SC2046,SC2086 # words
begin_case() { begin "$1" $(whole "$2") $3 "${@:5}"; }
ended() { # NAME
	drained "$TEST_TMP/$1.err" kill -USR1 "${pids[$1]}"
	kill -INT "${pids[$1]}"
}
end_all() {
	local name asked=()
	for name in "${!pids[@]}"; do
		ended "$name" &
		asked+=($!)
	done
	wait "${asked[@]}"
	for name in "${!pids[@]}"; do
		wait "${pids[$name]}" || bad "$name" "exit status $?: $(tail -n 1 "$TEST_TMP/$name.err")"
		grep -q '^0 packets dropped' "$TEST_TMP/$name.err" || bad "$name" "$(grep dropped "$TEST_TMP/$name.err")"
	done
}

# A packet a line: what tcpdump says of it, and its bytes from the IP header on.
packets() { # FILE [EXPRESSION]
	tcpdump -nn -S -t -x -r "$@" 2>/dev/null | sed -e ':more' -e 'N' -e 's/\n\t/ /' -e 't more' -e 'P' -e 'D' | sort
}
difference() { # FILE: to the right ones
	packets "$1" | diff "$TEST_TMP/right" - | sed -n 's/^</missing:/p; s/^>/too many:/p' >"$TEST_TMP/difference"
	[ ! -s "$TEST_TMP/difference" ] ||
		echo "$(wc -l <"$TEST_TMP/difference") of $(wc -l <"$TEST_TMP/right"): $(head -n 2 "$TEST_TMP/difference" | cut -c 1-150)"
}
compare() { # as of cases
	local name=$1 where=$2 right=$4 all
	shift 4
	packets "$TEST_TMP/all-$where.pcapng" "$right" >"$TEST_TMP/right"
	all=$(packets "$TEST_TMP/all-$where.pcapng" | wc -l)
	if [ ! -s "$TEST_TMP/right" ] || [ "$(wc -l <"$TEST_TMP/right")" -ge "$all" ]; then
		bad "$name" "$(wc -l <"$TEST_TMP/right") of $all packets are right: that is no test"
		return
	fi
	result "$name" "$(difference "$TEST_TMP/$name.pcapng")"
	[[ $name != *-* ]] || return
	"$PTCPDUMP" -r "$TEST_TMP/all-$where.pcapng" -w "$TEST_TMP/again.pcapng" "$@" 2>"$TEST_TMP/again.err" ||
		bad "$name-file" "$(tail -n 1 "$TEST_TMP/again.err")"
	result "$name-file" "$(difference "$TEST_TMP/again.pcapng")"
}

# --- traffic -----------------------------------------------------------------------------

go() { echo >"$GO/$1"; }
get() { # ADDRESS URL [PROGRAM...]
	"${@:3}" -s -m 10 -o /dev/null --interface "$1" "http://$2" || echo "no answer: $*" >&2
}

asks_for_names() {
	dig +short -b 127.0.1.10 @127.0.0.2 direct.test
	dig +short +tcp -b 127.0.1.10 @127.0.0.2 direct.test
	dig +short -b 127.0.1.10 @127.0.0.53 asked.test
}

logs_in() {
	ssh -F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR -i "$TEST_TMP/key" -p 2222 \
		root@127.0.0.22 'head -c 5000 /dev/zero' </dev/null | wc -c
}

fetches() {
	get 127.0.1.1 127.0.0.80/ "$BIN/curl-one"
	get 127.0.1.2 127.0.0.81/ "$BIN/curl-two"
	get 127.0.1.2 127.0.0.80:443/ "$BIN/curl-two"
	get 127.0.1.3 127.0.0.80:8080/ curl
	get 127.0.1.4 127.0.0.81/magic-word curl
	get 127.0.1.9 127.0.0.81/ setpriv --reuid www-data --regid www-data --clear-groups curl
}

# Of one socket each.
changes() {
	"$BIN/before" -c 'exec 9>/dev/udp/127.0.0.9/9012; echo -n 1 >&9
		exec "$1/during" -c "echo -n 22 >&9; exec \"\$1/after\" -c \"echo -n 333 >&9\"" - "$1"' - "$BIN"
	python3 -c '
import os, pwd, socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("127.0.0.9", 9013))
s.send(b"1")
os.seteuid(0)
user = pwd.getpwnam("www-data").pw_uid
os.setresuid(user, user, 0)
s.send(b"22")
os.setresuid(0, 0, 0)
s.send(b"333")'
}

# Another of the same name sends while it runs. And of what it sends itself not all is asked for.
runs_a_command() {
	local pid
	"${dies_with_us[@]}" "$PTCPDUMP" --settle 1000 -i lo -w "$TEST_TMP/command.pcapng" 'pname get and not port 443' -- \
		sh -c '"$1/get" -s -o /dev/null --interface 127.0.1.7 http://127.0.0.80/
			"$1/get" -s -o /dev/null --interface 127.0.1.7 http://127.0.0.80:443/
			curl -s -o /dev/null --interface 127.0.1.7 http://127.0.0.80:8080/; touch "$2/has_sent"
			until [ -e "$2/may_end" ]; do sleep 0.05; done' - "$BIN" "$GO" >/dev/null 2>"$TEST_TMP/command.err" &
	pid=$!
	wait_for 20 test -e "$GO/has_sent"
	get 127.0.1.11 127.0.0.80/ "$BIN/get"
	touch "$GO/may_end"
	wait "$pid" || bad command "exit status $?: $(tail -n 1 "$TEST_TMP/command.err")"
}

traffic() {
	asks_for_names >>"$TEST_TMP/answers"
	logs_in >>"$TEST_TMP/answers"
	fetches
	go pings
	ping -q -c 1 -I 127.0.1.12 127.0.0.9 >/dev/null
	go family
	go builder
	changes
	runs_a_command
	ip netns exec there ping -q -c 1 127.0.2.1 >/dev/null
	ping -q -c 1 127.0.2.2 >/dev/null
	[ -z "$tap" ] || {
		go frames
		wait_for 10 test -e "$TEST_TMP/frames" || bad nobody "no answer to a frame"
	}
	wait "$pings" "$family" "$builder"
	wait_for 10 no_connections
	is traffic "$(xargs <"$TEST_TMP/answers")" "10.0.0.1 10.0.0.1 10.0.0.2 5000"
}
no_connections() { [ -z "$(ss -Htn state connected exclude time-wait exclude syn-recv)" ]; }

# --- inside ------------------------------------------------------------------------------

refuses() { # NAME MESSAGE EXPRESSION
	"$PTCPDUMP" -i lo "$3" >/dev/null 2>"$TEST_TMP/refused"
	is "$1" "$? $(cat "$TEST_TMP/refused")" "1 ptcpdump: $2"
	"$PTCPDUMP" -r "$TEST_TMP/all-lo.pcapng" "$3" >/dev/null 2>"$TEST_TMP/refused"
	is "$1-file" "$? $(cat "$TEST_TMP/refused")" "1 ptcpdump: $2"
}

places() {
	chmod 755 "$TEST_TMP"
	mkdir "$BIN" "$GO"
	cp "$(command -v dnsmasq)" "$BIN/nameserver"
	cp "$(command -v dnsmasq)" "$BIN/systemd-resolved"
	for name in curl-one curl-two get; do cp "$(command -v curl)" "$BIN/$name"; done
	for name in builder before during after; do cp "$BASH" "$BIN/$name"; done
	mount -t tmpfs -o mode=755 none /run && mkdir -m 755 /run/sshd || exit 1
	ip link set lo up
	ip netns add there && ip -n there link set lo up || exit 1
}

within() {
	local tap=
	sshd=sshd
	# Since 9.8 another program serves a login.
	! find /usr/lib*/*ssh* /usr/libexec/*ssh* -name sshd-session 2>/dev/null | grep -q . || sshd='"sshd*"'
	places
	name_servers
	web_server workers www-data 127.0.0.80
	web_server roots root 127.0.0.81
	ssh_server
	sinks
	waiting_programs
	tap_device
	printf 'src pid %d\n\tor (dst uid www-data\n\tand tcp port (80 or 443))\n' "$pings" >"$TEST_TMP/expression"

	begin all-lo -i lo
	begin all-any -i any --netns any
	cases begin_case
	for name in "${!pids[@]}"; do listens "${pids[$name]}" "$TEST_TMP/$name.err" || bad "$name" "$(cat "$TEST_TMP/$name.err")"; done
	traffic
	end_all
	cases compare
	packets "$TEST_TMP/all-lo.pcapng" 'host 127.0.1.7 and port 80' >"$TEST_TMP/right"
	result command "$(difference "$TEST_TMP/command.pcapng")"
	[ -n "$tap" ] || skip nobody "no /dev/net/tun here"
	refuses not_a_number "src pid abc: not a number (pname takes names; several: pid (7 or 8))" 'tcp and (port 80 or src pid abc)'
}

if [ "${1:-}" = within ]; then
	within
	end_test
fi

# --- outside -----------------------------------------------------------------------------

tap=1 pings=1 family=1 builder=1 sshd=sshd
names() { printf ' %s' "$1"; }
PATH=$PATH:/usr/sbin
why=$(lacks unshare ip ss python3 tcpdump curl dig dnsmasq nginx sshd ssh ssh-keygen ping socat setpriv)
[ -n "$why" ] || id www-data >/dev/null 2>&1 || why="there is no user www-data"
# shellcheck disable=SC2046 # words
[ -z "$why" ] || skip_all "$why" traffic $(cases names) command not_a_number

unshare --net --mount --pid --fork --mount-proc --kill-child "$ME" within
failed=$?
end_test
