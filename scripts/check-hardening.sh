#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check-hardening.sh PROGRAM|ARCHIVE...: position-independent, all relocations read-only after the start (full RELRO, bound at once), no
# executable stack, no RPATH, no text relocations, no segment writable and executable; stack protector and FORTIFY by their
# symbols, of PROGRAM.full where PROGRAM is stripped; of an ARCHIVE these two. Of the processor's CET and BTI nothing is asked: they are in force only
# where each library has them, and Debian's C library has not.
set -eu

status=0
wrong() { # PROGRAM WHAT
	echo "check-hardening.sh: '$1' $2" >&2
	status=1
}

symbols() { # PROGRAM
	if [ -e "$1.full" ]; then readelf -Ws "$1.full"; else readelf -Ws --dyn-syms "$1"; fi
}

check_code() { # FILE
	symbols "$1" >"$out"
	grep -q __stack_chk_fail "$out" || wrong "$1" "has no stack protector"
	grep -qE ' __(mem|s|v|f|r)[a-z]*_chk' "$out" || wrong "$1" "is not built with FORTIFY"
}

check() { # PROGRAM
	readelf -Wh "$1" | grep -q 'Type: *DYN' || wrong "$1" "is not position-independent"
	readelf -Wl "$1" >"$out"
	grep -q GNU_RELRO "$out" || wrong "$1" "has no RELRO segment"
	grep 'GNU_STACK' "$out" | grep -q 'RW *0x' || wrong "$1" "has an executable stack"
	if grep LOAD "$out" | grep -q 'RWE'; then wrong "$1" "has a segment that is writable and executable"; fi
	readelf -Wd "$1" >"$out"
	grep -q 'FLAGS.*NOW' "$out" || wrong "$1" "binds functions later than at its start"
	if grep -E 'TEXTREL|RPATH|RUNPATH' "$out"; then wrong "$1" "has the above"; fi
	check_code "$1"
}

export LC_ALL=C
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for program; do
	case $program in
	*.a) check_code "$program" ;;
	*) check "$program" ;;
	esac
done
exit $status
