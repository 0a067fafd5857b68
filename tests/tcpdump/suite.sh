#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# tcpdump's own test suite, as released, three times: with the program, with its sanitized build, and with every packet
# annotated and the annotations taken out of the output again (annotated.sh).
#
# VARIANTS="plain sanitized annotated" chooses; differences are left in $BUILD/test-logs/tcpdump-VARIANT/tests/DIFF.
set -u

TOP=${TOP:-$(cd "$(dirname "$0")/../.." && pwd)}
BUILD=${BUILD:-$TOP/build}
export PTCPDUMP=${PTCPDUMP:-$BUILD/ptcpdump} HELPERS=${HELPERS:-$BUILD/tests}
export LSAN_OPTIONS="suppressions=$TOP/tests/tcpdump/leaks.supp:print_suppressions=0"
runner=$(echo "$BUILD"/deps/tcpdump-*/tests/TESTrun)
failed=0

if [ ! -f "$runner" ] || ! command -v perl >/dev/null; then
	echo "skip - all: needs perl and the unpacked sources of tcpdump in build/deps (make)"
	exit 0
fi

# Why a test cannot pass in a variant; empty: it can.
excuse() { # VARIANT NAME
	case $1-$2 in
	annotated-*) sed -n "s/^$2: //p" "$TOP/tests/tcpdump/not-annotated" ;;
	esac
}

report() { # VARIANT LOG
	local name result why count=0
	while IFS=: read -r name result; do
		name=${name//[[:space:]]/}
		why=$(excuse "$1" "$name")
		count=$((count + 1))
		case $result in
		*passed*) echo "ok - $1: $name" ;;
		*skipped*) echo "skip - $1: $name:${result#*skipped}" ;;
		*) if [ -n "$why" ]; then
			echo "skip - $1: $name: $why"
		else
			echo "not ok - $1: $name:$result"
			failed=1
		fi ;;
		esac
	done < <(grep -aE '^    [^ ]+ *: (passed|skipped|TEST FAILED)' "$2")
	if [ "$count" -lt 600 ]; then
		echo "not ok - $1: only $count tests ran"
		failed=1
	fi
}

run_variant() { # NAME COMMAND
	local dir=$BUILD/test-logs/tcpdump-$1
	rm -rf "$dir"
	mkdir -p "$dir"
	cp "$BUILD/deps/netdissect/config.h" "$dir/" || exit 1
	(cd "$dir" && TCPDUMP_BIN=$2 perl "$runner" >"$dir/log" 2>&1)
	report "$1" "$dir/log"
}

for variant in ${VARIANTS:-plain sanitized annotated}; do
	case $variant in
	plain) command=$PTCPDUMP ;;
	sanitized) command=${PTCPDUMP_ASAN:-$BUILD/asan/ptcpdump} ;;
	annotated) command="bash $TOP/tests/tcpdump/annotated.sh" ;;
	*)
		echo "not ok - $variant: no such variant"
		exit 1
		;;
	esac
	if [ "$variant" != annotated ] && ! [ -x "$command" ]; then
		echo "not ok - $variant: $command is not built"
		failed=1
		continue
	fi
	run_variant "$variant" "$command"
done
exit "$failed"
