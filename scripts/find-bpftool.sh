#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Prints the path of a bpftool that works. /usr/sbin is not in every user's PATH, and Ubuntu's /usr/sbin/bpftool is a
# wrapper that fails unless the tools of the running kernel are installed; those of any other version do as well.
for tool in "$(command -v bpftool)" /usr/sbin/bpftool /usr/local/sbin/bpftool /usr/lib/linux-tools/*/bpftool \
	/usr/lib/linux-tools-*/bpftool; do
	if [ -x "$tool" ] && "$tool" version >/dev/null 2>&1; then
		echo "$tool"
		exit 0
	fi
done
echo "find-bpftool.sh: no working bpftool; run 'make setup', or name one with BPFTOOL=" >&2
echo bpftool
exit 1
