#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# --json and --json=flow live: owners, DNS questions of dig and server names of curl and openssl, counts at the end, lines that come
# at once, losses that are told.
# timeout: 240
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

why=$(lacks jq python3 dnsmasq dig curl openssl)
[ -z "$why" ] || skip_all "$why" json_live

out=$TEST_TMP/out
there() { ip netns exec "$NS" "$@"; }
serves() { # PORT
	[ -n "$(there ss -Hltn "sport = $1")" ]
}
count() { # FILTER: of the lines that it is true of
	jq -r "select($1) | 1" "$out" | wc -l
}
valid() { # every line of FILE is what the schema says
	python3 - "$TOP/docs/json.schema.json" "$1" <<'PY'
import json, jsonschema, sys
validator = jsonschema.Draft202012Validator(json.load(open(sys.argv[1], encoding='utf8')))
lines = open(sys.argv[2], encoding='utf8', newline='\n').read().split('\n')
assert lines.pop() == '' and lines, 'no lines, or the last has no end'
for line in lines:
    validator.validate(json.loads(line))
PY
}
has_stats() { # which stderr has too
	[ "$(tail -n 1 "$out" | jq -r '[.event.dataset, .ptcpdump.stats.captured, .ptcpdump.stats.received, .ptcpdump.stats.dropped] | @tsv')" = \
		"$(printf 'ptcpdump.stats\t'; sed -n 's/^\([0-9]*\) packets* .*/\1/p' "$TEST_TMP/err" | paste -s)" ]
}

ip netns exec "$NS" dnsmasq -k -p 53 -a "$THERE" -z --no-hosts --no-resolv -u root --pid-file= --log-facility=- --host-record=name.example.test,10.0.0.7 \
	>/dev/null 2>&1 &
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$TEST_TMP/key" -out "$TEST_TMP/cert" -days 2 -subj /CN=x 2>/dev/null
ip netns exec "$NS" openssl s_server -quiet -www -accept 4443 -key "$TEST_TMP/key" -cert "$TEST_TMP/cert" >/dev/null 2>&1 &
wait_for 5 serves 53
wait_for 5 serves 4443

talk() {
	dig +tries=1 +time=2 "@$THERE" name.example.test A >/dev/null
	dig +tries=1 +time=2 +tcp "@$THERE" other.example.test AAAA >/dev/null
	curl -sk --connect-to "curl.example.test:443:$THERE:4443" https://curl.example.test/ -o /dev/null
	openssl s_client -connect "$THERE:4443" -servername openssl.example.test </dev/null >/dev/null 2>&1
}

start -i "$LINK" --json "not arp and not icmp6"
talk
shown
kill -INT "$PID"
finish
is status $STATUS 0
check valid_packets valid "$out"
check stats_as_on_stderr has_stats
is a_line_each "$(count '.event.dataset == "ptcpdump.packet"')" "$(sed -n 's/^\([0-9]*\) packets* captured/\1/p' "$TEST_TMP/err")"
is dig_udp "$(count '.process.name == "dig" and .network.transport == "udp" and .dns.type == "query" and .dns.question.name == "name.example.test"
	and .dns.question.type == "A" and .destination.port == 53 and .network.direction == "egress"')" 1
is dig_answer "$(count '.process.name == "dig" and .dns.type == "answer" and .dns.response_code == "NOERROR" and
	.dns.question.name == "name.example.test" and .network.direction == "ingress" and .ptcpdump.owner == "destination"')" 1
is dig_tcp "$(count '.process.name == "dig" and .network.transport == "tcp" and .dns.type == "query" and .dns.question.name == "other.example.test"')" 1
is curl_server_name "$(count '.process.name == "curl" and .tls.client.server_name == "curl.example.test" and .destination.port == 4443')" 1
is openssl_server_name "$(count '.process.name == "openssl" and .tls.client.server_name == "openssl.example.test"')" 1
is parents "$(count '.process.name == "curl" and .process.parent.name != "json.sh" and .process.parent.name != "bash"')" 0
is command_line "$(jq -r 'select(.tls.client.server_name == "curl.example.test") | .process.command_line' "$out")" \
	"curl -sk --connect-to curl.example.test:443:$THERE:4443 https://curl.example.test/ -o /dev/null"
is user "$(count '.process.name == "curl" and .user != {"id": "0", "name": "root"}')" 0
is interface "$(count ".event.dataset == \"ptcpdump.packet\" and ([.observer[].interface.name] != [\"$LINK\"])")" 0
is began_now "$(count '.process.name == "curl" and (.process.start[:19] + "Z" | fromdate) < (now - 120)')" 0

start -i "$LINK" --json=flow --json-omit args "not arp and not icmp6"
talk
shown
# By the clock, although no packet comes.
wait_for 8 grep -q '"reason":"fin"' "$out"
check flow_ends_in_silence grep -q '"reason":"fin"' "$out"
kill -INT "$PID"
finish
check valid_flows valid "$out"
check flow_stats has_stats
is flow_packets "$(jq -s 'map(select(.event.type | index("end")) | .network.packets) | add' "$out")" "$(tail -n 1 "$out" | jq .ptcpdump.stats.captured)"
is flow_of_curl "$(count '.process.name == "curl" and .destination.port == 4443 and .event.reason == "fin" and .source.packets > 3 and
	.destination.bytes > 1000 and (.event.type | index("end"))')" 1
is no_arguments "$(grep -c command_line "$out")" 0

# A line for each packet, at once; both ends on this host.
start -i lo -l --json "udp port 4999"
python3 -c 'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("127.0.0.1", 4999)); s.sendto(b"x", ("127.0.0.1", 4999))'
wait_for 3 grep -q '"port":4999' "$out"
is by_line "$(grep -c '"port":4999' "$out")" 1
kill -INT "$PID"
finish
is peer "$(jq -r 'select(.event.dataset == "ptcpdump.packet") | [.process.name, .ptcpdump.peer.process.name] | @tsv' "$out")" "$(printf 'python3\tpython3')"

# Beside a file, and the file tells the same, but for what files have once or not at all.
start -i "$LINK" -w "$TEST_TMP/beside.pcapng" --print --json icmp
pings 5
shown
kill -INT "$PID"
finish
normal() { jq -c 'select(.event.dataset == "ptcpdump.packet") | del(.ptcpdump.netns, .process.start, .ptcpdump.process)'; }
"$PTCPDUMP" -r "$TEST_TMP/beside.pcapng" --json 2>/dev/null | normal >"$TEST_TMP/read"
normal <"$out" >"$TEST_TMP/live"
is beside_a_file "$(wc -l <"$TEST_TMP/live") $(cmp "$TEST_TMP/live" "$TEST_TMP/read" && echo same)" "10 same"

# A reader that is too slow, a small ring: what is lost is told.
mkfifo "$TEST_TMP/fifo"
(sleep 4; cat >"$TEST_TMP/slow") <"$TEST_TMP/fifo" &
start_capture "$TEST_TMP/fifo" "$TEST_TMP/err" "$PTCPDUMP" -i "$LINK" -B 64 --json "udp port 9"
PID=$!
python3 -c '
import socket, sys
s = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(30000): s.sendto(b"x" * 300, (sys.argv[1], 9))' "$THERE"
sleep 5
kill -INT "$PID"
finish
wait_for 5 grep -q ptcpdump.stats "$TEST_TMP/slow"
out=$TEST_TMP/slow
check drops_are_told test "$(tail -n 1 "$TEST_TMP/slow" | jq .ptcpdump.stats.dropped)" -gt 0
check drops_as_on_stderr has_stats

end_test
