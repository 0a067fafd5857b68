#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Runs every line of tests/golden/LIST and compares with the file it names. UPDATE=1 (`make golden`) writes these files anew:
# read the difference before it is committed.
set -u
. "$(dirname "$0")/../lib.sh"

cd "$TOP/tests/golden" || exit 2
# The sanitized program, where it is built: these files are also what a hostile reader would send.
program=$PTCPDUMP_ASAN
[ -x "$program" ] || program=$PTCPDUMP
tmp=$TEST_TMP
export TZ=UTC0

run_line() { # NAME INPUT EXPECTED FLAGS...
	local name=$1 input=$2 expected=$3 status
	shift 3
	"$program" -r "$input" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	# The name of the program in messages is a path; the banner names the input.
	{
		cat "$tmp/out"
		grep -v '^reading from file' "$tmp/err" | sed 's/^/stderr: /'
		[ "$status" -eq 0 ] || echo "exit status $status"
	} >"$tmp/got"
	if [ -n "${UPDATE:-}" ]; then
		cp "$tmp/got" "$expected"
	fi
	if diff -u "$expected" "$tmp/got" >"$tmp/diff" 2>&1; then
		ok "$name"
	else
		bad "$name" "differs from $expected, first: $(grep -m 1 '^[-+][^-+]' "$tmp/diff" | cut -c 1-200)"
		cat "$tmp/diff" >&2
	fi
}

while read -r name input expected flags; do
	case $name in
	'' | '#'*) continue ;;
	esac
	# Quotes in the flags are the shell's.
	eval "set -- $flags"
	run_line "$name" "$input" "$expected" "$@"
done <LIST
end_test
