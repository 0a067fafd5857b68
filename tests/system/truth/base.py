# SPDX-License-Identifier: BSD-3-Clause
"""What every part of the truth test stands on: settings, names of its own, and small tools."""
import functools
import itertools
import os
import re
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(HERE)))
PROGRAMS = os.path.join(HERE, "programs")
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
HELPER, URING, BURST = (os.path.join(os.environ.get("HELPERS", os.path.join(TOP, "build/tests")), x) for x in ("truth", "uring", "udp_burst"))
COUNT = int(os.environ.get("TRUTH_COUNT", "500"))
SECONDS = int(os.environ.get("TRUTH_SECONDS", "10"))
STARTS = int(os.environ.get("TRUTH_STARTS", "10"))
SLOW = float(os.environ.get("TRUTH_SLOW", "1"))
LIMIT = int(os.environ.get("TRUTH_LIMIT", "300"))
SETTLE = int(os.environ.get("TRUTH_SETTLE", "150"))  # ms
BACKEND = os.environ.get("TRUTH_BACKEND")
TABLE = os.environ.get("TRUTH_TABLE")
NS = ["truth-a%d" % os.getpid(), "truth-b%d" % os.getpid(), "truth-c%d" % os.getpid()]
# Of its own for each run, should several run at a time.
NET, NET_INSIDE, NET_SERVICE, NET_OVER = ("10.%d.%d." % (n + os.getpid() % 8, os.getpid() // 8 % 256)
                                           for n in (232, 240, 224, 216))
A, B, INSIDE = NET + "1", NET + "2", NET_INSIDE + "2"
A6, B6 = "fd13:%x::1" % os.getpid(), "fd13:%x::2" % os.getpid()
NET_INSIDE6 = "fd14:%x::" % os.getpid()
INSIDE6 = NET_INSIDE6 + "2"
OVER, OVER_THERE = NET_OVER + "1", NET_OVER + "2"
SERVICE, SERVICE6 = NET_SERVICE + "1", "fd15:%x::1" % os.getpid()
DEV, BRIDGE, VETH = "truth%d" % os.getpid(), "truthbr%d" % os.getpid(), "truthv%d" % os.getpid()

children = []  # captures
running = []  # servers, each the leader of its group
ports = itertools.count(int(time.time()) % 4 * 3000 + 20000)  # below the ephemeral ones: each tells one process


class Skip(Exception):
    pass


@functools.cache
def tmp():
    return tempfile.mkdtemp(prefix="truth")


def path(name):
    """Of a file in a folder that the runner removes at the end."""
    return os.path.join(tmp(), name)


@functools.cache
def hook_here(target):
    """Whether the program can use it here; where another tells more, it does not."""
    table = subprocess.run([PTCPDUMP, "--probe"], capture_output=True, text=True).stdout
    return re.search(r" %s +yes " % target, table) is not None


def wait_for(seconds, condition):
    """Whether it became true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= until:
            return False
        time.sleep(0.01)
    return True


def run(*cmd, **kw):
    return subprocess.run(cmd, check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw).stdout


def inside(ns):
    return ["ip", "netns", "exec", ns] if ns else []


def sysctl(name, value):
    """Sets it and returns what it was before; None: there is no such thing."""
    try:
        with open("/proc/sys/" + name) as f:
            old = f.read().strip()
        with open("/proc/sys/" + name, "w") as f:
            f.write(value)
        return old
    except FileNotFoundError:
        return None


def rss(pid):
    """Resident memory in kB."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s*(\d+)", f.read()).group(1))


def closed(port):
    """Has nobody on this machine a connection of this port any more? (TIME_WAIT is nobody's.)"""
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not os.path.exists(name):
            continue
        with open(name) as f:
            for line in list(f)[1:]:
                w = line.split()
                if port in (int(w[1].rsplit(":", 1)[1], 16), int(w[2].rsplit(":", 1)[1], 16)) and w[3] not in ("06", "0A"):
                    return False
    return True
