#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# fetch.sh OUT SHA256 POOLPATH URL...
# Gets one pinned file: a copy in $DISTDIR, else from the mirrors that apt uses (POOLPATH, "-" for none), else from the
# URLs. Only a file with the right sum is kept.
set -eu

out=$1 sum=$2 pool=$3
shift 3
name=$(basename "$out")
part=$out.part

good() { # FILE
	[ -f "$1" ] && [ "$(sha256sum "$1" | cut -d' ' -f1)" = "$sum" ]
}

keep_if_good() {
	good "$part" && mv "$part" "$out" && exit 0
	rm -f "$part" "$part.FAILED"
}

good "$out" && exit 0
mkdir -p "$(dirname "$out")"

if [ -n "${DISTDIR:-}" ] && [ -f "$DISTDIR/$name" ]; then
	cp "$DISTDIR/$name" "$part"
	keep_if_good
	echo "fetch.sh: '$DISTDIR/$name' has the wrong sha256, looking elsewhere" >&2
fi

apt_helper=/usr/lib/apt/apt-helper
if [ "$pool" != - ] && [ -x "$apt_helper" ]; then
	# shellcheck disable=SC2016 # the format is apt's, not the shell's
	for base in $(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -v security | sort -u); do
		"$apt_helper" -qq download-file "${base%/}/$pool" "$part" "SHA256:$sum" >/dev/null 2>&1 || true
		keep_if_good
	done
fi

for url in "$@"; do
	if command -v curl >/dev/null; then
		curl -fsSL --retry 2 --connect-timeout 15 -o "$part" "$url" || true
	elif command -v wget >/dev/null; then
		wget -q -T 15 -O "$part" "$url" || true
	fi
	keep_if_good
done

echo "fetch.sh: no source gave '$name' with sha256 $sum" >&2
echo "fetch.sh: download it from $1 into a folder and run make again with DISTDIR=that-folder" >&2
exit 1
