#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check-reproducible.sh PROGRAM: builds the static program anew, in a folder of another name and with another language, time
# zone and umask, and holds that the bytes are those of PROGRAM. CROSS= and CC= count as for make.
set -eu

program=$1
top=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
copy=$folder/another-folder-than-before
mkdir "$copy"
(cd "$top" && tar -c --exclude=./build --exclude=./.git .) | tar -x -C "$copy"

# What this make passes on to those that it starts is about its own folder.
unset MAKEFLAGS MFLAGS MAKELEVEL
umask 077
LC_ALL=C TZ=Asia/Kathmandu DISTDIR="$top/build/deps/src" make -C "$copy" -j"$(nproc)" ${CROSS:+CROSS="$CROSS"} ${CC:+CC="$CC"} \
	static >"$folder/log" 2>&1 || {
	tail -n 20 "$folder/log" >&2
	exit 1
}
second=$copy/build/${CROSS:+$CROSS/}static/ptcpdump
if ! cmp "$program" "$second"; then
	echo "check-reproducible.sh: '$program' has other bytes when it is built elsewhere; the sections that differ:" >&2
	for section in .text .rodata .data.rel.ro .data .note.gnu.build-id; do
		[ "$(readelf -x "$section" "$program" | sha256sum)" = "$(readelf -x "$section" "$second" | sha256sum)" ] || echo "$section" >&2
	done
	[ -z "${KEEP:-}" ] || cp -a "$second" "$second.full" "$KEEP"
	exit 1
fi
