#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Is every packet credited to the process that sent or received it?

timeout: 400

Peers (helpers/truth.c, curl, ping) tell their own pid and port; a capture of their traffic is compared with that,
both ends of every packet where both are local. Each scenario is one test; truth/ has them, and what they need.
Environment: PTCPDUMP, the program to test; TRUTH_COUNT, how many short connections at most (500); TRUTH_SECONDS, of a
thousand connections each (10); TRUTH_STARTS, of the capture (10); TRUTH_SETTLE; TRUTH_BACKEND, for --backend; TRUTH_SLOW, a factor for every wait, for slow
machines; TRUTH_LIMIT, seconds for one scenario (300); TRUTH_TABLE, a file that gets a line per scenario. Arguments: names
of the scenarios to run; --list prints them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

from truth.base import LIMIT, TABLE, Skip, children, running, tmp
from truth.network import cleanup, setup
from truth.scenarios import SCENARIOS

LOCK = os.path.join(tempfile.gettempdir(), "ptcpdump-truth.lock")


def end_leftovers():
    """What a scenario that failed has left running holds the ports of the next."""
    for p in children:
        if p.poll() is None:
            p.kill()
            p.wait()
    children.clear()
    for p in list(running):
        try:
            os.killpg(p.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        p.wait()
    running.clear()


def too_long(*_):
    raise TimeoutError("did not end within %d seconds" % LIMIT)


def run_scenario(f):
    """("ok", "not ok" or "skip", the scores, what is to be said of it, the number of packets)"""
    # One at a time: all have the same ports.
    with open(LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        signal.alarm(LIMIT)
        try:
            s, n = f()
        except Skip as e:
            return "skip", "", str(e), 0
        except subprocess.TimeoutExpired as e:
            return "not ok", "", "timed out: " + str(e).replace("\n", " "), 0
        except (RuntimeError, OSError, subprocess.SubprocessError) as e:
            return "not ok", "", str(e).replace("\n", " "), 0
        finally:
            signal.alarm(0)
            end_leftovers()
    text = ", ".join("%s %d/%d/%d%s" % (end, s.right[end], s.wrong[end], s.missing[end],
                                        " and %d late" % s.late[end] if s.late[end] else "")
                     for end in sorted({*s.right, *s.wrong, *s.missing}))
    if s.first or not s.right:
        return "not ok", text, "%s: %s" % (text or "no packets", "; ".join(s.first.values())), n
    late = sum(s.late.values())
    return "ok", text, "%d packets came long before accept()" % late if late else "", n


def main():
    if os.geteuid() != 0:
        print("skip - truth: needs root")
        return 0
    missing = [c for c in ("ip", "curl", "ping") if not shutil.which(c)]
    if missing:
        print("skip - truth: no " + ", ".join(missing))
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, too_long)
    failed = 0
    table = open(TABLE, "a") if TABLE else None
    try:
        setup()
        for name, f in SCENARIOS.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            ok, result, more, n = run_scenario(f)
            print("%s - truth %s%s" % (ok, name, ": " + more if more else ""), flush=True)
            failed += ok == "not ok"
            if table:
                print("%s\t%s\t%d\t%s\t%s" % (name, ok, n, result, more), file=table, flush=True)
    finally:
        end_leftovers()
        cleanup()
        shutil.rmtree(tmp())
    return failed != 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print("\n".join(SCENARIOS))
        sys.exit(0)
    unknown = [name for name in sys.argv[1:] if name not in SCENARIOS]
    if unknown:
        print("truth.py: no such scenario, see --list: " + " ".join(unknown), file=sys.stderr)
        sys.exit(2)
    sys.exit(main())
