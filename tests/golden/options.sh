#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The manual page and the completions tell of the same options as --help.
cd "$TOP" || exit 1
failed=0

same() { # NAME FILE FILE
	if diff "$2" "$3" >"$TEST_TMP/diff"; then
		echo "ok - $1"
	else
		echo "not ok - $1: $(grep '^[<>]' "$TEST_TMP/diff" | head -n 3 | tr '\n' ' ')"
		failed=1
	fi
}

"$PTCPDUMP" --help | grep -o '^  -[^ ].*' | grep -oE '(^  |, )--?[^ ,]+' | sed 's/^[ ,]*//' | sort >"$TEST_TMP/help"
sed -n 's/^\.It \(Fl .*\)/\1/p' man/ptcpdump.8 | sed 's/ Ar .*//; s/ , /\n/' | sed 's/^Fl /-/' | sort >"$TEST_TMP/man"
same manual_has_all_options "$TEST_TMP/help" "$TEST_TMP/man"

if command -v mandoc >/dev/null; then
	# Whether other manuals are installed is not the page's fault.
	mandoc -T lint man/ptcpdump.8 2>/dev/null | grep -v 'referenced manual not found' >"$TEST_TMP/lint"
	same manual_is_clean "$TEST_TMP/lint" /dev/null
else
	echo "skip - manual_is_clean: mandoc is missing"
fi

for shell in bash zsh fish; do
	"$PTCPDUMP" --completion $shell >"$TEST_TMP/$shell"
	same "completion_$shell" "completions/ptcpdump.$shell" "$TEST_TMP/$shell"
	if command -v $shell >/dev/null; then
		$shell -n "$TEST_TMP/$shell" 2>"$TEST_TMP/syntax"
		same "completion_${shell}_syntax" "$TEST_TMP/syntax" /dev/null
	else
		echo "skip - completion_${shell}_syntax: $shell is missing"
	fi
done
exit $failed
