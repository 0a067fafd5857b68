#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh PTCPDUMP: a local HTTP server, ptcpdump around a curl that talks to it, the saved file read back.
set -eu

ptcpdump=$1
file=demo.pcapng
dir=$(mktemp -d)
server=

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

# Only asks for the password now, so that the prompt does not land among packets.
as_root true

echo 'hello from the demo' >"$dir/hello.txt"
# Port 0: the kernel picks a free one; the server says which. Its log is made before it starts, which takes a moment.
: >"$dir/server.log"
python3 -u -m http.server --bind 127.0.0.1 --directory "$dir" 0 >"$dir/server.log" 2>&1 &
server=$!
port=
for _ in $(seq 100); do
	port=$(sed -n 's/^Serving HTTP on .* port \([0-9]*\).*/\1/p' "$dir/server.log")
	[ -z "$port" ] || break
	sleep 0.1
done
if [ -z "$port" ]; then
	echo "demo.sh: the local HTTP server did not start:" >&2
	cat "$dir/server.log" >&2
	exit 1
fi
url=http://127.0.0.1:$port/hello.txt

echo
echo "\$ sudo ptcpdump -i lo --print -w $file -- curl -s $url"
rm -f "$file"
as_root "$ptcpdump" -i lo --print -w "$file" -- curl -s "$url" | tee "$dir/live"
[ "$(id -u)" -eq 0 ] || as_root chown "$(id -u):$(id -g)" "$file"

echo
echo "\$ ptcpdump -r $file --pname curl"
"$ptcpdump" -r "$file" --pname curl | tee "$dir/read"

echo
echo "\$ ptcpdump -r $file -v -c 1"
"$ptcpdump" -r "$file" -v -c 1

if ! grep -q 'hello from the demo' "$dir/live" || ! grep -q 'lo curl\.[0-9]* ' "$dir/live"; then
	echo "demo.sh: curl's output or its packets are missing above" >&2
	exit 1
fi
if ! diff <(grep ' IP' "$dir/live") <(grep ' IP' "$dir/read") >"$dir/diff"; then
	echo "demo.sh: the file does not read back as it was printed:" >&2
	cat "$dir/diff" >&2
	exit 1
fi
echo
echo "Saved in $file: Wireshark, tshark and tcpdump open it too."
