#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A kernel that hides its BTF: it is taken from a folder, and what needs the kernel's own is given up, not the capture.
# In a mount namespace of our own.
set -u
. "$(dirname "$0")/../lib.sh"

why=$(lacks unshare ip ping)
[ -r /sys/kernel/btf/vmlinux ] || why="this kernel has none to hide"
[ -z "$why" ] || skip_all "$why" no_btf
if [ -z "${NO_BTF_INNER:-}" ]; then
	cat /sys/kernel/btf/vmlinux >"$TEST_TMP/vmlinux"
	NO_BTF_INNER=1 unshare -m --propagation private "$0" # no exec: the folder is removed here
	exit
fi

run() { # ARGUMENTS: of a capture of one ping
	timeout 20 "$PTCPDUMP" -i lo -n --log-level info "$@" icmp -- ping -q -c 1 127.0.0.1 >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	STATUS=$?
}

ip link set lo up
if ! mount -t tmpfs none /sys/kernel/btf || ! mount -t tmpfs none /var/lib; then
	skip_all "cannot mount" no_btf
fi
mkdir -p /var/lib/ptcpdump/btf
cp "$TEST_TMP/vmlinux" "/var/lib/ptcpdump/btf/vmlinux-$(uname -r)"
run
is from_folder "$STATUS $(grep -c "that of '/var/lib/ptcpdump/btf/vmlinux-$(uname -r)' is used" "$TEST_TMP/err")" "0 1"
is captured "$(grep -c 'ICMP echo' "$TEST_TMP/out")" 2
is named "$(grep -c ' ping\.[0-9]* \(In\|Out\) IP' "$TEST_TMP/out")" 2
rm -r /var/lib/ptcpdump
run --kernel-btf "$TEST_TMP/vmlinux"
is from_option "$STATUS $(grep -c 'ICMP echo' "$TEST_TMP/out")" "0 2"
run --kernel-btf /etc/passwd
is bad_option "$STATUS $(grep -c "'/etc/passwd': does not hold the BTF of a kernel" "$TEST_TMP/err")" "1 1"
run --no-btf-download
is no_download "$STATUS $(grep -c "is fetched, by --no-btf-download: name the BTF" "$TEST_TMP/err") $(grep -c asking "$TEST_TMP/err")" "1 1 0"
if unshare -n true; then
	timeout 20 unshare -n sh -c 'ip link set lo up; exec "$@"' sh "$PTCPDUMP" -i lo -c 1 >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	is says_whom_it_asks "$? $(grep -c 'asking mirrors.openanolis.cn, then github.com .*--no-btf-download' "$TEST_TMP/err")" "1 1"
else
	skip says_whom_it_asks "no network namespaces"
fi
end_test
