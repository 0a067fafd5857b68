#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What kernels refuse, in virtual machines: 5.10 without the modules of sock_diag, and lockdown=confidentiality. timeout: 600
set -u
. "$(dirname "$0")/../lib.sh"
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ptcpdump-vm}
cd "$TOP" || exit 1

# Runs the commands on standard input.
boot() { # SUITE TEST...: skips these where it cannot be booted
	local suite=$1
	shift
	if [ ! -e "$cache/$suite/vmlinuz" ] || ! command -v qemu-system-x86_64 >/dev/null; then
		for name; do skip "$name" "kernel $suite is not fetched (bash tests/vm/vm-fetch $suite), or no qemu"; done
		return 1
	fi
	VM_APPEND=${VM_APPEND:-} VM_TIMEOUT=${VM_TIMEOUT:-300} bash tests/vm/vm-run "$suite" "$(cat)" >"$TEST_TMP/out" 2>&1
	return 0
}
told() { grep -q -e "$1" "$TEST_TMP/out"; }

modules='modprobe -qa sch_ingress cls_bpf veth ipv6'

# The message once a capture; the listener's owner is known.
scenarios="server-from-before prefork-server-from-before"
# shellcheck disable=SC2086 # words
if boot bullseye no-diag $scenarios <<END; then
$modules
! grep -q diag /proc/modules && echo "no modules of diag"
TRUTH_COUNT=5 TRUTH_STARTS=3 TRUTH_SLOW=3 TRUTH_SETTLE=1000 tests/system/truth.py $scenarios
sleep 100 &
timeout 60 $PTCPDUMP -i lo -c 1 icmp & sleep 8
ping -q -c 1 127.0.0.1 >/dev/null
wait %2
END
	check no-diag told "no modules of diag"
	for name in $scenarios; do check "$name" told "^ok - truth $name"; done
	is no-diag-is-said "$(grep -c 'ptcpdump: sock_diag does not tell .*modprobe -a tcp_diag udp_diag' "$TEST_TMP/out")" 1
fi

# One capture by each backend that is refused, and by the one that is not: both ends of a connection that lasts are named.
for suite in bullseye bookworm sid; do
	VM_APPEND=lockdown=confidentiality
	boot $suite "$suite-lockdown" <<END || continue
$modules
cat /sys/kernel/security/lockdown
modprobe -qa inet_diag tcp_diag udp_diag
$PTCPDUMP --backend help
for b in tc cgroup-skb socket-filter tp-btf; do $PTCPDUMP --backend \$b -i lo -c 1; echo "\$b ends with \$?"; done
$PTCPDUMP -Z root --backend pcap -i lo -nn tcp port 7999 >/run/lines 2>/run/err & p=\$!
for i in \$(seq 60); do grep -q listening /run/err && break; sleep 0.5; done
python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 7999)); c = socket.create_connection(("127.0.0.1", 7999)); a = s.accept()[0]
for i in range(8): c.send(b"x"); a.recv(1); time.sleep(0.3)' & q=\$!
wait \$q; sleep 1; kill -INT \$p; wait \$p; echo "pcap ends with \$?"
cat /run/err
echo "\$(grep -c "lo python3[.0-9]*\.\$q Out IP 127.0.0.1.7999 >" /run/lines) answers named"
END
	check "$suite-is-locked-down" told '\[confidentiality\]'
	is "$suite-backend-help" "$(grep -c 'not here: the kernel is locked down' "$TEST_TMP/out")" 4
	is "$suite-message" "$(grep -c '^ptcpdump: cannot load .*the kernel is locked down.*use --backend pcap' "$TEST_TMP/out") $(
		grep -c '^[a-z-]* ends with 1' "$TEST_TMP/out")" "4 4"
	check "$suite-pcap-works" told '^pcap ends with 0'
	is "$suite-pcap-says-once" "$(grep -c '^ptcpdump: hooks are refused.*locked down' "$TEST_TMP/out")" 1
	named=$(sed -n 's/^\([0-9]*\) answers named$/\1/p' "$TEST_TMP/out")
	check "$suite-pcap-names" test "${named:-0}" -ge 6
done
end_test
