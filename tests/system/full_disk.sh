#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A full disk: what each file holds is told, and packets that waited to be written do not count.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

FULL=$TEST_TMP/full
lib_cleanup() { umount "$FULL" 2>/dev/null; }
mkdir "$FULL"
mount -t tmpfs -o size=128k none "$FULL" 2>/dev/null || skip_all "cannot mount" full_disk
trap 'lib_cleanup; lib_end' EXIT

held() { # what is told: of the last file and of those before
	sed -n "s/.*full\/x.pcap[ng0-9]*' holds \([0-9]*\) packets*$/\1/p; s/.* before it hold \([0-9]*\) packets*$/\1/p" "$TEST_TMP/err" |
		awk '{ n += $1 } END { print n + 0 }'
}
count() { # what is there
	for f in "$FULL/"*; do "$PTCPDUMP" -r "$f" --count 2>/dev/null; done | awk '{ n += $1 } END { print n + 0 }'
}

last() { # the file that could not be written
	sed -n "s/.*can't write to '\(.*\)': No space.*/\1/p" "$TEST_TMP/err"
}

for words in "-w x.pcapng" "-w x.pcap" "-w x.pcapng -U" "-w x.pcapng --print" "-w x.pcapng -C 40k" "-w x.pcapng -G 1" "--backend pcap -w x.pcap"; do
	# shellcheck disable=SC2086 # words
	start -i "$LINK" -nn ${words/-w /-w $FULL/} icmp
	ping -q -c 150 -s 1000 -i 0.005 -W 1 "$THERE" >/dev/null
	finish
	is "live${words// /_}_status" "$STATUS $(grep -c "No space left" "$TEST_TMP/err")" "1 1"
	wanted=$(count)
	# Where names come again, the last file alone is told.
	[ "${words%-G 1}" = "$words" ] || wanted=$("$PTCPDUMP" -r "$(last)" --count 2>/dev/null | cut -d ' ' -f 1)
	is "live${words// /_}_holds" "$(held)" "$wanted"
	rm -f "$FULL/"*
done

start -i "$LINK" -c 300 -w "$TEST_TMP/much.pcapng" icmp
ping -q -c 200 -s 1000 -i 0.005 -W 1 "$THERE" >/dev/null
finish
for words in "-w x.pcapng" "-w x.pcap" "-w x.pcapng -C 40k"; do
	# shellcheck disable=SC2086 # words
	"$PTCPDUMP" -r "$TEST_TMP/much.pcapng" ${words/-w /-w $FULL/} 2>"$TEST_TMP/err"
	is "read${words// /_}" "$? $(held)" "1 $(count)"
	last=$(find "$FULL" -type f | sort -V | tail -n 1)
	check "read${words// /_}_names_the_file" grep -q "can't write to '$last': No space left on device" "$TEST_TMP/err"
	rm -f "$FULL/"*
done
end_test
