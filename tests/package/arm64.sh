#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Packages of the arm64 program that `make CROSS=aarch64-linux-gnu static` has built: whose they are, lintian, and that what is in
# them runs under qemu-user. timeout: 200
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

STATIC=$BUILD/aarch64-linux-gnu/static/ptcpdump
[ -x "$STATIC" ] || skip_all "make CROSS=aarch64-linux-gnu static has not built it" arm64
why=
for command in dpkg-deb rpmbuild lintian qemu-aarch64-static; do command -v $command >/dev/null || why="$command is missing"; done
[ -z "$why" ] || skip_all "$why" arm64

check made scripts/package.sh "$STATIC" "$OUT" tar deb rpm
is files "$(cd "$OUT" && echo *)" \
	"ptcpdump-$VERSION-linux-aarch64.tar.xz ptcpdump-$VERSION.aarch64.rpm ptcpdump_${VERSION}_arm64.deb"
is deb "$(dpkg-deb -f "$OUT"/*.deb Architecture) $(dpkg-deb -c "$OUT"/*.deb | grep -o 'usr/lib/.*extcap/ptcpdump')" \
	"arm64 usr/lib/aarch64-linux-gnu/wireshark/extcap/ptcpdump"
is lintian "$(lintian --allow-root --fail-on=none --tag-display-limit 0 "$OUT"/*.deb 2>&1)" ""
is rpm "$(rpm -qp --nosignature --qf '%{ARCH} %{OS}' "$OUT"/*.rpm)" "aarch64 linux"
dpkg-deb -x "$OUT"/*.deb "$TEST_TMP/root"
run() { qemu-aarch64-static "$TEST_TMP/root/usr/bin/ptcpdump" "$@"; }
is version "$(run --version | head -n 1)" "ptcpdump version $VERSION"
is reads "$(run --no-sandbox -n -r tests/golden/annotated.pcapng 2>"$TEST_TMP/err" | sha256sum)" \
	"$("$PTCPDUMP" -n -r tests/golden/annotated.pcapng 2>/dev/null | sha256sum)"
end_test
