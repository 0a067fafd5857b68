# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams."""
import os
import re
import socket

from .base import COUNT, SLOW, Skip, ports, wait_for
from .capture import Capture
from .peers import Peers
from .score import Score, parse, pids, score
from .sender import sender


def udp(mode, count=100, addr="127.0.0.1", bind=None, port=7104, **kw):
    peers = Peers()
    count = min(count, COUNT)
    cap = Capture("-i", "lo", "udp")
    peers.server("udp-server", bind or addr, str(port), "plain")
    for _ in range(count):
        peers.client("udp-client", addr, str(port), "%s@%d" % (mode, next(ports)))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=port, **kw), len(packets)


def udp_from_fresh_processes():
    return udp("plain")


def udp_connected():
    return udp("connected")


def udp_shared_by_readers():
    """Four processes wait at one socket; a client is answered by whoever read its datagram, and takes its time."""
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7135")
    peers.script("udp_readers", ready=4)
    # The first alone: until one has read, nothing tells that not all is for one.
    for n in [1] + [6] * min(20, COUNT):
        peers.script("udp_asks", *(next(ports) for _ in range(n)))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7135), len(packets)


def udp_read_by_child():
    """Who made the socket never reads; who does asks for no address, and sends nothing."""
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7149")
    peers.script("udp_read_by_child", ready=1)
    count = min(20, COUNT)
    peers.script("udp_sends", 7149, *(next(ports) for _ in range(count)))
    wait_for(5 * SLOW, lambda: peers.count("read") == count)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7149), len(packets)


def udp_reuseport_by_program():
    """Four processes have a socket each on one port, and a program of theirs chooses whose a datagram is, not the kernel."""
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7142")
    peers.script("udp_reuseport", ready=4)
    for n in range(min(40, COUNT)):
        peers.script("udp_chooses", next(ports), n % 4)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7142), len(packets)


def pid_used_again():
    """Two programs have the same pid, one after the other: each packet shows the arguments of the one that sent it."""
    path = "/proc/sys/kernel/ns_last_pid"
    if not os.path.exists(path):
        raise Skip("no " + path)
    peers = Peers()
    cap = Capture("-i", "lo", "udp port 7140")
    peers.script("pid_again", *(next(ports) for _ in range(5)))
    packets = cap.stop()
    peers.finish()
    s = Score()
    who = set()
    for p in packets:
        t = parse(p.data)
        m = re.search(r"^Args: .* (\d+)$", p.comments[0] if p.comments else "", re.M)
        who.add(pids(p)[0])
        s.add("client", m and int(m.group(1)), t[2], str(t[:5]))
    if len(who) != 1 or len(packets) < 2:
        raise Skip("the pid was not to be had again: %d packets of %d" % (len(packets), len(who)))
    return s, len(packets)


def udp_ipv6():
    return udp("plain", addr="::1", count=20)


def udp_server_on_any_address():
    return udp("plain", bind="::", count=20)


def udp_fragments():
    """Only the first fragment shows the ports; the later ones are not scored, but must not be credited to others."""
    return udp("long", count=10)


def double_fork():
    return sender("udp port 7123", "double_fork")


def udp_lite():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).close()
    except OSError:
        raise Skip("no UDP-Lite in this kernel") from None
    return sender("ip proto 136", "udp_lite")


def multicast_and_broadcast():
    return sender("udp port 7125", "multicast")
