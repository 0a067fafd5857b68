# SPDX-License-Identifier: BSD-3-Clause
"""Process terms in expressions. Which packets are right is told by ports, not by whom a capture names."""
import collections
import concurrent.futures
import os
import shutil
import socket
import subprocess

from .base import BACKEND, HELPER, PTCPDUMP, SETTLE, SLOW, path, ports, tmp
from .capture import Program, read_pcapng
from .peers import Peers
from .score import Score, describe, parse

DNS, WEB, LOGIN = 7153, 7154, 7155
USER = 33333


def program(name):
    """The helper under another name."""
    if not os.path.exists(path(name)):
        os.chmod(tmp(), 0o755)
        shutil.copy(HELPER, path(name))
    return path(name)


class Traffic:
    """A resolver and dig ask a name server; a web server is another user's; there are logins; and one of those who log in
    is known by its number before."""

    def __init__(self):
        self.peers = Peers()
        self.resolver, self.dig, self.numbered = (next(ports) for _ in range(3))
        self.peers.server("udp-server", "127.0.0.1", str(DNS), "plain", helper=program("nameserver"))
        self.peers.server("tcp-server", "127.0.0.1", str(LOGIN), "plain", helper=program("sshd"))
        self.peers.server("--reuid", str(USER), "--regid", str(USER), "--clear-groups", program("webserver"),
                          "tcp-server", "127.0.0.1", str(WEB), "plain", helper="setpriv")
        self.waits = subprocess.Popen(["sh", "-c", 'read -r x; exec "$@"', "sh", HELPER, "tcp-client", "127.0.0.1",
                                       str(LOGIN), "plain@%d" % self.numbered],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def run(self):
        for name, port in ("systemd-resolved", self.resolver), ("dig", self.dig):
            self.peers.client("udp-client", "127.0.0.1", str(DNS), "plain@%d" % port, helper=program(name))
        for port in LOGIN, WEB, WEB:
            self.peers.client("tcp-client", "127.0.0.1", str(port), "plain@%d" % next(ports), helper=program("curl"))
        self.waits.communicate(b"\n", timeout=10 * SLOW)
        self.peers.finish()

    def selected(self):
        """Of each capture: name, backend, expression, whether a packet from and to these ports is right."""
        examples = ("(port %d and not pname systemd-resolved) or src pid %d or (dst uid %d and tcp port (%d or %d))" %
                    (DNS, self.waits.pid, USER, WEB, LOGIN))
        yield "examples", BACKEND, examples, lambda src, dst: self.dig in (src, dst) or src == self.numbered or dst == WEB
        for backend in (BACKEND,) if BACKEND else ("tc", "socket-filter"):
            yield "many-" + backend, backend, many(), lambda src, dst: self.dig in (src, dst) or WEB in (src, dst)


def many():
    """An expression of 50 different terms."""
    def of(kind, word, count):
        return "%s (%s)" % (kind, " or ".join(word % i for i in range(count)))
    return " or ".join((
        "(tcp and port (%d or %d) and not pname sshd and not %s)" % (WEB, LOGIN, of("pname", "nobody%d", 11)),
        "(port %d and (pname dig or %s or %s or %s))" % (DNS, of("uid", "7000%d", 9), of("cmdline", "*unheard%d*", 9),
                                                         of("exe", "/no/such%d/*", 9)),
        "(port %d and pname (web* or nothing) and %s)" % (LOGIN, of("parent", "nobody%d*", 8))))


class Wire:
    """All that passes lo, from when it is made."""

    def __init__(self):
        self.s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
        self.s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
        self.s.bind(("lo", 0))

    def packets(self):
        """Until now, of our ports."""
        found = []
        self.s.setblocking(False)
        while True:
            try:
                data, address = self.s.recvfrom(1 << 16)
            except BlockingIOError:
                return found
            t = parse(data)
            if address[2] != socket.PACKET_OUTGOING and t and {DNS, WEB, LOGIN} & {t[2], t[4]}:
                found.append(data)


def capture(name, backend, expression):
    cmd = [PTCPDUMP, "-i", "lo", "-w", path(name + ".pcapng"), "--settle", str(SETTLE)]
    return Program(cmd + (["--backend", backend] if backend else []) + [expression], name)


def packets_of(name, program):
    if program.end() or "\n0 packets dropped" not in program.text():
        raise RuntimeError("capture %s: %s" % (name, program.text().strip()))
    return [p.data for p in read_pcapng(path(name + ".pcapng"))]


def compare(s, name, packets, right):
    """Missing are the right ones that are not there, wrong are others."""
    left = collections.Counter(right)
    left.subtract(packets)
    for data, n in left.items():
        s.add(name, "there" if n == 0 else None if n > 0 else "too many", "there",
              "%s (%s)" % (parse(data)[:5], describe(data)))


def process_terms():
    traffic = Traffic()
    selected = list(traffic.selected())
    with concurrent.futures.ThreadPoolExecutor(len(selected)) as pool:
        programs = list(pool.map(lambda one: capture(*one[:3]), selected))
        wire = Wire()
        traffic.run()
        found = list(pool.map(lambda one, p: packets_of(one[0], p), selected, programs))
    everything, s = wire.packets(), Score()
    for (name, _, _, is_right), packets in zip(selected, found):
        right = [data for data in everything if is_right(*parse(data)[2:5:2])]
        if not 0 < len(right) < len(everything):
            raise RuntimeError("%s: %d of %d packets are right" % (name, len(right), len(everything)))
        compare(s, name, packets, right)
    return s, sum(map(len, found))
