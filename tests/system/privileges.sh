#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# -Z: root is given up, and what is still to be done works: interfaces and files that are yet to come.
# shellcheck disable=SC2154 # failed is set there
# shellcheck source=tests/system/hosts.lib.sh
. "$(dirname "$0")/hosts.lib.sh"

chmod 755 "$TEST_TMP"
mkdir "$TEST_TMP/private"
chmod 700 "$TEST_TMP/private"
uid=$(id -u nobody)

start -Z nobody -i any -nn -C 1k -w "$TEST_TMP/private/x.pcapng" --print icmp
is user "$(sed -n 's/^Uid:\t//p' "/proc/$PID/status")" "$uid	$uid	$uid	$uid"
caps=$((0x$(sed -n 's/^CapEff:\t//p' "/proc/$PID/status")))
is no_setuid_left $((caps >> 7 & 1)) 0
check message grep -q '^dropped privs to nobody$' "$TEST_TMP/err"
ip link add "${LINK}b" type veth peer name eth1 netns "$NS"
ip addr add 10.212.78.1/24 dev "${LINK}b"
ip link set "${LINK}b" up
ip -n "$NS" addr add 10.212.78.2/24 dev eth1
ip -n "$NS" link set eth1 up
sleep 0.5
ping -q -c 10 -i 0.02 10.212.78.2 >/dev/null
sleep 0.3
kill -INT "$PID"
finish
ip link del "${LINK}b"
is status "$STATUS" 0
is interface_that_appeared "$(lines "$TEST_TMP/out" "${LINK}b ping\\.[0-9]* \\(In\\|Out\\) IP.*ParentProc")" 20
check files_in_a_private_folder test -s "$TEST_TMP/private/x.pcapng2"
is owner "$(stat -c %U "$TEST_TMP/private/x.pcapng" "$TEST_TMP/private/x.pcapng2" | sort -u)" nobody

start -Z nobody -i "$LINK" -nn -- sleep 30
kill -TERM "$PID"
finish
is command_of_root_can_be_ended "$STATUS" 143

"$PTCPDUMP" -i "$LINK" -c 1 -w "$TEST_TMP/one.pcapng" -- ping -q -c 1 "$THERE" >/dev/null 2>&1
"$PTCPDUMP" -Z nobody -r "$TEST_TMP/one.pcapng" -w "$TEST_TMP/private/y.pcapng" 2>"$TEST_TMP/err"
is reading_writes_as_the_user "$?$(grep -c 'Permission denied' "$TEST_TMP/err")" 11
is nothing_left "$(traces)" ""
exit "$failed"
