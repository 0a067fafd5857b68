# shellcheck shell=bash disable=SC2034 # what the tests read
# SPDX-License-Identifier: BSD-3-Clause
# What all tests in shell share. Sourced before anything else: . "$(dirname "$0")/../lib.sh"
#
# A test reports with ok, bad, skip and what is built on them, ends with end_test, and defines cleanup() where it has
# something to remove. It can be run by itself, too: what tests/run would set is set here.

export TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}
export BUILD=${BUILD:-$TOP/build}
export PTCPDUMP=${PTCPDUMP:-$BUILD/ptcpdump}
export PTCPDUMP_ASAN=${PTCPDUMP_ASAN:-$BUILD/asan/ptcpdump}
export HELPERS=${HELPERS:-$BUILD/tests}
export LC_ALL=C.UTF-8
failed=0
own_tmp=
[ -n "${TEST_TMP:-}" ] || own_tmp=$(mktemp -d)
export TEST_TMP=${TEST_TMP:-$own_tmp}

end_test() { exit "$failed"; }
cleanup() { :; }
lib_end() {
	local status=$?
	cleanup
	[ -z "$own_tmp" ] || rm -rf "$own_tmp"
	exit "$status"
}
trap lib_end EXIT
trap 'exit 1' INT TERM

# --- how it went -----------------------------------------------------------------

ok() { echo "ok - $1"; }
bad() { # NAME WHY
	printf '%s' "not ok - $1: $2" | tr '\n' ' '
	echo
	failed=1
}
skip() { echo "skip - $1: $2"; }

skip_all() { # WHY NAME...: ends the test
	local why=$1 name
	shift
	for name; do skip "$name" "$why"; done
	end_test
}

is() { # NAME GOT WANT
	if [ "$2" = "$3" ]; then ok "$1"; else bad "$1" "'${2:0:1000}', not '${3:0:1000}'"; fi
}

at_most() { # NAME GOT MAX
	if [ "$2" -le "$3" ]; then ok "$1"; else bad "$1" "$2, more than $3"; fi
}

check() { # NAME COMMAND...
	local name=$1 status
	shift
	"$@"
	status=$?
	if [ $status -eq 0 ]; then ok "$name"; else bad "$name" "exit status $status of $*"; fi
}

result() { # NAME WHY: ok when WHY is empty
	if [ -z "$2" ]; then ok "$1"; else bad "$1" "$2"; fi
}

# Prints why a test cannot run here: nobody else than root, or without these commands; nothing when it can.
lacks() { # COMMAND...
	local command
	[ "$(id -u)" -eq 0 ] || {
		echo "needs root"
		return
	}
	for command; do
		command -v "$command" >/dev/null || echo "$command is missing"
	done | head -n 1
}

# --- waiting ---------------------------------------------------------------------

now_ms() { echo $((${EPOCHREALTIME//[.,]/} / 1000)); }

wait_for() { # SECONDS[.TENTH] COMMAND...
	local tenths=${1#*.} until
	[ "$tenths" != "$1" ] || tenths=0
	until=$((${EPOCHREALTIME//[.,]/} + ${1%.*} * 1000000 + tenths * 100000))
	shift
	until "$@"; do
		[ "${EPOCHREALTIME//[.,]/}" -lt $until ] || return 1
		sleep 0.02
	done
}

not() { ! "$@"; }
gone() { ! kill -0 "$1" 2>/dev/null; } # PID

said_or_gone() { grep -q "$2" "$3" || gone "$1"; }
# Waits until a program says so; one that ends before will not.
said() { # PID TEXT FILE
	wait_for 10 said_or_gone "$@" && grep -q "$2" "$3"
}
# FILE must have been emptied by the caller: what it starts in the background does that too late.
listens() { said "$1" 'listening on' "$2"; } # PID FILE

# --- captures --------------------------------------------------------------------

# What is killed with this shell, even by SIGKILL; what drops its privileges is not. tests/run ends what is left then.
dies_with_us=()
! setpriv --pdeathsig KILL true 2>/dev/null || dies_with_us=(setpriv --pdeathsig KILL)

# In the background; returns when it listens, and $! is its number.
start_capture() { # OUT ERR COMMAND...
	: >"$2"
	"${dies_with_us[@]}" "${@:3}" >"$1" 2>"$2" &
	listens $! "$2"
}

# The names of the backends, as the program lists them.
backends() { "$PTCPDUMP" --backend help | sed 's/ .*//'; }

told() { [ "$(grep -c 'dropped by kernel' "$1")" -gt "$2" ]; } # FILE TIMES
# Asks a running capture (of tcpdump's, too) what it has until now: "CAPTURED RECEIVED DROPPED".
statistics() { # FILE COMMAND...: its standard error, what sends it SIGUSR1
	local file=$1 times
	shift
	times=$(grep -c 'dropped by kernel' "$file")
	"$@" 2>/dev/null && wait_for 2 told "$file" "$times" || return 1
	sed -n 's/.*: \([0-9]*\) packets* captured, \([0-9]*\) .*filter, \([0-9]*\) .*/\1 \2 \3/p' "$file" | tail -n 1
}

# Waits until a capture has shown all that it received and nothing more comes for 80 ms. What is turned down later than it
# is counted looks as if it were still to come: then, 400 ms without news. At most 5 s.
drained() { # FILE COMMAND...: as of statistics
	local now before='' since=0 ms until
	until=$(($(now_ms) + 5000))
	while now=$(statistics "$@") && ms=$(now_ms) && [ "$ms" -lt $until ]; do
		if [ "$now" != "$before" ]; then
			before=$now
			since=$ms
		fi
		# shellcheck disable=SC2086 # three numbers
		all_shown $now && [ $((ms - since)) -ge 80 ] && return
		[ $((ms - since)) -lt 400 ] || return
		sleep 0.03
	done
}
all_shown() { [ $(($1 + $3)) -ge "$2" ]; } # CAPTURED RECEIVED DROPPED
