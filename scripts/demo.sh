#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# demo.sh PTCPDUMP: a local HTTP server, ptcpdump around a curl that talks to it, the saved file read back. Who can not
# become root sees the saved file of the tests.
set -eu

ptcpdump=$1
top=$(cd "$(dirname "$0")/.." && pwd)
file=demo.pcapng
dir=$(mktemp -d)
server=

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# sudo only asks for the password now, so that the prompt does not land among packets.
can_be_root() {
	[ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo true; }
}

finish() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	rm -rf "$dir"
}
trap finish EXIT

# Shows a command that reads, and runs it.
show() { # ARGUMENT...
	echo
	echo "\$ ptcpdump $*"
	"$ptcpdump" "$@"
}

if ! can_be_root; then
	echo
	echo "Capturing needs root, and you are not root and sudo is not there or refuses. Files can be read by anyone:"
	saved=$top/tests/golden/annotated.pcapng
	show -n -r "$saved"
	show -n -r "$saved" --pname zzcmd -v -c 1
	echo
	echo "To see a capture, have root run: $top/scripts/demo.sh $(realpath "$ptcpdump")"
	exit
fi

# Answers each request with the file. Port 0: the kernel picks a free one, which is told. Debian has Perl with these
# modules everywhere.
cat >"$dir/server.pl" <<'END'
use IO::Socket::INET;
$| = 1;
open my $file, "<", $ARGV[0] or die "$ARGV[0]: $!\n";
my $text = join "", <$file>;
my $server = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1") or die "$@\n";
print "port ", $server->sockport, "\n";
while (my $client = $server->accept) {
	while (<$client>) { last if /^\r?$/ }
	print $client "HTTP/1.0 200 OK\r\nContent-Length: ", length $text, "\r\n\r\n", $text;
}
END
echo 'hello from the demo' >"$dir/hello.txt"
# It is made before the server starts, which takes a moment.
: >"$dir/server.log"
perl "$dir/server.pl" "$dir/hello.txt" >"$dir/server.log" 2>&1 &
server=$!
port=
for _ in $(seq 100); do
	port=$(sed -n 's/^port //p' "$dir/server.log")
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

show -r "$file" --pname curl | tee "$dir/read"
show -r "$file" -v -c 1

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
