#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The tarball of the static program, and its manual pages. timeout: 200
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"

check made packages tar
name=ptcpdump-$VERSION-linux-$(uname -m)
first=$(sha256sum <"$OUT/$name.tar.xz")
packages tar
is same_bytes "$(sha256sum <"$OUT/$name.tar.xz")" "$first"
mkdir "$TEST_TMP/local"
tar -C "$TEST_TMP/local" --strip-components=1 -xf "$OUT/$name.tar.xz"
is no_folders "$(tar -tf "$OUT/$name.tar.xz" | grep -c '/$')" 0
is owners "$(tar --numeric-owner -tvf "$OUT/$name.tar.xz" | awk '{ print $2 }' | sort -u)" 0/0
is files "$(cd "$TEST_TMP/local" && find . -type f ! -path '*/LICENSES/*' | sort)" "./bin/kubectl-ptcpdump
./bin/ptcpdump
./lib/systemd/system/ptcpdump@.service
./share/bash-completion/completions/ptcpdump
./share/doc/ptcpdump/CHANGELOG.md
./share/doc/ptcpdump/LICENSE
./share/doc/ptcpdump/NOTICE
./share/doc/ptcpdump/README.md
./share/doc/ptcpdump/ptcpdump.default
./share/fish/vendor_completions.d/ptcpdump.fish
./share/man/man1/kubectl-ptcpdump.1
./share/man/man7/ptcpdump-filter.7
./share/man/man8/ptcpdump.8
./share/ptcpdump/wireshark/profiles/ptcpdump/colorfilters
./share/ptcpdump/wireshark/profiles/ptcpdump/dfilter_buttons
./share/ptcpdump/wireshark/profiles/ptcpdump/preferences
./share/ptcpdump/wireshark/ptcpdump.lua
./share/zsh/site-functions/_ptcpdump"
is version "$("$TEST_TMP/local/bin/ptcpdump" --version | head -n 1)" "ptcpdump version $VERSION"
is unit "$(grep ^ExecStart= "$TEST_TMP/local/lib/systemd/system/ptcpdump@.service" | cut -d' ' -f1)" ExecStart=/usr/local/bin/ptcpdump
# The plug-in's manual has each option of its help.
is options_of_the_plugin "$(sh deploy/kubernetes/kubectl-ptcpdump --help | grep -v '^  kubectl' | grep -oE -- '(^|[ ,])--[a-z-]+' | tr -d ' ,' | sort -u | while read -r option; do
	grep -qF -- " Fl ${option#-}" man/kubectl-ptcpdump.1 || grep -qF -- ".It Fl ${option#-}" man/kubectl-ptcpdump.1 || echo "$option"
done)" ""
if command -v mandoc >/dev/null; then
	is manual "$(mandoc -T lint -W warning man/kubectl-ptcpdump.1)" ""
else
	skip manual "mandoc is missing"
fi
is changelog "$(sed -n 's/^## \[\(.*\)\].*/\1/p' CHANGELOG.md | head -n 1)" "$VERSION"
end_test
