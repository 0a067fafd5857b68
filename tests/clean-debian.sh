#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# clean-debian.sh [COMMAND]: clones this repository into a new Debian 12 (or SUITE=) and runs COMMAND there, by default
# what the README says: make demo, then make check. Root only; not part of make check. KEEP=1 leaves the tree for a look.
#
# The new system has what debootstrap's minimal variant brings, plus make and git. It uses the apt sources of this
# machine's Debian, its kernel and its network.
set -eu

suite=${SUITE:-bookworm}
command=${1:-make demo && make check}
top=$(cd "$(dirname "$0")/.." && pwd)

if [ "$(id -u)" -ne 0 ]; then
	echo "clean-debian.sh: needs root: try sudo make check-clean" >&2
	exit 1
fi
if ! command -v debootstrap >/dev/null; then
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y debootstrap
fi

# shellcheck disable=SC2016 # the format is apt's, not the shell's
mirror=$(apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | sed -n "s/^$suite //p" | head -n 1)
if [ -z "$mirror" ]; then
	echo "clean-debian.sh: apt here has no source for '$suite': set SUITE=" >&2
	exit 1
fi

root=$(mktemp -d "${TMPDIR:-/var/tmp}/clean-debian.XXXXXX")
# It becomes /, which all users may enter.
chmod 755 "$root"
mounted=()

# shellcheck disable=SC2317 # called by the trap
finish() {
	local i
	for ((i = ${#mounted[@]} - 1; i >= 0; i--)); do
		umount -R "${mounted[i]}" 2>/dev/null || umount -l "${mounted[i]}"
	done
	rm -f "$root.log"
	if [ -n "${KEEP:-}" ]; then
		echo "clean-debian.sh: kept in $root (nothing is mounted there any more)"
	else
		# --one-file-system: never through a mount that would not go away.
		rm -rf --one-file-system "$root"
	fi
}
trap finish EXIT

mount_in() { # PATH MOUNT-ARGUMENTS...
	local where=$root$1
	shift
	mkdir -p "$where"
	mount "$@" "$where"
	mounted+=("$where")
}

debootstrap --variant=minbase --include=make,git,ca-certificates "$suite" "$root" "$mirror" >"$root.log" 2>&1 || {
	tail -n 20 "$root.log" >&2
	exit 1
}
rm -f "$root.log"

# The same sources as here, security updates included.
for source in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
	if [ -f "$source" ]; then
		rm -f "$root/etc/apt/sources.list"
		cp "$source" "$root/etc/apt/sources.list.d/"
	fi
done
# Services that packages bring stay off: they would take this machine's ports.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
cp /etc/resolv.conf "$root/etc/resolv.conf"
cp /etc/hosts "$root/etc/hosts"

mount_in /proc -t proc proc
mount_in /sys --rbind --make-rslave /sys
mount_in /dev --bind /dev
mount_in /dev/pts --bind /dev/pts
mount_in /run -t tmpfs tmpfs
mount_in /tmp -t tmpfs tmpfs

git clone -q "$top" "$root/root/ptcpdump"
distdir=
if [ -n "${DISTDIR:-}" ] && [ -d "$DISTDIR" ]; then
	distdir=/root/distfiles
	mkdir -p "$root$distdir"
	cp "$DISTDIR"/*.tar.* "$root$distdir/"
fi

status=0
chroot "$root" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb DISTDIR="$distdir" \
	bash -c "cd /root/ptcpdump && $command" </dev/null || status=$?
echo "clean-debian.sh: '$command' ended with status $status"
exit "$status"
