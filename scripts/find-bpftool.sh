#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Prints the path of a bpftool that works. /usr/sbin is not in every user's PATH, and Ubuntu's /usr/sbin/bpftool is a
# wrapper that fails unless the tools of the running kernel are installed; those of any other version do as well, from
# 6.0 on: older ones know no weak kernel functions.
for tool in "$(command -v bpftool)" /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/lib/linux-tools/*/bpftool \
	/usr/lib/linux-tools-*/bpftool; do
	[ -x "$tool" ] || continue
	major=$("$tool" version 2>/dev/null | sed -n 's/^.*bpftool v\([0-9]*\)\..*/\1/p' | head -n 1)
	if [ "${major:-0}" -ge 6 ]; then
		echo "$tool"
		exit 0
	fi
done
echo "find-bpftool.sh: no working bpftool, 6.0 or newer; run 'make setup', or name one with BPFTOOL=" >&2
echo bpftool
exit 1
