#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Packets that the kernel counts (docs/counting.md): the same, by flow and owner, as packets that are looked at one by one; as many
and as long as the interfaces say; and none is lost where there is no room for a flow. build/tests/samples tells what is counted.

timeout: 400"""

import collections
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SAMPLES = os.path.join(os.environ.get("BUILD", os.path.join(TOP, "build")), "tests/samples")
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
PID = os.getpid()
NS, OUT, IN, MORE = ("kct%d" % PID, "kco%d" % PID, "kci%d" % PID, "kcm%d" % PID)
NET = "10.%d.%d." % (176 + PID % 8, PID // 8 % 256)
HOST, GUEST, NOWHERE = NET + "1", NET + "2", NET + "129"
HOST6, GUEST6 = "fd76:%x::1" % (PID & 0xffff), "fd76:%x::2" % (PID & 0xffff)
TCP_PORT, UDP_PORT, LATE_PORT = 7401, 7402, 7403
ETHERNET = 14
failed = 0


def check(name, why):
    global failed
    print("not ok - counts %s: %s" % (name, str(why)[:600].replace("\n", " ")) if why else "ok - counts " + name, flush=True)
    failed += bool(why)


def sh(command):
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL)


def set_up():
    sh("ip netns add %s && ip link add %s type veth peer name %s netns %s" % (NS, OUT, IN, NS))
    sh("ip link add %s type veth peer name more netns %s && ip -n %s link set more up" % (MORE, NS, NS))
    for prefix, dev in (("", OUT), ("ip netns exec %s " % NS, IN), ("", MORE)):
        sh("%ssysctl -q -w net.ipv6.conf.%s.accept_dad=0 net.ipv6.conf.%s.router_solicitations=0" % (prefix, dev, dev))
        sh("%sip link set %s addrgenmode none" % (prefix, dev))
    sh("ip addr add %s/25 dev %s && ip addr add %s/64 dev %s && ip link set %s up" % (HOST, OUT, HOST6, OUT, OUT))
    sh("ip -n %s addr add %s/25 dev %s && ip -n %s addr add %s/64 dev %s" % (NS, GUEST, IN, NS, GUEST6, IN))
    sh("ip -n %s link set %s up && ip -n %s link set lo up" % (NS, IN, NS))
    sh("ip addr add %s/25 dev %s && ip link set %s up" % (NET + "130", MORE, MORE))


def clean_up():
    for command in ("ip link del " + OUT, "ip link del " + MORE, "ip netns del " + NS):
        subprocess.run(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


Flow = collections.namedtuple("Flow", "iface dir proto src sport dst dport owner peer")


class Counts:
    def __init__(self):
        self.packets = self.bytes = self.flags = self.syns = self.resets = self.fins = self.again = 0

    def add(self, packets, size, flags, *numbers):
        self.packets += packets
        self.bytes += size
        self.flags |= flags
        self.syns += numbers[0]
        self.resets += numbers[1]
        self.fins += numbers[2]
        self.again += numbers[3]

    def told(self):
        return (self.packets, self.bytes, self.flags, self.syns, self.resets, self.fins)


class Capture:
    """counting: in the kernel; else packet by packet."""

    def __init__(self, counting, *args):
        self.p = subprocess.Popen([SAMPLES, "-nn", *(["--summary"] if counting else ["-B", "32768", "-w", "/dev/null"]), *args],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.said = ""
        for line in self.p.stderr:
            self.said += line
            if "listening" in line or ", link-type" in line:
                break

    def end(self):
        """{Flow: Counts}; the numbers of the end are in captured, received and dropped."""
        self.p.send_signal(signal.SIGINT)
        out, err = self.p.communicate(timeout=60)
        flows = collections.defaultdict(Counts)
        self.lines = 0
        for line in out.splitlines():
            if not line.startswith("@ "):
                continue
            w = line.split()[1:]
            self.lines += 1
            flows[Flow(*w[:9])].add(int(w[9]), int(w[10]), int(w[11], 16), *map(int, w[12:16]))
        self.said += err
        numbers = re.search(r"(\d+) packets? captured\n(\d+) packets? received by filter\n(\d+) packets? dropped", err)
        if not numbers:
            raise RuntimeError("it says: " + self.said)
        self.captured, self.received, self.dropped = map(int, numbers.groups())
        return flows


# Accepts in a child, later where it is told to, and answers; UDP is answered, too.
SERVER = """
import os, socket, sys, time
def serve(c):
    while True:
        data = c.recv(65536)
        if not data:
            return
        if data == b"reset":
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\\1\\0\\0\\0\\0\\0\\0\\0")
            return
        c.sendall(data[:1000])
def tcp(address, port, late):
    s = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=200)
    for _ in range(2):
        if os.fork() == 0:
            while True:
                time.sleep(late)
                c = s.accept()[0]
                try:
                    serve(c)
                except OSError:
                    pass
                c.close()
def udp(address, port):
    s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.bind((address, port))
    if os.fork() == 0:
        while True:
            data, peer = s.recvfrom(65536)
            s.sendto(data[:100], peer)
tcp("%(guest)s", %(tcp)d, 0)
tcp("%(guest6)s", %(tcp)d, 0)
tcp("%(guest)s", %(late)d, 0.05)
udp("%(guest)s", %(udp)d)
udp("%(guest6)s", %(udp)d)
print("ready", flush=True)
sys.stdin.read()
os.killpg(0, 9)
""" % {"guest": GUEST, "guest6": GUEST6, "tcp": TCP_PORT, "udp": UDP_PORT, "late": LATE_PORT}

CLIENT = """
import os, random, socket, sys
random.seed(int(sys.argv[1]))
os.sched_setaffinity(0, {int(sys.argv[1]) %% os.cpu_count()})
targets = [("%(guest)s", socket.AF_INET), ("%(guest6)s", socket.AF_INET6)]
for _ in range(int(sys.argv[2])):
    address, family = random.choice(targets)
    what = random.randrange(6)
    if what == 0:
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(1)
        for _ in range(random.randrange(1, 20)):
            s.sendto(os.urandom(random.choice((0, 1, 100, 1400, 4000))), (address, %(udp)d))
    elif what == 1:
        try:
            socket.create_connection((address, 7409), 1)
        except OSError:
            pass
        continue
    else:
        port = %(late)d if what == 2 and family == socket.AF_INET else %(tcp)d
        s = socket.create_connection((address, port), 5)
        s.settimeout(5)
        try:
            for _ in range(random.randrange(1, 8)):
                s.sendall(os.urandom(random.randrange(1, 40000)))
                s.recv(1000)
            if what == 3:
                s.sendall(b"reset")
        except OSError:
            pass
    s.close()
""" % {"guest": GUEST, "guest6": GUEST6, "tcp": TCP_PORT, "udp": UDP_PORT, "late": LATE_PORT}


def client(seed, rounds):
    return subprocess.Popen([sys.executable, "-c", CLIENT, str(seed), str(rounds)])


def traffic(rounds=40):
    """From several processes and CPUs; what goes to nobody, too."""
    clients = [client(seed, rounds) for seed in range(4)]
    subprocess.run(["ping", "-q", "-c", "30", "-i", "0.01", GUEST], stdout=subprocess.DEVNULL)
    subprocess.run(["ping", "-q", "-c", "15", "-i", "0.01", GUEST6], stdout=subprocess.DEVNULL)
    local = socket.create_server(("127.0.0.1", 0))
    for _ in range(20):
        with socket.create_connection(local.getsockname()) as s, local.accept()[0] as t:
            s.sendall(b"x" * 1000)
            t.recv(1000)
    for p in clients:
        if p.wait(60):
            raise RuntimeError("a client failed")
    time.sleep(0.3)  # what is under way


def total(flows, **want):
    chosen = [c for f, c in flows.items() if all(getattr(f, k) == v for k, v in want.items())]
    return sum(c.packets for c in chosen), sum(c.bytes for c in chosen)


def compare(got, want):
    for flow in sorted(set(got) | set(want)):
        g, w = (x[flow].told() if flow in x else None for x in (got, want))
        if g != w:
            return "%s: %s, not %s" % (" ".join(flow), g, w)
    return None


def consistent(capture, flows):
    if sum(c.packets for c in flows.values()) != capture.captured:
        return "samples of %d packets, %d captured" % (total(flows)[0], capture.captured)
    if capture.captured + capture.dropped != capture.received:
        return capture.said
    return None


def without_owners(flows):
    merged = collections.defaultdict(Counts)
    for flow, c in flows.items():
        merged[flow._replace(owner="", peer="")].add(c.packets, c.bytes, c.flags, c.syns, c.resets, c.fins, c.again)
    return merged


def check_same(name, *args, asked_later=False):
    """What is counted in the kernel is what is counted packet by packet."""
    expression = ["net %s0/25 or net %s/64 or net 127.0.0.0/8" % (NET, HOST6[:-1])]
    packets = Capture(False, *args, *expression)
    counting = Capture(True, *args, *expression)
    traffic()
    got, want = counting.end(), packets.end()
    if packets.dropped:
        check(name, "the packets to compare with were dropped: " + packets.said)
        return
    check(name + ": all", consistent(counting, got))
    check(name + ": in the kernel", None if counting.lines < packets.lines / 2 else "%d samples" % counting.lines)
    check(name + ": by flow", compare(without_owners(got), without_owners(want)))
    # Owners that are asked for afterwards are asked for later of counts than of packets.
    apart = sum(abs(got[f].packets - want[f].packets) for f in set(got) | set(want)) / 2
    check(name + ": by flow and owner", compare(got, want) if not asked_later or apart > total(want)[0] / 50 else None)


class Summary:
    """What a run prints at its end, without rates and times; retransmissions apart."""

    def __init__(self, *args):
        self.p = subprocess.Popen([PTCPDUMP, "-nn", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_ready(self):
        for line in self.p.stderr:
            if "listening" in line:
                return

    def lines(self, stop=True):
        if stop:
            self.p.send_signal(signal.SIGINT)
        out, err = self.p.communicate(timeout=60)
        rows = [line.split() for line in out.splitlines()[1:]]
        if not rows:
            raise RuntimeError("no summary: " + err)
        self.again = sum(int(w[-4]) for w in rows if ":" in w[-1])
        return sorted(" ".join([*w[:-5], w[-3]] if ":" in w[-1] else w) for w in rows)


def check_summary(by):
    """A summary that is counted is that of the packets that are saved."""
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "saved.pcapng")
        where = ["-i", OUT, "-i", "lo", "net %s0/25 or net %s/64 or net 127.0.0.0/8" % (NET, HOST6[:-1])]
        counted, saved = Summary("--summary=" + by, *where), Summary("-B", "32768", "-w", path, *where)
        for run in (counted, saved):
            run.wait_ready()
        traffic()
        got = counted.lines()
        saved.p.send_signal(signal.SIGINT)
        saved.p.communicate(timeout=60)
        read = Summary("-r", path, "--summary=" + by)
        want = read.lines(stop=False)
        differ = ["%s%s" % (mark, line) for mark, here, there in (("+ ", got, want), ("- ", want, got))
                  for line in here if line not in there]
        check("summary by %s is that of what -w saves" % by, differ or (None if len(got) > 4 else got))
        # Two CPUs that see segments of one flow at once may count them in another order than that of their times.
        check("summary by %s: retransmissions" % by, None if abs(counted.again - read.again) <= 3
              else "%d, not %d" % (counted.again, read.again))


def check_alone(name, *args):
    """What the kernel cannot count, or we have to judge by its bytes, is counted packet by packet."""
    capture = Capture(True, *args)
    subprocess.run(["ping", "-q", "-c", "5", "-i", "0.05", GUEST], stdout=subprocess.DEVNULL)
    flows = capture.end()
    check("%s: packet by packet" % name, None if total(flows) == (10, flows and total(flows)[1]) and capture.lines == 10
          else "%d lines of %d packets" % (capture.lines, total(flows)[0]))


def statistics(dev):
    """{dir: (packets, bytes)} as samples have it."""
    def read(what):
        with open("/sys/class/net/%s/statistics/%s" % (dev, what), encoding="ascii") as f:
            return int(f.read())
    return {"1": (read("rx_packets"), read("rx_bytes")), "2": (read("tx_packets"), read("tx_bytes"))}


def check_counters():
    devices = (OUT, MORE)
    capture = Capture(True, *(w for dev in devices for w in ("-i", dev)))
    before = {dev: statistics(dev) for dev in devices}
    traffic(20)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    for n in range(100):
        s.sendto(b"x" * random.randrange(1400), (NET + "255", 9 + n % 3))
    after = {dev: statistics(dev) for dev in devices}
    got = capture.end()
    for dev in devices:
        for way in ("1", "2"):
            want = tuple(a - b for a, b in zip(after[dev][way], before[dev][way]))
            have = total(got, iface=dev, dir=way)
            check("%s agrees with its counters, %s" % (dev.rstrip("0123456789"), ("in", "out")[way == "2"]),
                  None if have == want else "%s, not %s" % (have, want))


def check_counters_lo():
    """Of a namespace where nobody else sends. The device counts packets without the link header that they are shown with."""
    # /sys shows the devices of the namespace that mounted it.
    sh("mount -t sysfs none /sys && ip link set lo up")
    capture = Capture(True, "-i", "lo")
    before = statistics("lo")["2"]
    subprocess.run(["ping", "-q", "-c", "50", "-i", "0.002", "127.0.0.1"], stdout=subprocess.DEVNULL)
    packets, size = (after - b for after, b in zip(statistics("lo")["2"], before))
    have = total(capture.end())
    check("lo agrees with its counters", None if have == (packets, size + ETHERNET * packets) and packets == 100
          else "%s, not %s" % (have, (packets, size)))


def check_late():
    """Who accepts later than the handshake has all of the connection."""
    capture = Capture(True, "-i", OUT, "--netns", "any", "tcp port %d" % LATE_PORT)
    for _ in range(5):
        with socket.create_connection((GUEST, LATE_PORT)) as s:
            s.sendall(b"hello")
            s.recv(5)
    got = capture.end()
    listener = {f.peer if f.dir == "2" else f.owner for f in got}
    owners = set(p for f in got for p in (f.owner, f.peer))
    check("late accept", "nobody accepted" if "-" in listener or len(owners) > 3 else None)


def check_full():
    """More flows than there is room for."""
    sent = 0
    capture = Capture(True, "-B", "64", "-i", MORE, "udp and dst host " + NOWHERE)
    sh("ip neigh replace %s lladdr 02:00:00:00:00:01 dev %s" % (NOWHERE, MORE))
    size = 0
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for round_ in range(3):
        for port in range(10000, 20000):
            n = (port + round_) % 50
            sent += 1
            size += ETHERNET + 28 + n
            s.sendto(b"x" * n, (NOWHERE, port))
    got = capture.end()
    others = total(got, owner="*")[0]
    check("full table: nothing is lost", consistent(capture, got) or (None if total(got) == (sent, size) else
          "%s, not %s" % (total(got), (sent, size))))
    check("full table: others", None if 0 < others < sent else "%d of %d" % (others, sent))


def main():
    global failed
    server = subprocess.Popen(["ip", "netns", "exec", NS, "setsid", sys.executable, "-c", SERVER], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        raise RuntimeError("no server")
    try:
        for backend in ("tc", "socket-filter", "tp-btf"):
            check_same(backend, "-i", OUT, "-i", "lo", "--backend", backend, asked_later=backend != "tc")
        check_same("two namespaces", "-i", OUT, "-i", IN, "--netns", "any")
        check_same("a process filter", "-i", OUT, "-i", "lo", "--pname", "ping", "--pname", "nobody", "--uid", "0")
        check_same("a name that is decided later", "-i", OUT, "-i", "lo", "--pname", "python3")
        check_same("without owners", "-i", OUT, "-i", "lo", "--context", "")
        check_summary("flow")
        check_summary("process")
        check_alone("a process in the expression", "-i", OUT, "icmp and pname ping")
        check_alone("cgroup-skb", "--backend", "cgroup-skb", "-i", OUT, "icmp")
        check_alone("pcap", "--backend", "pcap", "-i", OUT, "icmp")
        check_counters()
        # Its own process, which can go to another namespace; what it reports is told.
        alone = subprocess.run(["unshare", "-n", "-m", sys.executable, __file__, "lo"], check=False)
        if alone.returncode not in (0, 1):
            check("lo agrees with its counters", "exit status %d" % alone.returncode)
        failed += alone.returncode == 1
        check_late()
        check_full()
    finally:
        server.stdin.close()
        server.wait(10)


if __name__ == "__main__":
    if sys.argv[1:] == ["lo"]:
        check_counters_lo()
        sys.exit(failed > 0)
    clean_up()
    try:
        set_up()
        main()
    finally:
        clean_up()
    sys.exit(failed > 0)
