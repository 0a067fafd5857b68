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

if "$PTCPDUMP" --help | awk 'length > 80 { wide = 1 } END { exit wide }'; then
	echo "ok - help_fits_80_columns"
else
	echo "not ok - help_fits_80_columns: $("$PTCPDUMP" --help | awk 'length > 80' | head -n 1)"
	failed=1
fi

# Completes the last word by bash's own rules.
bash_completes() { # NAME EXPECTED WORD...
	local name=$1 expected=$2 got
	shift 2
	got=$(bash -c 'source completions/ptcpdump.bash; COMP_WORDS=(ptcpdump "$@"); COMP_CWORD=$#; _ptcpdump 2>/dev/null
		echo "${COMPREPLY[*]}"' bash "$@")
	if [ "$got" = "$expected" ]; then
		echo "ok - bash_completes_$name"
	else
		echo "not ok - bash_completes_$name: '$got'"
		failed=1
	fi
}

bash_completes list process,thread --context process,th
bash_completes list_without_twice process,parentproc --context = process,paren
bash_completes interface lo,any -i lo,an
bash_completes user root -Z roo
bash_completes file "README.md" -r READ
bash_completes postrotate_once mktemp -z mktem
bash_completes command_once mktemp -- mktem
bash_completes option --backend --backe
if command -v fish >/dev/null; then
	fish -c 'source completions/ptcpdump.fish; complete -C "ptcpdump --context process,th"' 2>/dev/null |
		cut -f 1 >"$TEST_TMP/list"
	echo process,thread >"$TEST_TMP/expected"
	same fish_completes_list "$TEST_TMP/list" "$TEST_TMP/expected"
else
	echo "skip - fish_completes_list: fish is missing"
fi
exit $failed
