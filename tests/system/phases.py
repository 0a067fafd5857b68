#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What each thread of each process holds in each phase: as the table of docs/privileges.md ("Who holds what") says, row by
row, by /proc/PID/task/TID/status.

timeout: 120"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
CAPS = {"DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "KILL": 5, "NET_ADMIN": 12, "NET_RAW": 13, "SYS_PTRACE": 19, "SYS_ADMIN": 21,
        "PERFMON": 38, "BPF": 39}
failed = 0


def check(name, why):
    global failed
    print("not ok - %s: %s" % (name, why) if why else "ok - " + name, flush=True)
    failed += bool(why)


def table():
    """[(options, {process: (user, in effect, permitted, no_new_privs, seccomp)})]"""
    rows, inside = [], False
    with open(os.path.join(TOP, "docs/privileges.md")) as f:
        for line in f:
            inside = line.startswith("## Who holds what") if line.startswith("## ") else inside
            cells = [c.strip() for c in line.strip().strip("|").split("|")]
            if not inside or len(cells) != 6 or cells[0] in ("options", "---"):
                continue
            if cells[0]:
                rows.append((cells[0].strip("`"), {}))
            user = cells[2].split()[0]
            effective = caps(cells[3])
            rows[-1][1][cells[1]] = (user, effective, effective | caps(cells[4]), *cells[5].split(", "))
    return rows


def caps(cell):
    if cell.startswith("all"):
        return int(of("/proc/self", "CapPrm")[0], 16)
    return sum(1 << CAPS[word] for word in re.findall(r"[A-Z_]{3,}", cell))


def of(path, *fields):
    with open(path + "/status") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    return [status[field] for field in fields]


def processes(main):
    """{pid: name in the table} of our own network namespace"""
    ours, found = os.readlink("/proc/self/ns/net"), {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, parent = of("/proc/" + pid, "Name", "PPid")
            if name in ("ptcpdump-names", "ptcpdump-guard") and os.readlink("/proc/%s/ns/net" % pid) == ours:
                found[int(pid)] = name
            elif int(pid) == main or int(parent) == main and name.startswith("ptcpdump"):
                found[int(pid)] = "main" if int(pid) == main else "child"
        except (OSError, KeyError):
            pass  # it has ended
    return found


def held(pid):
    """What the table has, of each thread."""
    found = set()
    for tid in os.listdir("/proc/%d/task" % pid):
        uid, effective, permitted, bounding, ambient, inherited, nnp, seccomp = of(
            "/proc/%d/task/%s" % (pid, tid), "Uid", "CapEff", "CapPrm", "CapBnd", "CapAmb", "CapInh", "NoNewPrivs", "Seccomp")
        users = {"root" if int(n) == 0 else "user" for n in uid.split()}
        words = "no new" if nnp == "1" else "may gain", "seccomp" if seccomp == "2" else "all calls"
        found.add((*users, int(effective, 16), int(permitted, 16), *words))
        if nnp == "1" and int(bounding, 16) & ~int(permitted, 16) or int(ambient, 16) or int(inherited, 16):
            found.add("thread %s could gain more" % tid)
    return found


def start(options, tmp):
    """The process once it is about to wait for packets, and what keeps it there."""
    fifo = tmp + "/fifo"
    words = options.replace("-r FILE", "-r " + fifo).replace("FILE", tmp + "/x.pcapng").split()
    writer = None
    if fifo in words:
        if not os.path.exists(fifo):
            os.mkfifo(fifo)
        writer = os.open(fifo, os.O_RDWR)
        with open(os.path.join(TOP, "tests/golden/annotated.pcapng"), "rb") as f:
            os.write(writer, f.read())
    err = open(tmp + "/err", "w+")
    p = subprocess.Popen([PTCPDUMP, *words], stdin=subprocess.DEVNULL, stdout=open(tmp + "/out", "w"), stderr=err)
    until = time.monotonic() + 10
    while time.monotonic() < until and p.poll() is None:
        with open(tmp + "/err") as f:
            said = f.read()
        if ("listening on" in said and has_run(p.pid, words)) or (writer and settled(p.pid)):
            break
        time.sleep(0.01)
    return p, writer


def has_run(pid, words):
    """The command is a process of ours until it is one of its own."""
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        children = f.read().split()
    return "--" not in words or any(of("/proc/" + c, "Name")[0] == words[words.index("--") + 1] for c in children)


def settled(pid):
    """It has given up what it gives up: nothing has changed for a while."""
    before = held(pid)
    time.sleep(0.3)
    return before == held(pid)


def differences(want, main):
    found = processes(main)
    why = []
    for pid, name in found.items():
        for got in held(pid) - {want.get(name)}:
            why.append("%s %s, not %s" % (name, shown(got), shown(want.get(name))))
    return why + ["no " + name for name in want if name not in found.values()]


def shown(row):
    return str(row) if not isinstance(row, tuple) else "%s %#x %#x %s %s" % row


def compare(options, want, tmp):
    p, writer = start(options, tmp)
    why = ["it ended: " + open(tmp + "/err").read()] if p.poll() is not None else differences(want, p.pid)
    p.terminate()
    p.wait()
    if writer:
        os.close(writer)
    until = time.monotonic() + 2
    while processes(p.pid) and time.monotonic() < until:
        time.sleep(0.01)
    why += ["%s is left" % name for name in processes(p.pid).values()]
    check(options, "; ".join(why))


def main():
    if os.geteuid() != 0 or not shutil.which("unshare"):
        print("skip - phases: needs root and unshare")
        return 0
    if not os.environ.get("INSIDE"):
        return subprocess.run(["unshare", "-n", sys.executable, __file__], env={**os.environ, "INSIDE": "1"}).returncode
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name in ("SUDO_UID", "SUDO_GID", "SUDO_USER"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        for options, want in table():
            compare(options, want, tmp)
    check("table", "" if len(table()) >= 8 else "docs/privileges.md has no such table")
    return failed > 0


sys.exit(main())
