#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# What prints opens no file and no socket once the first packet is there: all dumps of tcpdump's suite, and the options for
# which something could be opened.
set -u
. "$(dirname "$0")/../lib.sh"

why=$(lacks strace unshare python3)
[ -z "$why" ] || skip_all "$why" closed
dumps=$(echo "$BUILD"/deps/tcpdump-*/tests)
[ -d "$dumps" ] || skip_all "needs the unpacked sources of tcpdump in build/deps (make)" closed
# Names of hosts are asked for, and nobody is there to answer.
if [ -z "${INSIDE:-}" ]; then
	INSIDE=1 unshare -n -m --kill-child --fork "$0" # no exec: the folder is removed here
	exit
fi
cp -a /etc "$TEST_TMP/etc" && mount --bind "$TEST_TMP/etc" /etc || exit 1
echo "hosts: files" >/etc/nsswitch.conf
printf '%s\n' '# of the office' '02:00:00:00:00:01 printer' >/etc/ethers
unset TZ
# Two broadcasts, around the hour when summer begins in Europe.
python3 - "$TEST_TMP/two.pcap" <<'PY'
import struct, sys
with open(sys.argv[1], 'wb') as f:
    f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
    for second in 1711846799, 1711846800:
        f.write(struct.pack('<IIII', second, 0, 60, 60) + b'\xff' * 6 + b'\2\0\0\0\0\1' + b'\x88\xb5' + bytes(46))
PY
key=3des-cbc-hmac96:0x4043434545464649494a4a4c4c4f4f515152525454575758
(umask 077 && echo "0x12345678@192.1.2.45 $key" >"$TEST_TMP/keys" &&
	printf '%s\n' hidden:4711 'hidden4711' '4711@hidden aes:0' 'ikev2 4711 hidden' '4711 aes:0' >"$TEST_TMP/private")
first=$TOP/tests/golden/plain.pcap

# Prints what is called after the first line came out, but for the files that are read. A file that cannot be read ends the
# run: the next one begins behind it.
opened() { # PROGRAM OPTION...
	local rest=("$dumps"/*.pcap*) i last
	while [ ${#rest[@]} -gt 0 ]; do
		printf '%s\n' "$first" "${rest[@]}" >"$TEST_TMP/list"
		strace -o "$TEST_TMP/calls" -e trace=%file,%network,%process "$@" -U -V "$TEST_TMP/list" >/dev/null 2>&1
		awk -v dumps="\"$dumps/" 'index($0, dumps) && !/esp-secrets/ { late = 1; next }
			late && !/^(exit_group|\+\+\+)/ && !/^newfstatat\([0-9]+, "",/' "$TEST_TMP/calls"
		last=$(sed -n "s|^openat(AT_FDCWD, \"\($dumps/[^\"]*\.pcap[^\"]*\)\".*|\1|p" "$TEST_TMP/calls" | tail -n 1)
		for i in "${!rest[@]}"; do [ "${rest[i]}" != "$last" ] || break; done
		rest=("${rest[@]:i+1}")
		runs=$((runs + 1))
	done
}
all_dumps() { # NAME PROGRAM OPTION...
	local runs=0
	opened "${@:2}" >"$TEST_TMP/opened"
	result "$1" "$(head -n 3 "$TEST_TMP/opened")"
	# Else it is not much that was looked at.
	at_most "$1: few are refused" $runs 40
}
# Of the library as it is linked. getservent() is called before.
if command -v nm >/dev/null; then
	is library "$(nm -u "$BUILD/deps/netdissect/libnetdissect-closed.a" 2>/dev/null |
		grep -oxE ' +U (f?open(at|64|dir)?|.*socket.*|connect|get(addr|name)info|(get|set)(host|net|proto|rpc|serv|pw|gr).*|ether_.*host.*|if_.*(index|name).*|popen|system|exec.*|dlopen|mktime|realpath|.?access|.?stat(64)?)' |
		sort -u | paste -sd ' ' | tr -s ' ')" " U getservent"
else
	skip library "nm is missing"
fi
secrets="file $dumps/esp-secrets.txt"
for program in "$PTCPDUMP" "$BUILD/static/ptcpdump"; do
	name=${program#"$BUILD/"}
	if [ ! -x "$program" ]; then
		skip "$name" "$program is not built"
		continue
	fi
	all_dumps "$name: names" "$program" -e
	all_dumps "$name: all options" "$program" -vvv -e -A -ttttt -E "$secrets" -M password -m none
	all_dumps "$name: numbers" "$program" -n -vv -tttt
	is "$name: ethers" "$("$program" -q -e -r "$TEST_TMP/two.pcap" 2>/dev/null | cut -d ' ' -f 2-4)" \
		"$(printf 'printer > Broadcast,\nprinter > Broadcast,')"
	for zone in Europe/Berlin America/New_York Asia/Kathmandu; do
		ln -sf "/usr/share/zoneinfo/$zone" /etc/localtime
		if [ -e /etc/localtime ]; then
			is "$name: $zone" "$("$program" -q -tttt -r "$TEST_TMP/two.pcap" 2>/dev/null | cut -d ' ' -f 1,2)" \
				"$(for at in 1711846799 1711846800; do TZ=:$zone date -d @$at '+%Y-%m-%d %H:%M:%S.000000'; done)"
		else
			skip "$name: $zone" "no zone info here"
		fi
	done
	rm -f /etc/localtime
	# Keys of root's, for a run that goes on as somebody else, who learns only what they decrypt.
	is "$name: keys of root's" "$("$program" -n -E "file $TEST_TMP/keys" -r "$dumps/02-sunrise-sunset-esp.pcap" 2>&1 | grep -c ICMP)" \
		"$("$program" -n -E "$(cat "$TEST_TMP/keys")" -r "$dumps/02-sunrise-sunset-esp.pcap" 2>&1 | grep -c ICMP)"
	"$program" -n -E "file $TEST_TMP/private" -r "$dumps/02-sunrise-sunset-esp.pcap" >"$TEST_TMP/out" 2>&1
	is "$name: nothing of a file is told" "$(grep -c -e hidden -e 4711 "$TEST_TMP/out") $(grep -c 'ikev2 at .*/private:4$' "$TEST_TMP/out")" "0 1"
	"$program" -E "file $TEST_TMP/none" -r "$TEST_TMP/two.pcap" >"$TEST_TMP/out" 2>&1
	is "$name: no such keys" "$? $(cat "$TEST_TMP/out")" \
		"1 ptcpdump: esp_print_decode_onesecret: can't open $TEST_TMP/none: No such file or directory"
	"$program" -E "3des-cbc:0xyz" -r "$TEST_TMP/two.pcap" >"$TEST_TMP/out" 2>&1
	is "$name: wrong key" "$? $(grep -v '^reading' "$TEST_TMP/out")" "1 ptcpdump: invalid hex digit y in espsecret"
	is "$name: no zone" "$("$program" -q -tttt -c 1 -r "$TEST_TMP/two.pcap" 2>/dev/null | cut -d ' ' -f 1,2)" "2024-03-31 00:59:59.000000"
done
end_test
