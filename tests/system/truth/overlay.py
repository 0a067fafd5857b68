# SPDX-License-Identifier: BSD-3-Clause
"""Packets that the kernel makes around those of others."""
from .base import COUNT, DEV, NS, OVER_THERE, ports
from .capture import Capture
from .network import Overlay, need_nat
from .peers import Peers
from .score import by_remote_port, parse, score_ports

PORT = 7214


def load_of(packet, kind):
    """The packet with what is inside of the outer packet for its data."""
    v6 = kind.endswith("6")
    outer = 14 + (40 if v6 else 20)
    frame = {"vxlan": 16, "vxlan6": 16, "geneve": 16, "gretap": 8}.get(kind)
    if frame is not None:
        return packet._replace(data=packet.data[outer + frame:])
    return packet._replace(data=packet.data[:12] + b"\x08\0" + packet.data[outer + (4 if kind == "gre" else 0):])


def overlay(kind, proto="tcp", local=True, count=20):
    """A client (local: here, else in a container) talks to a server at the other end of a tunnel; what is seen is the packets
    around theirs."""
    need_nat()
    count = min(count, COUNT)
    with Overlay(kind):
        peers = Peers()
        cap = Capture("-i", DEV, "udp port 4789 or udp port 8472 or udp port 6081 or ip proto 47 or ip proto 4")
        peers.server(proto + "-server", OVER_THERE, str(PORT), "plain", ns=NS[0])
        for _ in range(count):
            peers.client(proto + "-client", OVER_THERE, str(PORT), "plain@%d" % next(ports), ns=None if local else NS[2])
        packets = [load_of(p, kind) for p in cap.stop()]
    peers.finish()
    server = by_remote_port(peers.ends.pop((proto, PORT), {}))
    client = {p: pid for (what, p), ends in peers.ends.items() for pid in ends.values()}
    packets = [p for p in packets if p.data[12:14] == b"\x08\0"]
    if len(packets) < count:
        raise RuntimeError("only %d packets" % len(packets))
    # The server would be on another machine; by its data it is known here.
    data = [p for p in packets if p.dir == "in" and parse(p.data)[5]]
    s = score_ports([p for p in packets if p not in data], client, {}, PORT)
    s.update(score_ports(data, client, server, PORT))
    return s, len(packets)


def overlay_vxlan():
    return overlay("vxlan")


def overlay_vxlan_over_ipv6():
    return overlay("vxlan6")


def overlay_vxlan_udp():
    return overlay("vxlan", proto="udp")


def overlay_vxlan_container():
    return overlay("vxlan", local=False)


def overlay_geneve():
    return overlay("geneve")


def overlay_geneve_container():
    return overlay("geneve", proto="udp", local=False)


def overlay_gretap():
    return overlay("gretap")


def overlay_gre_container():
    return overlay("gre", local=False)


def overlay_ipip():
    return overlay("ipip")
