#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# clean-debian.sh [COMMAND]: clones this repository into a new Debian 12 (or SUITE=) and runs COMMAND there, by default
# what the README says: make demo, then make check. Root only; not part of make check. KEEP=1 leaves the tree for a look.
#
# The new system has what debootstrap's minimal variant brings, plus make and git. It uses the apt sources of this
# machine's Debian, of another SUITE the same mirror, and this machine's kernel and network. No service may be started or
# enabled there, and it is told how many packages came.
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

# Of this suite, else the mirror of another one.
mirrors() { # REGEX
	# shellcheck disable=SC2016 # the format is apt's, not the shell's
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' 'Created-By: Packages' | grep -v -e security -e '/apt' | sed -n "s/^$1 //p"
}
mirror=$({ mirrors "$suite"; mirrors '[^ ]*'; } | head -n 1)
if [ -z "$mirror" ]; then
	echo "clean-debian.sh: apt here has no Debian mirror among its sources" >&2
	exit 1
fi
# A newer suite than debootstrap knows is set up as all of today's.
script=
[ -e "/usr/share/debootstrap/scripts/$suite" ] || script=/usr/share/debootstrap/scripts/sid

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

debootstrap --variant=minbase --include=make,git,ca-certificates "$suite" "$root" "$mirror" $script >"$root.log" 2>&1 || {
	tail -n 20 "$root.log" >&2
	exit 1
}
rm -f "$root.log"

# The same sources as here, security updates included; of another suite, what debootstrap has written.
for source in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
	if [ -f "$source" ] && grep -q "\b$suite\b" "$source"; then
		rm -f "$root/etc/apt/sources.list"
		cp "$source" "$root/etc/apt/sources.list.d/"
	fi
done
# They would take this machine's ports. What is asked for is noted: nothing should be.
printf '#!/bin/sh\necho "$*" >>/started\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
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

# shellcheck disable=SC2016 # dpkg's format
packages() { chroot "$root" dpkg-query -W -f '${db:Status-Abbrev}\n' | grep -c '^ii'; }
enabled() { (cd "$root" && find etc/systemd/system -path '*.wants/*' && find etc/rc[2-5S].d -name 'S*') | sort; }
packages_before=$(packages)
enabled_before=$(enabled)

# Its root is the root of a mount namespace, as a container's is: of what runs in a chroot, the kernel says paths as they are
# outside.
# shellcheck disable=SC2016 # for the shell inside
inside='mount --rbind "$1" "$1" && cd "$1" && pivot_root . . && umount -l . && cd /root/ptcpdump && exec env -i HOME=/root \
	PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb DISTDIR="$2" bash -c "$3"'
status=0
unshare -m --propagation private bash -c "$inside" bash "$root" "$distdir" "$command" </dev/null || status=$?
echo "clean-debian.sh: '$command' ended with status $status; it installed $(($(packages) - packages_before)) packages"
if [ -s "$root/started" ]; then
	echo "clean-debian.sh: services would have been started: $(sort -u "$root/started" | paste -sd';')" >&2
	status=1
fi
# But what comes with systemd itself.
new=$(comm -13 <(echo "$enabled_before") <(enabled) | while read -r link; do
	unit=$(basename "$link" | sed 's/@.*\./@./')
	chroot "$root" dpkg-query -L systemd 2>/dev/null | grep -q "/systemd/system/$unit\$" || echo "$link"
done | paste -sd' ')
if [ -n "$new" ]; then
	echo "clean-debian.sh: services have been enabled: $new" >&2
	status=1
fi
exit "$status"
