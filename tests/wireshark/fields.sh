#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fields of Wireshark from packet comments (deploy/wireshark/ptcpdump.lua), by each version that is there. timeout: 600
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

golden=$TOP/tests/golden
all=$TEST_TMP/all.pcapng
hostile=$TEST_TMP/hostile.pcapng

# Of each packet, "-" for no process.
procs() { with_lua -r "$1" -T fields -e ptcpdump.proc 2>/dev/null | sed 's/^$/-/'; }
as_printed() { "$PTCPDUMP" -n -r "$1" 2>/dev/null | awk '{ print $3 }'; }

fields() { # FILE PACKET FIELD...: the values, one a line
	local file=$1 number=$2 arguments=() f
	shift 2
	for f; do arguments+=(-e "ptcpdump.$f"); done
	with_lua -r "$file" -Y "frame.number == $number" -T fields "${arguments[@]}" 2>/dev/null | tr '\t' '\n'
}

numbers() { with_lua -r "$1" -Y "$2" -T fields -e frame.number 2>/dev/null | tr '\n' ' '; } # FILE FILTER

every_field() {
	is "$name process" "$(fields "$all" 1 proc pid cmd name comm tid thread uid gid user | paste -sd' ')" \
		"fetch.11 11 /usr/bin/curl fetch fetcher 12 worker 1000 1001 alice"
	# tshark writes a newline as \n, and a backslash as two.
	is "$name escapes" "$(with_lua -r "$all" -Y 'frame.number == 1 && ptcpdump.args == "curl a\nb c\\nd e\\f"' 2>/dev/null | wc -l)" 1
	is "$name parent" "$(fields "$all" 1 parent parent.pid parent.cmd parent.args parent.name parent.comm ancestors | paste -sd'|')" \
		"-bash.10@host|10|/bin/bash|bash -l|-bash|shell|bash.10,systemd.1"
	is "$name container" "$(fields "$all" 1 container container.id container.image container.labels | paste -sd' ')" \
		'web c0ffee nginx:1 {"app":"shop"}'
	is "$name pod" "$(fields "$all" 1 pod pod.namespace pod.uid pod.labels pod.annotations | paste -sd' ')" \
		'front shop u-1 {"tier":"1"} {"a":"1"}'
	is "$name peer" "$(fields "$all" 1 peer peer.pid peer.cmd peer.args peer.name peer.comm peer.uid peer.user peer.ancestors | paste -sd'|')" \
		"master.21|21|/usr/sbin/nginx (deleted)|nginx -g|master|worker-1|33|www-data|systemd.1"
	is "$name peer_container" "$(fields "$all" 1 peer.container peer.container.id peer.container.image peer.container.labels | paste -sd' ')" \
		'db beef redis:7 {"x":"y"}'
	is "$name peer_pod" "$(fields "$all" 1 peer.pod peer.pod.namespace peer.pod.labels | paste -sd' ')" \
		'back store {"tier":"2"}'
	is "$name effective" "$(fields "$all" 1 effective.pid effective.cmd effective.args | paste -sd' ')" "31 /bin/browser browser"
	is "$name told_once" "$(fields "$all" 2 ancestors peer.container.image | paste -sd' ')" "bash.10,systemd.1 redis:7"
	is "$name out" "$(fields "$all" 1 src dst end | paste -sd' ')" "fetch.11 master.21 "
	is "$name in" "$(fields "$all" 2 src dst end | paste -sd' ')" "master.21 fetch.11 "
	is "$name end" "$(fields "$all" 3 src dst end | paste -sd' ')" "master.21 fetch.11 dst"
	is "$name without" "$(numbers "$all" '!ptcpdump')" "4 "
}

filters() {
	is "$name filter_container" "$(numbers "$all" 'ptcpdump.container == "web"')" "1 2 3 "
	is "$name filter_pid" "$(numbers "$all" 'ptcpdump.pid == 11 && ptcpdump.dst contains "fetch"')" "2 3 "
	is "$name filter_golden" "$(numbers "$golden/annotated.pcapng" 'ptcpdump.proc == "zzcmd.4000002"')" \
		"$("$PTCPDUMP" -n -r "$golden/annotated.pcapng" 2>/dev/null | awk '$3 == "zzcmd.4000002" { printf "%d ", NR }')"
	is "$name io_stat" "$(with_lua -q -r "$all" -z 'io,stat,0,ptcpdump.proc == "fetch.11",ptcpdump.proc == "nobody.1"' 2>/dev/null |
		sed -n 's/^| *0[.0]* <> .*| *\([0-9]*\) | *\([0-9]*\) | *\([0-9]*\) | *\([0-9]*\) |.*/\1 \2 \3 \4/p')" "3 186 0 0"
	is "$name details" "$(with_lua -r "$all" -O ptcpdump -c 1 2>/dev/null | grep -c 'Container image: nginx:1')" 1
}

hostile_comments() {
	with_lua -r "$hostile" -T fields -e frame.number -e ptcpdump.proc -e ptcpdump.parent -e ptcpdump.container -e ptcpdump.uid \
		>"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is "$name hostile_status" "$? $(wc -l <"$TEST_TMP/out")" "0 25"
	is "$name hostile_quiet" "$(grep -v 'Running as user' "$TEST_TMP/err")" ""
	is "$name hostile_errors" "$(with_lua -r "$hostile" -V 2>&1 | grep -ci 'lua error\|dissector bug')" 0
	is "$name hostile_nothing_forged" "$(grep -c 'forged\|none\|six' "$TEST_TMP/out")" 0
	# What is no process to the program is none here, and the other way round.
	is "$name hostile_whose" "$(sed -n 's/^[0-9]*\t\([^\t]*\).*/\1/p' "$TEST_TMP/out" | awk '{ print $0 != "" }' | paste -sd' ')" \
		"$("$PTCPDUMP" -n -r "$hostile" 2>/dev/null | awk '/^[0-9][0-9]:/ { print $3 ~ /\.5$/ }' | paste -sd' ')"
	is "$name hostile_note" "$(sed -n 1p "$TEST_TMP/out" | cut -f 2)" five.5
	is "$name hostile_lines" "$(sed -n 13p "$TEST_TMP/out" | cut -f 2) $(fields "$hostile" 13 args | tail -c 8)" "five.5 line 99"
	is "$name hostile_user" "$(sed -n '13s/.*\t//p' "$TEST_TMP/out")" 7
	is "$name hostile_reference" "$(sed -n 18p "$TEST_TMP/out" | cut -f 2)" five.5
	is "$name hostile_comm" "$(fields "$hostile" 24 comm)" ééééééé
}

# Wireshark's own fields, by blocks of processes.
native() {
	case $name in 4.[0-5].*) return ;; esac
	is "$name native" "$(ws tshark -n -r "$TEST_TMP/native.pcapng" -T fields -e frame.darwin.process_info.pname \
		-e frame.darwin.process_info.pid 2>/dev/null | tr '\t' . | md5sum)" "$(as_printed "$TEST_TMP/many.pcapng" | md5sum)"
	is "$name native_filter" "$(ws tshark -n -r "$TEST_TMP/native.pcapng" -Y 'frame.darwin.process_info.pid == 4000002' 2>/dev/null |
		wc -l)" "$("$PTCPDUMP" -r "$TEST_TMP/many.pcapng" --pid 4000002 --count 2>/dev/null | cut -d' ' -f1)"
}

version_tests() { # NUMBER
	local name=$1
	for file in annotated names; do
		is "$name as_printed $file" "$(procs "$golden/$file.pcapng" | paste -sd' ')" "$(as_printed "$golden/$file.pcapng" | paste -sd' ')"
	done
	is "$name as_printed many" "$(procs "$TEST_TMP/many.pcapng" | md5sum)" "$(as_printed "$TEST_TMP/many.pcapng" | md5sum)"
	for fields in "proc args" "user parent.comm" "container.labels pod.annotations thread"; do
		# shellcheck disable=SC2086
		is "$name compact $fields" "$(fields "$TEST_TMP/compact.pcapng" 5 $fields)" "$(fields "$golden/names.pcapng" 5 $fields)"
	done
	every_field
	filters
	hostile_comments
	native
}

python3 "$TOP/tests/wireshark/packets.py" all "$all"
python3 "$TOP/tests/wireshark/packets.py" hostile "$hostile"
"$HELPERS/annotate" "$golden/plain.pcap" "$TEST_TMP/many.pcapng"
# Privileges are dropped to a user who cannot write here: through standard output.
"$PTCPDUMP" -r "$TEST_TMP/many.pcapng" -w - --process-blocks apple >"$TEST_TMP/native.pcapng" 2>/dev/null
"$PTCPDUMP" -r "$golden/names.pcapng" --compact-comments -w - >"$TEST_TMP/compact.pcapng" 2>/dev/null
is compact_has_references "$(grep -ac '^SameAs: \|SameAs: ' "$TEST_TMP/compact.pcapng" | sed 's/^[1-9][0-9]*$/some/')" some
result every_key "$(for key in $(tr '\n' ' ' <"$TOP/src/annotation.c" | grep -o '\.\(key\|alias\) = "[A-Za-z]*"' | cut -d'"' -f2); do
	grep -q "\"$key\"" "$LUA" || echo "$key is not in ptcpdump.lua"
done)"
each_version version_tests
end_test
