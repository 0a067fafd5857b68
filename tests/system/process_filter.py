#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--pid, --pname, --uid and --follow-forks on live traffic: exactly the packets of the processes meant, whatever else
talks meanwhile. Environment: PTCPDUMP, the program to test."""

import os
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
HELPER = os.path.join(TOP, "build/tests/truth")
PORT = "7111"
failed = 0


def report(name, why):
    global failed
    failed += why is not None
    print("ok - process_filter %s" % name if why is None else "not ok - process_filter %s: %s" % (name, why), flush=True)


def capture(args, traffic):
    """The commands shown per packet, of what traffic() did, and what it returned."""
    p = subprocess.Popen([PTCPDUMP, "-i", "lo", "-nn", *args, "tcp port " + PORT], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True)
    for line in p.stderr:
        if "listening" in line:
            break
    time.sleep(0.1)
    ret = traffic()
    time.sleep(0.5)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=10)
    return [line.split()[2] for line in out.splitlines()], ret, err


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


def main():
    if os.geteuid() != 0:
        print("skip - process_filter: needs root")
        return 0
    server = subprocess.Popen([HELPER, "tcp-server", "127.0.0.1", PORT, "plain"], stdout=subprocess.PIPE)
    server.stdout.readline()
    try:
        got, (pid, curl), _ = capture(["--pname", "curl"], both)
        # On lo either end counts, so the server's packets to and from curl are there too.
        check_only("pname", got, ["curl.%d" % curl, "truth.%d" % server.pid], 10)

        got, pids, _ = capture(["--pid", str(server.pid)], both)
        check_only("pid of a server from before", got,
                   ["truth.%d" % server.pid, "truth.%d" % pids[0], "curl.%d" % pids[1]], 20)

        got, pids, _ = capture(["--pid", "1"], both)
        report("other pid", "shows %s" % got[0] if got else None)

        got, pids, _ = capture(["--uid", "12345"], both)
        report("other uid", "shows %s" % got[0] if got else None)

        # A shell that waits to be told, then forks and executes; its pid is what we know.
        sh = subprocess.Popen(["sh", "-c", "read x; curl -s -m 5 -o /dev/null http://127.0.0.1:%s/; :" % PORT],
                              stdin=subprocess.PIPE)

        def go():
            other = client()
            sh.stdin.write(b"\n")
            sh.stdin.close()
            sh.wait(10)
            return other

        got, other, _ = capture(["--pid", str(sh.pid), "-f"], go)
        bad = [g for g in got if g == "truth.%d" % other]
        report("follow forks", "shows the other client" if bad else None if len(got) >= 10 else "%d packets" % len(got))

        sh = subprocess.Popen(["sh", "-c", "read x; curl -s -m 5 -o /dev/null http://127.0.0.1:%s/; :" % PORT],
                              stdin=subprocess.PIPE)
        got, other, _ = capture(["--pid", str(sh.pid)], go)
        report("without follow forks", "shows %s" % got[0] if got else None)
    finally:
        server.kill()
        server.wait()
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
