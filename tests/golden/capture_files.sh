#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What we write, as others read it: capinfos, tshark and tcpdump are the judges.
set -u
. "$(dirname "$0")/../lib.sh"

tmp=$TEST_TMP
annotate=$HELPERS/annotate

have() { # NAME TOOL
	command -v "$2" >/dev/null && return 0
	skip "$1" "no $2 here"
	return 1
}

# A pcap file of 20 UDP packets, without any tool: header, then records.
make_pcap() { # FILE
	local i
	{
		printf '\xd4\xc3\xb2\xa1\x02\x00\x04\x00\0\0\0\0\0\0\0\0\xff\xff\x00\x00\x01\x00\x00\x00'
		for i in $(seq 10 29); do
			printf '\x00\xf1\x53\x65%b\x00\x00\x00\x2e\x00\x00\x00\x2e\x00\x00\x00' "\\x$(printf %02x "$i")"
			printf '\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00'
			printf '\x45\0\0\x20\0\0\0\0\x40\x11\x66\xcb\x0a\0\0\x01\x0a\0\0\x02'
			printf '\x04\xd2\x16\x2e\x00\x0c\0\0test'
		done
	} >"$1"
}

make_pcap "$tmp/plain.pcap"
if ! "$annotate" "$tmp/plain.pcap" "$tmp/a.pcapng"; then
	bad annotate "exit status $?"
	exit 1
fi

if have tcpdump_reads tcpdump; then
	is tcpdump_reads "$(tcpdump -tttt -nr "$tmp/a.pcapng" 2>/dev/null | md5sum)" \
		"$(tcpdump -tttt -nr "$tmp/plain.pcap" 2>/dev/null | md5sum)"
	is tcpdump_reads_all "$(tcpdump -nr "$tmp/a.pcapng" 2>/dev/null | wc -l)" 20
fi
if have capinfos capinfos; then
	info=$(capinfos "$tmp/a.pcapng" 2>&1)
	for want in "Number of packets:   20" "Name = zzif" "Time resolution = 0x09" "Capture application: ptcpdump" \
		"Encapsulation = Ethernet"; do
		case $info in
		*"$want"*) ok "capinfos: $want" ;;
		*) bad "capinfos: $want" "not in its output" ;;
		esac
	done
fi
if have tshark tshark; then
	tshark() { command tshark "$@" 2>/dev/null; }
	is tshark_interface "$(tshark -r "$tmp/a.pcapng" -T fields -e frame.interface_name | sort | uniq -c | tr -s ' ')" " 20 zzif"
	is tshark_times "$(tshark -r "$tmp/a.pcapng" -T fields -e frame.time_epoch)" \
		"$(tshark -r "$tmp/plain.pcap" -T fields -e frame.time_epoch)"
	# Up to 4.2 the comment is one value, from 4.4 on each line is, the first one twice.
	is tshark_comments "$(tshark -r "$tmp/a.pcapng" -c 1 -T fields -e frame.comment -E aggregator='|' | sed 's/\\n/|/g' | tr '|' '\n' |
		uniq | head -n 3 | paste -sd';' | cut -c 1-43)" "PID: 4000001;Cmd: /usr/bin/zzcmd;Args: zzcm"
	is tshark_direction "$(tshark -r "$tmp/a.pcapng" -Y 'frame.packet_flags_direction == 1' | wc -l)" 10
	is tshark_no_complaint "$(command tshark -r "$tmp/a.pcapng" 2>&1 >/dev/null | grep -v 'Running as' | head -3)" ""
fi

if [ -x "$PTCPDUMP" ]; then
	p=$PTCPDUMP
	"$p" -r "$tmp/a.pcapng" -w "$tmp/b.pcapng" 2>/dev/null
	if cmp -s "$tmp/a.pcapng" "$tmp/b.pcapng"; then ok rewrite_is_identical; else bad rewrite_is_identical "files differ"; fi
	"$p" -r "$tmp/a.pcapng" -w "$tmp/back.pcap" 2>/dev/null
	is pcapng_to_pcap "$(tail -c +25 "$tmp/back.pcap" | md5sum)" "$(tail -c +25 "$tmp/plain.pcap" | md5sum)"
	for tool in gzip zstd lz4; do
		have "read_$tool" "$tool" || continue
		"$tool" -c "$tmp/a.pcapng" >"$tmp/packed" 2>/dev/null
		is "read_$tool" "$("$p" -nr "$tmp/packed" 2>/dev/null | md5sum)" "$("$p" -nr "$tmp/a.pcapng" 2>/dev/null | md5sum)"
		is "read_${tool}_from_stdin" "$("$p" -nr - <"$tmp/packed" 2>/dev/null | wc -l)" 20
	done
	size=$(stat -c %s "$tmp/plain.pcap")
	out=$("$p" -nr - < <(head -c $((size - 5)) "$tmp/plain.pcap") 2>&1)
	is truncated_status "$("$p" -nr - < <(head -c $((size - 5)) "$tmp/plain.pcap") >/dev/null 2>&1; echo $?)" 1
	is truncated_lines "$(echo "$out" | grep -c 'UDP')" 19
	case $out in
	*"truncated dump file; tried to read 46 captured bytes, only got 41, at byte offset $((size - 62))"*) ok truncated_message ;;
	*) bad truncated_message "$(echo "$out" | tail -1)" ;;
	esac
else
	skip rewrite "the program is not built"
fi
end_test
