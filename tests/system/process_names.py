#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What processes are called, and which of them --pname and --uid find: links, scripts, descriptors, renamed ones, threads and
children, from before the start and after it, with every backend, live and from a file, which have to agree.
Environment: PTCPDUMP, the program to test; TRUTH_BACKEND, one backend only."""

import functools
import os
import shutil
import subprocess
import sys

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True

from truth.base import BACKEND, PTCPDUMP, path, tmp, wait_for
from truth.capture import Program

PORT = 7200
EXE = os.path.realpath(shutil.which("python3"))
PYTHON = os.path.basename(EXE)
SHELL = os.path.realpath("/bin/sh")
TALK = """#!%s
import ctypes, os, socket, sys, threading

def call_me(name):
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0)

def talk():
    if how == "thread":
        call_me("only-a-thread")
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(3):
        s.sendto(b"x", ("127.0.0.1", int(sys.argv[1])))

how = sys.argv[2]
if how == "renamed":
    call_me("called-otherwise")
if how == "user":
    os.setuid(65534)
print("ready", flush=True)
sys.stdin.readline()
if how == "late":
    call_me("called-otherwise")
t = threading.Thread(target=talk)
if how == "thread":
    t.start()
    t.join()
else:
    talk()
"""
failed = 0


def report(name, why):
    global failed
    failed += why is not None
    print("ok - process_names %s" % name if why is None else "not ok - process_names %s: %s" % (name, why), flush=True)


def prepare():
    """Files under names of their own; nothing else on this machine is called so."""
    for link, target in (("pn-link", EXE), ("pn-family", SHELL)):
        os.symlink(target, path(link))
    for script in ("talk.py", "pn-script-of-many-letters"):
        with open(path(script), "w") as f:
            f.write(TALK % path("pn-link"))
        os.chmod(path(script), 0o755)
    os.chmod(tmp(), 0o755)


@functools.cache
def memory():
    """A descriptor of the interpreter without a file."""
    fd = os.memfd_create("pn memory", 0)
    with open(EXE, "rb") as f:
        os.write(fd, f.read())
    return fd


# A port each. Those with a how are run by the link; of the others the command follows.
HOWS = {"link": "", "renamed": "renamed", "late": "late", "thread": "thread", "user": "user"}
NAMES = [*HOWS, "script", "family", "memfd"]
PORTS = {when + name: PORT + i for i, (when, name) in enumerate((w, n) for w in ("", "old ") for n in NAMES)}
# What is shown, where it is not the link.
SHOWN = {"script": "pn-script-of-many-letters", "old script": "pn-script-of-many-letters", "memfd": "memfd:pn\\x20memory",
         # /proc no longer tells what these were started as.
         "old memfd": "memfd:pn\\x20memory", "old renamed": PYTHON}
LINKS = {p for p in PORTS if not p.endswith(("script", "memfd"))}
SELECTED = {
    ("--pname", "pn-link"): LINKS - {"old renamed"},
    ("--pname", PYTHON): set(PORTS) - {"memfd", "old memfd"},
    ("--pname", "pn-script-of-many-letters"): {"script", "old script"},
    ("--pname", "pn-script-of-m"): set(),
    ("--pname", "pn-script-of-mo"): set(),
    ("--pname", "pn-script-of-ma"): {"script", "old script"},
    ("--pname", "pn-script-of-many"): set(),
    ("--pname", "called-otherwise"): {"renamed", "old renamed", "late", "old late"},
    ("--pname", "called-otherwis"): {"renamed", "old renamed", "late", "old late"},
    ("--pname", "only-a-thread"): set(),
    ("--pname", "pn-family"): set(),
    ("--pname", "pn-family", "-f"): {"family", "old family"},
    ("--pname", "memfd:pn memory"): {"memfd", "old memfd"},
    ("--uid", "nobody"): {"user", "old user"},
}
# Of the programs of cgroups, which each capture adds to, the kernel takes 64.
AT_A_TIME = 5


def start(name):
    """A process that waits to be told to talk."""
    kind, port = name.split()[-1], str(PORTS[name])
    talk = [path("talk.py"), port, HOWS.get(kind, "")]
    args, more = [path("pn-link"), *talk], {}
    if kind == "script":
        args = [path("pn-script-of-many-letters"), port, ""]
    elif kind == "family":
        args = [path("pn-family"), "-c", "%s %s %s ''; :" % (path("pn-link"), path("talk.py"), port)]
    elif kind == "memfd":
        more = {"executable": "/proc/self/fd/%d" % memory(), "pass_fds": [memory()]}
    p = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)
    if p.stdout.readline() != "ready\n":
        raise RuntimeError("%s does not start" % name)
    return p


def finish(p):
    p.communicate("go\n", timeout=20)


def seen(args):
    """(name shown, port) of each packet printed by -r."""
    out = subprocess.run([PTCPDUMP, "-nn", "-t", *args], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         text=True).stdout
    ports = {str(port): name for name, port in PORTS.items()}
    packets = []
    for line in out.splitlines():
        words = line.split()
        # Some backends see a packet of lo at both ends.
        if " Out IP " in line:
            packets.append((words[1].rsplit(".", 1)[0], ports[words[6].rstrip(":").rsplit(".", 1)[1]]))
    return sorted(packets)


def check_some(backend, selected):
    dst = "udp and dst portrange %d-%d" % (PORT, PORT + len(PORTS) - 1)
    olds = [start(name) for name in PORTS if name.startswith("old")]
    captures = {}
    try:
        for i, args in enumerate(((), *selected)):
            file = path("%d.pcapng" % i)
            cmd = [PTCPDUMP, "--backend", backend, "-i", "lo", "-w", file, *args, dst]
            captures[args] = (Program(cmd, "capture%d" % i), file)
        for p in olds:
            finish(p)
        for name in PORTS:
            if not name.startswith("old"):
                finish(start(name))
        for program, _ in captures.values():
            program.end()
    finally:
        for p in olds:
            p.kill()
            p.wait()
        for program, _ in captures.values():
            program.p.kill()
            program.p.wait()
    every = captures[()][1]
    want = sorted((SHOWN.get(name, "pn-link"), name) for name in PORTS for _ in range(3))
    got = seen(["-r", every])
    report("%s shows the names" % backend, None if got == want else difference(got, want))
    for args in selected:
        want = sorted(p for p in got if p[1] in SELECTED[args])
        live, saved = seen(["-r", captures[args][1]]), seen(["-r", every, *args])
        why = None if live == want else "live " + difference(live, want)
        if saved != want:
            why = "from a file " + difference(saved, want)
        report("%s %s" % (backend, " ".join(args)), why)


def difference(got, want):
    return "misses %s, has beside %s" % (sorted(set(want) - set(got)), sorted(set(got) - set(want))) \
        if set(got) != set(want) else "has %d packets, not %d" % (len(got), len(want))


def check_backend(backend):
    for i in range(0, len(SELECTED), AT_A_TIME):
        check_some(backend, list(SELECTED)[i:i + AT_A_TIME])


def main():
    if os.geteuid() != 0:
        print("skip - process_names: needs root")
        return 0
    backends = subprocess.run([PTCPDUMP, "--backend", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    try:
        prepare()
        for line in backends.splitlines():
            if BACKEND in (None, line.split()[0]):
                check_backend(line.split()[0])
    finally:
        shutil.rmtree(tmp())
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
