#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A kernel that was built without BTF, in a virtual machine: 5.10 with two functions patched out, see tests/vm/vm-patch. With the
# BTF of a file the backends load and name whose packets they see, but for the one that the kernel needs its own for. A
# file of another kernel is refused. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ptcpdump-vm}
tests="kernel_has_none tc cgroup-skb socket-filter pcap tp-btf of_another_kernel goes_on_in_folder"
cd "$TOP" || exit 1

if [ -n "${NO_BTF_INNER:-}" ]; then
	for m in sch_ingress cls_bpf inet_diag tcp_diag udp_diag raw_diag; do modprobe -q $m; done
	check kernel_has_none test ! -e /sys/kernel/btf
	for backend in tc cgroup-skb socket-filter pcap; do
		timeout 60 "$PTCPDUMP" -i lo -n --backend $backend --kernel-btf "$NO_BTF_INNER/own" icmp -- ping -q -c 1 127.0.0.1 \
			>"$TEST_TMP/out" 2>"$TEST_TMP/err"
		is $backend "$? $(grep -c ' ping\.[0-9]* .*ICMP echo' "$TEST_TMP/out") $(grep -c 'cannot load' "$TEST_TMP/err")" "0 2 0"
	done
	timeout 60 "$PTCPDUMP" -i lo --backend tp-btf --kernel-btf "$NO_BTF_INNER/own" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is tp-btf "$? $(grep -c 'no BTF of its own' "$TEST_TMP/err") $(wc -l <"$TEST_TMP/err")" "1 1 1"
	timeout 60 "$PTCPDUMP" -i lo --kernel-btf "$NO_BTF_INNER/other" >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is of_another_kernel "$? $(grep -c "/other': is not the BTF of this kernel, $(uname -r): .* is " "$TEST_TMP/err") $(wc -l <"$TEST_TMP/err")" "1 1 1"
	mkdir -p /var/lib/ptcpdump/btf
	cp "$NO_BTF_INNER/own" "/var/lib/ptcpdump/btf/$(uname -r).btf"
	cp "$NO_BTF_INNER/other" /var/lib/ptcpdump/btf/vmlinux
	timeout 60 "$PTCPDUMP" -i lo -n --log-level info icmp -- ping -q -c 1 127.0.0.1 >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is goes_on_in_folder "$? $(grep -c "btf/vmlinux' is not the BTF of this kernel" "$TEST_TMP/err") $(grep -c ' ping\.[0-9]* .*ICMP echo' "$TEST_TMP/out") $(grep -c 'could not be tried' "$TEST_TMP/err")" "0 1 2 0"
	end_test
fi
why=$(lacks qemu-system-x86_64 python3)
for suite in bullseye bullseye-nobtf bookworm; do
	[ -e "$cache/$suite/vmlinuz" ] || why="kernel $suite is not there (make vm-kernels)"
done
# shellcheck disable=SC2086
[ -z "$why" ] || skip_all "$why" $tests
check extracts_own python3 tests/vm/vm-patch --btf bullseye "$TEST_TMP/own"
check extracts_other python3 tests/vm/vm-patch --btf bookworm "$TEST_TMP/other"
VM_ENV="export NO_BTF_INNER='$TEST_TMP'; unset TEST_TMP" VM_TIMEOUT=240 bash tests/vm/vm-run bullseye-nobtf "$TOP/tests/vm/no_btf.sh" >"$TEST_TMP/machine" 2>&1
lines=$(grep -a '^\(ok\|not ok\|skip\) - ' "$TEST_TMP/machine")
for name in $tests; do
	printf '%s\n' "$lines" | grep -a " - $name\(:\|\$\)" || bad "$name" "the machine has not told: $(tail -c 300 "$TEST_TMP/machine")"
done
# shellcheck disable=SC2034 # of tests/lib.sh
printf '%s\n' "$lines" | grep -q '^not ok' && failed=1
end_test
