#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What Wireshark's tools keep of a file of ours: the table of docs/wireshark.md. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

all=$TEST_TMP/all.pcapng
secrets=$TEST_TMP/secrets.pcapng
# Who sends which packet: comments and directions.
told() { "$PTCPDUMP" -n -r "$1" -v 2>/dev/null | grep -c 'cmd /usr/bin/curl'; }
ends() { with_lua -r "$1" -T fields -e ptcpdump.src 2>/dev/null | paste -sd' '; }
secrets_in() { grep -ac 'CLIENT_RANDOM 01' "$1"; }

# Blocks of processes, and packets that name one.
blocks() { python3 "$TOP/tests/wireshark/packets.py" blocks "$1"; }

python3 "$TOP/tests/wireshark/packets.py" all "$all"
"$PTCPDUMP" -r "$all" -w - --process-blocks apple >"$TEST_TMP/named.pcapng" 2>/dev/null
is named "$(blocks "$TEST_TMP/named.pcapng")" "2 3" # curl, and whom it acts for
printf 'CLIENT_RANDOM 01%062d %096d\n' 1 2 >"$TEST_TMP/keys"
chmod a+r "$all" "$TEST_TMP/keys" "$TEST_TMP/named.pcapng"

tools() { # NUMBER
	local name=$1 new kept="fetch.11 master.21 master.21 "
	ws editcap "$all" - >"$TEST_TMP/out" 2>/dev/null
	is "$name editcap" "$(told "$TEST_TMP/out") $(ends "$TEST_TMP/out")" "3 $kept"
	ws editcap -r "$all" - 2-4 >"$TEST_TMP/out" 2>/dev/null
	is "$name editcap_some" "$(told "$TEST_TMP/out") $(ends "$TEST_TMP/out")" "2 ${kept#* }"
	ws mergecap -w - "$all" "$all" >"$TEST_TMP/out" 2>/dev/null
	is "$name mergecap" "$(told "$TEST_TMP/out") $(ends "$TEST_TMP/out" | wc -w)" "6 6"
	ws editcap --inject-secrets "tls,$TEST_TMP/keys" "$all" - >"$secrets" 2>/dev/null
	ws editcap "$secrets" - >"$TEST_TMP/out" 2>/dev/null
	# "The capture file being read can't be written as a "pcapng" file", says 4.0.
	is "$name editcap_secrets" "$(secrets_in "$secrets") $(secrets_in "$TEST_TMP/out")" \
		"1 $(case $name in 4.0.*) echo 0 ;; *) echo 1 ;; esac)"
	ws mergecap -w - "$secrets" "$all" >"$TEST_TMP/out" 2>/dev/null
	is "$name mergecap_secrets" "$(secrets_in "$TEST_TMP/out")" 1
	ws tshark -r "$all" -Y udp -w - >"$TEST_TMP/out" 2>/dev/null
	is "$name tshark_w" "$(told "$TEST_TMP/out") $(ends "$TEST_TMP/out")" "3 $kept"
	new=$(case $name in 4.[0-5].*) echo 0 0 ;; *) echo 2 3 ;; esac)
	ws editcap "$TEST_TMP/named.pcapng" - >"$TEST_TMP/out" 2>/dev/null
	is "$name editcap_blocks" "$(blocks "$TEST_TMP/out")" "$new"
	ws tshark -r "$TEST_TMP/named.pcapng" -w - >"$TEST_TMP/out" 2>/dev/null
	is "$name tshark_w_blocks" "$(blocks "$TEST_TMP/out")" "$new"
	ws mergecap -w - "$TEST_TMP/named.pcapng" "$all" >"$TEST_TMP/out" 2>/dev/null
	is "$name mergecap_blocks" "$(blocks "$TEST_TMP/out" | cut -d' ' -f1) $(ends "$TEST_TMP/out" | wc -w)" "0 6"
	ws editcap -F pcap "$all" - >"$TEST_TMP/out" 2>/dev/null
	is "$name pcap" "$(told "$TEST_TMP/out") $(ends "$TEST_TMP/out" | wc -w)" "0 0"
}

each_version tools
end_test
