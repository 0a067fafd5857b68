#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Where memory is limited, the message names what takes most of it.
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

GROUP=
for mounted in $(sed -n 's/^[^ ]* \([^ ]*\) cgroup2* [^ ]*/\1/p' /proc/mounts | cut -d ' ' -f 1); do
	group=$mounted/ptcph$$
	mkdir "$group" 2>/dev/null || continue
	# Version 2, where the controller is on for children, or 1.
	for limit in memory.max memory.limit_in_bytes; do
		[ ! -e "$group/$limit" ] || GROUP=$group/$limit
	done
	[ -z "$GROUP" ] || break
	rmdir "$group"
done
[ -n "$GROUP" ] || skip_all "no control group of memory can be made" memory
trap 'rmdir "${GROUP%/*}"; lib_end' EXIT

limited() { # BYTES COMMAND...
	echo "$1" >"$GROUP"
	shift
	(echo "$BASHPID" >"${GROUP%/*}/cgroup.procs" && exec "$@") >"$TEST_TMP/out" 2>"$TEST_TMP/err"
}
for backend in $(backends); do
	[ "$backend" != pcap ] || continue
	limited 60M "$PTCPDUMP" --backend "$backend" -i "$LINK" -B 400000 -w "$TEST_TMP/x.pcapng" -- true
	is "names_B_$backend" "$? $(grep -c 'packet buffers take [0-9]* KiB .* with -B' "$TEST_TMP/err")" "1 1"
	limited 60M "$PTCPDUMP" --backend "$backend" -i "$LINK" -B 4096 -w "$TEST_TMP/x.pcapng" -- true
	is "less_works_$backend" $? 0
done
(ulimit -v 300000 && exec "$PTCPDUMP" --backend pcap -i "$LINK" -B 400000 -w "$TEST_TMP/x.pcap" -- true) 2>"$TEST_TMP/err"
is names_B_pcap "$? $(grep -c 'with -B' "$TEST_TMP/err")" "1 1"
end_test
