#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# wireshark-pictures.sh PTCPDUMP [FOLDER]: makes the pictures in docs/pictures, or FOLDER, anew: windows of this machine's
# Wireshark, 4.6 or later for all of them, with a capture of PTCPDUMP. Needs root, for the capture; Wireshark runs as nobody.
# Look at them before they are committed: keys are pressed without seeing what they do. In a chroot, the executable's path in
# profile.png would be that of the machine.
set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
tools="unshare setpriv setcap ip nginx curl wireshark Xvfb openbox xdotool import montage pngquant"
packages="util-linux libcap2-bin iproute2 nginx-light curl wireshark xvfb openbox xdotool imagemagick pngquant fonts-dejavu-core"

fail() { # TEXT
	echo "wireshark-pictures.sh: $1" >&2
	exit 1
}

if [ "${1:-}" != --inside ]; then
	[ $# -ge 1 ] || fail "usage: wireshark-pictures.sh PTCPDUMP [FOLDER]"
	[ "$(id -u)" -eq 0 ] || fail "needs root: try sudo"
	for tool in $tools; do
		command -v "$tool" >/dev/null || fail "no pictures are made, '$tool' is missing. Debian's packages: $packages"
	done
	[ -x "$1" ] || fail "'$1' cannot be run: make first"
	program=$(realpath "$1")
	mkdir -p "${2:-$top/docs/pictures}"
	folder=$(realpath "${2:-$top/docs/pictures}")
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# Names, addresses, processes and settings of this machine are not in there, and what is started ends with it.
	env -i PATH="$PATH" HOME="$work/home" LANG=C.UTF-8 XDG_RUNTIME_DIR="$work/home/run" \
		unshare --net --uts --ipc --pid --fork --kill-child --mount-proc "$0" --inside "$program" "$folder" "$work"
	exit
fi

program=$2
folder=$3
work=$4
config=$HOME/.config/wireshark
# Wireshark as root warns, and loads no Lua.
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

wait_for() { # WHAT COMMAND...
	local what=$1 end=$((SECONDS + 30))
	shift
	while ((SECONDS < end)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.1
	done
	tail -n 5 "$work"/*.log >&2
	fail "waited 30 seconds for $what"
}

start_server() {
	cat >"$work/nginx.conf" <<-END
		daemon off;
		user root;
		worker_processes 1;
		pid $work/nginx.pid;
		events { }
		http {
			access_log off;
			client_body_temp_path $work/body;
			server { listen 10.0.0.2:80; location / { return 200 "hello\n"; } }
		}
	END
	nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
	wait_for nginx curl -s http://10.0.0.2/
}

# On lo, where the processes at both ends are known: a curl, and one that is called otherwise and sends more.
make_capture() { # FILE
	local capture
	ip link set lo up
	ip address add 10.0.0.1/32 dev lo
	ip address add 10.0.0.2/32 dev lo
	start_server
	mkdir "$work/bin"
	cp "$(realpath "$(command -v curl)")" "$work/bin/backup"
	head -c 20000 /dev/zero >"$work/file"

	"$program" -i lo -w "$1" 2>"$work/ptcpdump.log" &
	capture=$!
	wait_for ptcpdump grep -q 'listening on' "$work/ptcpdump.log"
	# From a shell, which is their parent.
	(cd "$work" && PATH=$work/bin:$PATH "${as_nobody[@]}" sh >"$work/clients.log" <<-END)
		curl -s --interface 10.0.0.1 http://10.0.0.2/
		backup -s --interface 10.0.0.1 --data-binary @file http://10.0.0.2/
	END
	# The last packets are on their way.
	sleep 1
	kill "$capture"
	wait "$capture" || fail "ptcpdump failed: $(cat "$work/ptcpdump.log")"
	chmod 644 "$1"
}

start_display() {
	Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp 3>"$work/display" 2>"$work/xvfb.log" &
	wait_for Xvfb test -s "$work/display"
	DISPLAY=:$(cat "$work/display")
	export DISPLAY
	openbox >"$work/openbox.log" 2>&1 &
}

# The widths of a profile's columns, and no bytes of the packets, so that there is room.
write_recent() { # FOLDER WIDTHS
	printf '%s\n' "gui.byte_view_show: false" "gui.packet_diagram_show: false" "column.width: $2" >"$1/recent"
}

write_settings() {
	local profile=$config/profiles/ptcpdump
	mkdir -p "$config/profiles"
	echo 'gui.column.format: "No.", "%m", "Time", "%t", "Source", "%s", "Destination", "%d",
		"Process", "%Cus:frame.darwin.process_info.pname:0:R", "PID", "%Cus:frame.darwin.process_info.pid:0:R",
		"Protocol", "%p", "Length", "%L", "Info", "%i"' >"$config/preferences"
	write_recent "$config" '%m, 50, %t, 95, %s, 85, %d, 95, "%Cus:frame.darwin.process_info.pname", 90,
		"%Cus:frame.darwin.process_info.pid", 50, %p, 70, %L, 60, %i, 480'
	cp -r "$top/deploy/wireshark/profile/ptcpdump" "$profile"
	write_recent "$profile" '%m, 50, %t, 95, %s, 75, "%Cus:ptcpdump.src", 125, %d, 90, "%Cus:ptcpdump.dst", 125,
		"%Cus:ptcpdump.container", 75, "%Cus:ptcpdump.pod", 40, %p, 65, %L, 60, %i, 300'
	chown -R 65534:65534 "$HOME"
}

install_plugin() {
	mkdir -p "$HOME/.local/lib/wireshark/plugins"
	cp "$top/deploy/wireshark/ptcpdump.lua" "$HOME/.local/lib/wireshark/plugins"
}

install_extcap() {
	mkdir "$work/extcap"
	cp "$program" "$work/extcap/ptcpdump"
	setcap cap_bpf,cap_net_admin,cap_net_raw,cap_perfmon,cap_sys_ptrace=ep "$work/extcap/ptcpdump"
}

find_window() { # TITLE
	local found
	found=$(xdotool search --onlyvisible --name "$1" | tail -n 1)
	[ -n "$found" ] && window=$found
}

open_window() { # TITLE WIDTH HEIGHT
	wait_for "Wireshark's window '$1'" find_window "$1"
	xdotool windowsize "$window" "$2" "$3" windowmove "$window" 20 40
	settle
}

# Until the window is as it was a second before.
settle() {
	local before now='' i
	for ((i = 0; i < 30; i++)); do
		before=$now
		sleep 1
		now=$(import -window "$window" -depth 8 rgb:- | cksum)
		[ "$now" != "$before" ] || return 0
	done
	fail "a window does not come to rest"
}

press() { # KEY...
	local key
	for key; do
		xdotool key "$key"
		sleep 0.5
	done
}

click() { # X Y
	xdotool mousemove --window "$window" "$1" "$2" click 1
	# Out of the way, so that nothing is highlighted.
	xdotool mousemove 1279 1023
}

photograph() { # NAME
	import -frame -window "$window" -strip "$work/$1.png"
}

save() { # NAME
	pngquant --strip --speed 1 --force --output "$folder/$1.png" 64 "$work/picture.png"
	echo "$folder/$1.png"
}

picture() { # NAME
	settle
	photograph picture
	save "$1"
}

start_wireshark() { # ARGUMENTS...
	WIRESHARK_EXTCAP_DIR="$work/extcap" "${as_nobody[@]}" wireshark "$@" >"$work/wireshark.log" 2>&1 &
	wireshark=$!
}

stop_wireshark() {
	kill "$wireshark"
	wait "$wireshark" || true
}

is_4_6() {
	local version
	version=$(wireshark --version | sed -n '1s/[^0-9]*\([0-9]*\.[0-9]*\).*/\1/p')
	[ "$(printf '%s\n' 4.6 "$version" | sort -V | head -n 1)" = 4.6 ]
}

native_columns() { # FILE
	start_wireshark -g 4 -r "$1"
	open_window '^capture.pcapng$' 1180 600
	# Into the details: the second is the frame's, and the process the eighth from the end then.
	click 300 550
	press Home Down Right End Up Up Up Up Up Up Up Up Right
	picture native-columns
	stop_wireshark
}

plugin() { # FILE
	start_wireshark -C ptcpdump -g 4 -r "$1"
	open_window '^capture.pcapng$' 1180 730
	# Into the details: the plug-in's are the last, and of these the process the third.
	click 300 680
	press Home End Right Down Down Down Right
	picture profile
	# The last entry of Tools, its only one.
	press alt+t Up Right Return
	open_window 'Traffic by process' 560 240
	picture statistics
	stop_wireshark
}

click_wheel() {
	click 72 231
	sleep 1
	find_window 'Interface Options'
}

extcap() {
	# Only the one interface, so that it is in the first row.
	start_wireshark -o capture.devices_hide:any,lo,bluetooth-monitor,nflog,nfqueue,dbus-system,dbus-session
	open_window 'Wireshark Network Analyzer' 985 629
	# The list may come later than the window.
	wait_for "ptcpdump's wheel in the list of interfaces" click_wheel
	open_window 'Interface Options' 560 290
	photograph capture
	# The next page.
	click 106 12
	settle
	photograph process
	montage "$work/capture.png" "$work/process.png" -tile 2x1 -geometry +8+0 "$work/picture.png"
	save extcap
	stop_wireshark
}

chmod 755 "$work"
mkdir -p "$HOME/run"
chmod 700 "$HOME/run"
hostname demo
make_capture "$work/capture.pcapng"
start_display
write_settings
install_extcap
# Before it, Wireshark has no native columns, and the wheel stands elsewhere.
if is_4_6; then
	native_columns "$work/capture.pcapng"
	extcap
else
	echo "wireshark-pictures.sh: skipping native-columns.png and extcap.png: Wireshark is older than 4.6" >&2
fi
install_plugin
plugin "$work/capture.pcapng"
