#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
"""Several -r: the order, the names, what is numbered anew, and live streams. What a file's packets are by themselves is what it
prints alone; how several are put in order is worked out here, of files of random sections, interfaces, byte orders, resolutions,
owners and blocks. Environment: PTCPDUMP, PTCPDUMP_ASAN (of every other round, when it is there), SEED."""
import gzip
import heapq
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

PROGRAMS = [os.path.abspath(p) for p in (os.environ.get("PTCPDUMP", "build/ptcpdump"), os.environ.get("PTCPDUMP_ASAN"))
            if p and os.path.exists(p)]
PROGRAM = PROGRAMS[0]
ROUNDS = 40
START = 1_700_000_000_000_000_000
TEXT = ["-nn", "-S", "-tt", "--nano"]
APPLE, STANDARD, PEN, SHB, IDB, NRB, ISB, EPB, DSB = 0x80000001, 0xbad, 32622, 0x0a0d0d0a, 1, 4, 5, 6, 10
FAILED = []


def report(name, problem=None):
    print(f"not ok - {name}: {problem}" if problem else f"ok - {name}", flush=True)
    if problem:
        FAILED.append(name)


def same(name, got, want):
    if got == want:
        return True
    if isinstance(got, list) and isinstance(want, list):
        at = next((i for i, (g, w) in enumerate(zip(got, want)) if g != w), min(len(got), len(want)))
        report(name, f"{len(got)}, {len(want)} wanted; at {at}: got {got[at:at + 2]}, not {want[at:at + 2]}")
    else:
        report(name, f"got {str(got)[:600]!r}, not {str(want)[:600]!r}")
    return False


def run(*args, program=None, stdin=None):
    p = subprocess.run([program or PROGRAM, *args], stdin=stdin or subprocess.DEVNULL, capture_output=True, check=False)
    return p.returncode, p.stdout.decode("utf-8", "surrogateescape"), p.stderr.decode("utf-8", "replace")


def lines(*args, program=None):
    status, out, err = run(*TEXT, *args, program=program)
    if status or "Sanitizer" in err:
        report("status", f"{args}: {status}: {err}")
    return out.splitlines()


# --- files ---------------------------------------------------------------------------

def pad(b):
    return b + bytes(-len(b) % 4)


def options(order, pairs):
    return b"".join(struct.pack(order + "HH", code, len(v)) + pad(v) for code, v in pairs) + bytes(4) if pairs else b""


def frame(label, number, more=0):
    """Of UDP, its source tells which."""
    payload = bytes(more)
    ip = struct.pack(">BBHHHBBHBBHI", 0x45, 0, 28 + more, 0, 0, 64, 17, 0, 10, int(label), number & 0xffff, 0x0a000001)
    return bytes(12) + b"\x08\x00" + ip + struct.pack(">HHHH", 9, 9, 8 + more, 0) + payload


def block(order, kind, body):
    n = len(body) + 12
    return struct.pack(order + "II", kind, n) + body + struct.pack(order + "I", n)


class Writer:
    """A pcapng file. interfaces: what the IDBs of each section are made of."""

    def __init__(self, rng, label):
        self.rng, self.label, self.out, self.count, self.apple = rng, label, b"", 0, 0
        self.statistics = 0
        self.section()

    def section(self):
        r = self.rng
        self.order, self.ifaces = r.choice("<>"), []
        self.out += block(self.order, SHB, struct.pack(self.order + "IHHq", 0x1a2b3c4d, 1, 0, -1))
        for _ in range(r.randint(1, 3)):
            self.iface()

    def iface(self):
        r = self.rng
        name, pairs, resolution = r.choice(("eth0", "eth1", "lo", "")), [], r.choice((9, 9, 6, 3))
        if name:
            netns = r.choice(("", "", "blue", "4026532300"))
            if netns == "blue":
                pairs.append((1, b"ifIndex: 2, netNsInode: 4026532301, netNsName: blue, netNsPath: /run/netns/blue"))
                name += "@blue"
            elif netns:
                pairs.append((1, b"ifIndex: 3, netNsInode: 4026532300, netNsPath: /run/netns/x"))
            pairs.append((2, name.encode()))
        pairs.append((9, bytes([resolution])))
        pairs += [(1, b"somebody's note: host: x")] if r.random() < 0.3 else []
        r.shuffle(pairs)
        self.ifaces.append(resolution)
        self.out += block(self.order, IDB, struct.pack(self.order + "HHI", 1, 0, 0) + options(self.order, pairs))

    def standard(self, pid):
        pairs = [(2, b"std-%s-%d" % (self.label, pid)), (3, b"/bin/std-%s-%d" % (self.label, pid)), (4, b"a\0b"), (5, struct.pack("<I", 7))]
        entry = struct.pack("<I", pid) + options("<", pairs)
        self.out += block(self.order, STANDARD, struct.pack(self.order + "I", PEN) + struct.pack("<II", 3, len(entry)) + entry)

    def other(self):
        r, o = self.rng, self.order
        kind = r.randint(0, 4)
        if kind == 0:
            self.out += block(o, APPLE, struct.pack(o + "I", r.randint(1, 9)) +
                              options(o, [(2, b"apple-%s-%d" % (self.label, self.apple))]))
            self.apple += 1
        elif kind == 1:
            self.standard(r.randint(1, 5))
        elif kind == 2:
            record = bytes([10, 0, 0, r.randint(1, 9)]) + b"host-" + self.label + b"\0"
            self.out += block(o, NRB, struct.pack(o + "HH", 1, len(record)) + pad(record) + bytes(4))
        elif kind == 3:
            keys = b"CLIENT_RANDOM " + self.label.hex().encode() + b" 00\n"
            self.out += block(o, DSB, struct.pack(o + "II", 0x544c534b, len(keys)) + pad(keys))
        else:
            self.out += block(o, ISB, struct.pack(o + "III", r.randrange(len(self.ifaces)), 1, 2) +
                              options(o, [(4, struct.pack(o + "Q", r.randint(1, 99)))]))
            self.statistics += 1

    def packet(self, ns):
        r, o, pairs = self.rng, self.order, []
        iface = r.randrange(len(self.ifaces))
        # The resolution is that of the interface: times of all are whole ms where one has that.
        ts = ns // 10 ** (9 - self.ifaces[iface])
        if r.random() < 0.5:
            pairs.append((2, struct.pack(o + "I", r.choice((0, 1, 2)))))
        if r.random() < 0.4:
            pid = r.randint(10, 15)
            pairs.append((1, b"PID: %d\nCmd: /bin/cmd-%s-%d\nArgs: cmd %d" % (pid, self.label, pid, r.randint(1, 3))))
        if r.random() < 0.4:
            pairs.append((8, struct.pack(o + "II", r.randint(1, 6), r.choice((0, 77)))))
        if r.random() < 0.4:
            pairs.append((0x8001, struct.pack(o + "I", r.randint(0, self.apple + 1))))
        if r.random() < 0.2:
            pairs.append((0x8003, struct.pack(o + "I", r.randint(0, self.apple + 1))))
        if r.random() < 0.2:
            pairs.append((1, b"note"))
        r.shuffle(pairs)
        data = frame(self.label, self.count, r.randint(0, 60))
        self.out += block(o, EPB, struct.pack(o + "IIIII", iface, ts >> 32, ts & 0xffffffff, len(data), len(data)) +
                          pad(data) + options(o, pairs))
        self.count += 1


def pcap(label, times):
    out = struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 262144, 1)
    for i, ns in enumerate(times):
        data = frame(label, i, 30)
        out += struct.pack("<IIII", ns // 10**9, ns % 10**9, len(data), len(data)) + data
    return out


def write(path, data):
    with open(path, "wb") as f:
        f.write(data)
    return path


# --- the judge -----------------------------------------------------------------------

def ns_of(line):
    s, ns = line.split(" ", 1)[0].split(".")
    return int(s) * 10**9 + int(ns)


def in_order(files):
    """The heads of all files, the earliest first, of equal ones that of the first file."""
    heap = [(ns_of(f[0]), n, 0) for n, f in enumerate(files) if f]
    heapq.heapify(heap)
    out = []
    while heap:
        _, n, i = heapq.heappop(heap)
        out.append(files[n][i])
        if i + 1 < len(files[n]):
            heapq.heappush(heap, (ns_of(files[n][i + 1]), n, i + 1))
    return out


def one_round(rng, folder, number):
    program = PROGRAMS[number % len(PROGRAMS)]
    k, ordered = rng.randint(2, 6), rng.random() < 0.5
    times = [START + rng.randrange(200 if rng.random() < 0.5 else 10**5) * 10**6 for _ in range(rng.randint(0, 200))]
    if ordered:
        times.sort()
    writers = [Writer(rng, b"%02d" % i) for i in range(k)]
    for ns in times:
        w = rng.choice(writers)
        if rng.random() < 0.05:
            w.section()
        if rng.random() < 0.1:
            w.iface()
        while rng.random() < 0.3:
            w.other()
        w.packet(ns)
    words, statistics = [], 0
    for i, w in enumerate(writers):
        path = os.path.join(folder, f"{number}-{i}.pcapng")
        if rng.random() < 0.2:
            data = pcap(b"%02d" % i, [rng.choice(times) for _ in range(5)] if times else [])
        else:
            data, statistics = w.out, statistics + w.statistics
        write(path, gzip.compress(data) if rng.random() < 0.2 else data)
        words.append(f"n{i}={path}" if rng.random() < 0.9 else f"n0={path}")
    want = in_order([lines("-r", w, program=program) for w in words])
    every = [x for w in words for x in ("-r", w)]
    what = f"round {number}"
    good = same(what + " merged", lines(*every, program=program), want)
    if good and ordered and all(sorted(map(ns_of, f)) == list(map(ns_of, f)) for f in (lines("-r", w) for w in words)):
        good = same(what + " sorted", list(map(ns_of, want)), sorted(map(ns_of, want)))
    out = os.path.join(folder, f"{number}-out.pcapng")
    status, _, err = run(*every, "-w", out, program=program)
    if status or "Sanitizer" in err:
        report(what, err)
    good &= same(what + " saved", lines("-r", out), want)
    good &= check_file(what, out, statistics)
    good &= same(what + " brief", lines(*every, "--brief"), lines("-r", out, "--brief"))
    good &= same(what + " moved", lines("-r", "site=" + out), [re.sub(r"(@n\d)(?= )", r"\1@site", x, count=1) for x in want])
    for asked in (["src net 10.0.0.0/16 or less 60"], ["--pid", "11", "--pid", "3"], ["exe /bin/cmd-01-11 or not pid 12"]):
        passing = {x for w in words for x in lines("-r", w, *asked)}
        good &= same(f"{what} {asked}", lines(*every, *asked, program=program), [x for x in want if x in passing])
    rotated(what, rng, folder, every, want)
    for name in os.listdir(folder):
        os.remove(os.path.join(folder, name))
    return good


def rotated(what, rng, folder, every, want):
    """The files of -C one behind the other."""
    base = os.path.join(folder, "rot.pcapng")
    run(*every, "-w", base, "-C", rng.choice(("1k", "4k")))
    parts = sorted((p for p in os.listdir(folder) if p.startswith("rot")), key=lambda p: int(re.sub(r"\D", "", p) or 0))
    got = [x for p in parts for x in lines("-r", os.path.join(folder, p))]
    same(what + " rotated", got, want)


def check_file(what, path, statistics):
    """One section, no number beyond its interfaces, and all statistics."""
    with open(path, "rb") as f:
        data = f.read()
    sections = ifaces = found = 0
    while data:
        kind, n = struct.unpack_from("<II", data)
        body, data = data[8:n - 4], data[n:]
        sections += kind == SHB
        ifaces += kind == IDB
        found += kind == ISB
        if kind in (EPB, ISB) and struct.unpack_from("<I", body)[0] >= ifaces:
            report(what, f"a block of type {kind} of interface {struct.unpack_from('<I', body)[0]}, of {ifaces}")
            return False
    return same(what + " blocks", (sections, found), (1, statistics))


def rounds(folder):
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    rng, bad = random.Random(seed), 0
    for i in range(ROUNDS):
        bad += not one_round(rng, folder, i)
    report("random_files", f"SEED={seed}" if bad else None)


# --- names ---------------------------------------------------------------------------

def file_of(path, names, times=(), extra=()):
    out = block("<", SHB, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    for name in names:
        out += block("<", IDB, struct.pack("<HHI", 1, 0, 0) + options("<", [(2, name.encode()), (9, b"\x09"), *extra]))
    for i, ns in enumerate(times):
        data = frame(b"0", i, 40)
        out += block("<", EPB, struct.pack("<IIIII", i % len(names), ns >> 32, ns & 0xffffffff, len(data), len(data)) + pad(data) +
                     options("<", [(2, struct.pack("<I", 1))]))
    return write(path, out)


def names_of(*args, stdin=None):
    status, out, err = run(*TEXT, *args, stdin=stdin)
    if status:
        report("names", f"{args}: {err}")
    return [line.split()[1] for line in out.splitlines()]


def test_names(folder):
    os.makedirs(folder + "/d")
    a, b = file_of(folder + "/a.pcapng", ["eth0"], [START]), file_of(folder + "/b.pcapng", ["eth0"], [START + 1])
    c, other = file_of(folder + "/c.pcapng", ["eth1"], [START + 2]), file_of(folder + "/d/a.pcapng", ["eth0"], [START + 3])
    odd = file_of(folder + "/x=y.pcapng", ["eth0"], [START + 4])
    os.chdir(folder)
    same("given", names_of("-r", "w1=" + a, "-r", "w2=" + b), ["eth0@w1", "eth0@w2"])
    same("one_with_a_name", names_of("-r", "w1=" + a), ["eth0@w1"])
    same("different_ones_need_none", names_of("-r", a, "-r", c), ["eth0", "eth1"])
    same("same_ones_get_the_file's", names_of("-r", a, "-r", b, "-r", c), ["eth0@a.pcapng", "eth0@b.pcapng", "eth1@c.pcapng"])
    same("files_of_one_name", names_of("-r", "a.pcapng", "-r", "d/a.pcapng"), ["eth0@a.pcapng", "eth0@d/a.pcapng"])
    same("given_and_not", names_of("-r", "w1=" + a, "-r", b), ["eth0@w1", "eth0"])
    same("one_name_twice", names_of("-r", "w1=" + a, "-r", "w1=" + b), ["eth0@w1", "eth0@w1"])
    same("a_file_of_that_name", names_of("-r", "x=y.pcapng"), ["eth0"])
    same("a_path_with_a_name_in_it", names_of("-r", folder + "/x=y.pcapng"), ["eth0"])
    with open(a, "rb") as f:
        same("standard_input", names_of("-r", "-", "-r", b, stdin=f), ["eth0@stdin", "eth0@b.pcapng"])
    with open(a, "rb") as f:
        same("standard_input_with_a_name", names_of("-r", "w=-", "-r", b, stdin=f), ["eth0@w", "eth0"])
    same("what_cannot_be_in_a_name", names_of("-r", "w \x1b[1=" + a), ["eth0@w\\x20\\x1b\\x5b1"])
    status, _, err = run("-r", "w=/no/such")
    same("no_such_file", (status, err), (1, "ptcpdump: /no/such: No such file or directory\n"))
    status, _, err = run("-r", "-", "-r", "w=-")
    same("standard_input_twice", (status, err), (1, "ptcpdump: -r -: standard input is given 2 times, and can be read once\n"))
    status, out, _ = run("-r", a, "-r", b, "--count")
    same("count", (status, out), (0, "2 packets\n"))
    same("dump", run("-d", "-r", a, "-r", b, "tcp"), run("-d", "-r", a, "tcp"))
    same("limit", names_of("-r", a, "-r", b, "-r", c, "-c", "2"), ["eth0@a.pcapng", "eth0@b.pcapng"])
    for path in (a, b):
        status, _, err = run("-r", a, "-r", "w=" + b, "-w", path)
        same("an_input_as_output", (status, os.path.getsize(path) > 100), (1, True))
    test_pcap(folder)
    os.chdir("/")
    _ = (other, odd)


def test_pcap(folder):
    one, two = write(folder + "/one.pcap", pcap(b"01", [START + 1, START + 3])), write(folder + "/two.pcap", pcap(b"02", [START + 2]))
    same("pcap_stays_plain", [x.split()[1] for x in lines("-e", "-r", one, "-r", two)], ["00:00:00:00:00:00"] * 3)
    same("pcap_with_names", names_of("-r", "w1=" + one, "-r", "w2=" + two), ["@w1", "@w2", "@w1"])
    run("-r", "w1=" + one, "-r", "w2=" + two, "-w", folder + "/out.pcapng")
    same("pcap_with_names_saved", names_of("-r", folder + "/out.pcapng"), ["@w1", "@w2", "@w1"])
    run("-r", one, "-r", two, "-w", folder + "/out.pcap", "--nano")
    if not shutil.which("mergecap"):
        return print("skip - mergecap: it is not here")
    subprocess.run(["mergecap", "-F", "nsecpcap", "-w", folder + "/their.pcap", one, two], check=True, capture_output=True)
    with open(folder + "/out.pcap", "rb") as ours, open(folder + "/their.pcap", "rb") as theirs:
        return same("as_mergecap", ours.read()[24:], theirs.read()[24:])


def test_mergecap(folder):
    """Of files that are in order, and of others."""
    rng = random.Random(5)
    for which in ("in_order", "out_of_order"):
        paths = []
        for i in range(5):
            times = [START + rng.randrange(10**9) for _ in range(300)]
            paths.append(file_of(f"{folder}/m{i}.pcapng", ["eth0", "eth1"], sorted(times) if which == "in_order" else times))
        their = folder + "/their.pcapng"
        subprocess.run(["mergecap", "-w", their, *paths], check=True, capture_output=True)
        want = [x.split()[0] + x.split(" ", 2)[2] for x in lines("-XX", "-r", their)]
        got = [x.split()[0] + re.sub(r"^(\S+?)(@\S+)?(?= )", r"\1", x.split(" ", 2)[2]) for x in
               lines("-XX", *(y for p in paths for y in ("-r", p)))]
        clean = lambda xs: [re.sub(r"eth(\d)@\S+", r"eth\1", x) for x in xs]
        same("mergecap_" + which, clean(got), clean(want))


# --- live ----------------------------------------------------------------------------

class Feed:
    """A named pipe, and what is written to it."""

    def __init__(self, folder, name, iface="eth0"):
        self.path = f"{folder}/{name}"
        os.mkfifo(self.path)
        self.header = block("<", SHB, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(
            "<", IDB, struct.pack("<HHI", 1, 0, 0) + options("<", [(2, iface.encode()), (9, b"\x09")]))
        self.fd, self.count = -1, 0

    def open(self):
        self.fd = os.open(self.path, os.O_WRONLY)
        os.write(self.fd, self.header)

    @staticmethod
    def packet(ns):
        data = frame(b"0", 0)
        return block("<", EPB, struct.pack("<IIIII", 0, ns >> 32, ns & 0xffffffff, len(data), len(data)) + pad(data) +
                     options("<", [(2, struct.pack("<I", 1))]))

    def put(self, ns):
        os.write(self.fd, self.packet(ns))

    def close(self):
        os.close(self.fd)
        os.unlink(self.path)


class Merge:
    def __init__(self, *args, program=None):
        self.p = subprocess.Popen([program or PROGRAM, *TEXT, *args], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, bufsize=0)
        os.set_blocking(self.p.stdout.fileno(), False)
        self.text = b""

    def now(self):
        """What has been printed: (name, ns behind the start)"""
        self.text += self.p.stdout.read() or b""
        return [(x.split()[1], ns_of(x) - START) for x in self.text.decode().splitlines()]

    def wait(self, n, seconds=20):
        end = time.monotonic() + seconds
        while len(self.now()) < n and time.monotonic() < end:
            time.sleep(0.01)
        return self.now()

    def end(self):
        status = self.p.wait(30)
        os.set_blocking(self.p.stdout.fileno(), True)
        self.text += self.p.stdout.read() or b""
        err = self.p.stderr.read().decode()
        return status, self.now(), [x for x in err.splitlines() if not x.startswith("reading from file")]


def feeds(folder, *names):
    made = [Feed(folder, n) for n in names]
    return made, [x for f in made for x in ("-r", f"{os.path.basename(f.path)}={f.path}")]


def test_live(folder):
    for program in PROGRAMS:
        (a, b), args = feeds(folder, "a", "b")
        m = Merge(*args, program=program)
        a.open(), b.open()
        a.put(START), a.put(START + 20), b.put(START + 10)
        same("live_in_order", m.wait(2), [("eth0@a", 0), ("eth0@b", 10)])
        # A piece of a packet is none.
        half = b.packet(START + 15)
        os.write(b.fd, half[:50])
        time.sleep(0.1)
        same("live_holds", len(m.now()), 2)
        os.write(b.fd, half[50:])
        same("live_goes_on", m.wait(3)[2:], [("eth0@b", 15)])
        b.close()
        same("live_ended", m.wait(4)[3:], [("eth0@a", 20)])
        a.put(START + 30)
        a.close()
        status, out, err = m.end()
        same("live", (status, out[4:], err), (0, [("eth0@a", 30)], [f"ptcpdump: b={b.path}: has ended, the others go on"]))


def test_silent(folder):
    """Nobody writes to one, and then somebody does."""
    (a, b, c), args = feeds(folder, "a", "b", "c")
    m = Merge(*args)
    a.open(), c.open()
    a.put(START + 10), c.put(START + 20), a.put(START + 30)
    since = time.monotonic()
    got = m.wait(3)
    took = time.monotonic() - since
    same("silent_goes_on", got, [("eth0@a", 10), ("eth0@c", 20)] + got[2:])
    # a's second packet waits for c likewise.
    same("silent_is_bounded", 0.9 < took < 15, True)
    b.open()
    b.put(START + 5), b.put(START + 15), b.put(START + 1000)
    same("late_ones_come", m.wait(5)[3:5], [("eth0@b", 5), ("eth0@b", 15)])
    for f in (a, b, c):
        f.close()
    status, out, err = m.end()
    same("silent_end", (status, out[5:]), (0, [("eth0@b", 1000)]))
    same("silent_said", sorted(x for x in err if "has ended" not in x), sorted([
        f"ptcpdump: a={a.path}: nothing has come for a second: the others do not wait for it any longer",
        f"ptcpdump: b={b.path}: nothing has come for a second: the others do not wait for it any longer",
        f"ptcpdump: c={c.path}: nothing has come for a second: the others do not wait for it any longer",
        f"ptcpdump: b={b.path}: packets come that are older than what has gone on without them: they are out of order",
        f"ptcpdump: b={b.path}: 2 packets came too late to be put in order"]))


def test_recent(folder):
    """Of captures that go on: one that is mostly silent still finds its place, and holds nobody for longer than a second."""
    (a, b), args = feeds(folder, "a", "b")
    m = Merge(*args)
    a.open(), b.open()
    first = time.time_ns()
    b.put(first)
    waited = []
    sent = 0
    while time.time_ns() < first + 4 * 10**9:
        now = time.time_ns()
        a.put(now)
        sent += 1
        if sent == 60 or sent == 75:
            b.put(now - 200 * 10**6)
        time.sleep(0.04)
        printed = m.now()
        if printed:
            waited.append((time.time_ns() - START - printed[-1][1]) / 10**9)
    a.close(), b.close()
    status, out, err = m.end()
    times = [t for _, t in out]
    same("recent_in_order", (status, times), (0, sorted(times)))
    same("recent_all", len(out), sent + 3)
    same("recent_said", [x for x in err if "late" in x or "older" in x], [])
    # But for the start, when it is not known yet who is silent.
    report("recent_bounded", None if waited and max(waited[len(waited) // 2:]) < 2.5 else f"{max(waited):.2f} s")


def test_flood(folder):
    """Whoever writes while the others are waited for does not have to wait: what comes is read ahead."""
    (a, b), args = feeds(folder, "a", "b")
    m = Merge(*args, "--count")
    a.open()
    since = time.monotonic()
    many = b"".join(a.packet(START + i) for i in range(20000))
    os.write(a.fd, many[:1])
    at = 1
    while at < len(many):
        at += os.write(a.fd, many[at:at + 65536])
    report("read_ahead", None if time.monotonic() - since < 0.95 or len(PROGRAMS) == 0 else f"{time.monotonic() - since:.2f} s")
    a.close()
    b.open()
    b.put(START + 1)
    b.close()
    status = m.p.wait(30)
    os.set_blocking(m.p.stdout.fileno(), True)
    same("read_ahead_all", (status, m.p.stdout.read()), (0, b"20001 packets\n"))


def test_signals(folder):
    (a, b), args = feeds(folder, "a", "b")
    m = Merge(*args, "-w", folder + "/sig.pcapng")
    a.open(), b.open()
    a.put(START), b.put(START + 1)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        m.p.send_signal(signal.SIGUSR2)
        time.sleep(0.05)
        if os.path.exists(folder + "/sig.pcapng") and len(lines("-r", folder + "/sig.pcapng")) >= 1:
            break
    m.p.send_signal(signal.SIGUSR1)
    time.sleep(0.2)
    m.p.send_signal(signal.SIGINT)
    status, _, err = m.end()
    same("signals", (status, [x for x in err if "captured" in x][:1]), (0, ["ptcpdump: 2 packets captured"] if "2 packets captured" in str(err)
                                                                        else ["ptcpdump: 1 packet captured"]))
    a.close(), b.close()


def test_broken(folder):
    good = file_of(folder + "/good.pcapng", ["eth0"], [START + i for i in range(5)])
    with open(good, "rb") as f:
        cut = write(folder + "/cut.pcapng", f.read()[:-150])
    junk = write(folder + "/junk", b"this is no capture file at all")
    empty = write(folder + "/empty", b"")
    for program in PROGRAMS:
        status, out, err = run(*TEXT, "-r", "w1=" + good, "-r", "w2=" + cut, "-r", "w3=" + junk, "-r", empty, program=program)
        said = [x for x in err.splitlines() if not x.startswith("reading")]
        same("broken", (status, [x.split()[1] for x in out.splitlines()].count("eth0@w1"), len(said)), (1, 5, 6))
        same("broken_said", [x for x in said if "left out" not in x][2:], [x for x in said if f"w2={cut}: truncated" in x])
    status, out, err = run("-r", junk, "-r", empty)
    same("all_broken", (status, out), (1, ""))


def test_prelude(folder):
    """Sections of both byte orders before the first interface, which come in single bytes: what was seen is not lost."""
    out, order = b"", "<"
    for order in "><>":
        out += block(order, SHB, struct.pack(order + "IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(order, 0xbad2, b"1234")
    data = frame(b"0", 0)
    out += block(order, IDB, struct.pack(order + "HHI", 1, 0, 0)) + block(
        order, EPB, struct.pack(order + "IIIII", 0, 0, 5, len(data), len(data)) + pad(data))
    path = write(f"{folder}/prelude.pcapng", out)
    p = subprocess.Popen([PROGRAM, *TEXT, "-r", "-", "-r", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for byte in out:
        os.write(p.stdin.fileno(), bytes([byte]))
        time.sleep(0.001)
    same("prelude", len(p.communicate()[0].splitlines()), 2)


def test_many(folder):
    paths = []
    for i in range(100):
        paths += ["-r", "h%d=%s" % (i, file_of(f"{folder}/many{i}.pcapng", ["eth0"], [START + i + 100 * k for k in range(50)]))]
    got = lines(*paths)
    same("many", [ns_of(x) - START for x in got], list(range(5000)))
    same("many_names", [x.split()[1] for x in got[:100]], ["eth0@h%d" % i for i in range(100)])
    out = subprocess.run(["sh", "-c", 'ulimit -v 4000000; exec "$@"', "sh", PROGRAM, "--count", *paths], capture_output=True, check=False)
    same("many_bounded", out.stdout, b"5000 packets\n")


def test_offsets_of_serials(folder):
    """Owners of different files are not taken for each other, though each counts its own from 1."""
    rng = random.Random(1)
    writers = [Writer(rng, b"%02d" % i) for i in range(3)]
    for i in range(600):
        writers[i % 3].packet(START + i * 10**6)
    words = [f"n{i}=" + write(f"{folder}/s{i}.pcapng", w.out) for i, w in enumerate(writers)]
    every = [x for w in words for x in ("-r", w)]
    same("owners", lines(*every, "-v"), in_order_of_records([records("-r", w, "-v") for w in words]))


def test_followed(folder):
    """With -f: the child of one host's process is nobody's on another, whatever its number."""
    def host(name, packets):
        out = block("<", SHB, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)) + block(
            "<", IDB, struct.pack("<HHI", 1, 0, 0) + options("<", [(2, b"eth0"), (9, b"\x09")]))
        for ns, pid, parent in packets:
            comments = [(1, b"PID: %d\nCmd: /bin/p%d\nArgs: x" % (pid, pid)), (1, b"ParentPID: %d\nParentCmd: /bin/p%d\nParentArgs: x" %
                                                                                (parent, parent))]
            data = frame(b"0", 0)
            out += block("<", EPB, struct.pack("<IIIII", 0, (START + ns) >> 32, (START + ns) & 0xffffffff, len(data), len(data)) +
                         pad(data) + options("<", comments))
        return write(f"{folder}/{name}", out)
    one = host("one", [(1, 50, 40), (3, 60, 50), (5, 70, 60)])
    two = host("two", [(2, 90, 1), (4, 60, 90), (6, 70, 60)])
    asked = ["--pid", "50", "-f"]
    same("followed", [x.split()[1:3] for x in lines("-r", "w1=" + one, "-r", "w2=" + two, *asked)],
         [["eth0@w1", "p50.50"], ["eth0@w1", "p60.60"], ["eth0@w1", "p70.70"]])
    same("followed_on_one_host", len(lines("-r", "w1=" + one, "-r", "w1=" + two, *asked)), 5)


def records(*args):
    """With -v a packet has several lines."""
    out = []
    for line in lines(*args):
        if re.match(r"\d+\.\d+ ", line):
            out.append(line)
        else:
            out[-1] += "\n" + line
    return out


def in_order_of_records(files):
    return "\n".join(in_order(files)).split("\n")


def main():
    tests = (test_names, test_live, test_silent, test_recent, test_flood, test_signals, test_broken, test_prelude, test_many,
             test_offsets_of_serials, test_followed, rounds) + ((test_mergecap,) if shutil.which("mergecap") else ())
    for test in tests:
        folder = tempfile.mkdtemp()
        before = len(FAILED)
        try:
            test(folder)
        finally:
            shutil.rmtree(folder)
        if len(FAILED) == before:
            report(test.__name__)
    return 1 if FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
