#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# package.sh PROGRAM FOLDER tar|deb|rpm...: packs PROGRAM, a static one for whichever architecture, with manual pages, completions
# and all that `make install` installs. docs/building.md tells what is where. `make packages` calls it.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
. scripts/release.lib.sh

program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
shift 2

machine=$(LC_ALL=C readelf -h "$program" | sed -n 's/^ *Machine: *//p')
case $machine in
*X86-64) arch=x86_64 deb_arch=amd64 ;;
AArch64) arch=aarch64 deb_arch=arm64 ;;
*)
	echo "package.sh: '$program' is for '$machine': neither x86-64 nor AArch64" >&2
	exit 1
	;;
esac
if LC_ALL=C readelf -l "$program" | grep -q INTERP; then
	echo "package.sh: '$program' is not static: make static" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stage() { # TREE VARIABLE=VALUE...
	local tree=$1
	shift
	make -s -o "$program" install PROGRAM="$program" DESTDIR="$tree" EXTCAPDIR= "$@"
}

# Wireshark 4.6 has its programs in libexec, those before in lib; a package does not know which it meets.
link_extcap() { # TREE LIBRARY-FOLDER
	local folder
	for folder in "$1$2/wireshark/extcap" "$1/usr/libexec/wireshark/extcap"; do
		mkdir -p "$folder"
		ln -srfn "$1/usr/bin/ptcpdump" "$folder/ptcpdump"
	done
}

# What both kinds of packages have that `make install` has not.
stage_system() { # TREE LIBRARY-FOLDER VARIABLE=VALUE...
	local tree=$1 lib=$2
	shift 2
	stage "$tree" PREFIX=/usr WIRESHARK_PLUGINS="$lib/wireshark/plugins" WIRESHARK_PROFILES=/usr/share/wireshark/profiles "$@"
	link_extcap "$tree" "$lib"
	mkdir -p "$tree/etc/default"
	mv "$tree/usr/share/doc/ptcpdump/ptcpdump.default" "$tree/etc/default/ptcpdump"
	gzip -9n "$tree"/usr/share/man/man*/*
}

# To be unpacked anywhere; the unit is for /usr/local.
make_tar() {
	local name=ptcpdump-$VERSION-linux-$arch share=/usr/local/share/ptcpdump/wireshark
	stage "$work/tar" PREFIX=/usr/local WIRESHARK_PLUGINS=$share WIRESHARK_PROFILES=$share/profiles
	mv "$work/tar/usr/local" "$work/tar/$name"
	# Without folders: unpacking it leaves owners and rights of those that are there.
	pack "$out/$name.tar.xz" "$work/tar" "$name" files
}

# Debian has the texts of some licences, which must not come again.
copyright() {
	local file name
	echo "ptcpdump, packaged from its own sources, $HOMEPAGE"
	echo
	cat LICENSE NOTICE
	for file in LICENSES/*.txt; do
		name=$(basename "$file" .txt)
		case $name in
		Apache-2.0) file=/usr/share/common-licenses/Apache-2.0 ;;
		GPL-2.0-only) file=/usr/share/common-licenses/GPL-2 ;;
		GPL-3.0-or-later) file=/usr/share/common-licenses/GPL-3 ;;
		LGPL-2.1-or-later) file=/usr/share/common-licenses/LGPL-2.1 ;;
		LGPL-3.0-or-later) file=/usr/share/common-licenses/LGPL-3 ;;
		esac
		printf '\n--- %s ---\n\n' "$name"
		if [ "${file#/}" != "$file" ]; then
			echo "On Debian systems, the text is in $file."
		else
			cat "$file"
		fi
	done
}

# The version that CHANGELOG.md begins with, of which Debian's has one line.
debian_changelog() {
	cat <<-END
		ptcpdump ($PACKAGE_VERSION-1) unstable; urgency=medium

		  * Version $VERSION; changelog.gz says what is new.

		 -- $MAINTAINER  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
	END
}

make_deb() {
	local tree=$work/deb doc
	doc=$tree/usr/share/doc/ptcpdump
	stage_system "$tree" "/usr/lib/$arch-linux-gnu" ZSHDIR=/usr/share/zsh/vendor-completions
	rm -r "$doc/LICENSE" "$doc/LICENSES" "$doc/NOTICE"
	copyright >"$doc/copyright"
	debian_changelog | gzip -9n >"$doc/changelog.Debian.gz"
	gzip -9n <CHANGELOG.md >"$doc/changelog.gz"
	rm "$doc/CHANGELOG.md"
	install -D -m 644 deploy/debian/lintian-overrides "$tree/usr/share/lintian/overrides/ptcpdump"
	install -D -m 755 -t "$tree/DEBIAN" deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm
	install -m 644 deploy/debian/conffiles "$tree/DEBIAN/conffiles"
	sed -e "s|@VERSION@|$PACKAGE_VERSION-1|; s|@ARCH@|$deb_arch|; s|@MAINTAINER@|$MAINTAINER|; s|@HOMEPAGE@|$HOMEPAGE|" \
		-e "s|@SIZE@|$(du -k --apparent-size -s --exclude=DEBIAN "$tree" | cut -f1)|" deploy/debian/control >"$tree/DEBIAN/control"
	(cd "$tree" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$work/md5sums"
	install -m 644 "$work/md5sums" "$tree/DEBIAN/md5sums"
	# xz: Debian 11's dpkg knows no zstd.
	# Without the tilde: where releases are published, it becomes a dot.
	dpkg-deb --root-owner-group -Zxz "-z$LEVEL" --build "$tree" "$out/ptcpdump_${VERSION}_$deb_arch.deb" >/dev/null
}

make_rpm() {
	local tree=$work/rpm
	stage_system "$tree" /usr/lib64
	rpmbuild -bb --target "$arch-linux" --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpmbuild" \
		--define "tree $tree" --define "package_version $PACKAGE_VERSION" --define "homepage $HOMEPAGE" \
		--define "level $LEVEL" --define "packager $MAINTAINER" --define "day $(LC_ALL=C date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" \
		deploy/rpm/ptcpdump.spec >"$work/rpm.log" 2>&1 || {
		cat "$work/rpm.log" >&2
		return 1
	}
	mv "$work/rpmbuild/$arch/ptcpdump-$PACKAGE_VERSION-1.$arch.rpm" "$out/ptcpdump-$VERSION.$arch.rpm"
}

for kind; do
	case $kind in
	tar | deb | rpm) "make_$kind" ;;
	*)
		echo "package.sh: '$kind' is none of tar, deb, rpm" >&2
		exit 1
		;;
	esac
done
