#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A kernel that hides its BTF: it is taken from a folder, and what needs the kernel's own is given up, not the capture. What is not
# this kernel's is refused, wherever it comes from. In a mount namespace of our own.
set -u
. "$(dirname "$0")/../lib.sh"

why=$(lacks unshare ip ping python3)
[ -r /sys/kernel/btf/vmlinux ] || why="this kernel has none to hide"
[ -z "$why" ] || skip_all "$why" no_btf
if [ -z "${NO_BTF_INNER:-}" ]; then
	cat /sys/kernel/btf/vmlinux >"$TEST_TMP/vmlinux"
	NO_BTF_INNER=1 unshare -m --propagation private "$0" # no exec: the folder is removed here
	exit
fi

run() { # ARGUMENTS: of a capture of one ping
	# shellcheck disable=SC2086 # or a program that runs it
	timeout 20 $PTCPDUMP -i lo -n --log-level info "$@" icmp -- ping -q -c 1 127.0.0.1 >"$TEST_TMP/out" 2>"$TEST_TMP/err"
	STATUS=$?
}

# BTF(kernel docs, bpf/btf.rst) of a kernel that has two members of task_struct in each other's place.
exchange() { # FROM TO MEMBER MEMBER
	python3 - "$@" <<-'PY'
		import struct
		import sys
		data = bytearray(open(sys.argv[1], "rb").read())
		header, types, size, strings = struct.unpack_from("<4I", data, 4)
		at, end, found = header + types, header + types + size, {}
		more = {1: 4, 3: 12, 14: 4, 17: 4}  # int, array, var, decl_tag
		each = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}  # struct, union, enum, func_proto, datasec, enum64
		def name(offset):
		    start = header + strings + offset
		    return data[start:data.index(0, start)].decode()
		while at < end:
		    offset, info = struct.unpack_from("<II", data, at)
		    kind, n = info >> 24 & 31, info & 0xffff
		    at += 12
		    if kind == 4 and name(offset) == "task_struct":
		        for m in range(at, at + 12 * n, 12):
		            found[name(struct.unpack_from("<I", data, m)[0])] = m + 8
		    at += more.get(kind, 0) + each.get(kind, 0) * n
		a, b = (found[name] for name in sys.argv[3:5])
		data[a:a + 4], data[b:b + 4] = data[b:b + 4], data[a:a + 4]
		open(sys.argv[2], "wb").write(data)
	PY
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
for backend in cgroup-skb socket-filter; do
	run --backend $backend --kernel-btf "$TEST_TMP/vmlinux"
	is "$backend" "$STATUS $(grep -c ' ping\.[0-9]* .*ICMP echo' "$TEST_TMP/out")" "0 2"
done
run --backend tp-btf --kernel-btf "$TEST_TMP/vmlinux"
is tp-btf "$STATUS $(grep -c 'no BTF of its own' "$TEST_TMP/err") $(grep -c 'cannot load' "$TEST_TMP/err")" "1 1 0"
wrong="is not the BTF of this kernel, $(uname -r): task_struct.tgid is read as"
exchange "$TEST_TMP/vmlinux" "$TEST_TMP/other" pid tgid
run --kernel-btf "$TEST_TMP/other"
is other_option "$STATUS $(grep -c "'$TEST_TMP/other': $wrong" "$TEST_TMP/err") $(grep -c 'cannot load' "$TEST_TMP/err")" "1 1 0"
run --backend pcap --kernel-btf "$TEST_TMP/other"
is other_for_pcap "$STATUS $(grep -c "'$TEST_TMP/other': $wrong" "$TEST_TMP/err") $(grep -c 'looked up in /proc' "$TEST_TMP/err")" "0 1 1"
mkdir -p /var/lib/ptcpdump/btf
cp "$TEST_TMP/other" /var/lib/ptcpdump/btf/vmlinux
cp "$TEST_TMP/vmlinux" "/var/lib/ptcpdump/btf/$(uname -r).btf"
run
is other_in_folder "$STATUS $(grep -c "'/var/lib/ptcpdump/btf/vmlinux' $wrong.*: remove it" "$TEST_TMP/err") $(grep -c ' ping\.' "$TEST_TMP/out")" "0 1 2"
# Without rights to new namespaces, the rest is looked at. In a pid namespace, numbers are other ones.
PTCPDUMP="setpriv --bounding-set -sys_admin $PTCPDUMP" run --kernel-btf "$TEST_TMP/vmlinux"
is without_namespaces "$STATUS $(grep -c 'could not be tried with packets' "$TEST_TMP/err") $(grep -c ' ping\.' "$TEST_TMP/out")" "0 1 2"
PTCPDUMP="setpriv --bounding-set -sys_admin $PTCPDUMP" run --kernel-btf "$TEST_TMP/other"
is other_without_namespaces "$STATUS $(grep -c "$wrong" "$TEST_TMP/err")" "1 1"
PTCPDUMP="unshare -p -f --mount-proc $PTCPDUMP" run --kernel-btf "$TEST_TMP/vmlinux"
is in_pid_namespace "$STATUS $(grep -c 'tried' "$TEST_TMP/err") $(grep -c ' ping\.' "$TEST_TMP/out")" "0 0 2"
rm -r /var/lib/ptcpdump
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
