#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# The static program needs nothing but itself: it reads files and captures, with the names of processes, in a root folder that is
# empty, in one with BusyBox, and in Debian 11's.
set -u
. "$(dirname "$0")/../lib.sh"

program=$BUILD/static/ptcpdump
why=$(lacks unshare chroot python3)
[ -n "$why" ] || [ -x "$program" ] || why="$program is not built"
[ -z "$why" ] || skip_all "$why" empty busybox debian-11
saved=$TOP/tests/golden/annotated.pcapng

put_in() { # ROOT
	mkdir -p "$1/proc" "$1/sys" "$1/dev" "$1/tmp"
	cp "$program" "$1/ptcpdump"
	cp "$saved" "$1/saved.pcapng"
}

reads() { # NAME ROOT
	is "$1: -r" "$(chroot "$2" /ptcpdump -nn -r /saved.pcapng 2>&1 | tail -n +2 | md5sum)" \
		"$("$PTCPDUMP" -nn -r "$saved" 2>/dev/null | md5sum)"
}

# Of a datagram to itself, which python sends from outside of the root folder.
cat >"$TEST_TMP/capture" <<'END'
mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" || exit 1
ip link set lo up
chroot "$1" /ptcpdump -nn -i lo -c 1 udp port 4711 2>"$1/tmp/err" >"$1/tmp/out" &
for i in $(seq 200); do grep -q 'listening on' "$1/tmp/err" && break; sleep 0.05; done
python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 4711))'
for i in $(seq 200); do kill -0 $! 2>/dev/null || break; sleep 0.05; done
kill $! 2>/dev/null
cat "$1/tmp/out" "$1/tmp/err"
END

captures() { # NAME ROOT
	local out
	out=$(unshare -m -n --kill-child --fork bash "$TEST_TMP/capture" "$2")
	result "$1: captures" "$(grep -q ' python3\.[0-9]* .*127\.0\.0\.1\.4711: UDP' <<<"$out" || echo "$out")"
}

put_in "$TEST_TMP/empty"
reads empty "$TEST_TMP/empty"
captures empty "$TEST_TMP/empty"

if [ -x /bin/busybox ]; then
	put_in "$TEST_TMP/busybox"
	mkdir "$TEST_TMP/busybox/bin"
	cp /bin/busybox "$TEST_TMP/busybox/bin/"
	chroot "$TEST_TMP/busybox" /bin/busybox --install -s /bin
	is "busybox: started by its shell" "$(chroot "$TEST_TMP/busybox" /bin/sh -c '/ptcpdump --version | head -n 1')" \
		"$("$program" --version | head -n 1)"
	reads busybox "$TEST_TMP/busybox"
	captures busybox "$TEST_TMP/busybox"
else
	skip busybox "busybox-static is missing"
fi

# Half a minute, from the mirror that apt uses.
# shellcheck disable=SC2016 # the format is apt's
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -v security | head -n 1)
if ! command -v debootstrap >/dev/null; then
	skip debian-11 "debootstrap is missing"
elif ! debootstrap --variant=minbase bullseye "$TEST_TMP/bullseye" "$mirror" >"$TEST_TMP/log" 2>&1; then
	skip debian-11 "debootstrap fails: $(tail -n 1 "$TEST_TMP/log")"
else
	put_in "$TEST_TMP/bullseye"
	reads debian-11 "$TEST_TMP/bullseye"
	captures debian-11 "$TEST_TMP/bullseye"
fi

end_test
