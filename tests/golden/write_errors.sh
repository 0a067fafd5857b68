#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A disk that is full, a quota that is used up, and a disk that fails, at one write or from then on: the file and the reason are
# named, and what is said to be held is what can be read of it.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"

OUT=$TEST_TMP/out
mkdir "$OUT"
for _ in $(seq 100); do echo "$TOP/tests/golden/annotated.pcapng"; done >"$TEST_TMP/list"

held() { # what is told: of the last file and of those before
	sed -n "s/.*out\/x.pcap[ng0-9]*' holds \([0-9]*\) packets*$/\1/p; s/.* before it hold \([0-9]*\) packets*$/\1/p" "$TEST_TMP/err" |
		awk '{ n += $1 } END { print n + 0 }'
}
count() { # what is there
	for f in "$OUT/"*; do "$PTCPDUMP" -r "$f" --count 2>/dev/null; done | awk '{ n += $1 } END { print n + 0 }'
}
fault() { # KIND AT ALL ARGUMENTS...
	rm -f "$OUT/"*
	FAULT_KIND=$1 FAULT_AT=$2 FAULT_COUNT=$TEST_TMP/count LD_PRELOAD=$HELPERS/fault.so \
		env ${3:+FAULT_ALL=1} "$PTCPDUMP" -V "$TEST_TMP/list" "${@:4}" 2>"$TEST_TMP/err" >/dev/null
}

declare -A reasons=([full]='No space left on device' [quota]='Disk quota exceeded' [io]='Input/output error')
for words in "x.pcapng" "x.pcap" "x.pcapng -U" "x.pcap -U" "x.pcapng -C 20k" "x.pcapng --print -nn"; do
	# shellcheck disable=SC2086 # words
	fault io 0 "" -w $OUT/$words
	calls=$(cat "$TEST_TMP/count")
	for kind in full quota io; do
		bad=$(for at in 1 2 3 $((calls / 2)) "$calls"; do
			[ "$at" -ge 1 ] && [ "$at" -le "$calls" ] || continue
			for all in '' yes; do
				# shellcheck disable=SC2086 # words
				fault $kind "$at" "$all" -w $OUT/$words
				status=$?
				[ $status = 1 ] || echo "write $at of $calls${all:+ and on}: exit status $status"
				[ "$(grep -c "can't write to '$OUT/x.pcap[ng0-9]*': ${reasons[$kind]}" "$TEST_TMP/err")" = 1 ] ||
					echo "write $at of $calls: $(cat "$TEST_TMP/err")"
				[ "$(held)" = "$(count)" ] || echo "write $at of $calls${all:+ and on}: says $(held), holds $(count)"
			done
		done)
		result "${words// /_}_$kind" "$bad"
	done
done
end_test
