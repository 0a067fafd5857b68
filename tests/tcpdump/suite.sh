#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# tcpdump's own test suite, as released, three times: with the program, with its sanitized build, and with every packet
# annotated and the annotations taken out of the output again (annotated.sh).
#
# VARIANTS="plain sanitized annotated" chooses; differences are left in $BUILD/test-logs/tcpdump-VARIANT/tests/DIFF.
set -u
. "$(dirname "$0")/../lib.sh"

# It is read at the end, when root has been given up: the sources may be where only root comes.
cp "$TOP/tests/tcpdump/leaks.supp" "$TEST_TMP/"
chmod 755 "$TEST_TMP"
export LSAN_OPTIONS="suppressions=$TEST_TMP/leaks.supp:print_suppressions=0"
runner=$(echo "$BUILD"/deps/tcpdump-*/tests/TESTrun)

if [ ! -f "$runner" ] || ! command -v perl >/dev/null; then
	skip_all "needs perl and the unpacked sources of tcpdump in build/deps (make)" all
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
		*passed*) ok "$1: $name" ;;
		*skipped*) skip "$1: $name" "${result#*skipped}" ;;
		*) if [ -n "$why" ]; then skip "$1: $name" "$why"; else bad "$1: $name" "$result"; fi ;;
		esac
	done < <(grep -aE '^    [^ ]+ *: (passed|skipped|TEST FAILED)' "$2")
	[ "$count" -ge 600 ] || bad "$1" "only $count tests ran"
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
	sanitized) command=$PTCPDUMP_ASAN ;;
	annotated) command="bash $TOP/tests/tcpdump/annotated.sh" ;;
	*)
		bad "$variant" "no such variant"
		end_test
		;;
	esac
	if [ "$variant" != annotated ] && ! [ -x "$command" ]; then
		bad "$variant" "$command is not built"
		continue
	fi
	run_variant "$variant" "$command"
done
end_test
