#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# release.sh: makes all of a release in build/release, looks it over, and prints a table of it. docs/releasing.md tells when.
#   ARCHES="x86_64 aarch64"    for which machines; another than this one is built by make CROSS=
#   DOWNLOADS=https://...      where the files will be, for krew's manifest
#   IMAGE=ptcpdump:VERSION     what the image will be called, for the DaemonSet
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/release.lib.sh

ARCHES=${ARCHES:-x86_64 aarch64}
DOWNLOADS=${DOWNLOADS:-${HOMEPAGE%/}/releases/$VERSION}
IMAGE=${IMAGE:-ptcpdump:$VERSION}
PROGRAM_MAX=${PROGRAM_MAX:-5500000} # bytes
out=build/release
read -ra make <<<"${MAKE:-make} -j$(nproc)"

die() {
	echo "release.sh: $*" >&2
	exit 1
}

# --- before anything is made ---

grep -qF "## [$VERSION] - " CHANGELOG.md || die "CHANGELOG.md says nothing of $VERSION and its day"
for tool in dpkg-deb rpmbuild lintian busybox; do
	command -v "$tool" >/dev/null || die "$tool is missing: scripts/setup.sh package"
done

deb_arch_of() { # ARCH
	case $1 in
	x86_64) echo amd64 ;;
	aarch64) echo arm64 ;;
	*) die "ARCHES: '$1' is neither x86_64 nor aarch64" ;;
	esac
}

# --- what there is of each architecture ---

program_of() { # ARCH
	if [ "$1" = "$(uname -m)" ]; then echo build/static/ptcpdump; else echo "build/$1-linux-gnu/static/ptcpdump"; fi
}

build_for() { # ARCH
	local program size
	program=$(program_of "$1")
	if [ "$1" = "$(uname -m)" ]; then "${make[@]}" static; else "${make[@]}" CROSS="$1-linux-gnu" static; fi
	size=$(stat -c %s "$program")
	[ "$size" -le "$PROGRAM_MAX" ] || die "$program has $size bytes, more than $PROGRAM_MAX"
	scripts/package.sh "$program" "$out" tar deb rpm
}

busybox_of() { # ARCH
	if [ "$1" = "$(uname -m)" ]; then command -v busybox; else echo "$(scripts/sysroot "$(deb_arch_of "$1")")/bin/busybox"; fi
}

make_image() {
	local arch images=()
	for arch in $ARCHES; do
		images+=("$(deb_arch_of "$arch")=$(program_of "$arch"),$(busybox_of "$arch")")
	done
	scripts/image.py "$out/ptcpdump-$VERSION-oci.tar" "$VERSION" "$SOURCE_DATE_EPOCH" "${images[@]}"
}

# --- for Kubernetes: krew takes a .tar.gz, and its sum ---

make_kubernetes() {
	local work name=kubectl-ptcpdump-$VERSION.tar.gz sum
	work=$(mktemp -d)
	install -D -m 755 -t "$work/ptcpdump-$VERSION/deploy/kubernetes" deploy/kubernetes/kubectl-ptcpdump
	install -m 644 -t "$work/ptcpdump-$VERSION" LICENSE
	pack_tar "$work" "ptcpdump-$VERSION" | gzip -9n >"$out/$name"
	rm -rf "$work"
	sum=$(sha256sum <"$out/$name" | cut -d' ' -f1)
	sed -e "s|uri: .*|uri: $DOWNLOADS/$name|; s|sha256: .*|sha256: \"$sum\"|; s|homepage: .*|homepage: $HOMEPAGE|" \
		deploy/kubernetes/ptcpdump.yaml >"$out/krew-ptcpdump.yaml"
	sed -e "s|image: .*|image: $IMAGE|" deploy/kubernetes/daemonset.yaml >"$out/daemonset.yaml"
}

# --- all of it ---

rm -rf "$out"
mkdir -p "$out"
"${make[@]}" dist
for arch in $ARCHES; do
	build_for "$arch"
done
make_image
make_kubernetes

# What they need not say stands with its reasons in deploy/debian/lintian-overrides and deploy/rpm/rpmlint.toml.
lintian --allow-root --tag-display-limit 0 --fail-on error,warning "$out"/*.deb
echo "lintian: nothing to say of $(cd "$out" && echo *.deb)"
if command -v rpmlint >/dev/null; then
	rpmlint -c deploy/rpm/rpmlint.toml "$out"/*.rpm
fi
(cd "$out" && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)

echo
echo "ptcpdump $VERSION, $(date -u -d "@$SOURCE_DATE_EPOCH" '+%Y-%m-%d %H:%M:%S UTC')"
for arch in $ARCHES; do
	printf '%10d  %s\n' "$(stat -c %s "$(program_of "$arch")")" "the program for $arch"
done
(cd "$out" && stat -c '%s %n' -- *) | while read -r size name; do
	printf '%10d  %s\n' "$size" "$name"
done
