# shellcheck shell=bash disable=SC2034 # what the scripts read
# SPDX-License-Identifier: BSD-3-Clause
# What the scripts of a release share. Sourced in the repository's folder: . scripts/release.lib.sh

VERSION=$(sed -n 's/^VERSION := //p' Makefile)
# 1.0.0-rc1 comes before 1.0.0: deb and rpm say this by a tilde.
PACKAGE_VERSION=${VERSION//-/\~}
HOMEPAGE=${HOMEPAGE:-https://ptcpdump.invalid/}
MAINTAINER=${MAINTAINER:-The ptcpdump authors <maintainers@ptcpdump.invalid>}

# All files of a release are of this time: that of the last commit. Those of a source tarball have it; and git tells nothing to those
# who do not own the clone.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
	SOURCE_DATE_EPOCH=$([ ! -e .git ] || git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=
	SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y Makefile)}
fi
export SOURCE_DATE_EPOCH

# Less of it where only the contents matter (tests).
LEVEL=${LEVEL:-9}

# The same bytes from the same files, whoever packs them.
pack_tar() { # FOLDER NAME [files]: NAME in FOLDER, to standard output; files: none of its folders
	local name=$2 list=(-c "$2")
	[ "${3:-}" != files ] || list=(--no-recursion -c --null -T -)
	{ [ "${3:-}" != files ] || (cd "$1" && find "$name" ! -type d -print0 | LC_ALL=C sort -z); } |
		tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX,a-st --format=ustar -C "$1" "${list[@]}"
}
pack() { # ARCHIVE.tar.xz FOLDER NAME [files]
	pack_tar "${@:2}" | xz "-$LEVEL" -T1 >"$1.part"
	mv "$1.part" "$1"
}
