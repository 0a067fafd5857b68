#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What Wireshark is told without a capture, and the links by which it finds us. tests/system/extcap.sh has Wireshark itself call.
. "$(dirname "$0")/../lib.sh"

call() { "$PTCPDUMP" --extcap-interface ptcpdump "$@" 2>"$TEST_TMP/err"; }

is interfaces "$("$PTCPDUMP" --extcap-interfaces --extcap-version=4.4 | grep -c '^interface {value=ptcpdump}{display=')" 1
is dlts "$(call --extcap-dlts)" 'dlt {number=1}{name=EN10MB}{display=Ethernet}'
is config_lists_interfaces "$(call --extcap-config | grep -c '^value {arg=0}{value=lo}{display=lo}{default=false}$')" 1
is config_on_stderr "$(cat "$TEST_TMP/err")" ''
is unknown_interface "$("$PTCPDUMP" --extcap-config --extcap-interface eth9 2>&1)" \
	"ptcpdump: --extcap-interface 'eth9': the only one is ptcpdump"
is no_fifo "$(call --capture; cat "$TEST_TMP/err")" 'ptcpdump: --capture needs --fifo PATH, where packets are written to'
call --capture --fifo "$TEST_TMP/none" --log-level=info
is fifo_missing "$?$(cat "$TEST_TMP/err")" "1ptcpdump: --fifo '$TEST_TMP/none': No such file or directory"
: >"$TEST_TMP/file"
call --capture --fifo "$TEST_TMP/file"
is fifo_is_a_file "$?$(cat "$TEST_TMP/err")" "1ptcpdump: --fifo '$TEST_TMP/file': that is no fifo"

# Nothing says yes.
valid() { call --extcap-capture-filter "$1"; }
for filter in '' tcp 'tcp port 80 and pname curl' '-1 + len > 0' 'container web-* or port 53'; do
	is "filter_valid_${filter// /_}" "$(valid "$filter")$(cat "$TEST_TMP/err")" ''
done
is filter_invalid "$(valid 'tcp prot 80')" "ptcpdump: can't parse filter expression: syntax error"
is filter_invalid_term "$(valid 'pname = curl')" 'ptcpdump: pname =: a process term has no operator: write pname curl'
is filter_of_dashes "$(valid -- | grep -c 'syntax error')" 1

# --- --install-extcap ---
export HOME=$TEST_TMP/home
unset XDG_CONFIG_HOME SUDO_USER
new=$HOME/.local/lib/wireshark/extcap/ptcpdump
old=$HOME/.config/wireshark/extcap/ptcpdump
program=$(readlink -f "$PTCPDUMP")
install() { "$PTCPDUMP" --install-extcap >"$TEST_TMP/out" 2>&1; }
install
is install "$?$(readlink "$new"):$(readlink "$old")" "0$program:$program"
is install_says_so "$(grep -c " -> $program (Wireshark" "$TEST_TMP/out")" 2
ln -sfn /gone/bin/ptcpdump "$new"
install
is install_replaces_a_link_of_ours "$?$(readlink "$new")" "0$program"
ln -sfn /usr/bin/other "$new"
install
is install_leaves_other_links "$?$(readlink "$new")$(grep -c 'is no link to a ptcpdump' "$TEST_TMP/out")" 1/usr/bin/other1
rm "$new"
echo mine >"$new"
install
is install_leaves_files "$?$(cat "$new")$(grep -c "'$new' is there already" "$TEST_TMP/out")" 1mine1
rm "$new"
rmdir "${new%/*}"
echo mine >"${new%/*}"
install
is install_where_a_file_is "$?$(cat "$TEST_TMP/out")" "1ptcpdump: can't make the folder '${new%/*}': Not a directory"
rm "${new%/*}"
ln -s /gone "${new%/*}"
install
is install_where_a_link_leads_nowhere "$?$(cat "$TEST_TMP/out")" \
	"1ptcpdump: can't make the folder '${new%/*}': No such file or directory"
rm "${new%/*}"
XDG_CONFIG_HOME=$TEST_TMP/xdg install
is install_in_the_folder_of_settings "$?$(readlink "$TEST_TMP/xdg/wireshark/extcap/ptcpdump")" "0$program"
if [ "$(id -u)" -eq 0 ]; then
	SUDO_USER=somebody install
	is install_not_through_sudo "$?$(grep -c 'without sudo' "$TEST_TMP/out")" 11
else
	skip install_not_through_sudo "needs root"
fi
end_test
