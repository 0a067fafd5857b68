#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--pid, --pname and --uid together: one end has to satisfy all of them, with every backend, and a capture without them
read by -r with them gives the same packets. Environment: PTCPDUMP, the program to test."""

import os
import re
import shutil
import subprocess
import sys

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True

from truth.base import HELPER, PTCPDUMP, path, tmp
from truth.capture import Program

PORT = "7112"
UID = "4242"
SHELL = path("kinds-shell")  # a name that no process above us has
EXPRESSION = "tcp port " + PORT
failed = 0


def report(name, why):
    global failed
    failed += why is not None
    print("ok - filter_kinds %s" % name if why is None else "not ok - filter_kinds %s: %s" % (name, why), flush=True)


def backends():
    out = subprocess.run([PTCPDUMP, "--backend", "help"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split()[0] for line in out.splitlines()]


def run(*command):
    p = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    p.wait(10)
    return p.pid


def traffic():
    """The pid of a user's curl, and of one that a shell of root's has started for the user; between them others."""
    curl = ["curl", "-s", "-m", "5", "-o", "/dev/null", "http://127.0.0.1:%s/" % PORT]
    as_user = ["setpriv", "--reuid", UID, "--clear-groups"]
    run(*curl)
    run(HELPER, "tcp-client", "127.0.0.1", PORT, "plain")
    run(*as_user, sys.executable, "-c",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:%s/').read()" % PORT)
    mine = run(*as_user, *curl)
    shell = subprocess.Popen([SHELL, "-c", " ".join(as_user + curl) + " & echo $!; wait"], stdout=subprocess.PIPE, text=True)
    return mine, int(shell.communicate(timeout=10)[0])


def packets(text):
    """(process, packet, whether the other end was meant) of each line."""
    found = []
    for line in text.splitlines():
        m = re.match(r"lo (\S+) (?:In|Out) (.* length \d+)(?:: HTTP)?(.*)", line)
        found.append((m.group(1), m.group(2), "]*" in m.group(3)) if m else (line, "", False))
    return sorted(found)


def check_backend(backend, server):
    base = [PTCPDUMP, "--backend", backend, "-i", "lo"]
    file = path("all.pcapng")
    selections = {
        "name and user": ["--pname", "curl", "--uid", UID],
        "pid and another's user": ["--pid", str(server), "--uid", UID],
        "family and user": ["--pname", os.path.basename(SHELL), "--uid", UID, "-f"],
    }
    everything = Program(base + ["-w", file, EXPRESSION])
    live = {name: Program(base + ["-nn", "-t", "-S"] + args + [EXPRESSION], name.replace(" ", "-")) for name, args in selections.items()}
    mine, shells = traffic()
    for p in [everything, *live.values()]:
        p.end()
    wanted = {"name and user": {mine, shells}, "pid and another's user": set(), "family and user": {shells}}
    for name, args in selections.items():
        got = packets(live[name].printed())
        want = ["curl.%d" % pid for pid in wanted[name]]
        saved = packets(subprocess.run([PTCPDUMP, "-r", file, "-nn", "-t", "-S"] + args, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, check=True).stdout)
        strange = [g for g in got if (g[0] not in want) != g[2] or g[0] not in want + ["truth.%d" % server]]
        why = None
        if strange:
            why = "shows %s" % (strange[0],)
        elif len(got) < 10 * len(want):
            why = "%d packets" % len(got)
        elif got != saved:
            why = "differs from -r: %s" % (sorted(set(got) ^ set(saved))[:2],)
        report("%s: %s" % (backend, name), why)


def main():
    if os.geteuid() != 0:
        print("skip - filter_kinds: needs root")
        return 0
    server = subprocess.Popen([HELPER, "tcp-server", "127.0.0.1", PORT, "plain"], stdout=subprocess.PIPE)
    server.stdout.readline()
    try:
        shutil.copy("/bin/sh", SHELL)
        for backend in backends():
            check_backend(backend, server.pid)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(tmp())
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
