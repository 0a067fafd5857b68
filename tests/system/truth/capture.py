# SPDX-License-Identifier: BSD-3-Clause
"""A capture, and what it has saved."""
import collections
import os
import re
import signal
import struct
import subprocess
import time

from .base import BACKEND, PTCPDUMP, SETTLE, SLOW, children, path, wait_for

STATISTICS = re.compile(r"(\d+) packets? captured, (\d+) packets? received by filter, (\d+) packets? dropped")
# named: the (pid, name) of the block of its process that it names, pid: the one that it names by number; None: nobody.
Packet = collections.namedtuple("Packet", "dir data comments iface ns named pid", defaults=(None, None))


class Program:
    """One that captures until it is told to end; its standard error, and what it prints, in files, which need a name of
    their own where several run at a time."""

    def __init__(self, cmd, name="capture"):
        self.log, self.out = open(path(name + ".log"), "w+"), open(path(name + ".out"), "w+")
        start = time.monotonic()
        self.p = subprocess.Popen(cmd, stderr=self.log, stdout=self.out)
        children.append(self.p)
        wait_for(10 * SLOW, lambda: "listening" in self.text() or self.p.poll() is not None)
        if self.p.poll() is not None:
            raise RuntimeError("capture: " + self.text().strip())
        self.start_ms = int((time.monotonic() - start) * 1000)

    def text(self):
        with open(self.log.name) as f:
            return f.read()

    def printed(self):
        with open(self.out.name) as f:
            return f.read()

    def statistics(self):
        """(captured, received, dropped) until now; None: it has ended."""
        times = len(STATISTICS.findall(self.text()))
        self.p.send_signal(signal.SIGUSR1)
        wait_for(2 * SLOW, lambda: len(STATISTICS.findall(self.text())) > times or self.p.poll() is not None)
        found = STATISTICS.findall(self.text())
        return tuple(map(int, found[-1])) if len(found) > times else None

    def drain(self):
        """Waits until all that was received is written and nothing more comes; where something is always held back, until
        there is no news. At most 5 s."""
        before, since, until = None, 0, time.monotonic() + 5 * SLOW
        while time.monotonic() < until:
            got = self.statistics()
            if not got:
                return
            now = time.monotonic()
            if got != before:
                before, since = got, now
            captured, received, dropped = got
            if now - since >= (0.1 if captured + dropped >= received else 0.4) * SLOW:
                return
            time.sleep(0.02)

    def end(self):
        """Its exit status."""
        self.drain()
        self.p.send_signal(signal.SIGINT)
        return self.p.wait(20 * SLOW)


class Capture(Program):
    """One that saves what peers say to each other."""

    def __init__(self, *args):
        self.file = path("truth.pcapng")
        if os.path.exists(self.file):
            os.unlink(self.file)
        cmd = [PTCPDUMP, "-w", self.file]
        if "--context" not in args:
            cmd += ["--context", "process,peer"]
        if "--settle" not in args:
            cmd += ["--settle", str(SETTLE)]
        if BACKEND:
            cmd += ["--backend", BACKEND]
        super().__init__(cmd + list(args))

    def stop(self):
        if self.end():
            raise RuntimeError("capture: " + self.text().strip())
        m = re.search(r"^(\d+) packets dropped", self.text(), re.M)
        if not m or m.group(1) != "0":
            raise RuntimeError("capture lost packets: " + self.text().strip())
        packets = list(read_pcapng(self.file))
        check_blocks(packets)
        return packets


def program(cmd, args):
    """As process_desc_program() of the program."""
    return os.path.basename(cmd.removesuffix(" (deleted)")) if cmd[:1] in ("/", ".") or args else cmd


def check_blocks(packets):
    """What blocks of processes say of a packet is what its comments say."""
    for p in packets:
        told = next((c for c in p.comments if c.startswith("PID: ")), None)
        facts = dict(line.partition(": ")[::2] for line in told.split("\n")) if told else {}
        name = facts.get("Name") or program(facts.get("Cmd", ""), facts.get("Args"))
        pid = facts.get("PID")
        right = (int(pid.split("@")[0]), name) if pid else None
        if p.named != right or p.pid != (int(pid) if pid and "@" not in pid else None):
            raise RuntimeError("a packet of %s names %s, %s" % (right, p.named, p.pid))


def options(data, at, end):
    """(code, value) of a block's options."""
    while at < end:
        code, n = struct.unpack_from("<HH", data, at)
        if code == 0:
            return
        yield code, data[at + 4:at + 4 + n]
        at += 4 + (n + 3 & ~3)


def as_ethernet(link_type, packet):
    if link_type == 1:
        return packet
    return bytes(12) + (b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\0") + packet


def read_pcapng(file):
    """Little-endian files only: those of this machine. All packets get an Ethernet header."""
    with open(file, "rb") as f:
        data = f.read()
    off, link_types, blocks = 0, [], []
    while off + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, off)
        if kind == 1:
            link_types.append(struct.unpack_from("<H", data, off + 8)[0])
        elif kind == 0x80000001:
            names = [v.decode(errors="replace") for code, v in options(data, off + 12, off + length - 4) if code == 2]
            blocks.append((struct.unpack_from("<I", data, off + 8)[0], names[0] if names else ""))
        elif kind == 6:
            iface, high, low, caplen, _ = struct.unpack_from("<IIIII", data, off + 8)
            start = off + 28
            comments, flags, named, pid = [], 0, None, None
            for code, value in options(data, start + (caplen + 3 & ~3), off + length - 4):
                if code == 1:
                    comments.append(value.decode(errors="replace"))
                elif code == 2:
                    flags = struct.unpack("<I", value)[0]
                elif code == 8:
                    pid = struct.unpack_from("<I", value)[0]
                elif code == 0x8001:
                    named = blocks[struct.unpack("<I", value)[0]]
            yield Packet({1: "in", 2: "out"}.get(flags & 3), as_ethernet(link_types[iface], data[start:start + caplen]),
                         comments, iface, high << 32 | low, named, pid)
        off += length


def interfaces(file):
    """Their names, in the order of the file."""
    with open(file, "rb") as f:
        data = f.read()
    off, names = 0, []
    while off + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, off)
        if kind == 1:
            names += [value.decode() for code, value in options(data, off + 16, off + length - 4) if code == 2]
        off += length
    return names
