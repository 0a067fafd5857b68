#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# -Z: root is given up, and what is still to be done works: interfaces and files that are yet to come.
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
# Seen when the first packet is.
first_ping() {
	sent=$(now_ms)
	ping -q -c 1 -W 1 10.212.78.2 >/dev/null
	shown
	[ "$(lines "$TEST_TMP/out" "${LINK}b ")" -gt 0 ]
}
began=$(now_ms)
wait_for 5 first_ping
at_most new_interface_within_500_ms $((sent - began)) 500
before=$(lines "$TEST_TMP/out" "${LINK}b ping\\.[0-9]* \\(In\\|Out\\) IP.*ParentProc")
ping -q -c 10 -i 0.02 10.212.78.2 >/dev/null
shown
kill -INT "$PID"
finish
ip link del "${LINK}b"
is status "$STATUS" 0
is interface_that_appeared $(($(lines "$TEST_TMP/out" "${LINK}b ping\\.[0-9]* \\(In\\|Out\\) IP.*ParentProc") - before)) 20
check files_in_a_private_folder test -s "$TEST_TMP/private/x.pcapng2"
is owner "$(stat -c %U "$TEST_TMP/private/x.pcapng" "$TEST_TMP/private/x.pcapng2" | sort -u)" nobody

start -Z nobody -i "$LINK" -nn -- sleep 30
kill -TERM "$PID"
finish
is command_of_root_can_be_ended "$STATUS" 143

"$PTCPDUMP" -i "$LINK" -c 1 -w "$TEST_TMP/one.pcapng" -- ping -q -c 1 "$THERE" >/dev/null 2>&1
"$PTCPDUMP" -Z nobody -r "$TEST_TMP/one.pcapng" -w "$TEST_TMP/private/y.pcapng" 2>"$TEST_TMP/err"
is reading_writes_as_the_user "$?$(grep -c 'Permission denied' "$TEST_TMP/err")" 11

# Without -Z: the user of sudo, else tcpdump or nobody.
user=$(id -un tcpdump 2>/dev/null || echo nobody)
status() { # FIELD
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$PID/status"
}
rotated() { # sends enough for a few files, ends
	pings 20
	shown
	kill -INT "$PID"
	finish
	is "$1_status" "$STATUS" 0
	check "$1_rotates_in_a_private_folder" test -s "$2" -a -s "${2}2"
	is "$1_owner" "$(stat -c %U "$2" "${2}2" | sort -u)" "$3"
}

: >"$TEST_TMP/private/d.pcapng1"
SUDO_UID='' start -i "$LINK" -nn -C 1k -w "$TEST_TMP/private/d.pcapng" icmp
is default_user "$(status Uid | cut -f 1)" "$(id -u "$user")"
is default_groups "$(status Groups | tr -d ' ')" "$(id -g "$user")"
is default_is_silent "$(grep -c privs "$TEST_TMP/err")" 0
is nothing_can_be_regained "$(status NoNewPrivs) $(status CapBnd)" "1 $(status CapPrm)"
# NET_ADMIN, NET_RAW, SYS_PTRACE, PERFMON, BPF; DAC_OVERRIDE and DAC_READ_SEARCH only while they are needed.
is few_capabilities "$(status CapEff) $(status CapPrm)" "000000c000083000 000000c000083006"
rotated default "$TEST_TMP/private/d.pcapng" "$user"
is existing_file_keeps_its_owner "$(stat -c %U "$TEST_TMP/private/d.pcapng1") $(
	"$PTCPDUMP" -r "$TEST_TMP/private/d.pcapng1" --count 2>/dev/null | wc -l)" "root 1"

SUDO_UID=12345 SUDO_GID=12346 SUDO_USER=someone start -i "$LINK" -nn -C 1k -w "$TEST_TMP/private/s.pcapng" icmp
is sudo_user "$(status Uid | cut -f 1) $(status Gid | cut -f 1)" "12345 12346"
rotated sudo "$TEST_TMP/private/s.pcapng" UNKNOWN

# As in a container: root that may not become anybody.
real=$PTCPDUMP
printf '#!/bin/sh\nexec setpriv --bounding-set -setuid,-setgid,-chown --inh-caps -all %s "$@"\n' "$real" >"$TEST_TMP/less"
chmod 755 "$TEST_TMP/less"
PTCPDUMP=$TEST_TMP/less
start -i "$LINK" -nn -C 1k -w "$TEST_TMP/private/c.pcapng" icmp
PTCPDUMP=$real
is root_without_setuid "$(status Uid | cut -f 1)" 0
rotated root_without_setuid "$TEST_TMP/private/c.pcapng" root

start -Z root -i "$LINK" -nn -C 1k -w "$TEST_TMP/private/r.pcapng" icmp
is root_stays_root "$(status Uid | cut -f 1) $(status NoNewPrivs)" "0 0"
rotated root "$TEST_TMP/private/r.pcapng" root

# The program of -z does what root does, unless -Z says who runs it.
printf '#!/bin/sh\nid -u >"$1.id"\n' >"$TEST_TMP/after"
chmod 755 "$TEST_TMP/after"
start -i "$LINK" -nn -C 1k -z "$TEST_TMP/after" -w "$TEST_TMP/private/z.pcapng" icmp
rotated program "$TEST_TMP/private/z.pcapng" root
is program_is_root "$(cat "$TEST_TMP/private/z.pcapng.id")" 0

# The command may still use setuid programs, and be another user's.
start -i "$LINK" -nn -w "$TEST_TMP/command.pcapng" -- grep -E 'NoNewPrivs|CapBnd|Uid' /proc/self/status
finish
is command_is_not_restricted "$(cat "$TEST_TMP/out")" "$(grep -E 'NoNewPrivs|CapBnd|Uid' /proc/self/status)"

# Reading, too.
mkdir "$TEST_TMP/private/list"
for i in 1 2; do cp "$TEST_TMP/one.pcapng" "$TEST_TMP/private/list/$i.pcapng"; done
printf '%s\n' "$TEST_TMP"/private/list/?.pcapng >"$TEST_TMP/private/names"
is reads_what_root_may "$("$PTCPDUMP" -nn -V "$TEST_TMP/private/names" 2>/dev/null | grep -c ICMP)" 2
mkfifo "$TEST_TMP/fifo"
(umask 077 && exec "$PTCPDUMP" -r "$TEST_TMP/fifo" -w "$TEST_TMP/private/copy.pcapng" 2>/dev/null) &
PID=$!
exec 4>"$TEST_TMP/fifo"
cat "$TEST_TMP/one.pcapng" >&4
wait_for 2 grep -q '^CapPrm:.*0000000000000000' "/proc/$PID/status"
is reads_as_a_user "$(status Uid | cut -f 1) $(status CapPrm)" "$(id -u "$user") 0000000000000000"
exec 4>&-
finish
is copy "$STATUS $(stat -c '%U %a' "$TEST_TMP/private/copy.pcapng")" "0 $user 600"

# Without root, by capabilities of the file.
someone() {
	(cd / && setpriv --reuid 65534 --regid 65534 --clear-groups "$@")
}
if cp "$PTCPDUMP" "$TEST_TMP/ptcpdump" && someone "$TEST_TMP/ptcpdump" --version >/dev/null 2>&1; then
	began=$(now_ms)
	someone "$TEST_TMP/ptcpdump" -i "$LINK" -c 1 2>"$TEST_TMP/err"
	status=$? took=$(($(now_ms) - began))
	is nothing_allowed_status $status 1
	at_most nothing_allowed_soon $took 99
	is nothing_allowed_message "$(grep -c 'sudo setcap cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace+ep /' "$TEST_TMP/err")" 1
	for without in bpf net_admin perfmon; do
		have=
		for cap in bpf net_admin perfmon sys_ptrace; do [ $cap = $without ] || have=${have:+$have,}cap_$cap; done
		setcap "$have+ep" "$TEST_TMP/ptcpdump"
		someone "$TEST_TMP/ptcpdump" -i "$LINK" -c 1 2>"$TEST_TMP/err"
		is "without_${without}" "$? $(grep -ci "without cap_$without " "$TEST_TMP/err") $(grep -ci "without cap" "$TEST_TMP/err")" "1 1 1"
	done
	# What each backend takes, and no more; the message names it.
	three=cap_bpf,cap_net_admin,cap_perfmon
	setcap "$three+ep" "$TEST_TMP/ptcpdump"
	someone "$TEST_TMP/ptcpdump" --backend socket-filter -i "$LINK" -c 1 2>"$TEST_TMP/err"
	is socket-filter_without_net_raw "$? $(grep -c 'CAP_NET_RAW missing.*cap_net_raw+ep' "$TEST_TMP/err")" "1 1"
	real=$PTCPDUMP
	PTCPDUMP=$TEST_TMP/as-someone
	printf '#!/bin/sh\ncd / && exec setpriv --reuid 65534 --regid 65534 --clear-groups %s "$@"\n' "$TEST_TMP/ptcpdump" >"$PTCPDUMP"
	chmod 755 "$PTCPDUMP"
	for have in cap_bpf,cap_net_admin,cap_perfmon,cap_sys_ptrace cap_bpf,cap_net_admin,cap_perfmon; do
		setcap "$have+ep" "$TEST_TMP/ptcpdump"
		start --no-promiscuous-mode -i "$LINK" -nn -c 4 icmp
		pings 2
		finish
		is "$have" "$STATUS $(lines "$TEST_TMP/out" 'ping\.[0-9]* .*ParentProc') $(grep -c 'without CAP_SYS_PTRACE' "$TEST_TMP/err")" \
			"0 4 $([ "${have%sys_ptrace}" = "$have" ] && echo 1 || echo 0)"
	done
	for backend in $(backends); do
		case $backend in
		socket-filter) setcap "$three,cap_net_raw+ep" "$TEST_TMP/ptcpdump" ;;
		pcap) setcap "cap_net_raw+ep" "$TEST_TMP/ptcpdump" ;;
		*) setcap "$three+ep" "$TEST_TMP/ptcpdump" ;;
		esac
		start --backend $backend --no-promiscuous-mode -i "$LINK" -nn -c 4 icmp
		pings 2
		finish
		is "as_someone_$backend" "$STATUS $(lines "$TEST_TMP/out" 'ICMP echo')" "0 4"
	done
	PTCPDUMP=$real
else
	skip capabilities_of_the_file "$TEST_TMP is not for everybody"
fi
is nothing_left "$(traces)" ""
end_test
