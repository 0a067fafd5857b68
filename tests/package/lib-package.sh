# shellcheck shell=bash disable=SC2034 # what the tests read
# SPDX-License-Identifier: BSD-3-Clause
# What tests of packages share. Sourced behind tests/lib.sh.

cd "$TOP" || exit 1
STATIC=$BUILD/static/ptcpdump
OUT=$TEST_TMP/out
VERSION=$(sed -n 's/^VERSION := //p' Makefile)
PACKAGE_VERSION=${VERSION//-/\~}
export LEVEL=0 # of compression

need_static() { make -s B="$BUILD" "$STATIC" >&2 || exit 1; }

# In OUT. Which architecture it is does not matter to those that only look into it.
packages() { # tar|deb|rpm...
	need_static
	scripts/package.sh "$STATIC" "$OUT" "$@" >&2
}

# A new Debian in $TEST_TMP/SUITE; prints why there is none. What is needed for it is made once in a month.
new_root() { # SUITE [PACKAGE,...]
	local archive
	archive=$(sh tests/package/root-fetch "$@" 2>&1) || {
		echo "no root of $1: ${archive##*$'\n'}"
		return
	}
	mkdir "$TEST_TMP/$1"
	tar -C "$TEST_TMP/$1" --zstd -xf "$archive" || echo "no root of $1: $archive cannot be unpacked"
	mknod -m 666 "$TEST_TMP/$1/dev/null" c 1 3
}

# All that is there, with what is in /etc, but for the notes of package managers.
everything() { # ROOT
	(cd "$1" && find . -path ./var/lib/dpkg -prune -o -path ./var/lib/rpm -prune -o ! -name dpkg.log ! -path ./tmp ! -path ./var/lib \
		! -path ./var/log -printf '%p %y %m %l\n' | sort && find etc -type f -print0 | sort -z | xargs -0 md5sum)
}

# What must work of an installed program, in a root.
try_in() { # NAME ROOT PROGRAM
	cp tests/golden/annotated.pcapng "$2/tmp/"
	is "$1 version" "$(chroot "$2" "$3" --version 2>&1 | head -n 1)" "ptcpdump version $VERSION"
	is "$1 reads" "$(chroot "$2" "$3" -n -r /tmp/annotated.pcapng 2>/dev/null | sha256sum)" \
		"$("$PTCPDUMP" -n -r tests/golden/annotated.pcapng 2>/dev/null | sha256sum)"
	rm "$2/tmp/annotated.pcapng"
}
