#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/fuzz/run.sh NAME...: runs build/fuzz/NAME for FUZZ_SECONDS (60) each, FUZZ_JOBS (2) at a time, beginning with
# tests/fuzz/corpus/NAME and what tests/fuzz/seeds.py makes of the captures of other tests. One line for each; exit status 1
# when one has found something, which is kept in build/fuzz/findings. New inputs are kept in build/fuzz/corpus/NAME.
set -u

cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$build/findings" "$build/logs"
tests/fuzz/seeds.py "$build/seeds" || exit 2
failed=$(mktemp) || exit 2
trap 'rm -f "$failed"' EXIT

runs() { # LOG: how many, and how many ways were gone
	sed -nE 's/^Done ([0-9]+) runs in ([0-9]+) second.*/\1 \2/p; s/^#[0-9]+.* cov: ([0-9]+) .*/cov \1/p' "$1" | 
		awk '/^cov/ { cov = $2; next } { n = $1; s = $2 } END { if (n) printf "%d runs, %d a second, coverage %d", n, n / (s ? s : 1), cov }'
}

run() { # NAME
	local name=$1 log=$build/logs/$1.log corpus=$build/corpus/$1 seeds=() dict=() line dir
	mkdir -p "$corpus"
	for dir in "tests/fuzz/corpus/$name" "$build/seeds/$name"; do
		[ -d "$dir" ] && seeds+=("$dir")
	done
	[ -f "$build/seeds/$name.dict" ] && dict=("-dict=$build/seeds/$name.dict")
	# An input that takes 10 s or 1 GB is a finding, too.
	TZ=UTC0 "$build/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 -print_final_stats=1 "${dict[@]}" \
		-close_fd_mask=1 -artifact_prefix="$build/findings/$name-" "$corpus" "${seeds[@]}" </dev/null >"$log" 2>&1
	local status=$?
	line=$(runs "$log")
	if [ $status -eq 0 ] && [ -n "$line" ]; then
		echo "ok - $name: $line"
	else
		echo "not ok - $name: status $status, $(grep -m 1 -E 'ERROR|runtime error|not so|ALARM' "$log" | cut -c 1-200); see $log"
		echo "$name" >>"$failed"
	fi
}

for name in "$@"; do
	while [ "$(jobs -rp | wc -l)" -ge "${FUZZ_JOBS:-2}" ]; do wait -n; done
	run "$name" &
done
wait
[ ! -s "$failed" ]
