#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A file with the secrets of a real TLS connection in it is decrypted by each version, and says whose request it was. timeout: 120
# With "within" as argument it is what runs in a network namespace of its own.
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

file=$TEST_TMP/secrets.pcapng

within() {
	ip link set lo up
	cd "$TEST_TMP" || exit 1
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
	echo answer >asked.html
	openssl s_server -accept 127.0.0.1:443 -key key.pem -cert cert.pem -WWW >server.log 2>&1 &
	wait_for 10 grep -q ACCEPT server.log || exit 1
	"$PTCPDUMP" -i lo -w "$file" --embed-keylog-to-pcapng -- curl -sk -o /dev/null https://127.0.0.1/asked.html 2>capture.log
	kill %1
}

decrypted() { # NUMBER
	is "$1 decrypted" "$(with_lua -r "$file" -Y 'http.request && ptcpdump.src contains "curl."' -T fields -e http.request.uri 2>/dev/null)" \
		/asked.html
}

[ "${1:-}" != within ] || {
	within
	exit
}
why=$(lacks ip unshare openssl curl)
[ "$(id -u)" -eq 0 ] || why="needs root"
[ -z "$why" ] || skip_all "$why" decrypted
unshare -n "$0" within
[ -s "$file" ] || bad captured "$(cat "$TEST_TMP/capture.log" "$TEST_TMP/server.log" 2>/dev/null)"
chmod a+r "$file"
each_version decrypted
end_test
