# SPDX-License-Identifier: BSD-3-Clause
"""Processes that talk, and tell who they are."""
import collections
import os
import signal
import subprocess
import sys

from .base import A, B, DEV, HELPER, PROGRAMS, SLOW, Skip, inside, path, ports, running, wait_for

os.environ["TRUTH_PEERS"] = "%s %s %s" % (A, B, DEV)


class Peers:
    """Processes of one scenario, and what they told: {(proto, port): {(address, remote, rport): pid}}. since: when it
    had the socket for certain (ns); also: who may be named until then."""

    def __init__(self):
        self.out = open(path("truth.out"), "w+")
        self.servers = []
        self.ends = collections.defaultdict(dict)
        self.since = {}
        self.also = {}
        self.listeners = set()

    def server(self, *args, ns=None, ready=1, helper=HELPER):
        before = self.count("ready")
        p = subprocess.Popen(inside(ns) + [helper, *args], stdout=self.out, stderr=subprocess.DEVNULL,
                             start_new_session=True)
        return self.ready(p, before + ready, args)

    def ready(self, p, count, args):
        """Waits until a new server has said so."""
        self.listeners.add(p.pid)
        self.servers.append(p)
        running.append(p)
        wait_for(10 * SLOW, lambda: self.count("ready") >= count or p.poll() is not None)
        if self.count("ready") >= count:
            return p
        if p.poll() == 77:
            raise Skip("not in this kernel")
        raise RuntimeError("server does not start: %s" % (args,))

    def count(self, word):
        with open(self.out.name) as f:
            return sum(line.startswith(word) for line in f)

    def client(self, *args, ns=None, wait=True, helper=HELPER):
        p = subprocess.Popen(inside(ns) + [helper, *args], stdout=self.out, stderr=subprocess.DEVNULL)
        if wait:
            p.wait(10 * SLOW)
        return p

    def script(self, name, *args, ns=None, ready=0):
        """A peer in Python, programs/NAME.py. ready 0: it is waited for; else it is a server."""
        before = self.count("ready")
        p = subprocess.Popen(inside(ns) + [sys.executable, os.path.join(PROGRAMS, name + ".py"), *map(str, args)],
                             stdout=self.out, start_new_session=True)
        if not ready:
            if p.wait(20 * SLOW):
                raise RuntimeError("a peer failed: %s" % name)
            return p
        return self.ready(p, before + ready, (name, *args))

    def end(self, proto, address, port, pid, remote="*", rport=0):
        self.ends[proto, int(port)][address, remote, int(rport)] = int(pid)

    def stop(self, p):
        if p.poll() is None:
            os.killpg(p.pid, signal.SIGKILL)
        p.wait()
        self.servers.remove(p)
        running.remove(p)

    def finish(self):
        for p in list(self.servers):
            self.stop(p)
        with open(self.out.name) as f:
            for line in f:
                w = line.split()
                if w and w[0] == "end":
                    self.end(w[1], w[2], w[3], w[6], w[4], w[5])
                    if len(w) > 7 and w[7] != "0":
                        self.since[w[1], w[2], int(w[3]), w[4], int(w[5])] = int(w[7])
                elif w and w[0] == "also":
                    self.also[w[1], w[2], int(w[3]), w[4], int(w[5])] = int(w[6])
        self.out.close()

    def find(self, proto, addr, port, raddr, rport):
        known = self.ends.get((proto, port))
        if not known:
            return None
        for key in ((addr, raddr, rport), (addr, "*", 0), ("*", "*", 0), ("0.0.0.0", "*", 0), ("::", "*", 0)):
            if key in known:
                return known[key]
        return None


def curls(peers, url, count, port):
    """curl's own pid, and the port it says it used."""
    host = url.split("//")[1].split("/")[0].rsplit(":", 1)[0]
    for _ in range(count):
        p = subprocess.Popen(["curl", "-s", "-m", "5", "--local-port", str(next(ports)), "-o", "/dev/null", "-w", "%{local_ip} %{local_port}", url],
                             stdout=subprocess.PIPE, text=True)
        out = p.communicate()[0].split()
        if len(out) == 2:
            peers.end("tcp", out[0], out[1], p.pid, host, port)
