#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dist.sh FOLDER TARBALL...: makes FOLDER/ptcpdump-VERSION.tar.xz of the last commit, with the tarballs in its folder distfiles,
# where deps/deps.mk looks for them: it builds without git and without a network. `make dist` calls it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/release.lib.sh

out=$1
shift
if [ ! -e .git ]; then
	echo "dist.sh: this is no clone of the repository: there is nothing to make a source tarball of" >&2
	exit 1
fi
# Of somebody else's clone, git says why it tells nothing.
git rev-parse -q --verify HEAD >/dev/null
[ -z "$(git status --porcelain)" ] || echo "dist.sh: what is not committed is not in the tarball" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

name=ptcpdump-$VERSION
if [ "$(git show HEAD:Makefile | sed -n 's/^VERSION := //p')" != "$VERSION" ]; then
	echo "dist.sh: the version of the last commit is another one than $VERSION: commit first" >&2
	exit 1
fi
mkdir -p "$out"
git archive --prefix="$name/" HEAD | tar -x -C "$work"
install -D -m 644 -t "$work/$name/distfiles" "$@"
pack "$out/$name.tar.xz" "$work" "$name"
