# SPDX-License-Identifier: BSD-3-Clause
"""Echoes, and errors that quote what they answer."""
import struct
import subprocess

from .base import A, A6, B, B6, DEV, NS, inside, ports, run, running
from .capture import Capture
from .peers import Peers
from .score import Score, parse, pids


def ping(args, dev, local, *options):
    peers = Peers()
    cap = Capture("-i", dev, *options, "icmp or icmp6")
    idents = {}
    for _ in range(10):
        p = subprocess.Popen(["ping", "-c", "2", "-i", "0.05", *args], stdout=subprocess.PIPE, text=True)
        p.communicate()
        idents[p.pid] = p
    packets = cap.stop()
    peers.finish()
    s = Score()
    for pkt in packets:
        t = parse(pkt.data)
        if not t or t[0] != "icmp":
            continue
        got = pids(pkt)
        i = 0 if t[2] else 1
        addr = t[1] if i == 0 else t[3]
        if addr in local:
            # The identifier of a ping socket is its port, that of a raw socket the pid; either way one of ours.
            known = got[i] or got[1 - i]
            want = known if known in idents else -1
            s.add("client", known, want, "%s %s" % (t[:5], pkt.dir))
    if not s.right:
        raise RuntimeError("no ping was seen")
    return s, len(packets)


def ping_v4_over_veth():
    return ping([B], DEV, [A])


def ping_v6_over_veth():
    return ping(["-6", B6], DEV, [A6])


def ping_on_lo():
    return ping(["127.0.0.1"], "lo", ["127.0.0.1"])


def ping_replies_only():
    """The requests are not seen."""
    return ping([B], DEV, [A], "-Q", "in")


def answer_always(ns):
    """Else the kernel sends six errors at once, and one a second then."""
    run(*inside(ns), "sysctl", "-q", "net.ipv4.icmp_ratemask=0", "net.ipv4.icmp_ratelimit=0")


def icmp_errors():
    """The answer to a closed port names who sent there, by the packet that it quotes."""
    peers = Peers()
    answer_always(NS[0])
    cap = Capture("-i", DEV, "icmp[0] == 3")
    known = {}
    for _ in range(10):
        port = next(ports)
        p = peers.script("udp_to_nobody", port)
        known[port] = p.pid
    packets = cap.stop()
    peers.finish()
    s = Score()
    for p in packets:
        s.add("client", pids(p)[1], known.get(struct.unpack_from("!H", p.data, 62)[0]), p.dir)
    if len(packets) != len(known):
        raise RuntimeError("%d errors for %d datagrams" % (len(packets), len(known)))
    return s, len(packets)


def icmp_errors_beside_a_ping():
    """A raw socket hears the errors that come; those that go the same way are not its own."""
    peers = Peers()
    answer_always(NS[0])
    cap = Capture("-i", DEV, "icmp[0] == 3")
    p = subprocess.Popen(inside(NS[0]) + ["ping", "-q", "-i", "0.2", A], stdout=subprocess.PIPE)
    running.append(p)
    try:
        for _ in range(10):
            peers.script("udp_to_nobody", next(ports), A, ns=NS[0])
            peers.script("udp_to_nobody", next(ports))
    finally:
        p.kill()
        p.communicate()
        running.remove(p)
    packets = cap.stop()
    peers.finish()
    s = Score()
    for pkt in packets:
        s.add("kernel", p.pid if p.pid in pids(pkt) else None, None, pkt.dir)
    return s, len(packets)
