#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# -d: an expression without process terms as tcpdump compiles it; with terms, they are named, and it is said what of it the
# kernel judges and what user space does.
. "$(dirname "$0")/../lib.sh"

name=$TEST_TMP/sources

places() { # NAME KERNEL USER ARGUMENTS...
	local test=$1 kernel=$2 user=$3
	shift 3
	"$PTCPDUMP" -y EN10MB -d "$@" >"$name" 2>/dev/null
	is "$test" "$(grep -v '^(' "$name")" "in the kernel: $kernel
in user space: $user"
}

for level in -d -dd -ddd; do
	is "plain$level" "$("$PTCPDUMP" -y EN10MB $level 'tcp port 80 and not host 10.0.0.1' | cksum)" \
		"$(tcpdump -y EN10MB $level 'tcp port 80 and not host 10.0.0.1' | cksum)"
done

whole='the whole, once the owners are certain'
packet='what is in the packet'
places conjunction "$packet, pid 7" "$whole" pid 7 and port 53
places term "pid 7" "$whole" pid 7
places disjunction "$packet, src pid 7" "$whole" src pid 7 or port 53
places negation 'nothing, since any packet may match' "not pname sshd; $whole" not pname sshd
places each_once "pname curl" "exe /usr/*; $whole" '(pname curl and exe /usr/*) or (exe /usr/* and pname curl)'
places each_end "src pid 7, pid 7, dst pid 70" "pname c*, not pid 7; $whole" \
	'(src pid 7 or pid 7 or dst pid 70 or pid 7) and (pname c* or not pid 7)'
places in_quotes 'pname "x, pid 7, y", pid 7' "$whole" 'pname "x, pid 7, y" or pid 7'
places of_no_use 'nothing, since any packet may match' "pid 7, not uid 0; $whole" pid 7 or not uid 0
places options "$packet, --pid, --uid" 'owners that were not certain in the kernel' --pid 7 --uid 0 port 53
places pattern "--uid" '--pname; owners that were not certain in the kernel' --pname 'w*' --uid 0
places options_first '--pid' "pname curl; $whole" --pid 7 pname curl
places patterns_alone 'nothing, since any packet may match' '--pname' --pname 'w*'
places options_without_programs "$packet" '--pid, --uid' --backend pcap --pid 7 --uid 0 port 53
places no_programs "$packet" "pid 7; $whole" --backend pcap pid 7 and port 53

"$PTCPDUMP" -y EN10MB -d 'src pname "Web Content" or pid 7@host' >"$name"
is named "$(grep -o 'term .*' "$name")" 'term     src pname "Web Content"
term     pid 7@host'
is saved "$("$PTCPDUMP" -r "$(dirname "$0")/annotated.pcapng" -d pid 7 2>/dev/null | tail -1)" 'in user space: all of it'
"$PTCPDUMP" -y EN10MB -dd pid 7 2>/dev/null >"$name"
is numbers "$(grep -vc '^{' "$name")" 0

many=$(for i in $(seq 61); do echo -n "pid $i or "; done)
"$PTCPDUMP" -y EN10MB -d "$many udp" >"$name" 2>&1
is too_many "$? $(tail -n 1 "$name")" \
	"1 ptcpdump: the expression asks for more than 60 different processes, users or containers"
end_test
