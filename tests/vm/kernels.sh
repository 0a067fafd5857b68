#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The truth test on other kernels, in virtual machines: those that "bash tests/vm/vm-fetch SUITE..." has fetched. timeout: 1200
# A short list of scenarios, those that depend most on the kernel; VM_SCENARIOS selects others, VM_KERNELS the suites.
# VM_SCENARIOS=all ("make check-vm", 5 to 10 minutes a kernel) runs all and keeps the results in build/vm/SUITE.tsv: what
# is there is not run again while the program is the same. tests/vm/table.py makes the table of docs/measured/attribution.md of them.
# Kernels of another architecture (SUITE-arm64) run what "make CROSS=" has built for it.
# Emulation is ten times slower: the settle time and all waits are stretched, and what takes too long says so.
set -u
. "$(dirname "$0")/../lib.sh"
cache=${VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ptcpdump-vm}
results=$BUILD/vm
short="server-from-before prefork-without-address accepted-and-idle udp-read-by-child same-tuple-after-time-wait mptcp masqueraded-uplink-only
	published-port-from-before process-terms"
# Of what is the same on all architectures, less.
short_elsewhere="server-from-before prefork-without-address same-tuple-after-time-wait process-terms"
cd "$TOP" || exit 1

triple() { # SUITE: empty: of this machine
	case $1 in *-arm64) echo aarch64-linux-gnu ;; esac
}

built_for() { # SUITE
	local to
	to=$(triple "$1")
	echo "$BUILD${to:+/$to}"
}

# What SUITE cannot be run for; empty: it can.
lacking() { # SUITE
	local to machine
	to=$(triple "$1")
	machine=${to%%-*}
	if [ ! -e "$cache/$1/vmlinuz" ]; then
		echo "not fetched (sh tests/vm/vm-fetch $1)"
	elif ! command -v "qemu-system-${machine:-x86_64}" >/dev/null; then
		echo "no qemu-system-${machine:-x86_64}"
	elif [ ! -x "$(built_for "$1")/ptcpdump" ] || [ ! -x "$(built_for "$1")/tests/truth" ]; then
		echo "not built (make ${to:+CROSS=$to }tests)"
	fi
}

# Boots SUITE and runs SCENARIOS; their lines are in FILE afterwards, what the machine printed in FILE.log. The kernel's own modprobe
# would look into the initrd: what it loads by itself elsewhere is loaded before.
boot() { # SUITE FILE SCENARIO...
	local suite=$1 file=$2 built
	shift 2
	built=$(built_for "$suite")
	VM_SHARE=$(dirname "$file") bash tests/vm/vm-run "$suite" \
		"for m in sch_ingress cls_bpf veth ipv6 inet_diag tcp_diag udp_diag raw_diag bridge br_netfilter nft_chain_nat \
			nft_masq nft_nat nft_ct nf_conntrack_netlink sctp sctp_diag tun vxlan geneve ip_gre ipip
		do modprobe -q \$m; done
		PTCPDUMP=$built/ptcpdump HELPERS=$built/tests TRUTH_COUNT=${TRUTH_COUNT:-10} TRUTH_SECONDS=${TRUTH_SECONDS:-3} TRUTH_STARTS=${TRUTH_STARTS:-3} TRUTH_SLOW=3 TRUTH_SETTLE=${TRUTH_SETTLE:-1000} \
			TRUTH_TABLE=$file tests/system/truth.py $*" 2>&1
}

left() { # FILE SCENARIO...
	local file=$1 name
	shift
	for name; do
		grep -q "^$name	" "$file" || printf '%s ' "$name"
	done
}

# A machine that ends early is started again for the rest; the scenario that it ended in fails.
run_suite() { # SUITE FILE SCENARIO...
	local suite=$1 file=$2 out todo again tried=
	shift 2
	todo=$(left "$file" "$@")
	while [ -n "$todo" ]; do
		# shellcheck disable=SC2086
		out=$(boot "$suite" "$file" $todo | tee "$file.log")
		again=$(left "$file" "$@")
		[ -n "$again" ] || break
		# Not even one: some machine or other does not come up.
		if [ "$again" = "$todo" ] && [ -z "$tried" ]; then
			tried=1
			continue
		fi
		printf '%s\tnot ok\t0\t\tthe machine ended or was too slow: %s\n' "${again%% *}" \
			"$(printf '%s' "${out: -200}" | tr '\n\t' '  ')" >>"$file"
		[ "$again" != "$todo" ] || break # not even one: it does not work
		todo=$(left "$file" "$@")
	done
	[ -z "$(left "$file" "$@")" ] || bad "kernel $suite" "runs no scenario"
	awk -F '\t' -v suite="$suite" '{ print $2 " - kernel " suite ": " $1 ($5 ? ": " $5 : "") }' "$file"
}

# Older ones are not to be had: what they lack is taken away from the oldest that is, all of it and at random.
run_hidden() { # SUITE
	VM_TIMEOUT=${VM_TIMEOUT:-300} bash tests/vm/vm-run "$1" \
		"for m in inet_diag tcp_diag udp_diag raw_diag sch_ingress cls_bpf ipv6; do modprobe -q \$m; done; ip link set lo up
		TRUTH_SLOW=4 TRUTH_SETTLE=1000 tests/system/hidden.py --rounds 2" 2>&1 |
		sed -n "s/^\(ok\|not ok\|skip\) - /\1 - kernel $1: /p"
}

mkdir -p "$results"
for suite in ${VM_KERNELS:-bullseye bookworm bookworm-backports sid bookworm-arm64 sid-arm64}; do
	why=$(lacking "$suite")
	if [ -n "$why" ]; then
		skip "kernel $suite" "$why"
		continue
	fi
	if [ -n "$(triple "$suite")" ]; then scenarios=$short_elsewhere; else scenarios=$short; fi
	scenarios=${VM_SCENARIOS:-$scenarios}
	limit=300
	file=$results/$suite-some.tsv
	if [ "$scenarios" = all ]; then
		scenarios=$(tests/system/truth.py --list)
		limit=1200
		file=$results/$suite.tsv
		[ "$(built_for "$suite")/ptcpdump" -nt "$results/$suite.begin" ] && rm -f "$file"
		[ -e "$file" ] || touch "$results/$suite.begin"
	else
		rm -f "$file"
	fi
	: >>"$file"
	# shellcheck disable=SC2086
	lines=$(VM_TIMEOUT=${VM_TIMEOUT:-$limit} run_suite "$suite" "$file" $scenarios)
	printf '%s\n' "$lines"
	printf '%s\n' "$lines" | grep -q '^not ok' && failed=1
	[ "$suite" = bullseye ] || continue
	lines=$(run_hidden "$suite")
	printf '%s\n' "${lines:=not ok - kernel $suite: the machine ended}"
	printf '%s\n' "$lines" | grep -q '^not ok' && failed=1
done
end_test
