#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--pid, --pname, --uid and --follow-forks on live traffic: exactly the packets of the processes meant, whatever else
talks meanwhile. Environment: PTCPDUMP, the program to test."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True

from truth.base import HELPER, PTCPDUMP, tmp
from truth.capture import Program, read_pcapng
from truth.peers import Peers

PORT = "7111"
failed = 0


def report(name, why):
    global failed
    failed += why is not None
    print("ok - process_filter %s" % name if why is None else "not ok - process_filter %s: %s" % (name, why), flush=True)


def capture(args, traffic):
    """The commands shown per packet, of what traffic() did, and what it returned."""
    p = Program([PTCPDUMP, "-i", "lo", "-nn", *args, "tcp port " + PORT])
    ret = traffic()
    p.end()
    return [line.split()[2] for line in p.printed().splitlines()], ret


def client():
    p = subprocess.Popen([HELPER, "tcp-client", "127.0.0.1", PORT, "plain"], stdout=subprocess.DEVNULL)
    p.wait(10)
    return p.pid


def both():
    """A client by its name, and one named curl."""
    pid = client()
    curl = subprocess.Popen(["curl", "-s", "-m", "5", "-o", "/dev/null", "http://127.0.0.1:%s/" % PORT])
    curl.wait(10)
    return pid, curl.pid


def check_only(name, got, want, at_least):
    bad = [g for g in got if g not in want]
    if bad:
        report(name, "shows %s" % bad[0])
    elif len(got) < at_least:
        report(name, "%d packets, not %d" % (len(got), at_least))
    else:
        report(name, None)


def text_of(args, traffic=None):
    """What is printed, live when there is traffic."""
    if not traffic:
        return subprocess.run([PTCPDUMP, "-nn", *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=True).stdout
    p = Program([PTCPDUMP, "-i", "lo", "-nn", *args, "tcp port " + PORT])
    traffic()
    p.end()
    return p.printed()


UID = 4242


def as_user():
    """A client of a user that has no name, whose sending thread has one."""
    code = """
import ctypes, os, socket, threading
"x".encode("idna")  # loaded while we may still read it
os.setuid(%d)
def talk():
    ctypes.CDLL(None).prctl(15, b"talker", 0, 0, 0)
    s = socket.create_connection(("127.0.0.1", %s))
    s.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
    while s.recv(100):
        pass
t = threading.Thread(target=talk)
t.start()
t.join()
""" % (UID, PORT)
    p = subprocess.Popen([sys.executable, "-c", code])
    p.wait(10)
    return p.pid


def check_text(name, text, server):
    """Every packet names the user, the thread and the other end; sent ones name the client's own thread."""
    packets = re.split(r"\n(?=\S)", text)
    sent = [p for p in packets if "> 127.0.0.1.%s:" % PORT in p]
    if len(sent) < 4:
        report(name, "%d packets sent" % len(sent))
        return
    for what in (r"User \(uid %d\)" % UID, r"Thread \(tid \d+, name talker\)", r"Peer \(pid %d, cmd \S*truth" % server):
        missing = [p for p in sent if not re.search(what, p)]
        # The last ones may be sent by the kernel alone, after the thread has closed.
        if len(missing) > (1 if what.startswith("Thread") else 0):
            report(name, "no %s in %r" % (what, missing[0]))
            return
    report(name, None)


def check_uid(server):
    with tempfile.TemporaryDirectory() as tmp:
        os.chmod(tmp, 0o755)
        file = os.path.join(tmp, "uid.pcapng")
        check_text("context of a user's thread", text_of(["-v", "--uid", str(UID)], as_user), server)
        text_of(["-w", file, "--uid", str(UID)], lambda: (client(), as_user()))
        check_text("context read from a file", text_of(["-v", "-r", file]), server)
        check_text("--uid on a file", text_of(["-v", "-r", file, "--uid", str(UID)]), server)
        left = text_of(["-r", file, "--uid", "4243"])
        report("another --uid on a file", "shows %s" % left if left else None)
        both = text_of(["-r", file, "--pid", str(server)])
        report("--pid of either end on a file", None if both.count("\n") == text_of(["-r", file]).count("\n") else both)


def check_family(name, port, program, *args, ready=1):
    """--pid of the process that listens, with -f: all packets of connections that its children have, those that were
    there before the start included; the other capture has no selection."""
    peers = Peers()
    file = os.path.join(tmp(), "family.pcapng")
    listens = peers.script(program, *args, ready=ready)
    everything = Program([PTCPDUMP, "-i", "lo", "-w", file, "tcp port " + port])
    family = Program([PTCPDUMP, "-i", "lo", "-nn", "--pid", str(listens.pid), "-f", "tcp port " + port])
    for _ in range(5):
        peers.client("tcp-client", "127.0.0.1", port, "plain")
    everything.end()
    family.end()
    peers.finish()
    want, got = len(list(read_pcapng(file))), len(family.printed().splitlines())
    report(name, None if got == want and got >= 40 else "%d of %d packets" % (got, want))


def main():
    if os.geteuid() != 0:
        print("skip - process_filter: needs root")
        return 0
    server = subprocess.Popen([HELPER, "tcp-server", "127.0.0.1", PORT, "plain"], stdout=subprocess.PIPE)
    server.stdout.readline()
    try:
        got, (pid, curl) = capture(["--pname", "curl"], both)
        # On lo either end counts, so the server's packets to and from curl are there too.
        check_only("pname", got, ["curl.%d" % curl, "truth.%d" % server.pid], 10)

        got, pids = capture(["--pid", str(server.pid)], both)
        check_only("pid of a server from before", got,
                   ["truth.%d" % server.pid, "truth.%d" % pids[0], "curl.%d" % pids[1]], 20)

        got, pids = capture(["--pid", "1"], both)
        report("other pid", "shows %s" % got[0] if got else None)

        got, pids = capture(["--uid", "12345"], both)
        report("other uid", "shows %s" % got[0] if got else None)

        check_family("-f of who accepts and forks", "7139", "gone_server", "127.0.0.1", "fork", "closed")
        check_family("-f of workers from before", "7121", "prefork", ready=4)

        alone = subprocess.run([PTCPDUMP, "-i", "lo", "-f"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        report("-f alone is refused", None if alone.returncode == 1 and "--pid" in alone.stderr else alone.stderr)

        check_uid(server.pid)

        # A shell that waits to be told, then forks and executes; its pid is what we know.
        sh = subprocess.Popen(["sh", "-c", "read x; curl -s -m 5 -o /dev/null http://127.0.0.1:%s/; :" % PORT],
                              stdin=subprocess.PIPE)

        def go():
            other = client()
            sh.stdin.write(b"\n")
            sh.stdin.close()
            sh.wait(10)
            return other

        got, other = capture(["--pid", str(sh.pid), "-f"], go)
        bad = [g for g in got if g == "truth.%d" % other]
        report("follow forks", "shows the other client" if bad else None if len(got) >= 10 else "%d packets" % len(got))

        sh = subprocess.Popen(["sh", "-c", "read x; curl -s -m 5 -o /dev/null http://127.0.0.1:%s/; :" % PORT],
                              stdin=subprocess.PIPE)
        got, other = capture(["--pid", str(sh.pid)], go)
        report("without follow forks", "shows %s" % got[0] if got else None)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(tmp())
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
