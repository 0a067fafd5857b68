#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every command of docs/wireshark.md works as it stands there. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

commands() { sed -n 's/^    //p' "$TOP/docs/wireshark.md"; } # one a line
work=$TEST_TMP/work
# What finds nothing in the file of the test: it has no packets of root's, and no TLS.
empty() { case $1 in *'uid == 0'* | *http.request*) return 0 ;; *) return 1 ;; esac; }

# Fields that older versions have not.
newer() { # VERSION COMMAND
	case $2 in *frame.darwin.*) [ "$(printf '%s\n' 4.6 "$1" | sort -V | head -n 1)" != 4.6 ] ;; *) return 1 ;; esac
}
ptcpdump() { "$PTCPDUMP" "$@"; }

run() { # COMMAND: in a shell whose tshark, editcap and mergecap are those of the version
	local tool
	for tool in tshark editcap mergecap capinfos; do
		eval "$tool() { ws $tool \"\$@\"; }"
	done
	eval "$1"
}

commands_of() { # NUMBER
	local name=$1 command
	rm -rf "$WS_HOME" "$work"
	mkdir -p "$WS_HOME" "$work/deploy"
	cp -r "$TOP/deploy/wireshark" "$work/deploy/"
	python3 "$TOP/tests/wireshark/packets.py" all "$work/other.pcapng"
	"$PTCPDUMP" -r "$work/other.pcapng" -w - --process-blocks apple >"$work/capture.pcapng" 2>/dev/null
	chmod -R a+rwX "$WS_HOME" "$work"
	cd "$work" || exit 1
	while read -r command; do
		if newer "$name" "$command"; then continue; fi
		(umask 0; HOME=$WS_HOME run "$command") >"$TEST_TMP/out" 2>"$TEST_TMP/err" </dev/null
		result "$name $command" "$(
			[ $? -eq 0 ] || echo "exit status of it: $(head -c 300 "$TEST_TMP/err")"
			grep -i 'lua\|error\|invalid\|neither' "$TEST_TMP/err" "$TEST_TMP/out"
			case $command in tshark*-w* | ptcpdump*-w* | editcap* | mergecap* | mkdir* | cp*) exit ;; esac
			empty "$command" || [ -s "$TEST_TMP/out" ] || echo "prints nothing"
		)"
		chmod -R a+rX "$WS_HOME"
	done < <(commands)
	is "$name cut" "$(with_lua -r some.pcapng -T fields -e ptcpdump.proc 2>/dev/null | grep -c .)" 3
	is "$name merged" "$(with_lua -r both.pcapng -T fields -e ptcpdump.proc 2>/dev/null | grep -c .)" 6
	is "$name selected" "$(with_lua -r web.pcapng -T fields -e ptcpdump.proc 2>/dev/null | grep -c .)" 3
	cd "$TOP" || exit 1
}

is there_are_commands "$(commands | grep -c 'tshark\|editcap\|mergecap\|capinfos')" 17
each_version commands_of
end_test
