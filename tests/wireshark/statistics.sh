#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tools > ptcpdump > Traffic by process: there with a window only, and what it counts. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-wireshark.sh"

# tshark has no windows: a script that loads ours puts something in their place, opens the menu's entry, and prints.
cat >"$TEST_TMP/window.lua" <<'END'
local menu_name, menu_open
function _G.gui_enabled() return true end
function _G.register_menu(name, open) menu_name, menu_open = name, open end
function _G.retap_packets() end
_G.TextWindow = { new = function(title)
	return {
		set = function(_, text) print(menu_name .. "|" .. title) io.write(text) end,
		append = function(_, text) io.write(text) end,
		set_atclose = function() end,
	}
end }
END
echo "dofile('$LUA') menu_open()" >>"$TEST_TMP/window.lua"
echo "function _G.register_menu() print('a menu') end dofile('$LUA')" >"$TEST_TMP/no-window.lua"
python3 "$TOP/tests/wireshark/packets.py" all "$TEST_TMP/all.pcapng"

window() { # NUMBER
	local name=$1
	ws tshark -q -X "lua_script:$TEST_TMP/window.lua" -r "$TEST_TMP/all.pcapng" >"$TEST_TMP/out"
	is "$name menu" "$(sed -n 1p "$TEST_TMP/out")" "ptcpdump/Traffic by process|Traffic by process"
	# Packets of 62 bytes: one from fetch to master, two from master to fetch.
	is "$name by_process" "$(sed -n 2,4p "$TEST_TMP/out" | tr -s ' ' | paste -sd'|')" \
		" bytes sent packets received packets process| 62 1 124 2 fetch.11| 124 2 62 1 master.21"
	is "$name by_container" "$(sed -n '5,$p' "$TEST_TMP/out" | tr -s ' ' | paste -sd'|')" \
		"| bytes sent packets received packets container| 124 2 62 1 db| 62 1 124 2 web"
	is "$name no_window" "$(ws tshark -q -X "lua_script:$TEST_TMP/no-window.lua" \
		-r "$TEST_TMP/all.pcapng" 2>/dev/null)" ""
}

each_version window
end_test
