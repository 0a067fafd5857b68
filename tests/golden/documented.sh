#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The commands of README.md and of the manual's EXAMPLES are ones that the program takes; files that documents name exist.
. "$(dirname "$0")/../lib.sh"
cd "$TOP" || exit 1

# One a line, without sudo, comment, and what is behind a pipe.
commands() {
	{
		sed -n 's/^    //p' README.md
		sed -n '/^\.Sh EXAMPLES/,/^\.Sh SEE/s/^\.Dl //p' man/ptcpdump.8 | sed 's/\\-/-/g; s/\\(dq/"/g'
	} | sed -n 's/^\(sudo \)\{0,1\}ptcpdump /ptcpdump /p' | sed 's/   *#.*//; s/ | .*//'
}

# With -D it looks at all words, and lists interfaces. What asks other hosts or daemons cannot be asked so: only that there
# are such options.
taken() { # COMMAND: prints why not
	local flag=-D
	case $1 in *--remote* | *--netns* | *--install-extcap*) flag=--version ;; esac
	(cd "$TEST_TMP" && eval "\"$PTCPDUMP\" $flag ${1#ptcpdump }") >/dev/null 2>"$TEST_TMP/err" || cat "$TEST_TMP/err"
}

commands >"$TEST_TMP/commands"
is enough "$(($(wc -l <"$TEST_TMP/commands") > 30))" 1
while read -r command; do
	result "$command" "$(taken "$command")"
done <"$TEST_TMP/commands"

# [text](file#part), from the document's folder.
result links "$(for document in *.md docs/*.md docs/measured/*.md; do
	grep -o '](\([^)#:]*\)[)#]' "$document" | sed 's/^](//; s/[)#]$//' | sort -u | while read -r file; do
		[ -z "$file" ] || [ -e "$(dirname "$document")/$file" ] || echo "$document: $file"
	done
done)"
result docs_are_listed "$(for file in docs/*.md; do
	[ "$file" = docs/README.md ] || grep -q "\b${file#docs/}\b" docs/README.md || echo "$file is not in docs/README.md"
done)"
at_most readme_is_short "$(wc -l <README.md)" 200
end_test
