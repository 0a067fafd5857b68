# SPDX-License-Identifier: BSD-3-Clause
"""SCTP, and packets that are made by hand."""
import os
import socket

from .base import COUNT, NET_INSIDE, SLOW, Skip, path, ports, wait_for
from .capture import Capture
from .peers import Peers
from .score import parse, pids, score
from .sender import sender


def sctp_to(address, before):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError:
        raise Skip("no SCTP in this kernel") from None
    peers = Peers()
    server = ("sctp_server", address)
    if before:
        peers.script(*server, ready=1)
    cap = Capture("-i", "lo", "sctp")
    if not before:
        peers.script(*server, ready=1)
    for _ in range(min(10, COUNT)):
        peers.script("sctp_client", next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7134), len(packets)


def peer_beyond_a_tun_device():
    """What a process writes to its tun device is received in its context, and what answers is not from it: a server's
    packets are the server's, and resets and echo replies nobody's."""
    if not os.path.exists("/dev/net/tun"):
        raise Skip("no /dev/net/tun")
    peers = Peers()
    here, peer, flag, dev = NET_INSIDE + "1", NET_INSIDE + "2", path("go-tun"), "trutht%d" % os.getpid()
    count = min(20, COUNT)
    peers.script("tun_client", dev, here, peer, flag, 7138, 7139, *(next(ports) for _ in range(count)), ready=1)
    peers.script("tcp_server", here, ready=1)
    cap = Capture("-i", dev, "ip")
    open(flag, "w").close()
    wait_for(2 + count * 0.2 * SLOW, lambda: peers.count("done"))
    packets = cap.stop()
    peers.finish()
    s = score(peers, packets, ends=("server",), server_port=7138, local=[here])
    for p in packets:
        t = parse(p.data)
        if t and (t[0] == "icmp" or 7139 in (t[2], t[4])):
            s.add("client", pids(p)[0], None, "%s %s" % (p.dir, t[:5]))
    if s.right["server"] + s.wrong["server"] + s.missing["server"] < 6 * count:
        raise RuntimeError("%d packets" % len(packets))
    return s, len(packets)


def sctp():
    return sctp_to("127.0.0.1", False)


def sctp_from_before_on_any_address():
    return sctp_to("0.0.0.0", True)


def packet_socket():
    return sender("udp port 7126", "packet_socket")


def raw_ip():
    return sender("ip proto 253", "raw_ip", count=1)
