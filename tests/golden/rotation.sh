#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Names, contents, text and status of -w's files beside tcpdump's in the same situation, and that each rotated pcapng file
# can be read alone.
set -u
. "$(dirname "$0")/../lib.sh"

in=$TEST_TMP/in.pcap
"$HELPERS/mkpcap" 30000 40 4 30 >"$in"

run() { # FOLDER PROGRAM OPTIONS...
	rm -rf "${TEST_TMP:?}/$1"
	mkdir "$TEST_TMP/$1"
	# tcpdump becomes another user before it opens its file.
	chmod 777 "$TEST_TMP/$1"
	(
		cd "$TEST_TMP/$1" || exit
		# tcpdump leaves -z's programs running: who still has standard output is waited for.
		TZ=UTC "$2" -nn -r "$in" "${@:3}" 2>messages | cat >text
		echo "${PIPESTATUS[0]}" >status
		rm messages
		find . -type f -exec md5sum {} + | sort -k 2
	) >"$TEST_TMP/$1.sums"
}

compare() { # NAME OPTIONS...
	run theirs tcpdump "${@:2}"
	run ours "$PTCPDUMP" "${@:2}"
	if cmp -s "$TEST_TMP/theirs.sums" "$TEST_TMP/ours.sums"; then
		ok "$1"
	else
		bad "$1" "$(diff "$TEST_TMP/theirs.sums" "$TEST_TMP/ours.sums" | head -n 4 | tr '\n' ' ')"
	fi
}

if command -v tcpdump >/dev/null; then
	compare size -C 1 -w f.pcap
	compare size_1_file -C 1 -W 1 -w f.pcap
	compare size_2_files -C 1 -W 2 -w f.pcap
	compare size_10_files -C 1 -W 10 -w f.pcap
	compare size_11_files -C 1 -W 11 -w f.pcap
	compare size_and_percent -C 1 -w f%Y.pcap
	compare time -G 3600 -w f%Y.pcap
	compare time_1_file -G 3600 -W 1 -w f%Y.pcap
	compare time_and_size -G 3600 -C 1 -w f%Y.pcap
	compare time_and_size_2_files -G 3600 -C 1 -W 2 -w f%Y.pcap
	compare files_without_rotation -W 3 -w f.pcap
	compare program -C 1 -z rm -w f.pcap
	compare unbuffered -U -w f.pcap
	compare printed_too --print -c 100 -w f.pcap
	compare count -c 100 -C 1 -w f.pcap
	compare filtered -C 1 -w f.pcap udp
else
	skip "as tcpdump" "no tcpdump here"
fi

"$HELPERS/annotate" "$in" "$TEST_TMP/in.pcapng"
mkdir "$TEST_TMP/ng"
(
	cd "$TEST_TMP/ng" || exit
	"$PTCPDUMP" -r ../in.pcapng -C 2 -W 100 -w f.pcapng 2>/dev/null
	for f in f.pcapng*; do
		"$PTCPDUMP" -nnS -r "$f" 2>>messages
		echo "$? $f" >>status
	done >text
	"$PTCPDUMP" -nnS -r ../in.pcapng >whole 2>/dev/null
)
if [ "$(grep -c '^0 ' "$TEST_TMP/ng/status")" -gt 3 ] && ! grep -q -v '^0 ' "$TEST_TMP/ng/status"; then
	ok pcapng_files_stand_alone
else
	bad pcapng_files_stand_alone "$(tr '\n' ' ' <"$TEST_TMP/ng/status")"
fi
if cmp -s "$TEST_TMP/ng/text" "$TEST_TMP/ng/whole"; then ok pcapng_files_have_all; else bad pcapng_files_have_all "the text differs"; fi

# A limit of size is as a full disk, and no signal; what -z starts has all signals as it should.
(
	ulimit -f 256 # KB
	"$PTCPDUMP" -r "$TEST_TMP/in.pcapng" -w "$TEST_TMP/limited.pcapng" 2>"$TEST_TMP/messages"
)
is limit_of_size "$? $(grep -c "can't write to '.*/limited.pcapng': File too large" "$TEST_TMP/messages")" "1 1"
at_most limit_is_used $((256 * 1024 - $(wc -c <"$TEST_TMP/limited.pcapng"))) 2000
"$PTCPDUMP" -r "$TEST_TMP/limited.pcapng" --count >/dev/null 2>&1
is whole_at_the_limit $? 0
printf '#!/bin/sh\ngrep SigIgn /proc/self/status >>%s\n' "$TEST_TMP/ignored" >"$TEST_TMP/finished"
chmod +x "$TEST_TMP/finished"
"$PTCPDUMP" -r "$TEST_TMP/in.pcapng" -C 1 -w "$TEST_TMP/z.pcapng" -z "$TEST_TMP/finished" 2>/dev/null
wait_for 5 test -s "$TEST_TMP/ignored"
is command_ignores_nothing $((0x$(sed -n '1s/.*://p' "$TEST_TMP/ignored" | tr -d '\t') & 0x7fffffff)) 0 # two others are glibc's own
end_test
