#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The manual page and the completions tell of the same options as --help.
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

same() { # NAME FILE FILE
	if diff "$2" "$3" >"$TEST_TMP/diff"; then
		ok "$1"
	else
		bad "$1" "$(grep '^[<>]' "$TEST_TMP/diff" | head -n 3)"
	fi
}

"$PTCPDUMP" --help all | grep -o '^  -[^ ].*' | grep -oE '(^  |, )--?[^ ,]+' | sed 's/^[ ,]*//' | sed "s,\[=.*,," | sort >"$TEST_TMP/help"
sed -n 's/^\.It \(Fl .*\)/\1/p' man/ptcpdump.8 | sed 's/ Oo .*//; s/ Ar .*//; s/ Ns Op .*//; s/ , /\n/' | sed 's/^Fl /-/' | sort >"$TEST_TMP/man"
same manual_has_all_options "$TEST_TMP/help" "$TEST_TMP/man"

for file in LICENSE NOTICE LICENSES/*.txt; do
	printf '==== %s\n\n%s\n\n' "$file" "$(cat "$file")"
done >"$TEST_TMP/expected"
"$PTCPDUMP" --licenses >"$TEST_TMP/licenses"
same licenses "$TEST_TMP/licenses" "$TEST_TMP/expected"

if command -v mandoc >/dev/null; then
	# Whether other manuals are installed is not the page's fault.
	mandoc -T lint man/*.[78] 2>/dev/null | grep -v 'referenced manual not found' >"$TEST_TMP/lint"
	same manual_is_clean "$TEST_TMP/lint" /dev/null
else
	skip manual_is_clean "mandoc is missing"
fi

# Of variables whatever the program asks for.
grep -rhoE '(getenv|env_id|id_of_env)\("[A-Z_]+"|(variable|key_log\[\]) = "[A-Z_]+"|"[A-Z_]+="' src | grep -o '"[A-Z_]*' | tr -d '"' |
	sort -u >"$TEST_TMP/asked"
sed -n '/^\.Sh ENVIRONMENT/,/^\.Sh FILES/s/^\.It Ev //p' man/ptcpdump.8 | sed 's/ , /\n/g' | sort -u >"$TEST_TMP/told"
is manual_has_all_variables "$(comm -23 "$TEST_TMP/asked" "$TEST_TMP/told" | paste -sd' ') $(($(wc -l <"$TEST_TMP/asked") >= 12))" " 1"

for shell in bash zsh fish; do
	"$PTCPDUMP" --completion $shell >"$TEST_TMP/$shell"
	same "completion_$shell" "completions/ptcpdump.$shell" "$TEST_TMP/$shell"
	if command -v $shell >/dev/null; then
		$shell -n "$TEST_TMP/$shell" 2>"$TEST_TMP/syntax"
		same "completion_${shell}_syntax" "$TEST_TMP/syntax" /dev/null
	else
		skip "completion_${shell}_syntax" "$shell is missing"
	fi
done

result help_fits_80_columns "$("$PTCPDUMP" --help all | awk 'length > 80' | head -n 1)"

# Completes the last word by bash's own rules.
bash_completes() { # NAME EXPECTED WORD...
	local name=$1 expected=$2 got
	shift 2
	got=$(bash -c 'source completions/ptcpdump.bash; COMP_WORDS=(ptcpdump "$@"); COMP_CWORD=$#; _ptcpdump 2>/dev/null
		echo "${COMPREPLY[*]}"' bash "$@")
	is "bash_completes_$name" "$got" "$expected"
}

bash_completes list process,thread --context process,th
bash_completes list_without_twice process,parentproc --context = process,paren
bash_completes interface lo,any -i lo,an
bash_completes netns any,newly --netns any,ne
bash_completes user root -Z roo
bash_completes file "README.md" -r READ
bash_completes postrotate_once mktemp -z mktem
bash_completes command_once mktemp -- mktem
bash_completes option --backend --backe
bash_completes optional_value flow --json = fl
bash_completes no_value tcp --json tc
bash_completes help all --help = a

# The same by a real zsh and fish: a word and what it becomes.
completions() {
	cat <<-'END'
		ptcpdump --context process,th|ptcpdump --context process,thread
		ptcpdump --backend tp-|ptcpdump --backend tp-btf
		ptcpdump --backe|ptcpdump --backend
		ptcpdump --json=fl|ptcpdump --json=flow
		ptcpdump --json tc|ptcpdump --json tcp
		ptcpdump tcp port 80 --oneli|ptcpdump tcp port 80 --oneline
		ptcpdump -i lo,an|ptcpdump -i lo,any
		ptcpdump --netns ne|ptcpdump --netns newly
		ptcpdump -Z roo|ptcpdump -Z root
		ptcpdump -r READ|ptcpdump -r README.md
		ptcpdump -z mktem|ptcpdump -z mktemp
		ptcpdump -i lo -- mktem|ptcpdump -i lo -- mktemp
		ptcpdump -- ls READ|ptcpdump -- ls README.md
	END
}
completions | cut -d '|' -f 2 >"$TEST_TMP/expected"

if command -v fish >/dev/null; then
	completions | cut -d '|' -f 1 | fish -c 'source completions/ptcpdump.fish
		while read -l words; string replace -r "[^ ]+\$" "" $words | tr -d "\n"; complete -C $words; end' 2>"$TEST_TMP/fish.err" |
		cut -f 1 >"$TEST_TMP/list"
	same fish_completes "$TEST_TMP/list" "$TEST_TMP/expected"
else
	skip fish_completes "fish is missing"
fi
if command -v zsh >/dev/null; then
	completions | cut -d '|' -f 1 | timeout 60 zsh -f tests/helpers/complete.zsh completions/ptcpdump.zsh 2>/dev/null >"$TEST_TMP/list"
	same zsh_completes "$TEST_TMP/list" "$TEST_TMP/expected"
else
	skip zsh_completes "zsh is missing"
fi

# Each option stands in one group of --help.
"$PTCPDUMP" --help all | sed -n 's/^  \(-[^ ,]*\).*/\1/p' | sort | uniq -d >"$TEST_TMP/twice"
same help_names_each_option_once "$TEST_TMP/twice" /dev/null
"$PTCPDUMP" --help all | sed -n 's/^\([A-Z].*\):$/\1/p' >"$TEST_TMP/groups"
printf '%s\n' Capture Filter 'Process and container' Output Files Tuning Other >"$TEST_TMP/expected"
same help_groups "$TEST_TMP/groups" "$TEST_TMP/expected"
# The first screen fits one, and knows no other options.
"$PTCPDUMP" --help >"$TEST_TMP/screen"
is help_fits_a_terminal "$(awk 'length > 80' "$TEST_TMP/screen")" ""
at_most help_fits_a_screen "$(wc -l <"$TEST_TMP/screen")" 30
is help_is_of_the_table "$(grep -oE -- '(^|[ ,])--?[A-Za-z][a-z-]*' "$TEST_TMP/screen" | tr -d ' ,' | sed 's/^-\(.\)\1$/-\1/' | sort -u |
	grep -vxFf "$TEST_TMP/help")" ""
is help_of_letter "$("$PTCPDUMP" -h | cmp - "$TEST_TMP/screen" 2>&1)" ""
is help_all_by_value "$(cmp <("$PTCPDUMP" --help=all) <("$PTCPDUMP" --help all) 2>&1)" ""
end_test
