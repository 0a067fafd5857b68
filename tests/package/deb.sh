#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The .deb: what is in it, lintian, and how it comes, changes and goes in new Debian 12 and 13. timeout: 600
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

command -v dpkg-deb >/dev/null || skip_all "dpkg-deb is missing" deb
check made packages deb
DEB=$(echo "$OUT"/*.deb)
arch=$(dpkg --print-architecture)
triplet=$(uname -m)-linux-gnu
is name "${DEB##*/}" "ptcpdump_${VERSION}_$arch.deb"
is control "$(dpkg-deb -f "$DEB" Package Version Architecture Depends)" "Package: ptcpdump
Version: $PACKAGE_VERSION-1
Architecture: $arch"
is before_the_release "$(dpkg --compare-versions "$PACKAGE_VERSION-1" lt "${VERSION%%-*}-1" && echo yes)" \
	"$([ "$VERSION" = "${VERSION%%-*}" ] || echo yes)"
is files "$(dpkg-deb -c "$DEB" | awk '$1 !~ /^d/ { print $1, $2, $6, $7 $8 }' | sed "s|\./||; s|$triplet|TRIPLET|; s/ $//" | sort -k 3)" \
	"-rw-r--r-- root/root etc/default/ptcpdump
-rwxr-xr-x root/root usr/bin/kubectl-ptcpdump
-rwxr-xr-x root/root usr/bin/ptcpdump
lrwxrwxrwx root/root usr/lib/TRIPLET/wireshark/extcap/ptcpdump ->../../../../bin/ptcpdump
-rw-r--r-- root/root usr/lib/TRIPLET/wireshark/plugins/ptcpdump.lua
-rw-r--r-- root/root usr/lib/systemd/system/ptcpdump@.service
lrwxrwxrwx root/root usr/libexec/wireshark/extcap/ptcpdump ->../../../bin/ptcpdump
-rw-r--r-- root/root usr/share/bash-completion/completions/ptcpdump
-rw-r--r-- root/root usr/share/doc/ptcpdump/README.md
-rw-r--r-- root/root usr/share/doc/ptcpdump/changelog.Debian.gz
-rw-r--r-- root/root usr/share/doc/ptcpdump/changelog.gz
-rw-r--r-- root/root usr/share/doc/ptcpdump/copyright
-rw-r--r-- root/root usr/share/fish/vendor_completions.d/ptcpdump.fish
-rw-r--r-- root/root usr/share/lintian/overrides/ptcpdump
-rw-r--r-- root/root usr/share/man/man1/kubectl-ptcpdump.1.gz
-rw-r--r-- root/root usr/share/man/man7/ptcpdump-filter.7.gz
-rw-r--r-- root/root usr/share/man/man8/ptcpdump.8.gz
-rw-r--r-- root/root usr/share/wireshark/profiles/ptcpdump/colorfilters
-rw-r--r-- root/root usr/share/wireshark/profiles/ptcpdump/dfilter_buttons
-rw-r--r-- root/root usr/share/wireshark/profiles/ptcpdump/preferences
-rw-r--r-- root/root usr/share/zsh/vendor-completions/_ptcpdump"
if command -v lintian >/dev/null; then
	is lintian "$(lintian --allow-root --fail-on=none --tag-display-limit 0 "$DEB" 2>&1)" ""
else
	skip lintian "lintian is missing"
fi
first=$(sha256sum <"$DEB")
packages deb
is same_bytes "$(sha256sum <"$DEB")" "$first"

# The one before: a file that is gone since, and another /etc/default/ptcpdump.
dpkg-deb -R "$DEB" "$TEST_TMP/old"
sed -i 's/^Version: .*/Version: 0.9-1/' "$TEST_TMP/old/DEBIAN/control"
touch "$TEST_TMP/old/usr/bin/ptcpdump-gone"
echo '# before' >"$TEST_TMP/old/etc/default/ptcpdump"
dpkg-deb --root-owner-group -Zxz -z0 -b "$TEST_TMP/old" "$TEST_TMP/old.deb" >/dev/null

install_in() { # ROOT DEB
	cp "$2" "$1/tmp/package.deb"
	chroot "$1" env DEBIAN_FRONTEND=noninteractive dpkg "${@:3}" -i /tmp/package.deb >"$TEST_TMP/dpkg" 2>&1 </dev/null || cat "$TEST_TMP/dpkg"
	rm "$1/tmp/package.deb"
}
status_in() { chroot "$1" dpkg-query -W -f '${db:Status-Status}' ptcpdump 2>/dev/null; } # ROOT

in_debian() { # SUITE [PACKAGE,...]
	local suite=$1 root=$TEST_TMP/$1 why before
	why=$(new_root "$@")
	[ -z "$why" ] || {
		skip "$suite" "$why"
		return
	}
	before=$(everything "$root")
	is "$suite installs" "$(install_in "$root" "$TEST_TMP/old.deb") $(status_in "$root")" " installed"
	echo '# mine' >>"$root/etc/default/ptcpdump"
	is "$suite upgrades" "$(install_in "$root" "$DEB" --force-confold) $(status_in "$root")" " installed"
	is "$suite leaves_nothing_of_the_old" "$(ls "$root"/usr/bin/ptcpdump*)" "$root/usr/bin/ptcpdump"
	is "$suite keeps_what_was_edited" "$(tail -n 1 "$root/etc/default/ptcpdump")" "# mine"
	try_in "$suite" "$root" ptcpdump
	is "$suite wireshark_asks" "$(chroot "$root" "/usr/lib/$triplet/wireshark/extcap/ptcpdump" --extcap-interfaces | head -n 1 | grep -o '^extcap {version=')" \
		"extcap {version="
	is "$suite manual" "$(zcat "$root/usr/share/man/man8/ptcpdump.8.gz" | cmp - man/ptcpdump.8)" ""
	is "$suite not_enabled" "$(find "$root/etc/systemd" -name 'ptcpdump*' 2>/dev/null)" ""
	chroot "$root" dpkg -r ptcpdump >/dev/null 2>&1
	is "$suite removed" "$(status_in "$root") $(everything "$root" | diff <(echo "$before") - | grep '^[<>]' | grep -v ptcpdump)" "config-files "
	# What an administrator has added belongs to the configuration and to the logs.
	mkdir -p "$root/var/log/ptcpdump" "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system/ptcpdump@eth0.service.d"
	touch "$root/var/log/ptcpdump/eth0.pcapng0" "$root/etc/systemd/system/ptcpdump@eth0.service.d/override.conf"
	ln -s /lib/systemd/system/ptcpdump@.service "$root/etc/systemd/system/multi-user.target.wants/ptcpdump@eth0.service"
	chroot "$root" dpkg -P ptcpdump >/dev/null 2>&1
	rmdir "$root/etc/systemd/system/multi-user.target.wants" "$root/etc/systemd/system" "$root/etc/systemd" 2>/dev/null
	is "$suite nothing_left" "$(status_in "$root") $(everything "$root" | diff <(echo "$before") - | grep '^[<>]')" " "
	rm -rf --one-file-system "$root"
}
in_debian bookworm systemd
in_debian trixie
end_test
