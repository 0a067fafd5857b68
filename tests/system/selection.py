#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Each selection, live and by -r of what a capture without selection saved, gives the same packets.

Rounds of random traffic of many processes: short and long ones, forks, execs, scripts, new names, threads, users,
servers; on lo and over a veth, some from before the captures. In each round one capture saves everything, and beside it
others what random selections leave. --seed, --first and --rounds repeat what was seen; -v shows each selection.
Environment: PTCPDUMP; TRUTH_BACKEND, as --backend; TRUTH_SLOW. timeout: 240"""

import argparse
import collections
import concurrent.futures
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from truth.base import HELPER, PROGRAMS, PTCPDUMP, SLOW, children, path, tmp, wait_for
from truth.capture import Program, interfaces, read_pcapng
from truth.score import comments, describe, parse

HERE, THERE = "10.9.0.1", "10.9.0.2"
PLAIN, FORKS, SHARED = 7161, 7162, 7163
IMAGE = [sys.executable, "-S", os.path.join(PROGRAMS, "image.py")]
USERS = (4242, 4243)
# What executes images: python3 and these scripts, the first of more than 15 characters.
SCRIPTS = ("playbook-of-many-hosts", "tool.py")
RENAMES = ("worker", "pool: idle", "playbook-of-man")
NAMES = ("python3", os.path.basename(os.path.realpath(sys.executable)), "bash", "truth", "ping", "sleep", *SCRIPTS,
         *RENAMES)
CONTEXTS = ("process", "process,user", "process,parentproc", "thread,user,peer", "process,peer",
            "process,thread,user,parentproc")
EXPRESSIONS = ("udp", "tcp port %d" % FORKS, "host " + THERE, "tcp[13] & 7 != 0", "dst port %d or icmp" % PLAIN,
               "greater 100")
TOLD = ("PID", "Cmd", "Name", "Comm", "ThreadName", "UserId", "ParentPID", "PeerPID", "PeerCmd", "PeerUserId")
Selection = collections.namedtuple("Selection", "kind args live keep expression family snaplen terms",
                                   defaults=((), None, (), None, None, None))


# --- traffic ---------------------------------------------------------------------

class Traffic:
    """Of one round. Processes that are there before the captures wait for a file."""

    def __init__(self, rng, there):
        self.rng, self.there = rng, there
        self.out = open(path("traffic.out"), "w+")
        self.go = path("go")
        self.procs, self.servers, self.server_at = [], [], {}

    def start(self, cmd, host=None, plan=None, ns=None):
        env = dict(os.environ, IMAGE_HOST=host or "127.0.0.1", IMAGE_PLAN=plan or "")
        before = ["nsenter", "-t", str(ns), "-n"] if ns else []
        return subprocess.Popen(before + cmd, env=env, stdin=subprocess.DEVNULL, stdout=self.out,
                                stderr=subprocess.DEVNULL, start_new_session=True)

    def serve(self):
        for ns in None, self.there:
            for port, mode in (PLAIN, "plain"), (FORKS, "fork"), (SHARED, "prefork"):
                p = self.start([HELPER, "tcp-server", "0.0.0.0", str(port), mode], ns=ns)
                self.server_at[bool(ns), port] = p
                self.servers.append(p)
        wait_for(10 * SLOW, lambda: self.text().count("ready") >= 12)

    def forking(self):
        return [p for (_, port), p in self.server_at.items() if port == FORKS]

    def text(self):
        with open(self.out.name) as f:
            return f.read()

    def steps(self, depth=0):
        """A few things that a process does, which may end in another program."""
        r = self.rng
        words = []
        for _ in range(r.randint(1, 3)):
            words += r.choice((
                ["open", "send", "close"],
                ["open", "send", "wait:0.02", "send", "close"],
                ["connect:%d" % r.choice((PLAIN, FORKS, SHARED)), "send", "recv", "close"],
                ["connect:%d" % r.choice((PLAIN, FORKS, SHARED)), "send", "close"],
                ["name:" + r.choice(RENAMES).replace(" ", "_"), "open", "send", "close"],
                ["child:open,send,wait:0.01,send"],
                ["wait:0.05"],
            ))
        if depth < 3:
            more = self.steps(depth + 1) if r.random() < 0.6 else []
            words += r.choice((
                ["exec:next"] + more,
                ["exec:script:" + path(r.choice(SCRIPTS))] + more,
                ["keep", "send", "bash:shell", "sleep:0.05"],
                ["forks:%d:0.01" % r.randint(1, 3)] + more,
                ["thread"] + more,
                ["uid:%d" % r.choice(USERS), "open", "send", "close", "connect:%d" % PLAIN, "send", "recv", "close"],
                ["sleep:0.05"],
                [],
                [],
            ))
        return words

    def process(self, before=False):
        r = self.rng
        host, ns = r.choice(((None, None), (None, None), (THERE, None), (HERE, self.there)))
        if not before and r.random() < 0.1:
            return self.start(["ping", "-c", "2", "-i", "0.2", host or "127.0.0.1"], ns=ns)
        words = (["say:ready", "until:" + self.go] if before else []) + self.steps()
        how = r.choice((IMAGE, IMAGE, *([path(s)] for s in SCRIPTS)))
        return self.start(how + ["first"], host, " ".join(words), ns)

    def start_some(self, n):
        ready = self.text().count("ready")
        self.procs += [self.process(before=True) for _ in range(n)]
        wait_for(10 * SLOW, lambda: self.text().count("ready") >= ready + n)

    def run(self, n):
        with open(self.go, "w"):
            pass
        # A child is called as the thread that forked it.
        self.procs.append(self.start(IMAGE + ["first"], None, "thread name:worker child:open,send,wait:0.01,send", None))
        for _ in range(n):
            self.procs.append(self.process())
            time.sleep(self.rng.random() * 0.05 * SLOW)
        self.wait()

    def wait(self):
        for p in self.procs:
            p.wait(30 * SLOW)

    def end(self):
        for p in self.procs + self.servers:
            try:
                os.killpg(p.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            p.wait()
        if os.path.exists(self.go):
            os.unlink(self.go)

    def family(self, pid):
        """It, and all that have come of it."""
        born = collections.defaultdict(set)
        for line in self.text().splitlines():
            w = line.split()
            if w and w[0] == "process":
                born[int(w[2])].add(int(w[1]))
            elif w and w[0] == "end":
                server = self.server_at[w[2] == THERE, int(w[3])].pid
                born[server].add(int(w[6]))
        known, left = set(), {pid}
        while left:
            known |= left
            left = set().union(*(born[p] for p in left)) - known
        return known


# --- selections ------------------------------------------------------------------

def some(rng, option, values, most):
    """The option once or several times, each of another value."""
    args = []
    for value in rng.sample(sorted(set(values)), rng.randint(1, most)):
        args += [option, str(value)]
    return args


def criterion(rng, traffic, kind):
    if kind == "pid":
        # Not of a server that forks for each connection: at the very moment, captures may differ on whose it is.
        return some(rng, "--pid", [p.pid for p in traffic.procs + traffic.servers if p not in traffic.forking()], 3)
    if kind == "uid":
        return some(rng, "--uid", (0,) + USERS, 2)
    return some(rng, "--pname", NAMES, 3)


def several(rng, traffic):
    args = []
    for kind in rng.sample(("pid", "pname", "uid"), rng.randint(2, 3)):
        args += criterion(rng, traffic, kind)
    return args


def quoted(value):
    return value if re.fullmatch(r"[\w./-]*", value) else '"%s"' % value


def term(rng, traffic, kind):
    if kind == "pid":
        procs = [p.pid for p in traffic.procs + traffic.servers if p not in traffic.forking()]
        pids = rng.sample(procs, rng.randint(1, 3))
        return "pid %d" % pids[0] if len(pids) == 1 else "pid (%s)" % " or ".join(map(str, pids))
    value = {
        "pname": NAMES + ("py*", "*-of-*", "[p-t]*"),
        "uid": (0,) + USERS,
        "exe": ("/usr/*", "python3*", "bash", sys.executable, "/no/such"),
        "cmdline": ("first", "*image.py*", "next", "shell"),
        "parent": NAMES[:5] + (os.getpid(),),
        "unknown": ("",),
    }[kind]
    return ("%s %s" % (kind, quoted(str(rng.choice(value))))).strip()


def primitive(rng, traffic):
    if rng.random() < 0.3:
        return rng.choice(EXPRESSIONS + ("port (%d or %d)" % (PLAIN, SHARED), "ip6", "less 70"))
    words = term(rng, traffic, rng.choice(("pid", "pname", "pname", "uid", "exe", "cmdline", "parent", "unknown")))
    return rng.choice(("", "", "", "src ", "dst ", "src and dst ")) + words


def expression(rng, traffic, depth=0):
    """Of process terms and others, put together at random."""
    if depth == 3 or rng.random() < 0.3:
        return rng.choice(("", "", "not ")) + primitive(rng, traffic)
    parts = [expression(rng, traffic, depth + 1) for _ in range(2)]
    return rng.choice(("", "", "not ")) + "(%s)" % rng.choice((" and ", " or ")).join(parts)


def as_terms(args):
    """What options are short for: of one end, all of them."""
    values = collections.defaultdict(list)
    for option, value in zip(args[::2], args[1::2]):
        values[option.lstrip("-")].append(quoted(value))
    of_end = [" and ".join("%s %s (%s)" % (end, word, " or ".join(v)) for word, v in values.items())
              for end in ("src", "dst")]
    return "(%s) or (%s)" % tuple(of_end)


def sensible(rng, traffic):
    """An expression that libpcap does not refuse for being true of nothing: "udp and tcp port 80"."""
    while True:
        drawn = expression(rng, traffic)
        p = subprocess.run([PTCPDUMP, "-y", "EN10MB", "-d", drawn], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                           text=True)
        if "rejects all packets" not in p.stderr:
            return drawn


def selections(rng, traffic):
    """One of each kind; keep(interface, direction): what -r cannot know that the capture was asked for."""
    def any_of():
        return criterion(rng, traffic, rng.choice(("pid", "pname", "uid")))
    yield from (Selection(kind, criterion(rng, traffic, kind)) for kind in ("pid", "pname", "uid"))
    yield Selection("several kinds", several(rng, traffic))
    args = several(rng, traffic)
    yield Selection("options as terms", args, terms=as_terms(args))
    yield Selection("expression", any_of(), expression=(rng.choice(EXPRESSIONS),))
    yield Selection("context", any_of() + ["--context", rng.choice(CONTEXTS)])
    way = rng.choice(("in", "out"))
    yield Selection("direction", any_of(), ("-i", "va", "-Q", way), lambda iface, d: iface == "va" and d == way)
    dev = rng.choice(("lo", "va"))
    yield Selection("interface", any_of(), ("-i", dev), lambda iface, d: iface == dev)
    pid = rng.choice(traffic.procs + traffic.servers).pid
    yield Selection("follow forks", ["--pid", str(pid)], ("-f",), family=pid)
    yield Selection("descendants", ["--pid", str(pid), "-f"])
    for kind in "term", "terms":
        yield Selection(kind, [], expression=(primitive(rng, traffic) if kind == "term" else sensible(rng, traffic),))
    yield Selection("terms of short packets", [], ("-s", "48"), expression=(sensible(rng, traffic),), snaplen=48)
    yield Selection("terms beside options", any_of(), expression=(sensible(rng, traffic),))
    yield Selection("terms of children", ["-f"], expression=("pid %d" % pid,))


class Selected(Program):
    def __init__(self, n, selection, backend):
        self.file = path("%d.pcapng" % n)
        args = list(selection.live) if "-i" in selection.live else ["-i", "lo,va", *selection.live]
        cmd = [PTCPDUMP, "-w", self.file, "--settle", str(int(1000 * SLOW)), *args, *selection.args]
        super().__init__(cmd + (["--backend", backend] if backend else []) + list(selection.expression), "sel%d" % n)
        self.cmd = cmd


def packets_of(file, keep=None, snaplen=None):
    """{(interface, direction, bytes): [comments of each]}"""
    names, found = interfaces(file), collections.defaultdict(list)
    for p in read_pcapng(file):
        if not keep or keep(names[p.iface], p.dir):
            found[names[p.iface], p.dir, p.data[:snaplen]].append(comments(p))
    return found


def read_again(file, args, expression):
    """What -r of it leaves."""
    out = path("again.pcapng")
    p = subprocess.run([PTCPDUMP, "-r", file, "-w", out, *args, *expression], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        raise RuntimeError("-r: " + p.stderr.strip())
    return out


# --- comparison ------------------------------------------------------------------

def example(key, facts, live):
    """A packet, what the file of all says of it, and what the selecting capture has said otherwise."""
    t = parse(key[2])
    what = "%s %s.%s > %s.%s" % t[:5] if t else "frame"
    told = " ".join("%s=%s" % (k, facts[k][:60]) for k in TOLD if k in facts)
    if live:
        told += "".join("; %s=%s there" % (k, live[k]) for k in TOLD if k in facts and live.get(k, facts[k]) != facts[k])
    return "%s %s %s (%s; %s)" % (key[0], key[1], what, describe(key[2]), told or "nobody")


def differences(live, again, everything):
    """(how many are only in one, text of a few with what the file of all says)"""
    texts, count = [], [0, 0]
    for side, (a, b) in enumerate(((live, again), (again, live))):
        for key, facts in a.items():
            more = len(facts) - len(b.get(key, ()))
            if more > 0:
                count[side] += more
                if count[side] <= 3:
                    texts.append("only %s: %s" % (("live", "by -r")[side],
                                                  example(key, everything.get(key, facts)[0], live.get(key, [None])[0])))
    return count, texts


class Results:
    def __init__(self, verbose):
        self.failed, self.packets, self.verbose = {}, collections.Counter(), verbose
        self.now, self.before = {}, None  # what differed in this round, and in this round's first try

    def add(self, n, s, live, again, everything):
        count, texts = differences(live, again, everything)
        total = sum(map(len, live.values()))
        self.packets[s.kind] += total
        shown = " ".join([*s.live, *s.args, *s.expression])
        if self.verbose:
            print("# round %d: %s: %s: %d packets, %d only live, %d only by -r" % (n, s.kind, shown, total, *count),
                  flush=True)
            for text in texts:
                print("#    " + text)
        if texts:
            self.now[s.kind] = "round %d, %s: %d packets only live, %d only by -r: %s" % (
                n, shown, *count, "; ".join(texts))

    def again(self, strict):
        """Whether the round is to be done once more: what differs by chance, when one capture came a moment later than
        the other, will not do so again."""
        before, self.before, self.now = self.before, self.now, {}
        if before is None and self.before and not strict:
            return True
        for kind, why in self.before.items():
            if before is None or kind in before:
                self.failed.setdefault(kind, why)
        for kind, why in (before or {}).items():
            if kind not in self.before:
                print("# only once: %s: %s" % (kind, why), flush=True)
        self.before = None
        return False

    def show(self):
        for kind, n in self.packets.items():
            name = "selection " + kind
            why = self.failed.get(kind) or (None if sum(self.packets.values()) else "no packets at all")
            print("not ok - %s: %s" % (name, why) if why else "ok - %s: %d packets" % (name, n))
        return bool(self.failed) or not sum(self.packets.values())


def captured(c):
    """None when all is there; else why not."""
    if c.end():
        raise RuntimeError("capture: " + c.text().strip())
    return None if "\n0 packets dropped" in c.text() or "0 packets dropped" == c.text()[:17] else c.text().strip()


def one_round(n, rng, there, backend, results):
    traffic = Traffic(rng, there)
    try:
        traffic.serve()
        traffic.start_some(10)
        chosen = [Selection("all", [])] + list(selections(rng, traffic))
        with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
            captures = list(pool.map(lambda i: Selected(i, chosen[i], backend), range(len(chosen))))
            traffic.run(25)
            lost = [why for why in pool.map(captured, captures) if why]
        if lost:
            raise RuntimeError("lost packets: " + lost[0])
        everything = packets_of(captures[0].file)
        short = {48: packets_of(captures[0].file, snaplen=48)}
        for s, c in zip(chosen[1:], captures[1:]):
            args = s.args
            if s.family:
                args = [a for pid in sorted(traffic.family(s.family)) for a in ("--pid", str(pid))]
            what = ([], (s.terms,)) if s.terms else (args, s.expression)
            again = packets_of(read_again(captures[0].file, *what), s.keep, s.snaplen)
            results.add(n, s, packets_of(c.file), again, short.get(s.snaplen, everything))
    finally:
        traffic.end()


def command_round(n, rng, there, backend, results):
    """What is given after "--", beside other traffic."""
    traffic = Traffic(rng, there)
    try:
        traffic.serve()
        traffic.start_some(3)
        everything = Selected(0, Selection("all", []), backend)
        file = path("command.pcapng")
        words = ["say:command"] + traffic.steps() + ["wait:0.1"]
        cmd = [PTCPDUMP, "-i", "lo,va", "-w", file, "--settle", str(int(1000 * SLOW))]
        cmd += ["--backend", backend] if backend else []
        p = traffic.start(cmd + ["--", *IMAGE, "first"], plan=" ".join(words))
        traffic.run(5)
        p.wait(30 * SLOW)
        captured(everything)
        lines = [line.split() for line in traffic.text().splitlines()]
        pids = [int(w[1]) for w in lines if w and w[0] == "process" and int(w[2]) == p.pid]
        args = [a for first in pids for pid in sorted(traffic.family(first)) for a in ("--pid", str(pid))]
        again = packets_of(read_again(everything.file, args, ()))
        results.add(n, Selection("command", ["--"] + words), packets_of(file), again, packets_of(everything.file))
    finally:
        traffic.end()


# --- the place -------------------------------------------------------------------

def links():
    """lo and va in this namespace, vb in that of the process whose id is returned."""
    there = subprocess.Popen(["unshare", "-n", "sleep", "100000"])
    def ns(pid):
        return os.readlink("/proc/%s/ns/net" % pid)
    wait_for(5 * SLOW, lambda: ns(there.pid) != ns("self"))
    inside = ["nsenter", "-t", str(there.pid), "-n"]
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w") as f:
        f.write("1")
    for cmd in ("ip link set lo up", "ip link add va type veth peer name vb netns %d" % there.pid,
                "ip addr add %s/24 dev va" % HERE, "ip link set va up"):
        subprocess.run(cmd.split(), check=True)
    for cmd in "ip link set lo up", "ip addr add %s/24 dev vb" % THERE, "ip link set vb up":
        subprocess.run(inside + cmd.split(), check=True)
    return there


def scripts():
    os.chmod(tmp(), 0o755)
    with open(os.path.join(PROGRAMS, "image.py")) as f:
        text = f.read()
    for name in SCRIPTS:
        with open(path(name), "w") as f:
            f.write("#!%s -S\n%s" % (sys.executable, text))
        os.chmod(path(name), stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=40, help="no round begins later")
    parser.add_argument("--rounds", type=int, default=1000, help="as many at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--strict", action="store_true", help="what differs once fails, too")
    parser.add_argument("--backend", default=os.environ.get("TRUTH_BACKEND"))
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def main():
    a = arguments()
    if os.geteuid() != 0:
        print("skip - selection: needs root")
        return 0
    missing = [c for c in ("ip", "ping", "unshare", "nsenter") if not shutil.which(c)]
    if missing:
        print("skip - selection: no " + ", ".join(missing))
        return 0
    if "SELECTION_INSIDE" not in os.environ:
        os.environ["SELECTION_INSIDE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv, "--seed", str(a.seed)])
    print("# seed %d%s" % (a.seed, ", backend " + a.backend if a.backend else ""), flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    results, until, there = Results(a.verbose), time.monotonic() + a.seconds, links()
    try:
        scripts()
        for n in range(a.first, a.first + a.rounds):
            if time.monotonic() > until:
                break
            more = True
            while more:
                rng = random.Random("%d %d" % (a.seed, n))
                (command_round if n % 4 == 3 else one_round)(n, rng, there.pid, a.backend, results)
                more = results.again(a.strict)
    finally:
        for p in children + [there]:
            if p.poll() is None:
                p.kill()
            p.wait()
        shutil.rmtree(tmp())
    return results.show()


if __name__ == "__main__":
    sys.exit(main())
