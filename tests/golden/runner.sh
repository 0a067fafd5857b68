#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tests/run itself, on made-up suites, and what .ci/run makes of it.
. "$(dirname "$0")/../lib.sh"

top=$TEST_TMP/top
mkdir -p "$top"/tests/{unit,golden,bpf,system,tcpdump,wireshark,package,vm} "$top/.ci" "$top/scripts" "$TEST_TMP/bin"
cp "$TOP/tests/run" "$top/tests/"
cp "$TOP/.ci/run" "$top/.ci/"

program() { # SUITE/NAME: its text comes from standard input
	{
		echo '#!/bin/bash'
		cat
	} >"$top/tests/$1.sh"
	chmod 755 "$top/tests/$1.sh"
}
run() { BUILD=$TEST_TMP/build "$top/tests/run" "$@" 2>&1; }
last() { tail -n 1 "$TEST_TMP/$1"; }

# Two runs at once, which meet in the middle: neither may count what the other has found.
for suite in golden system; do
	program $suite/meet <<-EOF
		echo "ok - before"
		touch "$TEST_TMP/$suite.met"
		for _ in {1..500}; do [ -e "$TEST_TMP/golden.met" ] && [ -e "$TEST_TMP/system.met" ] && break; sleep 0.01; done
		echo "ok - after"
	EOF
done
for i in 1 2 3; do echo "echo ok - one" | program golden/more$i; done
run golden >"$TEST_TMP/first" &
first=$!
run system >"$TEST_TMP/second"
second=$?
wait $first
is runs_at_once "$? $(last first); $second $(last second)" "0 5 passed, 0 failed, 0 skipped; 0 2 passed, 0 failed, 0 skipped"
rm -f "$TEST_TMP"/*.met
run golden >"$TEST_TMP/first" &
first=$!
touch "$TEST_TMP/system.met"
run golden >"$TEST_TMP/second"
wait $first
is same_suite_at_once "$(last first); $(last second)" "5 passed, 0 failed, 0 skipped; 5 passed, 0 failed, 0 skipped"
is leaves_nothing "$(find "$TEST_TMP/build/test-logs" -name 'run.*')" ""

# Nor what a test that is killed was running.
program system/killed <<-EOF
	sleep 1000 &
	echo \$! >"$TEST_TMP/left"
	echo "ok - before"
	kill -KILL \$\$
EOF
run system >"$TEST_TMP/first"
is killed_counts "$(grep -c 'system/killed: ended with status 137' "$TEST_TMP/first")" 2
check killed_leaves_nothing wait_for 5 gone "$(cat "$TEST_TMP/left")"

# At a time only where nothing is measured.
rm -f "$top"/tests/*/*.sh "$TEST_TMP"/*.met
for name in one two; do
	for suite in golden system; do
		program $suite/$name <<-EOF
			mkdir "$TEST_TMP/alone" 2>/dev/null && alone=yes || alone=no
			sleep 0.3 # long enough to be seen by the other
			[ \$alone = no ] || rmdir "$TEST_TMP/alone"
			echo "ok - \$alone"
		EOF
	done
done
is jobs "$(run -j 2 golden | grep -c yes) $(run -j 1 golden | grep -c yes) $(run -j 2 system | grep -c yes)" "1 2 2"
run -j x golden >"$TEST_TMP/first"
is jobs_are_a_number "$? $(cat "$TEST_TMP/first")" "2 tests/run: -j needs a number"
run golden golde >"$TEST_TMP/first"
is unknown_suite "$? $(cat "$TEST_TMP/first")" "2 tests/run: there is no suite 'golde'"

# When interrupted it ends after its programs, which have to clean up; what a killed run leaves goes with the next.
rm -f "$top"/tests/*/*.sh
program golden/cleans <<EOF
trap 'sleep 0.5; touch "$TEST_TMP/cleaned"' EXIT
trap 'exit 1' TERM
echo \$\$ >"$TEST_TMP/begun"
for _ in {1..200}; do sleep 0.05; done
EOF
interrupt() { # SIGNAL
	rm -f "$TEST_TMP/begun" "$TEST_TMP/cleaned"
	BUILD=$TEST_TMP/build "$top/tests/run" golden >"$TEST_TMP/first" 2>&1 &
	wait_for 5 test -s "$TEST_TMP/begun"
	kill "-$1" $!
	wait $! 2>/dev/null
}
runs() { find "$TEST_TMP/build/test-logs" -name 'run.*' | wc -l; }
for signal in TERM HUP; do
	interrupt $signal
	is "waits_after_$signal" "$? $(ls "$TEST_TMP/cleaned") $(runs)" "1 $TEST_TMP/cleaned 0"
done
interrupt KILL
is left_by_killed "$(runs)" 1
kill "$(cat "$TEST_TMP/begun")"
wait_for 5 test -e "$TEST_TMP/cleaned"
echo 'echo "ok - a"' | program golden/cleans
run golden >"$TEST_TMP/second"
is removed_by_next "$(last second) $(runs)" "1 passed, 0 failed, 0 skipped 0"

# Whatever a program does, it counts.
rm -f "$top"/tests/*/*.sh
program golden/mixed <<<'echo "ok - a"; echo other; echo "skip - b: why"; echo "not ok - c: why"; echo said >&2; exit 1'
program golden/silent <<<':'
program golden/dies <<<'echo "ok - a"; exit 3'
program golden/slow <<<'# timeout: 1
echo "ok - a"; exec sleep 20'
program golden/interrupted <<<'kill -INT $$; echo "ok - a"'
echo "ok - not executable" >"$top/tests/golden/lib.sh"
run golden >"$TEST_TMP/first"
is counts "$? $(last first)" "1 3 passed, 5 failed, 1 skipped"
is failures "$(sed -n '/^Failed:/,/^$/p' "$TEST_TMP/first" | sort | tr '\n' ';')" \
	";  golden/dies: ended with status 3;  golden/interrupted: ended with status 130;  golden/mixed: c: why;  golden/silent: reported nothing;$(
	)  golden/slow: did not end within 1 seconds;Failed:;"
check shows_standard_error grep -q '^    said$' "$TEST_TMP/first"
check keeps_logs grep -q '^other$' "$TEST_TMP/build/test-logs/golden-mixed.log"

# Without a build there is nothing to test. With one, the last line is the sum, each suite once.
rm -f "$top"/tests/*/*.sh
program golden/fast <<<'echo "ok - a"; echo "skip - b: why"'
program system/slow <<<'echo "ok - a"'
mkdir "$top/build"
for stub in "$top"/scripts/{setup,check-static,check-hardening,check-reproducible,release}.sh "$TEST_TMP"/bin/{make,qemu-aarch64-static}; do
	printf '#!/bin/sh\nexit "${STUB_%s:-0}"\n' "$(basename "${stub%.sh}" | tr -d -)" >"$stub"
	chmod 755 "$stub"
done
ci() { env -u BUILD PATH="$TEST_TMP/bin:$PATH" "$@" "$top/.ci/run" >"$TEST_TMP/first" 2>&1; }
ci STUB_make=2
is no_build "$? $(last first) $(grep -c '== .*tests' "$TEST_TMP/first")" "1 0 passed, 1 failed, 0 skipped 0"
ci
is all_steps "$? $(last first) $(grep -c '^ok' "$TEST_TMP/first")" "0 2 passed, 0 failed, 1 skipped 2"
ci STUB_checkstatic=1
is other_step_fails "$? $(last first) $(grep '^== failed' "$TEST_TMP/first")" "1 2 passed, 0 failed, 1 skipped == failed: static-is-static"
program system/slow <<<'echo "not ok - a: why"'
ci
is test_fails "$? $(last first) $(grep '^== failed' "$TEST_TMP/first")" "1 1 passed, 1 failed, 1 skipped == failed: slow-tests"
# shellcheck disable=SC2016 # the program expands it
program system/slow <<<'echo "ok - a"; kill -KILL $(ps -o ppid= -p $(ps -o ppid= -p $(ps -o ppid= -p $$)))'
ci
is runner_dies "$? $(last first) $(grep '^== failed' "$TEST_TMP/first")" "1 1 passed, 1 failed, 1 skipped == failed: slow-tests"
end_test
