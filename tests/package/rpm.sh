#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The .rpm: what is in it, and how it comes and goes; in a new Debian, where it needs as little as elsewhere. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

for command in rpmbuild rpm2cpio cpio; do
	command -v $command >/dev/null || skip_all "$command is missing" rpm
done
check made packages rpm
RPM=$(echo "$OUT"/*.rpm)
arch=$(uname -m)
is name "${RPM##*/}" "ptcpdump-$VERSION.$arch.rpm"
query() { rpm -qp --nosignature "$@" "$RPM"; }
is header "$(query --qf '%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{BUILDHOST}')" "ptcpdump $PACKAGE_VERSION 1 $arch reproducible"
is requires "$(query --requires | grep -v '^rpmlib' | sort -u)" "/bin/sh"
is files "$(query --qf '[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES} %{FILELINKTOS}\n]' | grep -v -e ^d -e LICENSES/ | sed 's/ $//' | sort -k 3)" \
	"-rw-r--r-- root /etc/default/ptcpdump
-rwxr-xr-x root /usr/bin/kubectl-ptcpdump
-rwxr-xr-x root /usr/bin/ptcpdump
-rw-r--r-- root /usr/lib/systemd/system/ptcpdump@.service
lrwxrwxrwx root /usr/lib64/wireshark/extcap/ptcpdump ../../../bin/ptcpdump
-rw-r--r-- root /usr/lib64/wireshark/plugins/ptcpdump.lua
lrwxrwxrwx root /usr/libexec/wireshark/extcap/ptcpdump ../../../bin/ptcpdump
-rw-r--r-- root /usr/share/bash-completion/completions/ptcpdump
-rw-r--r-- root /usr/share/doc/ptcpdump/CHANGELOG.md
-rw-r--r-- root /usr/share/doc/ptcpdump/LICENSE
-rw-r--r-- root /usr/share/doc/ptcpdump/NOTICE
-rw-r--r-- root /usr/share/doc/ptcpdump/README.md
-rw-r--r-- root /usr/share/fish/vendor_completions.d/ptcpdump.fish
-rw-r--r-- root /usr/share/man/man1/kubectl-ptcpdump.1.gz
-rw-r--r-- root /usr/share/man/man7/ptcpdump-filter.7.gz
-rw-r--r-- root /usr/share/man/man8/ptcpdump.8.gz
-rw-r--r-- root /usr/share/wireshark/profiles/ptcpdump/colorfilters
-rw-r--r-- root /usr/share/wireshark/profiles/ptcpdump/dfilter_buttons
-rw-r--r-- root /usr/share/wireshark/profiles/ptcpdump/preferences
-rw-r--r-- root /usr/share/zsh/site-functions/_ptcpdump"
is configuration "$(query -c)" /etc/default/ptcpdump
first=$(sha256sum <"$RPM")
packages rpm
is same_bytes "$(sha256sum <"$RPM")" "$first"

if command -v rpmlint >/dev/null; then
	is rpmlint "$(rpmlint -c deploy/rpm/rpmlint.toml "$RPM" 2>&1 | grep -o ' [0-9]* errors, [0-9]* warnings')" " 0 errors, 0 warnings"
else
	skip rpmlint "rpmlint is missing"
fi

mkdir "$TEST_TMP/unpacked"
(cd "$TEST_TMP/unpacked" && rpm2cpio "$RPM" | cpio -idm --quiet --no-absolute-filenames)
is unpacked "$("$TEST_TMP/unpacked/usr/bin/ptcpdump" --version | head -n 1)" "ptcpdump version $VERSION"

why=$(new_root bookworm systemd)
[ -z "$why" ] || skip_all "$why" installs runs removed
root=$TEST_TMP/bookworm
before=$(everything "$root")
# Debian's own says that it is not Debian's way.
in_root() { rpm --root "$root" --dbpath /var/lib/rpm --nodeps "$@" 2>&1 | grep -v -e 'RPM should not be used' -e 'However assuming'; }
is installs "$(in_root --nosignature -i "$RPM")" ""
try_in rpm "$root" /usr/bin/ptcpdump
is verifies "$(in_root -V ptcpdump)" ""
is removed "$(in_root -e ptcpdump) $(everything "$root" | diff <(echo "$before") - | grep '^[<>]')" " "
end_test
