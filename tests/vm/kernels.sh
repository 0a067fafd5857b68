#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The truth test on other kernels, in virtual machines: those that "bash tests/vm/vm-fetch SUITE..." has fetched. timeout: 900
# VM_KERNELS selects suites, VM_SCENARIOS scenarios: "all" takes a quarter of an hour for each kernel ("make check-vm").
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ptcpdump-vm}
scenarios=${VM_SCENARIOS:-short-curls-on-lo short-clients server-from-before restarted-server ping-on-lo \
	masqueraded-uplink-only published-port-past-a-proxy}
[ "$scenarios" != all ] || scenarios=
status=0
cd "$top" || exit 1
for suite in ${VM_KERNELS:-bullseye bookworm bookworm-backports sid}; do
	if [ ! -e "$cache/$suite/vmlinuz" ] || ! command -v qemu-system-x86_64 >/dev/null; then
		echo "skip - kernel $suite: not fetched (bash tests/vm/vm-fetch $suite), or no qemu"
		continue
	fi
	out=$(VM_TIMEOUT=${VM_TIMEOUT:-1200} bash tests/vm/vm-run "$suite" \
		"for m in sch_ingress cls_bpf veth ipv6 inet_diag tcp_diag udp_diag raw_diag bridge br_netfilter nft_chain_nat nft_masq nft_nat
		do modprobe -q \$m; done
		TRUTH_COUNT=${TRUTH_COUNT:-10} TRUTH_SECONDS=3 tests/system/truth.py $scenarios" 2>&1)
	code=$?
	printf '%s\n' "$out" | sed -n "s/^\(ok\|not ok\|skip\) - /&$suite: /p"
	if [ $code -ne 0 ]; then
		status=1
		printf '%s\n' "$out" | grep -q '^not ok' || echo "not ok - kernel $suite: exit status $code: ${out: -200}"
	fi
done
exit $status
