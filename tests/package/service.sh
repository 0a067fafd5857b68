#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ptcpdump@.service: what it says is right, its command tells when it captures, and systemd itself runs it, in a container with a
# Debian whose first process it is. timeout: 300
set -u
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lib-package.sh"
why=$(lacks ip python3)
[ -z "$why" ] || skip_all "$why" verify tells service

UNIT=$TEST_TMP/ptcpdump@.service
NS=ptcpservice$$
cleanup() { ip netns del "$NS" 2>/dev/null; }

# --- what it says ---

sed "s,/usr/bin/,$BUILD/," deploy/systemd/ptcpdump@.service >"$UNIT"
if command -v systemd-analyze >/dev/null; then
	is verify "$(SYSTEMD_LOG_LEVEL=warning systemd-analyze verify --man=no "$UNIT" 2>&1 | grep ptcpdump)" ""
	# 10 is a service that may do everything.
	at_most exposure "$(systemd-analyze security --offline=yes "$UNIT" 2>/dev/null | sed -n 's/.*exposure level.*: \([0-9]*\)\..*/\1/p')" 4
else
	skip verify "systemd-analyze is missing"
fi

# --- its command, with a manager that is a socket ---

ip netns add "$NS" && ip -n "$NS" link set lo up
set -a
# As the service has it: a file of assignments.
. deploy/systemd/ptcpdump.default
set +a
command=$(sed -n 's/^ExecStart=//p' "$UNIT" | sed "s,%i,lo,g; s,/var/log/ptcpdump,$TEST_TMP/log,")
read -ra words <<<"$(eval "echo $command")"
mkdir -m 700 "$TEST_TMP/log"
chmod 755 "$TEST_TMP"
cat >"$TEST_TMP/manager.py" <<'PY'
"""manager.py ADDRESS COMMAND...: runs it, tells what it says, and ends it when it is ready."""
import os, signal, socket, subprocess, sys
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.bind(sys.argv[1].replace("@", "\0"))
if sys.argv[1][0] == "/":
    os.chmod(sys.argv[1], 0o777)
manager.settimeout(20)
manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
child = subprocess.Popen(sys.argv[2:], env={**os.environ, "NOTIFY_SOCKET": sys.argv[1]}, stderr=subprocess.DEVNULL)
for end in (signal.SIGTERM, 0):
    try:
        said, ancillary, _, _ = manager.recvmsg(99, socket.CMSG_SPACE(12))
    except socket.timeout:
        print("nothing")
        child.kill()
        break
    print(said.decode(), "of the main process" if int.from_bytes(ancillary[0][2][:4], sys.byteorder) == child.pid else "of another")
    if end:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.sendto(b"x", ("127.0.0.1", 9))
        child.send_signal(end)
print("status", child.wait())
PY
for address in "$TEST_TMP/notify" "@ptcpdump-test/$$"; do
	is "tells_${address:0:1}" "$(ip netns exec "$NS" python3 "$TEST_TMP/manager.py" "$address" "${words[@]}")" \
		"READY=1 of the main process
STOPPING=1 of the main process
status 0"
done
check records test -s "$TEST_TMP/log/lo.pcapng0"

# --- systemd ---

command -v systemd-nspawn >/dev/null || skip_all "systemd-nspawn is missing" service
command -v dpkg-deb >/dev/null || skip_all "dpkg-deb is missing" service
why=$(new_root bookworm systemd)
[ -z "$why" ] || skip_all "$why" service
ROOT=$TEST_TMP/bookworm
packages deb
cp "$OUT"/*.deb "$ROOT/tmp/package.deb"
chroot "$ROOT" dpkg -i /tmp/package.deb >"$TEST_TMP/dpkg" 2>&1
cat >"$ROOT/usr/bin/probe" <<'SH'
#!/bin/bash
facts() { systemctl show -P "$1" ptcpdump@lo; }
send() { for _ in $(seq 150); do head -c 60000 /dev/zero >/dev/udp/127.0.0.1/9; done 2>/dev/null; }
# Rotation is quicker to see with small files.
sed -i 's/^PTCPDUMP_OPTIONS=.*/PTCPDUMP_OPTIONS="-n -C 1 -W 3"/; s/^PTCPDUMP_FILTER=.*/PTCPDUMP_FILTER="udp port 9"/' /etc/default/ptcpdump
systemctl start ptcpdump@lo
echo "start $? $(facts SubState) $(facts NotifyAccess)"
main=$(facts MainPID)
echo "user $(stat -c %U "/proc/$main")"
sed -n 's/^CapEff:\t/capabilities /p; s/^NoNewPrivs:\t/no new privileges /p' "/proc/$main/status"
for _ in 1 2 3; do send; sleep 0.3; done
systemctl stop ptcpdump@lo
echo "stop $(facts Result) $(facts SubState)"
echo "folder $(stat -c '%U %a' /var/log/ptcpdump) $(cd /var/log/ptcpdump && ls | paste -sd' ')"
ptcpdump -r /var/log/ptcpdump/lo.pcapng0 -n -c 1 2>/dev/null | grep -o 'lo head\.[0-9]* Out IP' | sed 's/[0-9]\+/PID/'
systemctl start ptcpdump@nosuch
echo "no interface: start $?"
systemctl stop ptcpdump@nosuch
systemctl start ptcpdump@any
main=$(systemctl show -P MainPID ptcpdump@any)
dpkg -r ptcpdump >/dev/null 2>&1
echo "removed: $(systemctl show -P ActiveState ptcpdump@any) $([ -d /proc/$main ] && echo runs)"
SH
chmod +x "$ROOT/usr/bin/probe"
cat >"$ROOT/etc/systemd/system/probe.service" <<'INI'
[Service]
Type=oneshot
ExecStart=/usr/bin/probe
StandardOutput=file:/probe.out
StandardError=file:/probe.err
ExecStopPost=/bin/systemctl --no-block exit
INI
mkdir -p "$ROOT/etc/systemd/system/multi-user.target.wants"
ln -s ../probe.service "$ROOT/etc/systemd/system/multi-user.target.wants/probe.service"
timeout -k 10 120 systemd-nspawn --quiet --directory="$ROOT" --machine="ptcpdump-$$" --boot --register=no --keep-unit --private-network \
	--capability=all --system-call-filter="bpf perf_event_open" --bind=/dev/net/tun --console=pipe </dev/null >"$TEST_TMP/boot" 2>&1
[ -s "$ROOT/probe.out" ] || {
	tail -n 5 "$TEST_TMP/boot" >&2
	skip_all "systemd does not start in a container here: $(tail -n 1 "$TEST_TMP/boot")" service
}
cat "$ROOT/probe.err" >&2
journalctl -D "$ROOT/var/log/journal" -u 'ptcpdump@*' --no-pager -n 30 >&2 2>/dev/null
is service "$(cat "$ROOT/probe.out")" "start 0 running main
user nobody
capabilities 000000c000083000
no new privileges 1
stop success dead
folder root 700 lo.pcapng0 lo.pcapng1 lo.pcapng2
lo head.PID Out IP
no interface: start 1
removed: inactive "
end_test
