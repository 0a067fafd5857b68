#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# check-static.sh PROGRAM: it asks for no interpreter and no shared library, and starts in an empty root folder.
set -eu

program=$1
if readelf -ld "$program" | grep -E 'INTERP|\(NEEDED\)'; then
	echo "check-static.sh: '$program' needs the above at run time" >&2
	exit 1
fi
"$program" --version >/dev/null
[ "$(id -u)" -eq 0 ] || exit 0
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
cp "$program" "$root/ptcpdump"
chroot "$root" /ptcpdump --version
