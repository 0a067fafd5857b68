# SPDX-License-Identifier: BSD-3-Clause
"""The first packets of a capture: their processes may have been there before, and be gone when it begins."""
import collections
import os
import re
import shutil
import subprocess
import time

from .base import A, B, BACKEND, COUNT, DEV, NS, PTCPDUMP, SLOW, STARTS, children, path, wait_for
from .capture import read_pcapng
from .peers import Peers
from .score import Score, comments, parse

PROGRAMS = [name for name in ("curl", "dig", "ping", "python3") if shutil.which(name)]
LINE = re.compile(r"^\d\d:\d\d:\d\d\.\d+ (.*?) (?:In|Out) ")
Ran = collections.namedtuple("Ran", "pid name")


def first_packets(n):
    """(packets, lines, when it said that it listens) of a capture that ends by itself."""
    file, log = path("first%d.pcapng" % n), path("first.log")
    cmd = [PTCPDUMP, "-i", DEV, "-nn", "-c", "12", "-w", file, "--print", "--immediate-mode",
           "tcp port 7143 or udp port 7144 or udp port 7145 or icmp[0] = 8 or icmp[0] = 0"]
    with open(log, "w") as err:
        p = subprocess.Popen(cmd + (["--backend", BACKEND] if BACKEND else []), stdout=subprocess.PIPE, stderr=err,
                             text=True)
    children.append(p)

    def listens():
        with open(log) as f:
            return "listening" in f.read()
    wait_for(20 * SLOW, lambda: listens() or p.poll() is not None)
    since = time.time_ns()
    lines = p.communicate(timeout=30 * SLOW)[0].splitlines()
    if p.returncode:
        with open(log) as f:
            raise RuntimeError("capture: " + f.read().strip())
    packets = list(read_pcapng(file))
    os.unlink(file)
    return packets, lines, since


class Log:
    """What has run."""

    def __init__(self, peers):
        self.by_port, self.by_pid, self.ended = {}, {}, {}
        with open(peers.out.name) as f:
            for w in map(str.split, f):
                if w and w[0] == "ran":
                    self.by_pid[int(w[1])] = self.by_port[int(w[3])] = Ran(int(w[1]), w[2])
                elif w and w[0] == "ended":
                    self.ended[int(w[1])] = int(w[2])

    def of(self, packet, pid):
        t = parse(packet.data)
        if t[0] == "icmp":
            ran = self.by_pid.get(pid)
            return ran if ran and ran.name == "ping" else Ran(None, "ping")
        return self.by_port.get(t[2] if t[1] == A else t[4])


def names_of(program):
    return {program, os.path.basename(os.path.realpath(shutil.which(program)))}


def judge(s, log, n, packets, lines, since):
    """Returns how many are of programs that had ended when the capture began: of these nothing need be known."""
    unknown, threads = 0, collections.defaultdict(set)
    for p, line in zip(packets, lines):
        f = comments(p)
        pid = int(f["PID"]) if "PID" in f else None
        want = log.of(p, pid)
        what = "start %d: %s" % (n, line[:150])
        if want is None:
            raise RuntimeError("whose is it? " + what)
        if want.pid and log.ended.get(want.pid, since) < since and not f.get("Cmd"):
            unknown += 1
            continue
        names = names_of(want.name)
        shown = LINE.match(line)
        shown = shown.group(1).split(" ")[-1].rpartition(".") if shown else ("", "", "")
        got = "%s.%s" % (shown[0], shown[2])
        right = shown[0] in names and os.path.basename(f.get("Cmd", "")) in names and \
            {str(want.pid), str(pid)} == {shown[2]}
        good = "%s.%s" % (want.name, want.pid or pid)
        s.add("client", good if right else got if shown[0] and shown[0] != DEV else None, good,
              "%s (saved: %s)" % (what, f.get("Cmd")))
        if "ThreadId" in f:
            threads[f["PID"], f["ThreadId"]].add(f.get("ThreadName"))
    for (pid, tid), called in threads.items():
        s.add("server", len(called), 1, "start %d: names of thread %s of %s (%s)" % (n, tid, pid, sorted(called)))
    return unknown


def first_lines():
    """Captures begin beside 20 short programs a second, TRUTH_STARTS of them (10). (Instead of servers, threads are
    counted: each has one name.)"""
    peers, s = Peers(), Score()
    peers.server("tcp-server", B, "7143", "plain", ns=NS[0])
    peers.script("names_server", ns=NS[0], ready=1)
    peers.script("short_programs", 9000, 0.05 * SLOW, *PROGRAMS, ready=1)
    starts = []
    for n in range(min(STARTS, COUNT)):
        starts.append((n, *first_packets(n)))
    ran = peers.count("ran")
    wait_for(2 * SLOW, lambda: peers.count("ran") > ran)  # so of all before it was told that they ran
    peers.finish()
    log, total, unknown = Log(peers), 0, 0
    for start in starts:
        unknown += judge(s, log, *start)
        total += len(start[1])
    if unknown > total // 50 + 1:
        s.add("client", "%d packets of programs that had ended" % unknown, 0, "the first lines")
    return s, total
