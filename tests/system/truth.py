#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Is every packet credited to the process that sent or received it?

Peers (helpers/truth.c, curl, ping) tell their own pid and port; a capture of their traffic is compared with that,
both ends of every packet where both are local. Each scenario is one test. Environment: PTCPDUMP, the program to
test; TRUTH_COUNT, how many short connections at most (500); TRUTH_SETTLE; TRUTH_BACKEND, for --backend;
TRUTH_SLOW, a factor for every wait, for slow machines; TRUTH_LIMIT, seconds for one scenario (300); TRUTH_TABLE, a file
that gets a line per scenario. Arguments: names of the scenarios to run; --list prints them."""

import collections
import fcntl
import ipaddress
import itertools
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
HELPER = os.path.join(TOP, "build/tests/truth")
URING = os.path.join(TOP, "build/tests/uring")
COUNT = int(os.environ.get("TRUTH_COUNT", "500"))
SLOW = float(os.environ.get("TRUTH_SLOW", "1"))
LIMIT = int(os.environ.get("TRUTH_LIMIT", "300"))
SETTLE = int(os.environ.get("TRUTH_SETTLE", "150"))  # ms
NS = ["truth-a%d" % os.getpid(), "truth-b%d" % os.getpid(), "truth-c%d" % os.getpid()]
# Of its own for each run, should several run at a time.
NET, NET_INSIDE = ("10.%d.%d." % (n + os.getpid() % 8, os.getpid() // 8 % 256) for n in (232, 240))
A, B, INSIDE = NET + "1", NET + "2", NET_INSIDE + "2"
A6, B6 = "fd13:%x::1" % os.getpid(), "fd13:%x::2" % os.getpid()
LOCK = os.path.join(tempfile.gettempdir(), "ptcpdump-truth.lock")
DEV, BRIDGE, VETH = "truth%d" % os.getpid(), "truthbr%d" % os.getpid(), "truthv%d" % os.getpid()

tmp = None
children = []  # captures
running = []  # servers, each the leader of its group


ports = itertools.count(int(time.time()) % 4 * 3000 + 20000)  # below the ephemeral ones: each tells one process


def run(*cmd, **kw):
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw).stdout


def inside(ns):
    return ["ip", "netns", "exec", ns] if ns else []


PRELUDE = 'A, B, DEV = "%s", "%s", "%s"' % (A, B, DEV) + """
import os, socket, struct, sys, time
a = sys.argv[1:]
def say(text):
    os.write(1, (text + "\\n").encode())
def end(proto, port, local="*", remote="*", rport=0):
    say("end %s %s %s %s %s %d" % (proto, local, port, remote, rport, os.getpid()))
def end_of(s):
    end("tcp", s.getsockname()[1], s.getsockname()[0], *s.getpeername()[:2])
def serve(listener):
    while True:
        c = listener.accept()[0]
        end_of(c)
        c.recv(1000)
        c.send(b"ok")
        c.close()
"""


class Peers:
    """Processes of one scenario, and what they told: {(proto, port): {(address, remote, rport): pid}}. since: when it
    had the socket for certain (ns); also: who may be named until then."""

    def __init__(self):
        self.out = open(os.path.join(tmp, "truth.out"), "w+")
        self.servers = []
        self.ends = collections.defaultdict(dict)
        self.since = {}
        self.also = {}
        self.listeners = set()

    def server(self, *args, ns=None, ready=1, helper=HELPER):
        before = self.count("ready")
        p = subprocess.Popen(inside(ns) + [helper, *args], stdout=self.out, stderr=subprocess.DEVNULL,
                             start_new_session=True)
        self.listeners.add(p.pid)
        self.servers.append(p)
        running.append(p)
        for _ in range(int(500 * SLOW)):
            if self.count("ready") >= before + ready:
                return p
            if p.poll() == 77:
                raise Skip("not in this kernel")
            time.sleep(0.01)
        raise RuntimeError("server does not start: %s" % (args,))

    def count(self, word):
        with open(self.out.name) as f:
            return sum(line.startswith(word) for line in f)

    def client(self, *args, ns=None, wait=True, helper=HELPER):
        p = subprocess.Popen(inside(ns) + [helper, *args], stdout=self.out, stderr=subprocess.DEVNULL)
        if wait:
            p.wait(10 * SLOW)
        return p

    def script(self, code, *args, ns=None, ready=0):
        """A peer in Python, with PRELUDE before it. ready 0: it is waited for; else it is a server."""
        before = self.count("ready")
        p = subprocess.Popen(inside(ns) + [sys.executable, "-c", PRELUDE + code, *map(str, args)], stdout=self.out,
                             start_new_session=True)
        if not ready:
            if p.wait(20 * SLOW):
                raise RuntimeError("a peer failed")
            return p
        self.listeners.add(p.pid)
        self.servers.append(p)
        running.append(p)
        for _ in range(int(1000 * SLOW)):
            if self.count("ready") >= before + ready:
                return p
            time.sleep(0.01)
        raise RuntimeError("server does not start")

    def end(self, proto, address, port, pid, remote="*", rport=0):
        self.ends[proto, int(port)][address, remote, int(rport)] = int(pid)

    def stop(self, p):
        os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        self.servers.remove(p)
        running.remove(p)

    def finish(self):
        for p in list(self.servers):
            self.stop(p)
        with open(self.out.name) as f:
            for line in f:
                w = line.split()
                if w and w[0] == "end":
                    self.end(w[1], w[2], w[3], w[6], w[4], w[5])
                    if len(w) > 7 and w[7] != "0":
                        self.since[w[1], w[2], int(w[3]), w[4], int(w[5])] = int(w[7])
                elif w and w[0] == "also":
                    self.also[w[1], w[2], int(w[3]), w[4], int(w[5])] = int(w[6])
        self.out.close()

    def find(self, proto, addr, port, raddr, rport):
        known = self.ends.get((proto, port))
        if not known:
            return None
        for key in ((addr, raddr, rport), (addr, "*", 0), ("*", "*", 0), ("0.0.0.0", "*", 0), ("::", "*", 0)):
            if key in known:
                return known[key]
        return None


class Capture:
    def __init__(self, *args):
        self.file = os.path.join(tmp, "truth.pcapng")
        if os.path.exists(self.file):
            os.unlink(self.file)
        self.log = open(os.path.join(tmp, "capture.log"), "w+")
        cmd = [PTCPDUMP, "-w", self.file, "--context", "process,peer"]
        if "--settle" not in args:
            cmd += ["--settle", str(SETTLE)]
        if "TRUTH_BACKEND" in os.environ:
            cmd += ["--backend", os.environ["TRUTH_BACKEND"]]
        start = time.monotonic()
        self.p = subprocess.Popen(cmd + list(args), stderr=self.log, stdout=self.log)
        children.append(self.p)
        for _ in range(int(1000 * SLOW)):
            if "listening" in self.text():
                break
            if self.p.poll() is not None:
                raise RuntimeError("capture: " + self.text().strip())
            time.sleep(0.01)
        self.start_ms = int((time.monotonic() - start) * 1000)
        time.sleep(0.1)

    def text(self):
        with open(self.log.name) as f:
            return f.read()

    def stop(self):
        time.sleep(0.4 * SLOW)
        self.p.send_signal(signal.SIGINT)
        if self.p.wait(20 * SLOW):
            raise RuntimeError("capture: " + self.text().strip())
        m = re.search(r"(\d+) packets dropped", self.text())
        if not m or m.group(1) != "0":
            raise RuntimeError("capture lost packets: " + self.text().strip())
        return list(read_pcapng(self.file))


Packet = collections.namedtuple("Packet", "dir data comments iface ns")


def read_pcapng(path):
    """Little-endian files only: those of this machine."""
    with open(path, "rb") as f:
        data = f.read()
    off = 0
    while off + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, off)
        if kind == 6:
            iface, high, low, caplen, _ = struct.unpack_from("<IIIII", data, off + 8)
            start = off + 28
            opt = start + (caplen + 3 & ~3)
            comments, flags = [], 0
            while opt < off + length - 4:
                code, n = struct.unpack_from("<HH", data, opt)
                value = data[opt + 4:opt + 4 + n]
                if code == 1:
                    comments.append(value.decode(errors="replace"))
                elif code == 2:
                    flags = struct.unpack("<I", value)[0]
                elif code == 0:
                    break
                opt += 4 + (n + 3 & ~3)
            packet = data[start:start + caplen]
            if os.environ.get("TRUTH_BACKEND") == "cgroup-skb":  # from the IP header on
                packet = bytes(12) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet
            yield Packet({1: "in", 2: "out"}.get(flags & 3), packet, comments, iface,
                         high << 32 | low)
        off += length


def parse(data):
    """(proto, src, sport, dst, dport, payload length, later fragment) or None."""
    if len(data) < 34:
        return None
    kind = struct.unpack_from("!H", data, 12)[0]
    if kind == 0x0800:
        ihl = (data[14] & 15) * 4
        proto, off = data[23], 14 + ihl
        src, dst = data[26:30], data[30:34]
        length = struct.unpack_from("!H", data, 16)[0] - ihl
        if struct.unpack_from("!H", data, 20)[0] & 0x1fff:
            return ("frag", str(ipaddress.ip_address(src)), 0, str(ipaddress.ip_address(dst)), 0, length, True)
    elif kind == 0x86dd:
        proto, off = data[20], 54
        src, dst = data[22:38], data[38:54]
        length = struct.unpack_from("!H", data, 18)[0]
    else:
        return None
    src, dst = str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst))
    if proto == 6 and len(data) >= off + 20:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "tcp", src, sport, dst, dport, length - (data[off + 12] >> 4) * 4, False
    if proto == 136 and len(data) >= off + 8:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "udplite", src, sport, dst, dport, length - 8, False
    if proto == 132 and len(data) >= off + 12:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "sctp", src, sport, dst, dport, length - 12, False
    if proto == 253:
        return "raw", src, 0, dst, 0, length, False
    if proto == 17 and len(data) >= off + 8:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "udp", src, sport, dst, dport, length - 8, False
    if proto in (1, 58) and len(data) >= off + 8:
        kind, _, _, ident = struct.unpack_from("!BBHH", data, off)
        if kind in (8, 128):
            return "icmp", src, ident, dst, 0, length, False
        if kind in (0, 129):
            return "icmp", src, 0, dst, ident, length, False
    return None


def describe(data):
    off = 14 + ((data[14] & 15) * 4 if data[14] >> 4 == 4 else 40)
    return "flags %#x, %d bytes" % (data[off + 13], len(data)) if len(data) > off + 13 else "%d bytes" % len(data)


def pids(packet):
    """(source, destination) as annotated; None: nobody named."""
    shown = peer = None
    for c in packet.comments:
        if c.startswith("PID: "):
            shown = int(c.split("\n")[0][5:])
        elif c.startswith("PeerPID: "):
            peer = int(c.split("\n")[0][9:])
    return (peer, shown) if packet.dir == "in" else (shown, peer)


def rss(pid):
    """Resident memory in kB."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1))


class Score:
    """late: credited to the listener's process, since nobody had accepted within the settle time."""

    def __init__(self):
        self.late = collections.Counter()
        self.right = collections.Counter()
        self.wrong = collections.Counter()
        self.missing = collections.Counter()
        self.first = {}

    def add(self, end, got, want, what):
        if got == want:
            self.right[end] += 1
            return
        (self.missing if got is None else self.wrong)[end] += 1
        self.first.setdefault(end, "%s of %s is %s, not %s" % (end, what, got, want))


def score(peers, packets, ends=("client", "server"), server_port=None, local=None, data_only=False):
    """local: only ends with one of these addresses are known here. The client is the end without server_port."""
    s = Score()
    for p in packets:
        t = parse(p.data)
        if not t or t[6]:
            continue
        proto, src, sport, dst, dport, payload, _ = t
        got = pids(p)
        for i, (addr, port, raddr, rport) in enumerate(((src, sport, dst, dport), (dst, dport, src, sport))):
            want = peers.find(proto, addr, port, raddr, rport)
            if want is None or (local and addr not in local):
                continue
            known = got[i]
            if known is None and peers.find(proto, raddr, rport, addr, port) is None:
                known = got[1 - i]  # the only end that is known is shown, whatever the direction
            end = "server" if port == server_port else "client"
            if end not in ends or (data_only and not (i == 0 and payload > 0)):
                continue
            told = (proto, addr, port, raddr, rport)
            if known != want and known is not None and p.ns < peers.since.get(told, 0):
                if known == peers.also.get(told):
                    want = known
                elif known in peers.listeners and p.ns + SETTLE * 1000000 < peers.since[told]:
                    s.late[end] += 1
                    continue
            s.add(end, known, want,
                  "%s %s %s.%d > %s.%d (%s)%s" % (proto, p.dir, src, sport, dst, dport, describe(p.data),
                                                  " %+d us" % ((peers.since[told] - p.ns) // 1000)
                                                  if told in peers.since else ""))
    return s


scenarios = []


def scenario(f):
    scenarios.append((f.__name__.replace("_", "-"), f))
    return f


def curls(peers, url, count, port):
    """curl's own pid, and the port it says it used."""
    host = url.split("//")[1].split("/")[0].rsplit(":", 1)[0]
    for _ in range(count):
        p = subprocess.Popen(["curl", "-s", "-m", "5", "--local-port", str(next(ports)), "-o", "/dev/null", "-w", "%{local_ip} %{local_port}", url],
                             stdout=subprocess.PIPE, text=True)
        out = p.communicate()[0].split()
        if len(out) == 2:
            peers.end("tcp", out[0], out[1], p.pid, host, port)


def tcp(mode_server="plain", mode_client="plain", count=20, dev="lo", addr="127.0.0.1", bind=None, ns=None, port=7101,
        **scoring):
    peers = Peers()
    count = min(count, COUNT)
    ready = 1 if mode_server in ("plain", "fork", "late") else 4
    if scoring.pop("before", False):
        peers.server("tcp-server", bind or addr, str(port), mode_server, ns=ns, ready=ready)
        cap = Capture("-i", dev, "port", str(port))
    else:
        cap = Capture("-i", dev, "port", str(port))
        peers.server("tcp-server", bind or addr, str(port), mode_server, ns=ns, ready=ready)
    if mode_client == "curl":
        curls(peers, "http://%s:%d/" % (addr, port), count, port)
    else:
        for _ in range(count):
            peers.client("tcp-client", addr, str(port), "%s@%d" % (mode_client, next(ports)))
        if mode_server == "late":
            time.sleep(0.3)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=port, **scoring), len(packets)


@scenario
def short_curls_on_lo():
    return tcp(mode_client="curl", count=COUNT)


@scenario
def short_curls_over_veth():
    return tcp(mode_client="curl", count=COUNT, dev=DEV, addr=B, ns=NS[0], local=[A])


@scenario
def short_clients():
    return tcp(count=COUNT)


@scenario
def server_from_before():
    return tcp(before=True)


@scenario
def prefork_server():
    return tcp("prefork", count=100)


@scenario
def prefork_server_from_before():
    return tcp("prefork", count=100, before=True)


@scenario
def prefork_without_address():
    return tcp("noaddr", count=100)


@scenario
def reuseport_server():
    return tcp("reuseport", count=100)


@scenario
def server_forks_for_each():
    """Who accepts is the parent; the child is who talks, from its first use on."""
    return tcp("fork", count=50)


@scenario
def prefork_accept4():
    return tcp("accept4", count=100)


@scenario
def prefork_polls():
    return tcp("poll", count=100)


@scenario
def prefork_epoll_exclusive():
    return tcp("epoll", count=100)


@scenario
def prefork_closes_at_once():
    """Who accepts does nothing but close."""
    return tcp("close", "waits", count=50)


@scenario
def accepted_after_settle_time():
    """The workers sleep while connections come. What is printed before they accept cannot name them; what is printed
    after that does, and a longer --settle names them from the start."""
    both = []
    for settle in (str(SETTLE), "3000"):
        peers = Peers()
        cap = Capture("-i", "lo", "--settle", settle, "port", "7138")
        server = peers.server("tcp-server", "127.0.0.1", "7138", "noaddr", ready=4)
        os.killpg(server.pid, signal.SIGSTOP)
        clients = [peers.client("tcp-client", "127.0.0.1", "7138", "plain@%d" % next(ports), wait=False) for _ in range(10)]
        for _ in range(200):
            if peers.count("end") == len(clients):
                break
            time.sleep(0.01)
        time.sleep(SETTLE / 1000 + 0.3)
        os.killpg(server.pid, signal.SIGCONT)
        for c in clients:
            c.wait(10)
        packets = cap.stop()
        peers.finish()
        both.append(score(peers, packets, server_port=7138))
    short, long = both
    # On a busy machine the capture itself may come so late that it knows.
    if long.late["server"]:
        raise RuntimeError("%d late in spite of a long time" % long.late["server"])
    for name in ("right", "wrong", "missing"):
        getattr(short, name).update(getattr(long, name))
    short.first.update(long.first)
    return short, len(packets)


@scenario
def burst_while_packets_wait():
    """A connection that nobody accepts yet holds back all that follows: nothing of a burst is lost, and time goes on."""
    peers = Peers()
    count = min(20000, COUNT * 40)
    cap = Capture("-i", "lo", "port", "7139")
    server = peers.server("tcp-server", "127.0.0.1", "7139", "noaddr", ready=4)
    peers.client("tcp-client", "127.0.0.1", "7139", "plain@%d" % next(ports))
    before = rss(cap.p.pid)
    os.killpg(server.pid, signal.SIGSTOP)
    client = peers.client("tcp-client", "127.0.0.1", "7139", "plain@%d" % next(ports), wait=False)
    time.sleep(0.01)
    run(os.path.join(TOP, "build/tests/udp_burst"), "127.0.0.1", "7139", str(count), "100")
    os.killpg(server.pid, signal.SIGCONT)
    client.wait(10)
    after = rss(cap.p.pid)
    packets = cap.stop()
    peers.finish()
    got = sum(parse(p.data)[0] == "udp" for p in packets)
    if got != count:
        raise RuntimeError("%d datagrams of %d" % (got, count))
    if any(a.ns > b.ns for a, b in zip(packets, packets[1:])):
        raise RuntimeError("time goes back")
    if after > before + 64 * 1024:
        raise RuntimeError("memory grows from %d to %d kB" % (before, after))
    # Who accepts may come too late: a full ring does not wait.
    return score(peers, packets, ends=("client",), server_port=7139), len(packets)


@scenario
def client_leaves_first():
    """The server's end of the connection goes on for 200 ms: TIME_WAIT answers it."""
    return tcp("late", "first", count=10)


@scenario
def port_reused_at_once():
    """The same tuple again and again, by other processes."""
    total, s = 0, Score()
    for _ in range(2):
        peers = Peers()
        cap = Capture("-i", "lo", "port", "7106")
        order = []
        server = peers.server("tcp-server", "127.0.0.1", "7106", "plain")
        for _ in range(10):
            order.append(peers.client("tcp-client", "127.0.0.1", "7106", "reset@20999").pid)
        packets = cap.stop()
        peers.finish()
        total += len(packets)
        turn = -1
        for p in packets:
            t = parse(p.data)
            if t and t[2] == 20999 and p.dir == "out" and p.data[47] & 0x12 == 2:
                turn += 1
            if t and 20999 in (t[2], t[4]) and 0 <= turn < len(order):
                i = 0 if t[2] == 20999 else 1
                s.add("client", pids(p)[i], order[turn], "%s %s %s" % (turn, t[:5], describe(p.data)))
                s.add("server", pids(p)[1 - i], server.pid, "%s %s %s" % (turn, t[:5], describe(p.data)))
    return s, total


@scenario
def same_tuple_after_time_wait():
    """The server keeps TIME_WAIT of the tuple, and is another process when it comes again."""
    s = Score()
    total = 0
    peers = Peers()
    port = next(ports)
    first = peers.server("tcp-server", "127.0.0.1", "7107", "plain")
    peers.client("tcp-client", "127.0.0.1", "7107", "plain@%d" % port)
    peers.stop(first)
    peers.finish()
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7107")
    for _ in range(5):
        server = peers.server("tcp-server", "127.0.0.1", "7107", "plain")
        peers.client("tcp-client", "127.0.0.1", "7107", "plain@%d" % port)
        time.sleep(0.3)
        peers.stop(server)
        peers.ends.clear()
    packets = cap.stop()
    with open(peers.out.name) as f:
        told = [line.split() for line in f if line.startswith("end")]
    servers = [int(w[6]) for w in told if w[3] == "7107"]
    peers.finish()
    turn = -1
    for p in packets:
        t = parse(p.data)
        if not t or t[0] != "tcp":
            continue
        if p.data[47] & 0x12 == 2:
            turn += 1
        if 0 <= turn < len(servers):
            total += 1
            i = 0 if t[2] == 7107 else 1
            s.add("server", pids(p)[i], servers[turn], "%d %s %s" % (turn, t[:5], describe(p.data)))
    return s, total


@scenario
def client_thread():
    return tcp(mode_client="thread")


@scenario
def client_forks_without_exec():
    return tcp(mode_client="forked")


@scenario
def exit_with_data_in_flight():
    return tcp(mode_client="inflight")


@scenario
def passed_over_unix_socket():
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7102")
    peers.server("tcp-server", "127.0.0.1", "7102", "plain")
    for _ in range(20):
        peers.client("tcp-client", "127.0.0.1", "7102", "pass")
    packets = cap.stop()
    peers.finish()
    for (proto, port), ends in list(peers.ends.items()):
        if proto == "tcp-data":
            peers.ends["tcp", port].update(ends)
    return score(peers, packets, ends=("client",), server_port=7102, data_only=True), len(packets)


@scenario
def ipv6():
    return tcp(addr="::1")


@scenario
def v4_mapped():
    return tcp(addr="127.0.0.1", bind="::")


@scenario
def restarted_server():
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7103")
    for _ in range(10):
        s = peers.server("tcp-server", "127.0.0.1", "7103", "plain")
        for _ in range(5):
            peers.client("tcp-client", "127.0.0.1", "7103", "plain")
        peers.stop(s)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7103), len(packets)


def udp(mode, count=100, addr="127.0.0.1", bind=None, port=7104, **kw):
    peers = Peers()
    count = min(count, COUNT)
    cap = Capture("-i", "lo", "udp")
    peers.server("udp-server", bind or addr, str(port), "plain")
    for _ in range(count):
        peers.client("udp-client", addr, str(port), "%s@%d" % (mode, next(ports)))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=port, **kw), len(packets)


@scenario
def udp_from_fresh_processes():
    return udp("plain")


@scenario
def udp_connected():
    return udp("connected")


@scenario
def udp_shared_by_readers():
    """Four processes wait at one socket; a client is answered by whoever read its datagram, and takes its time."""
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7135")
    peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7135))
for _ in range(4):
    if os.fork() == 0:
        say("ready")
        while True:
            data, peer = s.recvfrom(100)
            end("udp", 7135, "127.0.0.1", *peer)
            time.sleep(0.003)
            s.sendto(data, peer)
time.sleep(100)
""", ready=4)
    # The first alone: until one has read, nothing tells that not all is for one.
    for n in [1] + [6] * min(20, COUNT):
        peers.script("""
all = []
for port in a:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", int(port)))
    s.settimeout(3)
    end("udp", port)
    all.append(s)
for s in all:
    s.sendto(b"x", ("127.0.0.1", 7135))
for s in all:
    s.recv(10)
""", *(next(ports) for _ in range(n)))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7135), len(packets)


@scenario
def udp_reuseport_by_program():
    """Four processes have a socket each on one port, and a program of theirs chooses whose a datagram is, not the kernel."""
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7142")
    peers.script("""
import ctypes
SO_REUSEPORT, SO_ATTACH_REUSEPORT_CBPF = 15, 51
for n in range(4):
    r, w = os.pipe()
    if os.fork() == 0:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", 7142))
        if n == 3:
            # The socket's number is the first byte of the datagram: ldb 0; ret a
            code = ctypes.create_string_buffer(struct.pack("HBBIHBBI", 0x30, 0, 0, 0, 0x16, 0, 0, 0))
            s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HxxxxxxQ", 2, ctypes.addressof(code)))
        os.write(w, b"x")
        say("ready")
        while True:
            data, peer = s.recvfrom(100)
            end("udp", 7142, "127.0.0.1", *peer)
            s.sendto(data, peer)
    os.read(r, 1)
time.sleep(100)
""", ready=4)
    for n in range(min(40, COUNT)):
        peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(a[0])))
s.settimeout(3)
end("udp", a[0])
s.sendto(bytes([int(a[1])]), ("127.0.0.1", 7142))
s.recv(10)
""", next(ports), n % 4)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7142), len(packets)


@scenario
def pid_used_again():
    """Two programs have the same pid, one after the other: each packet shows the arguments of the one that sent it."""
    path = "/proc/sys/kernel/ns_last_pid"
    if not os.path.exists(path):
        raise Skip("no " + path)
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7140")
    peers.script("""
target, tag = 0, 0
for n in range(200):
    if target:
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(target - 1))
    pid = os.fork()
    if pid == 0:
        if target and os.getpid() != target:
            os._exit(0)
        code = "import socket,sys; s = socket.socket(2, 2); s.bind(('127.0.0.1', int(sys.argv[1]))); s.sendto(b'x', ('127.0.0.1', 7140))"
        os.execv(sys.executable, [sys.executable, "-S", "-c", code, str(int(a[0]) + tag)])
    os.waitpid(pid, 0)
    if not target or pid == target:
        end("udp", int(a[0]) + tag)
        tag += 1
        target = pid
    if tag == 5:
        break
""", *(next(ports) for _ in range(5)))
    packets = cap.stop()
    peers.finish()
    s = Score()
    who = set()
    for p in packets:
        t = parse(p.data)
        m = re.search(r"^Args: .* (\d+)$", p.comments[0] if p.comments else "", re.M)
        who.add(pids(p)[0])
        s.add("client", m and int(m.group(1)), t[2], str(t[:5]))
    if len(who) != 1 or len(packets) < 2:
        raise Skip("the pid was not to be had again: %d packets of %d" % (len(packets), len(who)))
    return s, len(packets)


@scenario
def reset_without_socket():
    """Nobody listens there: the answer goes to who asked, and comes from nobody."""
    peers = Peers()
    cap = Capture("-i", "lo", "tcp port 7136")
    for _ in range(10):
        peers.script("""
s = socket.socket()
s.bind(("127.0.0.1", int(a[0])))
end("tcp", a[0])
try:
    s.connect(("127.0.0.1", 7136))
except ConnectionRefusedError:
    pass
""", next(ports))
    packets = cap.stop()
    peers.finish()
    s = score(peers, packets, ends=("client",), server_port=7136)
    for p in packets:
        if len(p.comments) > 1 and "PeerPID" in p.comments[1]:
            s.add("server", p.comments[1], None, str(parse(p.data)[:5]))
    if len(packets) != 20:
        raise RuntimeError("%d packets, not 20" % len(packets))
    return s, len(packets)


@scenario
def main_thread_ended_before():
    """A process goes on when its main thread has ended; its sockets are in the files of another thread then."""
    peers = Peers()
    peers.script("""
import ctypes, threading
listener = socket.create_server(("127.0.0.1", 7137))
def work():
    while "Z" not in open("/proc/%d/task/%d/stat" % (os.getpid(), os.getpid())).read().rsplit(")", 1)[1]:
        time.sleep(0.01)
    say("ready")
    serve(listener)
threading.Thread(target=work).start()
ctypes.CDLL(None).syscall(60 if os.uname().machine == "x86_64" else 93, 0)
""", ready=1)
    cap = Capture("-i", "lo", "port", "7137")
    for _ in range(10):
        peers.client("tcp-client", "127.0.0.1", "7137", "plain@%d" % next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7137), len(packets)


TUN_CLIENT = """
import fcntl, signal, subprocess
dev, here, peer, flag, port, closed = a[:6]
f = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack("16sH22x", dev.encode(), 0x1001))
for cmd in ("addr add %s/24 dev %s" % (here, dev), "link set %s up" % dev):
    subprocess.run(["ip"] + cmd.split(), check=True)
say("ready")
while not os.path.exists(flag):
    time.sleep(0.02)
signal.alarm(60)
SRC, DST = socket.inet_aton(peer), socket.inet_aton(here)
FIN, SYN, RST, ACK = 1, 2, 4, 16
def checksum(b):
    b += bytes(len(b) % 2)
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    n = (n & 0xffff) + (n >> 16)
    return ~((n & 0xffff) + (n >> 16)) & 0xffff
def put(proto, b):
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(b), 1, 0, 64, proto, 0) + SRC + DST
    os.write(f, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + b)
def put_tcp(sport, dport, seq, ack, flags, data=b""):
    tcp = struct.pack("!HHIIBBHHH", int(sport), int(dport), seq, ack, 0x50, flags, 65535, 0, 0) + data
    n = checksum(SRC + DST + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    put(6, tcp[:16] + struct.pack("!H", n) + tcp[18:])
def get_tcp(sport, flags):
    while True:
        p = os.read(f, 2000)
        if p[0] != 0x45 or p[9] != 6:
            continue
        h = struct.unpack_from("!HHIIBB", p, 20)
        if h[1] == int(sport) and h[5] & flags:
            return h[2] + len(p) - 20 - (h[4] >> 4) * 4 + bool(h[5] & (SYN | FIN))
for n, sport in enumerate(a[6:]):
    put_tcp(sport, port, 1000, 0, SYN)
    ack = get_tcp(sport, SYN)
    put_tcp(sport, port, 1001, ack, ACK)
    time.sleep(0.02)
    put_tcp(sport, port, 1001, ack, ACK, b"x")
    ack = get_tcp(sport, FIN)
    put_tcp(sport, port, 1002, ack, FIN | ACK)
    put_tcp(sport, closed, 1000, 0, SYN)
    get_tcp(sport, RST)
    echo = struct.pack("!BBHHH", 8, 0, 0, int(sport), 1)
    put(1, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])
time.sleep(100)
"""


@scenario
def peer_beyond_a_tun_device():
    """What a process writes to its tun device is received in its context, and what answers is not from it: a server's
    packets are the server's, and resets and echo replies nobody's."""
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun")
    peers = Peers()
    here, peer, flag, dev = NET_INSIDE + "1", NET_INSIDE + "2", os.path.join(tmp, "go-tun"), "trutht%d" % os.getpid()
    count = min(20, COUNT)
    peers.script(TUN_CLIENT, dev, here, peer, flag, 7138, 7139, *(next(ports) for _ in range(count)), ready=1)
    peers.script("""
listener = socket.create_server((a[0], 7138))
say("ready")
serve(listener)
""", here, ready=1)
    cap = Capture("-i", dev, "ip")
    open(flag, "w").close()
    time.sleep(0.5 + count * 0.1 * SLOW)
    packets = cap.stop()
    peers.finish()
    if packets and packets[0].data[0] == 0x45:
        packets = [p._replace(data=bytes(12) + b"\x08\0" + p.data) for p in packets]
    s = score(peers, packets, ends=("server",), server_port=7138, local=[here])
    for p in packets:
        t = parse(p.data)
        if t and (t[0] == "icmp" or 7139 in (t[2], t[4])):
            s.add("client", pids(p)[0], None, "%s %s" % (p.dir, t[:5]))
    if s.right["server"] + s.wrong["server"] + s.missing["server"] < 6 * count:
        raise RuntimeError("%d packets" % len(packets))
    return s, len(packets)


@scenario
def udp_ipv6():
    return udp("plain", addr="::1", count=20)


@scenario
def udp_server_on_any_address():
    return udp("plain", bind="::", count=20)


def ping(args, dev, local):
    peers = Peers()
    cap = Capture("-i", dev, "icmp or icmp6")
    idents = {}
    for _ in range(10):
        p = subprocess.Popen(["ping", "-c", "2", "-i", "0.05", *args], stdout=subprocess.PIPE, text=True)
        p.communicate()
        idents[p.pid] = p
    packets = cap.stop()
    peers.finish()
    s = Score()
    for pkt in packets:
        t = parse(pkt.data)
        if not t or t[0] != "icmp":
            continue
        got = pids(pkt)
        i = 0 if t[2] else 1
        addr = t[1] if i == 0 else t[3]
        if addr in local:
            # The identifier of a ping socket is its port, that of a raw socket the pid; either way one of ours.
            known = got[i] or got[1 - i]
            want = known if known in idents else -1
            s.add("client", known, want, "%s %s" % (t[:5], pkt.dir))
    if not s.right:
        raise RuntimeError("no ping was seen")
    return s, len(packets)


@scenario
def udp_fragments():
    """Only the first fragment shows the ports; the later ones are not scored, but must not be credited to others."""
    return udp("long", count=10)


@scenario
def ping_v4_over_veth():
    return ping([B], DEV, [A])


@scenario
def ping_v6_over_veth():
    return ping(["-6", B6], DEV, [A6])


@scenario
def ping_on_lo():
    return ping(["127.0.0.1"], "lo", ["127.0.0.1"])


@scenario
def same_tuples_in_two_namespaces():
    both = [Peers(), Peers()]
    cap = Capture("--netns", NS[0], "--netns", NS[1], "-i", "lo", "port", "7105")
    for i in (0, 1):
        both[i].out.close()
        both[i].out = open(os.path.join(tmp, "truth.out%d" % i), "w+")
        both[i].server("tcp-server", "127.0.0.1", "7105", "plain", ns=NS[i])
    for n in range(min(40, COUNT)):
        for i in (0, 1):
            both[i].client("tcp-client", "127.0.0.1", "7105", "plain@%d" % (20000 + n), ns=NS[i])
    packets = cap.stop()
    s = Score()
    total = 0
    for i in (0, 1):
        both[i].finish()
    # Interfaces are numbered in the order of the namespaces.
    for i in (0, 1):
        mine = [p for p in packets if p.iface == i]
        part = score(both[i], mine, server_port=7105)
        total += len(mine)
        for name in ("right", "wrong", "missing"):
            getattr(s, name).update(getattr(part, name))
        s.first.update(part.first)
    return s, total


@scenario
def nginx_with_four_workers():
    if not shutil.which("nginx"):
        raise Skip("no nginx")
    peers = Peers()
    log, conf = os.path.join(tmp, "access.log"), os.path.join(tmp, "nginx.conf")
    with open(conf, "w") as f:
        f.write("""daemon off; worker_processes 4; pid %s/nginx.pid; error_log %s/error.log; user root;
            events { worker_connections 64; accept_mutex off; }
            http { log_format who "$pid $remote_port"; access_log %s who;
                server { listen 127.0.0.1:7120; location / { return 200 ok; } } }""" % (tmp, tmp, log))
    cap = Capture("-i", "lo", "port", "7120")
    p = subprocess.Popen(["nginx", "-c", conf, "-p", tmp], start_new_session=True, stderr=subprocess.DEVNULL)
    peers.servers.append(p)
    running.append(p)
    for _ in range(100):
        if subprocess.run(["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:7120/"]).returncode == 0:
            break
        time.sleep(0.05)
    curls(peers, "http://127.0.0.1:7120/", 50, 7120)
    time.sleep(0.3)
    packets = cap.stop()
    peers.finish()
    with open(log) as f:
        for line in f:
            pid, port = line.split()
            peers.end("tcp", "127.0.0.1", 7120, pid, "127.0.0.1", port)
    return score(peers, packets, server_port=7120), len(packets)


@scenario
def preforked_python():
    """As gunicorn does it: the workers share the listener, one accepts."""
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7121")
    peers.script("""
s = socket.create_server(("127.0.0.1", 7121))
for _ in range(4):
    if os.fork() == 0:
        say("ready")
        serve(s)
time.sleep(100)
""", ready=4)
    for _ in range(40):
        peers.client("tcp-client", "127.0.0.1", "7121", "plain@%d" % next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7121), len(packets)


@scenario
def gunicorn():
    """The real one, with four workers, that tell their own pid and the client's port."""
    if subprocess.run(["/usr/bin/python3", "-c", "import gunicorn.app.wsgiapp"], stderr=subprocess.DEVNULL).returncode:
        raise Skip("no gunicorn")
    peers = Peers()
    with open(os.path.join(tmp, "truthapp.py"), "w") as f:
        f.write("""
import os
def app(env, start):
    start("200 OK", [("Content-Length", "0")])
    os.write(1, ("end tcp 127.0.0.1 7119 %s %s %d\\n" % (env["REMOTE_ADDR"], env["REMOTE_PORT"], os.getpid())).encode())
    return []
""")
    cap = Capture("-i", "lo", "port", "7119")
    p = subprocess.Popen(["/usr/bin/python3", "-m", "gunicorn", "-w", "4", "-b", "127.0.0.1:7119", "--chdir", tmp, "truthapp:app"],
                         start_new_session=True, stdout=peers.out, stderr=subprocess.DEVNULL)
    peers.servers.append(p)
    running.append(p)
    peers.listeners.add(p.pid)
    for _ in range(200):
        if subprocess.run(["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:7119/"]).returncode == 0:
            break
        time.sleep(0.05)
    curls(peers, "http://127.0.0.1:7119/", min(50, COUNT), 7119)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7119), len(packets)


def uring(mode, port):
    """Four servers share a listener; they accept, connect, read and write through io_uring only."""
    peers = Peers()
    cap = Capture("-i", "lo", "port", str(port))
    try:
        peers.server("server", "127.0.0.1", str(port), mode, ready=4, helper=URING)
        for _ in range(min(40, COUNT)):
            peers.client("client", "127.0.0.1", str(port), "%s@%d" % (mode, next(ports)), helper=URING)
    finally:
        packets = cap.stop()
        peers.finish()
    return score(peers, packets, server_port=port), len(packets)


@scenario
def io_uring():
    return uring("plain", 7131)


@scenario
def io_uring_by_worker_threads():
    return uring("worker", 7132)


@scenario
def io_uring_by_polling_thread():
    return uring("sqpoll", 7133)


def sctp_to(address, before):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError:
        raise Skip("no SCTP in this kernel") from None
    peers = Peers()
    server = ("""
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind((a[0], 7134))
s.listen(10)
end("sctp", 7134)
say("ready")
while True:
    c = s.accept()[0]
    c.recv(1000)
    c.send(b"ok")
    c.close()
""", address)
    if before:
        peers.script(*server, ready=1)
    cap = Capture("-i", "lo", "sctp")
    if not before:
        peers.script(*server, ready=1)
    for _ in range(min(10, COUNT)):
        peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind(("127.0.0.1", int(a[0])))
end("sctp", a[0])
s.connect(("127.0.0.1", 7134))
s.send(b"x")
s.recv(100)
""", next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7134), len(packets)


@scenario
def sctp():
    return sctp_to("127.0.0.1", False)


@scenario
def sctp_from_before_on_any_address():
    return sctp_to("0.0.0.0", True)


@scenario
def socket_activation():
    """Who makes the listener hands it to another program, as systemd does."""
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7122")
    peers.script("""
s = socket.create_server(("127.0.0.1", 7122))
if os.fork() == 0:
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    code = "import socket\\ns = socket.socket(fileno=3)\\nsay('ready')\\nserve(s)"
    os.execv(sys.executable, [sys.executable, "-c", open("/proc/self/cmdline").read().split("\\0")[2].split("s = socket")[0] + code])
time.sleep(100)
""", ready=1)
    for _ in range(20):
        peers.client("tcp-client", "127.0.0.1", "7122", "plain@%d" % next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7122), len(packets)


def sender(filter_text, code, count=5, dev=DEV):
    """Short-lived processes send; only what they send is scored."""
    peers = Peers()
    cap = Capture("-i", dev, *filter_text.split())
    for _ in range(count):
        peers.script(code, next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, ends=("client",), local=[A]), len(packets)


@scenario
def double_fork():
    return sender("udp port 7123", """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", int(a[0])))
        end("udp", a[0])
        s.sendto(b"x", (B, 7123))
    os._exit(0)
os.wait()
time.sleep(0.1)
""")


@scenario
def udp_lite():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).close()
    except OSError:
        raise Skip("no UDP-Lite in this kernel") from None
    return sender("ip proto 136", """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
s.bind(("0.0.0.0", int(a[0])))
end("udplite", a[0])
s.sendto(b"x", (B, 7124))
""")


@scenario
def multicast_and_broadcast():
    return sender("udp port 7125", """
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((A, int(a[0])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
end("udp", a[0])
s.sendto(b"x", ("239.1.2.3", 7125))
s.sendto(b"x", (A.rsplit(".", 1)[0] + ".255", 7125))
""")


@scenario
def packet_socket():
    return sender("udp port 7126", """
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((DEV, 0))
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton(A), socket.inet_aton(B))
end("udp", a[0])
s.send(bytes(12) + struct.pack("!H", 0x800) + ip + struct.pack("!HHHH", int(a[0]), 7126, 8, 0) + bytes(18))
""")


@scenario
def raw_ip():
    return sender("ip proto 253", """
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
end("raw", 0)
s.sendto(b"x" * 30, (B, 0))
""", count=1)


@scenario
def mptcp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError:
        raise Skip("no MPTCP in this kernel") from None
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7127")
    peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 7127))
s.listen(10)
say("ready")
serve(s)
""", ready=1)
    for _ in range(10):
        peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.bind(("0.0.0.0", int(a[0])))
s.connect(("127.0.0.1", 7127))
end_of(s)
s.send(b"x")
while s.recv(100):
    pass
""", next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7127), len(packets)


@scenario
def icmp_errors():
    """The answer to a closed port names who sent there, by the packet that it quotes."""
    peers = Peers()
    # Else the kernel answers six times at once, and once a second then.
    run("ip", "netns", "exec", NS[0], "sysctl", "-q", "net.ipv4.icmp_ratemask=0", "net.ipv4.icmp_ratelimit=0")
    cap = Capture("-i", DEV, "icmp[0] == 3")
    known = {}
    for _ in range(10):
        port = next(ports)
        p = peers.script("""
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(a[0])))
s.sendto(b"x", (B, 7128))
time.sleep(0.05)
""", port)
        known[port] = p.pid
    packets = cap.stop()
    peers.finish()
    s = Score()
    for p in packets:
        s.add("client", pids(p)[1], known.get(struct.unpack_from("!H", p.data, 62)[0]), p.dir)
    if len(packets) != len(known):
        raise RuntimeError("%d errors for %d datagrams" % (len(packets), len(known)))
    return s, len(packets)


@scenario
def many_sockets_from_before():
    """10,000 sockets exist when the capture starts; some of them are used then. The bound on the start is for slow
    machines: TRUTH_TABLE tells what it was."""
    peers = Peers()
    empty = Capture("-i", "lo", "udp port 7129")
    empty.stop()
    flag = os.path.join(tmp, "go")
    peers.script("""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (10100, 10100))
all = []
for i in range(10000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    all.append(s)
all[0].bind(("127.0.0.1", 7129))
for s in all[1:]:
    s.connect(("127.0.0.1", 7129))
say("ready")
while not os.path.exists(a[0]):
    time.sleep(0.02)
for s in all[5000:5100]:
    end("udp", s.getsockname()[1])
    s.send(b"x")
time.sleep(100)
""", flag, ready=1)
    cap = Capture("-i", "lo", "udp port 7129")
    open(flag, "w").close()
    time.sleep(0.5)
    packets = cap.stop()
    if "TRUTH_TABLE" in os.environ:
        with open(os.environ["TRUTH_TABLE"], "a") as f:
            print("start without and with 10,000 sockets\tok\t0\t%d ms, %d ms\t" % (empty.start_ms, cap.start_ms), file=f)
    if cap.start_ms > empty.start_ms * 3 + 1000:
        raise RuntimeError("the start takes %d ms, not %d" % (cap.start_ms, empty.start_ms))
    peers.finish()
    return score(peers, packets, ends=("client",), server_port=7129), len(packets)


@scenario
def received_during_the_start():
    """Datagrams arrive at sockets from before, while the capture starts: each at one that nobody has used since, and that
    nobody reads."""
    peers = Peers()
    flag = os.path.join(tmp, "go-start")
    peers.script("""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4100, 4100))
all = []
for i in range(4000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    end("udp", s.getsockname()[1])
    all.append(s)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7141))
end("udp", 7141)
say("ready")
while not os.path.exists(a[0]):
    time.sleep(0.02)
for t in all:
    s.sendto(b"x", t.getsockname())
    time.sleep(0.0005)
time.sleep(100)
""", flag, ready=1)
    open(flag, "w").close()
    cap = Capture("-i", "lo", "udp src port 7141")
    time.sleep(0.5)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7141), len(packets)


@scenario
def thousand_connections_a_second():
    """TRUTH_SECONDS of them (10); memory must not grow with their number."""
    seconds = int(os.environ.get("TRUTH_SECONDS", "10"))
    peers = Peers()
    cap = Capture("-i", "lo", "tcp port 7130")
    peers.server("tcp-server", "127.0.0.1", "7130", "plain")
    p = peers.client("tcp-client", "127.0.0.1", "7130", "many@%d" % (seconds * 1000), wait=False)
    sizes = []
    while p.poll() is None:
        time.sleep(seconds / 10)
        sizes.append(rss(cap.p.pid))
    packets = cap.stop()
    peers.finish()
    s = score(peers, packets, server_port=7130)
    if len(sizes) > 5 and sizes[-1] > sizes[len(sizes) // 2] * 1.1 + 1024:
        raise RuntimeError("memory grows: %s kB" % sizes)
    return s, len(packets)


class Inside:
    """A namespace behind a bridge of ours, as containers have it: INSIDE goes out masqueraded to B, and what comes
    from there to port 7210 of ours is sent to its port 80."""

    def __enter__(self):
        self.__exit__()
        run("ip", "netns", "add", NS[2])
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", NET_INSIDE + "1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        run("ip", "link", "add", VETH, "type", "veth", "peer", "name", "eth0", "netns", NS[2])
        run("ip", "link", "set", VETH, "master", BRIDGE, "up")
        for cmd in ("link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % INSIDE,
                    "route add default via %s1" % NET_INSIDE):
            run("ip", "-n", NS[2], *cmd.split())
        self.forward = sysctl("net/ipv4/ip_forward", "1")
        rules = """table ip BRIDGE {
            chain pre { type nat hook prerouting priority dstnat;
                iifname "DEV" tcp dport 7210 dnat to INSIDE:80
                iifname "DEV" udp dport 7210 dnat to INSIDE:53; }
            chain post { type nat hook postrouting priority srcnat;
                ip saddr INSIDE oifname "DEV" masquerade; }
            }
"""
        for word in ("BRIDGE", "INSIDE", "DEV"):
            rules = rules.replace(word, globals()[word])
        run("nft", "-f", "-", input=rules)
        return self

    def __exit__(self, *_):
        subprocess.run(["nft", "delete", "table", "ip", BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", VETH], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", NS[2]], stderr=subprocess.DEVNULL)
        if hasattr(self, "forward"):
            sysctl("net/ipv4/ip_forward", self.forward)


def sysctl(name, value):
    """Sets it and returns what it was before; None: there is no such thing."""
    try:
        with open("/proc/sys/" + name) as f:
            old = f.read().strip()
        with open("/proc/sys/" + name, "w") as f:
            f.write(value)
        return old
    except FileNotFoundError:
        return None


class Skip(Exception):
    pass


def need_nat():
    if not shutil.which("nft"):
        raise Skip("no nft")
    if subprocess.run(["nft", "add table ip truthnat; add chain ip truthnat c { type nat hook postrouting priority 100; };"
                       " add rule ip truthnat c masquerade; delete table ip truthnat"],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("no NAT in this kernel")


def outward(dev, mode="plain", proto="tcp", count=50):
    """A client inside talks to a server outside."""
    need_nat()
    count = min(count, COUNT)
    port = 7211
    with Inside():
        peers = Peers()
        cap = Capture("-i", dev, "%s port %d" % (proto, port))
        peers.server(proto + "-server", B, str(port), "plain", ns=NS[0])
        for _ in range(count):
            peers.client(proto + "-client", B, str(port), "%s@%d" % (mode, next(ports)), ns=NS[2])
        packets = cap.stop()
    peers.finish()
    # NAT keeps the ports, which tell one process each; the address may be another.
    server = by_remote_port(peers.ends.pop((proto, port), {}))
    client = {p: pid for (kind, p), ends in peers.ends.items() for pid in ends.values()}
    return score_ports(packets, client, server, port), len(packets)


def by_remote_port(ends):
    """{port of the client: pid}; 0: of all others."""
    return {rport: pid for (addr, _, rport), pid in ends.items() if addr not in ("0.0.0.0", "::") or rport}


def score_ports(packets, client, server, *server_ports):
    """Both ends by the client's port alone, as NAT keeps it. Both processes are on this machine, and the name of one
    end must not stand for the other."""
    s = Score()
    others = {"server": set(client.values()), "client": set(server.values())}
    for p in packets:
        t = parse(p.data)
        if not t or t[6]:
            continue
        i = 0 if t[2] in server_ports else 1
        port = t[4] if i == 0 else t[2]
        got = pids(p)
        alone = (got[0] is None) != (got[1] is None)
        for end, at, want in (("server", i, server.get(port, server.get(0))), ("client", 1 - i, client.get(port))):
            if want is None:
                continue
            known = got[at]
            if alone:  # the only end that is known is shown, whatever the direction
                only = got[0] if got[0] is not None else got[1]
                known = want if only == want else None if only in others[end] else only
            s.add(end, known, want, "%s %s (%s)" % (p.dir, t[:5], describe(p.data)))
    return s


def published(dev, mode="plain", proto="tcp", decoy=False, count=50, before=False):
    """A client outside talks to a server inside, by a port of ours. decoy: somebody listens on that port here, too."""
    need_nat()
    count = min(count, COUNT)
    with Inside():
        peers = Peers()
        real = "80" if proto == "tcp" else "53"
        ready = 4 if mode in ("prefork", "noaddr") else 1
        if before:
            peers.server(proto + "-server", INSIDE, real, mode, ns=NS[2], ready=ready)
        cap = Capture("-i", dev, "%s port 7210 or port %s" % (proto, real))
        if not before:
            peers.server(proto + "-server", INSIDE, real, mode, ns=NS[2], ready=ready)
        if decoy:
            peers.server(proto + "-server", "0.0.0.0", "7210", "plain")
        for _ in range(count):
            peers.client(proto + "-client", A, "7210", "plain@%d" % next(ports), ns=NS[0])
        packets = cap.stop()
    peers.finish()
    # Seen from outside, the server's address and port are others.
    server = by_remote_port(peers.ends[proto, int(real)])
    client = {p: pid for (kind, p), ends in peers.ends.items() if p not in (int(real), 7210)
              for pid in ends.values()}
    return score_ports(packets, client, server, 7210, int(real)), len(packets)


@scenario
def masqueraded_uplink_only():
    return outward(DEV)


@scenario
def masqueraded_udp_uplink_only():
    return outward(DEV, proto="udp")


@scenario
def masqueraded_bridge_only():
    return outward(BRIDGE)


@scenario
def masqueraded_host_veth_only():
    return outward(VETH)


@scenario
def masqueraded_udp_bridge_only():
    return outward(BRIDGE, proto="udp")


@scenario
def bridge_without_netfilter():
    old = sysctl("net/bridge/bridge-nf-call-iptables", "0")
    try:
        return outward(BRIDGE)
    finally:
        if old:
            sysctl("net/bridge/bridge-nf-call-iptables", old)


@scenario
def published_port_uplink_only():
    return published(DEV)


@scenario
def published_port_past_a_proxy():
    """The proxy's listener is what a look-up finds for the SYN."""
    return published(DEV, decoy=True)


@scenario
def published_port_prefork():
    return published(DEV, mode="prefork")


@scenario
def published_port_from_before():
    return published(DEV, before=True)


@scenario
def published_port_bridge_only():
    return published(BRIDGE, mode="prefork")


@scenario
def published_port_host_veth_only():
    return published(VETH)


@scenario
def published_udp_uplink_only():
    return published(DEV, proto="udp", count=20)


@scenario
def published_udp_bridge_only():
    return published(BRIDGE, proto="udp", count=20)


def setup():
    cleanup()
    for ns in NS[:2]:
        run("ip", "netns", "add", ns)
        run("ip", "-n", ns, "link", "set", "lo", "up")
    run("ip", "link", "add", DEV, "type", "veth", "peer", "name", "truth1", "netns", NS[0])
    run("ip", "addr", "add", A + "/24", "dev", DEV)
    run("ip", "addr", "add", A6 + "/64", "dev", DEV, "nodad")
    run("ip", "link", "set", DEV, "up")
    run("ip", "-n", NS[0], "addr", "add", B + "/24", "dev", "truth1")
    run("ip", "-n", NS[0], "addr", "add", B6 + "/64", "dev", "truth1", "nodad")
    run("ip", "-n", NS[0], "link", "set", "truth1", "up")


def cleanup():
    subprocess.run(["ip", "link", "del", DEV], stderr=subprocess.DEVNULL)
    for ns in NS:
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)


def end_leftovers():
    """What a scenario that failed has left running holds the ports of the next."""
    for p in children:
        if p.poll() is None:
            p.kill()
            p.wait()
    children.clear()
    for p in list(running):
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
    running.clear()


def too_long(*_):
    raise TimeoutError("did not end within %d seconds" % LIMIT)


def run_scenario(f):
    """("ok", "not ok" or "skip", the scores, what is to be said of it, the number of packets)"""
    # One at a time: all have the same ports.
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal.alarm(LIMIT)
        try:
            s, n = f()
        except Skip as e:
            return "skip", "", str(e), 0
        except subprocess.TimeoutExpired as e:
            return "not ok", "", "timed out: " + str(e).replace("\n", " "), 0
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            return "not ok", "", str(e).replace("\n", " "), 0
        finally:
            signal.alarm(0)
            end_leftovers()
    text = ", ".join("%s %d/%d/%d%s" % (end, s.right[end], s.wrong[end], s.missing[end],
                                        " and %d late" % s.late[end] if s.late[end] else "")
                     for end in ("client", "server") if s.right[end] + s.wrong[end] + s.missing[end])
    if s.first or not s.right:
        return "not ok", text, "%s: %s" % (text or "no packets", "; ".join(s.first.values())), n
    late = sum(s.late.values())
    return "ok", text, "%d packets came long before accept()" % late if late else "", n


def main():
    global tmp
    if os.geteuid() != 0:
        print("skip - truth: needs root")
        return 0
    missing = [c for c in ("ip", "curl", "ping") if not shutil.which(c)]
    if missing:
        print("skip - truth: no " + ", ".join(missing))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, too_long)
    failed = 0
    tmp = tempfile.mkdtemp(prefix="truth")
    table = open(os.environ["TRUTH_TABLE"], "a") if "TRUTH_TABLE" in os.environ else None
    try:
        setup()
        for name, f in scenarios:
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            ok, result, more, n = run_scenario(f)
            print("%s - truth %s%s" % (ok, name, ": " + more if more else ""), flush=True)
            failed += ok == "not ok"
            if table:
                print("%s\t%s\t%d\t%s\t%s" % (name, ok, n, result, more), file=table, flush=True)
    finally:
        end_leftovers()
        cleanup()
        shutil.rmtree(tmp)
    return failed != 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name, _ in scenarios))
        sys.exit(0)
    sys.exit(main())
