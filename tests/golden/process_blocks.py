#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Blocks of processes in random pcapng files, of Apple's form and of the proposed standard: who is named when they are read,
and when they have been written anew (as they are, in parts, cut by an expression, put together, in another form): whom each
packet names then, to Wireshark's rules, is whom it named before, or nobody. Environment: PTCPDUMP, PTCPDUMP_ASAN (of every other
round, when it is there), SEED. timeout: 240"""

import collections
import glob
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

PROGRAMS = [p for p in (os.environ.get("PTCPDUMP", "build/ptcpdump"), os.environ.get("PTCPDUMP_ASAN"))
            if p and os.path.exists(p)]
ROUNDS = 40
START = 1_790_000_000_000_000_000
APPLE, STANDARD, PEN = 0x80000001, 0xbad, 32622
Packet = collections.namedtuple("Packet", "number ts options apple effective pid")


# --- writing -----------------------------------------------------------------------

def pad(b):
    return b + bytes(-len(b) % 4)


def options(order, pairs):
    return b"".join(struct.pack(order + "HH", code, len(v)) + pad(v) for code, v in pairs) + bytes(4) if pairs else b""


def block(order, kind, body):
    n = len(body) + 12
    return struct.pack(order + "II", kind, n) + body + struct.pack(order + "I", n)


class Writer:
    """A file of random sections. number: of the first packet; truth: {number: name, or None}; late: likewise, of packets that
    name a pid, by all blocks of their section"""

    def __init__(self, rng, number):
        self.rng, self.number, self.out = rng, number, b""
        self.truth, self.late, self.effective, self.apple = {}, {}, {}, []
        for _ in range(rng.randint(1, 3)):
            self.section()

    def section(self):
        r = self.rng
        self.order, self.standard, self.pids = r.choice("<>"), [], []
        self.out += block(self.order, 0x0a0d0d0a, struct.pack(self.order + "IHHq", 0x1a2b3c4d, 1, 0, -1))
        self.out += block(self.order, 1, struct.pack(self.order + "HHI", 1, 0, 0) +
                          options(self.order, [(2, b"lo"), (9, b"\x09")]))
        for _ in range(r.randint(1, 25)):
            r.choice((self.apple_block, self.standard_block, self.packet, self.packet, self.packet, self.packet))()
        for number, pid, ts in self.pids:
            self.late[number] = of_pid(self.standard, pid, ts)

    def apple_block(self):
        name = "apple-%d-%d" % (self.number, len(self.apple))
        self.apple.append(name)
        extra = [(4, bytes(16))] if self.rng.random() < 0.3 else []
        self.out += block(self.order, APPLE, struct.pack(self.order + "I", self.rng.randint(1, 9)) +
                          options(self.order, [(2, name.encode())] + extra))

    def standard_block(self):
        r = self.rng
        pid, start = r.randint(1, 4), START + r.randint(0, 40) * 1000 if r.random() < 0.8 else 0
        name = "standard-%d-%d" % (self.number, len(self.standard))
        self.standard.append((pid, start, len(self.standard), name))
        pairs = [(2, name.encode()), (3, b"/usr/bin/" + name.encode()), (4, b"a\0b c"), (5, struct.pack("<I", 1))]
        entry = struct.pack("<I", pid) + options("<", pairs + ([(9, struct.pack("<Q", start))] if start else []))
        self.out += block(self.order, STANDARD, struct.pack(self.order + "I", PEN) +
                          struct.pack("<II", 3, len(entry)) + entry)

    def packet(self):
        r, pairs = self.rng, []
        u32 = lambda v: struct.pack(self.order + "I", v)
        ts, name, effective = START + self.number % 40 * 1000 + 500, None, None
        if r.random() < 0.6:
            pid = r.randint(1, 5)
            pairs.append((8, struct.pack(self.order + "II", pid, r.choice((0, 77)))))
            name = of_pid(self.standard, pid, ts) or "-"
            self.pids.append((self.number, pid, ts))
        if r.random() < 0.6:
            index = r.randint(0, len(self.apple) + 1)
            pairs.append((0x8001, u32(index)))
            name = self.apple[index] if index < len(self.apple) else name
        if r.random() < 0.3:
            index = r.randint(0, len(self.apple) + 1)
            pairs.append((0x8003, u32(index)))
            effective = self.apple[index] if index < len(self.apple) else None
        if r.random() < 0.3:
            pairs.append((0x8002, u32(0x190)))
        if r.random() < 0.3:
            pairs.append((1, b"somebody's note"))
        r.shuffle(pairs)
        data = bytes(12) + b"\x88\xb5" + struct.pack(">I", self.number) + bytes(44)
        self.out += block(self.order, 6, struct.pack(self.order + "IIIII", 0, ts >> 32, ts & 0xffffffff, len(data), len(data)) +
                          pad(data) + options(self.order, pairs))
        self.truth[self.number], self.effective[self.number] = name, effective
        self.number += 1


def of_pid(blocks, pid, ts):
    """(pid, start, as they came, name): the one that started last before, else the earliest."""
    own = sorted(b for b in blocks if b[0] == pid)
    before = [b for b in own if b[1] <= ts]
    return before[-1][3] if before else own[0][3] if own else None


# --- reading -------------------------------------------------------------------------

def read_options(order, data):
    found = {}
    while len(data) >= 4:
        code, n = struct.unpack_from(order + "HH", data)
        if code == 0:
            break
        found.setdefault(code, data[4:4 + n])
        data = data[4 + n + -n % 4:]
    return found


def read(path):
    """Apple's blocks, those of the standard, and packets, each with how many of Apple's were in front of it."""
    with open(path, "rb") as f:
        data = f.read()
    apple, standard, packets, order = [], [], [], "<"
    while data:
        if data[:4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if struct.unpack_from("<I", data, 8)[0] == 0x1a2b3c4d else ">"
        kind, n = struct.unpack_from(order + "II", data)
        body, data = data[8:n - 4], data[n:]
        if kind == APPLE:
            apple.append(read_options(order, body[4:])[2].decode())
        elif kind == STANDARD and struct.unpack_from(order + "I", body)[0] == PEN:
            o = read_options("<", body[16:])
            standard.append((struct.unpack_from("<I", body, 12)[0], struct.unpack("<Q", o.get(9, bytes(8)))[0],
                             len(standard), o[2].decode()))
        elif kind == 6:
            _, high, low, caplen, _ = struct.unpack_from(order + "IIIII", body)
            o = read_options(order, body[20 + caplen + -caplen % 4:])
            number = lambda code: struct.unpack_from(order + "I", o[code])[0] if code in o else None
            packets.append((len(apple), Packet(struct.unpack_from(">I", body, 34)[0], high << 32 | low, o, number(0x8001),
                                               number(0x8003), number(8))))
    return apple, standard, packets


def names(path):
    """{number: all whom a reader may take it for}, {number: likewise, of whom it acts for}"""
    apple, standard, packets = read(path)
    found, effective = {}, {}
    for before, p in packets:
        of = {apple[p.apple]} if p.apple is not None and p.apple < len(apple) else set()
        if p.pid is not None and not of:
            of |= {of_pid(standard, p.pid, p.ts)} - {None}
        found[p.number] = of
        effective[p.number] = {apple[p.effective]} if p.effective is not None and p.effective < len(apple) else set()
    return found, effective


# --- comparison ----------------------------------------------------------------------

failed = []
program = PROGRAMS[0]


def check(what, right, text=""):
    if not right:
        failed.append("%s: %s" % (what, text))


def run(*args):
    p = subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    check(" ".join(args), p.returncode == 0, p.stderr.strip()[-200:])
    return p.stdout


def printed(path, n, *args):
    """The names that are printed, of the first so many packets in order."""
    lines = [line for line in run("-r", path, "-nn", "-t", "-e", *args).splitlines() if " > " in line]
    found = []
    for line in lines:
        m = re.match(r"lo (\S+)\.\d+ ", line)
        found.append(m.group(1) if m else None)
    return found


def compare(what, paths, sources, everything):
    """Nobody is somebody else; with everything, who was somebody by Apple's blocks still is."""
    truth, late, effective = {}, {}, {}
    for w in sources:
        truth.update(w.truth)
        late.update(w.late)
        effective.update(w.effective)
    seen = set()
    for path in paths:
        found, acts_for = names(path)
        seen |= set(found)
        for n, of in found.items():
            check(what, of <= {truth[n], late.get(n)}, "packet %d of %s is said to be of %s" % (n, truth[n], of))
            check(what, acts_for[n] <= {effective[n]}, "packet %d for %s acts for %s" % (n, effective[n], acts_for[n]))
            if everything and truth[n] and truth[n].startswith("apple"):
                check(what, of == {truth[n]}, "packet %d of %s is nobody's" % (n, truth[n]))
    if everything:
        check(what, seen == set(truth), "%d packets, not %d" % (len(seen), len(truth)))


def one_round(rng, folder):
    path = lambda name: os.path.join(folder, name)
    sources = []
    for i in range(2):
        sources.append(Writer(rng, sources[-1].number if sources else 1))
        with open(path("in%d" % i), "wb") as f:
            f.write(sources[i].out)
    w = sources[0]
    check("read", printed(path("in0"), len(w.truth)) == list(w.truth.values()),
          "%s, not %s" % (printed(path("in0"), len(w.truth)), list(w.truth.values())))
    for name in sorted(set(w.truth.values()) - {None, "-"})[:2]:
        n = sum(name in (w.truth[i], w.effective[i]) for i in w.truth)
        check("pname", len(printed(path("in0"), n, "--pname", name)) == n, "%s: not %d" % (name, n))
    run("-r", path("in0"), "-w", path("same.pcapng"))
    compare("same", [path("same.pcapng")], sources[:1], True)
    run("-r", path("in0"), "-w", path("cut.pcapng"), "ether[17] & 1 = 1")
    compare("cut", [path("cut.pcapng")], sources[:1], False)
    run("-r", path("in0"), "-w", path("part.pcapng"), "-C", "1k", "-W", "100000")
    compare("parts", glob.glob(path("part.pcapng*")), sources[:1], True)
    with open(path("list"), "w") as f:
        f.write("%s\n%s\n" % (path("in0"), path("in1")))
    run("-V", path("list"), "-w", path("together.pcapng"))
    compare("together", [path("together.pcapng")], sources, True)
    run("-r", path("in0"), "-r", path("in1"), "-w", path("merged.pcapng"))
    compare("merged", [path("merged.pcapng")], sources, True)
    run("-r", path("in0"), "-r", path("in1"), "-w", path("pieces.pcapng"), "-C", "1k", "-W", "100000")
    compare("merged in parts", glob.glob(path("pieces.pcapng*")), sources, True)
    run("-r", path("in0"), "-r", path("in1"), "-w", path("forms.pcapng"), "--process-blocks", "both")
    compare("merged in both forms", [path("forms.pcapng")], sources, False)
    for form in "apple", "pcapng", "both", "none":
        out = path(form + ".pcapng")
        run("-r", path("in0"), "-w", out, "--process-blocks", form)
        found, acts_for = names(out)
        for n, of in found.items():
            right_one = {w.effective[n]} - {None} if form in ("apple", "both") else set()
            check(form, acts_for[n] == right_one, "packet %d for %s acts for %s" % (n, right_one, acts_for[n]))
            right = {w.truth[n]} - {None, "-"} if form != "none" else set()
            # By its pid nobody can be named who is older than somebody else of that pid.
            missing = set() if form != "pcapng" or of else right
            check(form, of - {"-"} == right - missing, "packet %d of %s is said to be of %s" % (n, right, of))


def comments_first(folder):
    """What comments tell is not given up for what blocks say: these may add the name of the same number."""
    path, out = os.path.join(folder, "comments"), os.path.join(folder, "compact.pcapng")
    cases = (([b"PID: 17", b"UserId: 1000"], 9, "pid 17, "), ([b"PID: 17", b"UserId: 1000"], 0, "pid 17, "),
             ([b"PID: 17"], 0, "pid 17, "), ([b"PID: 17"], 9, "pid 17, "), ([b"PID: 18"], 0, "pid 18, cmd other"),
             ([b"UserId: 1000"], 0, None), ([], 0, "pid 18, cmd other"))
    section = struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)
    data = bytes(12) + b"\x88\xb5" + bytes(48)
    written = block("<", 0x0a0d0d0a, section) + block("<", 1, struct.pack("<HHI", 1, 0, 0) + options("<", [(2, b"lo")]))
    written += block("<", APPLE, struct.pack("<I", 18) + options("<", [(2, b"other")]))
    for texts, number, _ in cases:
        pairs = [(1, text) for text in texts] + [(0x8001, struct.pack("<I", number))]
        written += block("<", 6, struct.pack("<IIIII", 0, 0, 1, len(data), len(data)) + pad(data) + options("<", pairs))
    with open(path, "wb") as f:
        f.write(written)
    run("-r", path, "-w", out, "--compact-comments")
    for name in path, out:
        packets = re.split(r"(?m)^(?=\d)", run("-r", name, "-nn", "-v"))[1:]
        check(name, len(packets) == len(cases), "%d packets" % len(packets))
        for text, (texts, number, process) in zip(packets, cases):
            check(name, ("Process (" + (process or "") in text) == (process is not None), "%s: %s" % (texts, text))
            check(name, ("uid 1000" in text) == (b"UserId: 1000" in texts), "%s: %s" % (texts, text))


def odd_times(folder):
    """Two programs of one pid, at times that 64 bits of ns do not hold: before the epoch, and long after."""
    path, out = os.path.join(folder, "times"), os.path.join(folder, "times.pcapng")
    data = bytes(12) + b"\x88\xb5" + bytes(48)
    for unit, offset, times in ((10**9, -10, (10 * 10**9 - 1, 20 * 10**9)), (1, 0, ((1 << 64) // 10**9 + 100, 200_000)),
                                (1, 0, ((1 << 64) // 10**9 + 100, (1 << 64) // 10**9 + 200))):
        iface = [(2, b"lo"), (9, b"\x09" if unit > 1 else b"\0"), (14, struct.pack("<q", offset))]
        written = block("<", 0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
        written += block("<", 1, struct.pack("<HHI", 1, 0, 0) + options("<", iface))
        for ts, name in zip(times, ("first", "second")):
            comment = [(1, b"PID: 17\nCmd: /bin/" + name.encode() + b"\nArgs: " + name.encode())]
            written += block("<", 6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xffffffff, len(data), len(data)) + pad(data) +
                             options("<", comment))
        with open(path, "wb") as f:
            f.write(written)
        run("-r", path, "-w", out, "--process-blocks", "pcapng")
        _, standard, packets = read(out)
        check("odd times", len(packets) == 2, "%d packets" % len(packets))
        for (_, p), name in zip(packets, ("first", "second")):
            ts = (p.ts + offset * unit) * (10**9 // unit)
            found = of_pid(standard, p.pid, ts) if p.pid else None
            check("odd times", found in (name, None), "%s at %d is said to be of %s" % (name, ts, found))


def many_processes(folder, count=300):
    """In turns, and each described once."""
    path, out = os.path.join(folder, "many"), os.path.join(folder, "many.pcapng")
    data = bytes(12) + b"\x88\xb5" + bytes(48)
    written = block("<", 0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1))
    written += block("<", 1, struct.pack("<HHI", 1, 0, 0) + options("<", [(2, b"lo")]))
    for i in range(3 * count):
        comment = [(1, b"PID: %d\nCmd: /bin/%d\nArgs: " % (i % count + 1, i % count))]
        written += block("<", 6, struct.pack("<IIIII", 0, 0, i, len(data), len(data)) + pad(data) + options("<", comment))
    with open(path, "wb") as f:
        f.write(written)
    run("-r", path, "-w", out, "--process-blocks", "apple")
    apple, _, packets = read(out)
    check("many processes", len(apple) == count, "%d blocks" % len(apple))
    for i, (_, p) in enumerate(packets):
        check("many processes", apple[p.apple] == str(i % count), "%d is said to be of %s" % (i % count, apple[p.apple]))


def main():
    global program
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    rng = random.Random(seed)
    print("# seed %d" % seed)
    folder = tempfile.mkdtemp()
    n = -1
    try:
        comments_first(folder)
        odd_times(folder)
        many_processes(folder)
        for n in range(ROUNDS):
            if failed:
                break
            program = PROGRAMS[n % len(PROGRAMS)]
            one_round(rng, folder)
            for f in glob.glob(os.path.join(folder, "*")):
                os.unlink(f)
            if failed:
                break
    finally:
        shutil.rmtree(folder)
    for text in failed[:5]:
        print("not ok - process blocks: round %d: %s" % (n, text[:400]))
    if not failed:
        print("ok - process blocks: %d rounds" % ROUNDS)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
