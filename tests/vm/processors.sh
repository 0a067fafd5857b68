#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The unit tests that go by bytes, and what -r prints, on other processors: emulated by qemu-user, of each TRIPLE for which
# "make CROSS=TRIPLE all tests" was there. timeout: 1200
# PROCESSORS selects triples, PROCESSOR_TESTS=all (some 8 minutes each) or PROCESSOR_TESTS="text own" unit tests.
set -u
. "$(dirname "$0")/../lib.sh"
bytes="annotation annotation_table buf clsact conntrack escape file_link file_output filter flows format headers label
	link_counters match nat owner_headers owners own prune reader reference ring rtnl sandbox tenant text text_direct
	translate"
triples=${PROCESSORS:-aarch64-linux-gnu s390x-linux-gnu powerpc64le-linux-gnu riscv64-linux-gnu}

# What an emulator of processes has not: the kernel is the machine's own, and in its byte order.
beyond() { # TRIPLE TEST CASE
	case $2.$3 in
	sandbox.*) echo "no seccomp under qemu-user" ;;
	filter.live | filter_live.* | broker.compile) echo "not all ioctls under qemu-user" ;;
	cgroup.* | place.below_root | file_output.output_command) echo "no processes of other namespaces under qemu-user" ;;
	own.real_tables | container*.* | join.container* | place.*)
		[ "$1" != s390x-linux-gnu ] || echo "the kernel's numbers are in another byte order than this processor's"
		;;
	esac
}

# What runs PROGRAM: its libraries by name, as with -L qemu looks for all paths in that folder, even "/".
emulator() { # TRIPLE PROGRAM
	local machine=${1%%-*} arch loader
	case $machine in
	aarch64) arch=arm64 ;;
	powerpc64le) arch=ppc64el machine=ppc64le ;;
	*) arch=$machine ;;
	esac
	loader=$(readelf -l "$2" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
	arch=$(scripts/sysroot --where "$arch")
	echo "qemu-$machine-static $arch$loader --library-path $arch/usr/lib/$1 $2"
}

run_unit() { # TRIPLE NAME
	local program=$BUILD/$1/asan/tests/unit/test_$2 line name why
	[ -x "$program" ] || return
	# shellcheck disable=SC2046 # words
	timeout 300 $(emulator "$1" "$program") >"$TEST_TMP/out" 2>/dev/null
	[ $? -le 1 ] && [ -s "$TEST_TMP/out" ] || echo "not ok - all: ends with another status" >>"$TEST_TMP/out"
	while read -r line; do
		name=${line#*ok - }
		name=${name%%:*}
		why=$(beyond "$1" "$2" "$name")
		case $line in
		"not ok - "*) if [ -n "$why" ]; then skip "$1 $2 $name" "$why"; else bad "$1 $2 $name" "${line#*: }"; fi ;;
		"ok - "*) ok "$1 $2 $name" ;;
		"skip - "*) echo "skip - $1 $2 ${line#skip - }" ;;
		esac
	done <"$TEST_TMP/out"
}

# Files of both byte orders: tests/golden has them.
run_golden() { # TRIPLE
	printf '#!/bin/sh\nexec %s --no-sandbox "$@"\n' "$(emulator "$1" "$BUILD/$1/asan/ptcpdump")" >"$TEST_TMP/ptcpdump"
	chmod +x "$TEST_TMP/ptcpdump"
	PTCPDUMP_ASAN=$TEST_TMP/ptcpdump tests/golden/golden.sh 2>/dev/null >"$TEST_TMP/out"
	if grep -q '^ok' "$TEST_TMP/out" && ! grep -q '^not ok' "$TEST_TMP/out"; then
		ok "$1 golden"
	else
		bad "$1 golden" "$(grep -m 1 '^not ok' "$TEST_TMP/out")"
	fi
}

cd "$TOP" || exit 1
for triple in $triples; do
	machine=${triple%%-*}
	if ! command -v "qemu-${machine/powerpc64le/ppc64le}-static" >/dev/null; then
		skip "$triple" "no qemu-user-static"
	elif [ ! -x "$BUILD/$triple/asan/ptcpdump" ]; then
		skip "$triple" "not built (make CROSS=$triple all tests)"
	else
		case ${PROCESSOR_TESTS:-} in
		all) names=$(cd tests/unit && echo test_*.c | sed 's/test_//g; s/\.c//g') ;;
		*) names=${PROCESSOR_TESTS:-$bytes} ;;
		esac
		for name in $names; do run_unit "$triple" "$name"; done
		run_golden "$triple"
	fi
done
end_test
