#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make dist: the same bytes each time, and unpacked elsewhere it builds without git and without a network. timeout: 900
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

[ -e .git ] && git rev-parse >/dev/null 2>&1 || skip_all "this is no clone of the repository, or somebody else's" dist
offline=(unshare -n)
[ "$(id -u)" -eq 0 ] || offline=(unshare -rn)
"${offline[@]}" true 2>/dev/null || skip_all "no network namespaces" dist

tree() { make -s B="$BUILD" R="$OUT" dist >&2; }
check made tree
tarball=$OUT/ptcpdump-$VERSION.tar.xz
first=$(sha256sum <"$tarball")
tree
is same_bytes "$(sha256sum <"$tarball")" "$first"
is owners "$(tar --numeric-owner -tvf "$tarball" | awk '{ print $2, $4 }' | sort -u | wc -l)" 1

tar -C "$TEST_TMP" -xf "$tarball"
cd "$TEST_TMP/ptcpdump-$VERSION" || exit 1
# Without optimization it is faster; what it must find is the same.
compiler=cc
! command -v ccache >/dev/null || compiler="ccache cc"
build() {
	env -u DISTDIR -u MAKEFLAGS -u MAKELEVEL PATH="$TEST_TMP/path:$PATH" "${offline[@]}" \
		make -j"$(nproc)" CC="$compiler" CFLAGS=-O0 FORTIFY= all >"$TEST_TMP/build" 2>&1 || tail -n 20 "$TEST_TMP/build" >&2
}
mkdir "$TEST_TMP/path"
printf '#!/bin/sh\necho "git is called" >&2\nexit 1\n' >"$TEST_TMP/path/git"
chmod +x "$TEST_TMP/path/git"
build
is builds_offline "$(build/ptcpdump --version 2>&1 | head -n 1)" "ptcpdump version $VERSION"
is without_git "$(grep 'git is called' "$TEST_TMP/build")" ""
is reads "$(build/ptcpdump -n -r tests/golden/annotated.pcapng 2>/dev/null | sha256sum)" \
	"$("$PTCPDUMP" -n -r tests/golden/annotated.pcapng 2>/dev/null | sha256sum)"
end_test
