#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# make install puts plug-in and profile where Wireshark finds them; the profile is one that it takes. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

cd "$TOP" || exit 1
root=$TEST_TMP/root
places=(WIRESHARK_PLUGINS=/opt/plugins WIRESHARK_PROFILES=/opt/profiles)
run() { make -s -o "$BUILD/ptcpdump" B="$BUILD" DESTDIR="$root" "$@" >"$TEST_TMP/log" 2>&1; }

check install run "${places[@]}" install
is installed "$(cd "$root/opt" && find . -type f | sort | paste -sd' ')" \
	"./plugins/ptcpdump.lua ./profiles/ptcpdump/colorfilters ./profiles/ptcpdump/dfilter_buttons ./profiles/ptcpdump/preferences"
check uninstall run "${places[@]}" uninstall
is uninstalled "$(find "$root/opt" -type f)" ""
run WIRESHARK_PLUGINS= WIRESHARK_PROFILES= install
is without_wireshark "$? $(find "$root" -name ptcpdump.lua)" "0 "
is own_folders "$(HOME=/home/me XDG_CONFIG_HOME='' scripts/wireshark-folder plugins /home/me/.local) $(HOME=/home/me XDG_CONFIG_HOME='' \
	scripts/wireshark-folder profiles /home/me/.local)" "/home/me/.local/lib/wireshark/plugins /home/me/.config/wireshark/profiles"

# As a single user has it (docs/wireshark.md): no -X, and the columns of the profile.
own_folders() { # NUMBER
	local name=$1 out
	out=$(ws tshark -n -C ptcpdump -r "$TOP/tests/golden/annotated.pcapng" 2>"$TEST_TMP/err" | sed -n 4p)
	is "$name columns" "$(echo "$out" | grep -c 'zzcmd.4000002 .*zzcontainer .*zzpod')" 1
	is "$name profile_is_taken" "$(grep -v 'Running as user' "$TEST_TMP/err")" ""
	is "$name colours" "$(ws tshark -n -C ptcpdump -r "$TOP/tests/golden/annotated.pcapng" -c 1 --color \
		-T fields -e frame.coloring_rule.name 2>/dev/null | sed 's/\x1b[^m]*m//g')" "In a container"
	is "$name buttons" "$(cut -d'"' -f6 deploy/wireshark/profile/ptcpdump/dfilter_buttons | grep . | while read -r filter; do
		ws tshark -n -r "$TOP/tests/golden/annotated.pcapng" -Y "$filter" 2>&1 >/dev/null | grep -v 'Running as user'
	done)" ""
}

mkdir -p "$WS_HOME/.local/lib/wireshark/plugins" "$WS_HOME/.config/wireshark/profiles"
cp "$LUA" "$WS_HOME/.local/lib/wireshark/plugins"
cp -r "$TOP/deploy/wireshark/profile/ptcpdump" "$WS_HOME/.config/wireshark/profiles"
chmod -R a+rX "$WS_HOME"
each_version own_folders
end_test
