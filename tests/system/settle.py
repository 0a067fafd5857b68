#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--settle: how long packets wait whose owner may be corrected, and that they wait no longer.

timeout: 120"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
NS = "settle%d" % os.getpid()
DEV = "stl%d" % os.getpid()
NET = "10.%d.%d." % (160 + os.getpid() % 8, os.getpid() // 8 % 256)
SLACK_MS = 50
ATTEMPTS = 5  # a loaded machine may hold up any one of them
failed = 0


def check(name, why):
    global failed
    print("not ok - settle %s: %s" % (name, why) if why else "ok - settle " + name, flush=True)
    failed += bool(why)


class Capture:
    def __init__(self, *args):
        self.p = subprocess.Popen([PTCPDUMP, "-l", "-nn", "-tt", "--context", "process,peer", *args], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True)
        for line in self.p.stderr:
            if "listening" in line:
                break

    def line(self):
        """(ms from the packet to its line, the line)"""
        text = self.p.stdout.readline()
        if not text:
            raise RuntimeError("the capture ended")
        return (time.time() - float(text.split()[0])) * 1000, text

    def stop(self):
        self.p.terminate()
        rest = self.p.communicate(timeout=10)[0]
        return rest.splitlines()


# Accepts SECONDS after it was told to by a line, in a child; says both pids.
SERVER = """
import os, socket, sys, time
s = socket.create_server(("127.0.0.1", 7301))
parent = os.getpid()
if os.fork():
    os.wait()
print(parent, os.getpid(), flush=True)
for line in sys.stdin:
    time.sleep(float(line))
    c = s.accept()[0]
    c.close()
"""


class Server:
    def __init__(self):
        self.p = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  text=True)
        self.parent, self.child = map(int, self.p.stdout.readline().split())

    def connect(self, seconds):
        with socket.create_connection(("127.0.0.1", 7301)) as s:
            self.p.stdin.write("%s\n" % seconds)
            self.p.stdin.flush()
            s.recv(1)

    def stop(self):
        self.p.stdin.close()
        self.p.wait(10)


def syn_waits(name, least, most, *args):
    """The SYN of a connection that nobody accepts: shown after least to most ms, in the best of some attempts."""
    best = None
    for _ in range(ATTEMPTS):
        server = Server()
        cap = Capture("-i", "lo", *args, "tcp dst port 7301 and tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn")
        with socket.create_connection(("127.0.0.1", 7301)):
            ms, text = cap.line()
        cap.stop()
        server.stop()
        if ms < least:
            check(name, "shown after %d ms: %s" % (ms, text))
            return
        best = ms if best is None else min(best, ms)
        if best <= most:
            break
    check(name, "" if best <= most else "shown after %d ms" % best)


def who(name, want_child, seconds, *args):
    """Whom the SYN-ACK names as its sender: the child that accepts, or the parent, which listened."""
    for _ in range(ATTEMPTS):
        server = Server()
        cap = Capture("-i", "lo", *args, "tcp src port 7301 and tcp[tcpflags] & (tcp-syn | tcp-ack) == tcp-syn | tcp-ack")
        server.connect(seconds)
        _, text = cap.line()
        cap.stop()
        server.stop()
        got = int(re.search(r"python\S*\.(\d+) Out", text).group(1))
        want = server.child if want_child else server.parent
        if got == want:
            break
    check(name, "" if got == want else "%d, not %d (child %d, parent %d)" % (got, want, server.child, server.parent))


def idle(name, most, send, *args):
    """One packet on a quiet link: shown after at most so many ms."""
    best = None
    for _ in range(ATTEMPTS):
        cap = Capture(*args)
        send()
        ms, _ = cap.line()
        cap.stop()
        best = ms if best is None else min(best, ms)
        if best <= most:
            break
    check(name, "" if best <= most else "shown after %d ms" % best)


def wakeups(pid):
    with open("/proc/%d/status" % pid, encoding="ascii") as f:
        return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", f.read(), re.M).group(1))


def undisturbed(connections, most, *args):
    """Who accepts tells whose a connection is, but wakes nobody: that would take the server longer than accept()."""
    with socket.create_server(("127.0.0.1", 7303)) as server:
        cap = Capture("-i", "lo", *args)
        before = wakeups(cap.p.pid)
        for _ in range(connections):
            with socket.create_connection(("127.0.0.1", 7303)):
                server.accept()[0].close()
        n = wakeups(cap.p.pid) - before
        cap.stop()
    check("accept() wakes nobody", "" if n <= most else "woken %d times by %d connections" % (n, connections))


def run(cmd):
    subprocess.run(cmd.split(), check=True, stdout=subprocess.DEVNULL)


def ping():
    subprocess.run(["ping", "-q", "-c", "1", "-W", "1", NET + "2"], stdout=subprocess.DEVNULL, check=False)


INSIDE = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.%s)
s.setblocking(False)
try:
    s.connect((sys.argv[1], 7302))
    s.send(b"x")
except OSError:
    pass
"""


def from_inside(kind):
    """A namespace behind us sends to an address beyond us that does not answer."""
    subprocess.run(["ip", "netns", "exec", NS, sys.executable, "-c", INSIDE % kind, NET + "200"], check=True)


def outside():
    run("ip netns add " + NS)
    run("ip link add %s type veth peer name eth0 netns %s" % (DEV, NS))
    run("ip addr add %s1/24 dev %s" % (NET, DEV))
    run("ip link set %s up" % DEV)
    for cmd in ("link set lo up", "link set eth0 up", "addr add %s2/24 dev eth0" % NET,
                "neigh replace %s200 lladdr 02:00:00:00:00:01 dev eth0" % NET):
        run("ip -n %s %s" % (NS, cmd))


def cleanup():
    subprocess.run(["ip", "link", "del", DEV], stderr=subprocess.DEVNULL)
    subprocess.run(["ip", "netns", "del", NS], stderr=subprocess.DEVNULL)


def main():
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("ping"):
        print("skip - settle: needs root, ip and ping")
        return 0
    try:
        outside()
        who("default names the worker", True, 0.08)
        who("0 names the listener", False, 0.08, "--settle", "0")
        who("too short names the listener", False, 0.4, "--settle", "100")
        who("long enough names the worker", True, 0.4, "--settle", "2000")
        syn_waits("default is 150 ms and not more", 140, 150 + SLACK_MS)
        syn_waits("400 ms and not more", 390, 400 + SLACK_MS, "--settle", "400")
        syn_waits("0 waits for nobody", 0, SLACK_MS, "--settle", "0")
        undisturbed(1000, 250, "--pid", "1", "tcp port 7303")
        idle("known owners do not wait", SLACK_MS, ping, "-i", DEV, "-c", "1", "icmp[icmptype] = icmp-echo")
        idle("forwarded SYN to nobody", 150 + SLACK_MS, lambda: from_inside("SOCK_STREAM"), "-i", DEV, "-c", "1",
             "tcp dst port 7302")
        idle("forwarded datagram to nobody", 150 + SLACK_MS, lambda: from_inside("SOCK_DGRAM"), "-i", DEV, "-c", "1",
             "udp dst port 7302")
    finally:
        cleanup()
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
