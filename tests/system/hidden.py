#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a kernel lacks, a capture is right: each packet is shown, and owners are right or not known, never another's.

PTCPDUMP_HIDE takes features away, those of all versions that lack them and random ones. Peers tell who they are, and tcpdump
beside us tells how many packets there were. --seed repeats what was random, --rounds says how often, words take away just
those. Environment: PTCPDUMP; TRUTH_SLOW. timeout: 240"""

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from truth.base import PTCPDUMP, SLOW, children, path, running, tmp, wait_for
from truth.capture import Capture
from truth.peers import Peers
from truth.score import describe, parse, pids

TCP, PREFORK, UDP = 7171, 7172, 7173
FILTER = "portrange %d-%d" % (TCP, UDP)
COUNTS = re.compile(r"^(\d+) packets? captured\n(\d+) packets? received by filter\n(\d+) packets? dropped", re.M)
# By version, the oldest last: docs/kernels.md.
OLD = ("storage,iterators,taskbtf,tcx", "ringbuf,tasks,storage,iterators,taskbtf,tcx",
       "ringbuf,tasks,links,globals,mmap,storage,iterators,taskbtf,tcx", "programs")
# The raw tracepoints are what Linux 5.4 has of programs (net/core, kernel/trace/bpf_trace.c): their type, the types of maps that
# are made for them, by include/uapi/linux/bpf.h, and no map that is mapped into memory.
RAW_TRACEPOINT, MMAPABLE = 17, 1 << 10
MAPS_5_4 = {1: "hash", 2: "array", 3: "program array", 5: "hash of each CPU", 6: "array of each CPU", 9: "LRU hash",
            22: "queue", 24: "socket storage"}


def words():
    """All that can be hidden, as the program tells whoever asks for something else."""
    p = subprocess.run([PTCPDUMP, "--probe"], env={**os.environ, "PTCPDUMP_HIDE": "?"}, capture_output=True, text=True)
    m = re.search(r"'\?' is no feature of a kernel, which are: (.*)", p.stderr)
    return m.group(1).split() if m and p.returncode == 1 else []


def listen():
    """tcpdump, to count."""
    log = open(path("tcpdump.log"), "w+")
    p = subprocess.Popen(["tcpdump", "-i", "lo", "-n", "-w", "/dev/null", "--immediate-mode", "-B", "8192", *FILTER.split()],
                         stderr=log)
    children.append(p)
    wait_for(10 * SLOW, lambda: "listening" in open(log.name).read() or p.poll() is not None)
    return p, log


def counted(p, log):
    p.send_signal(signal.SIGINT)
    p.wait(10 * SLOW)
    return int(re.search(r"(\d+) packets? captured", open(log.name).read()).group(1))


def talk(peers, rng):
    peers.server("tcp-server", "127.0.0.1", str(TCP), rng.choice(("plain", "fork")))
    peers.server("tcp-server", "127.0.0.1", str(PREFORK), "prefork", ready=4)
    peers.server("udp-server", "127.0.0.1", str(UDP), "plain")
    for _ in range(6):
        port = 21000 + rng.randrange(9000)
        kind, to = rng.choice((("tcp", TCP), ("tcp", PREFORK), ("udp", UDP)))
        peers.client(kind + "-client", "127.0.0.1", str(to), "plain@%d" % port)


def wrong(peers, packet):
    """What is wrong with what a packet is told to be of; None: nothing."""
    t = parse(packet.data)
    proto, src, sport, dst, dport = t[:5]
    ends = ((src, sport, dst, dport), (dst, dport, src, sport))
    right = []
    for end in ends:
        pid = peers.find(proto, *end)
        # Until somebody accepts, whoever listens.
        right.append({pid, peers.also.get((proto, *end))} | (peers.listeners if end[1] in (TCP, PREFORK, UDP) else set()))
    shown = pids(packet)
    if None in shown:
        # The only end that is known is shown, whichever it is.
        fits = all(pid is None or pid in right[0] | right[1] for pid in shown)
    else:
        fits = shown[0] in right[0] and shown[1] in right[1]
    return None if fits else "%s.%d > %s.%d (%s) is of %s, not of %s" % (src, sport, dst, dport, describe(packet.data), shown,
                                                                         right)


def fdinfo(pid, key):
    """That of all descriptors of a process."""
    for fd in os.listdir("/proc/%d/fdinfo" % pid):
        try:
            with open("/proc/%d/fdinfo/%s" % (pid, fd)) as f:
                facts = dict(line.split(":", 1) for line in f if ":" in line)
        except OSError:
            continue
        if key in facts:
            yield {k: v.strip() for k, v in facts.items()}


def too_new(pid):
    """What a process has loaded that Linux 5.4 has not; the settings and variables are libbpf's, which asks the kernel."""
    found = {"a program of type %s" % f["prog_type"] for f in fdinfo(pid, "prog_type")
             if int(f["prog_type"]) != RAW_TRACEPOINT}
    for f in fdinfo(pid, "map_type"):
        if int(f["map_type"]) not in MAPS_5_4:
            found.add("a map of type %s" % f["map_type"])
        elif int(f["map_flags"], 0) & MMAPABLE and not int(f.get("frozen", 0)):
            found.add("a map that is mapped")
    return ", ".join(sorted(found))


def round_of(hidden, rng):
    """What is wrong, "" nothing; and what was seen, in words."""
    os.environ["PTCPDUMP_HIDE"] = hidden
    peers = Peers()
    cap = Capture("-i", "lo", *FILTER.split())
    other, log = listen()
    bad = too_new(cap.p.pid) if "ringbuf" in hidden and "mmap" in hidden else ""
    talk(peers, rng)
    time.sleep(0.1 * SLOW)
    packets = cap.stop()
    there = counted(other, log)
    captured, received, dropped = map(int, COUNTS.search(cap.text()).groups())
    peers.finish()
    if not bad and (captured != there or captured + dropped != received):
        bad = "%d captured, %d dropped, %d received, and tcpdump has %d" % (captured, dropped, received, there)
    bad = bad or next(filter(None, (wrong(peers, p) for p in packets)), "")
    known = sum((pid is not None) for p in packets for pid in pids(p))
    return bad, "%d packets, %d of %d ends known" % (len(packets), known, 2 * len(packets))


def end_all():
    for p in [*children, *running]:
        if p.poll() is None:
            p.kill()
        p.wait()
    children.clear()
    running.clear()


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=int(time.time()) % 100000)
    args.add_argument("--rounds", type=int, default=6)
    args.add_argument("words", nargs="*", help="lists of words, each for a round; none: those of old versions, and random ones")
    args = args.parse_args()
    missing = ["root"] if os.geteuid() else [c for c in ("tcpdump",) if not shutil.which(c)]
    if missing:
        print("skip - hidden: no " + ", ".join(missing))
        return 0
    rng, known, failed = random.Random(args.seed), words(), False
    print("%s - hidden: unknown words are refused, and all are told" % ("ok" if known else "not ok"))
    others = [w for w in known if w != "programs"]
    at_random = [",".join(w for w in others if rng.random() < 0.4) for _ in range(args.rounds)]
    rounds = args.words or [*OLD, *at_random]
    for hidden in rounds:
        seen = ""
        try:
            bad, seen = round_of(hidden, rng)
        except (RuntimeError, subprocess.SubprocessError) as e:
            bad = str(e).replace("\n", " ")
        finally:
            end_all()
        failed |= bool(bad)
        print("%s - hidden: without %s: %s" % ("not ok" if bad else "ok", hidden or "nothing",
                                               bad + " (--seed %d)" % args.seed if bad else seen), flush=True)
    shutil.rmtree(tmp())
    return int(failed or not known)


if __name__ == "__main__":
    sys.exit(main())
