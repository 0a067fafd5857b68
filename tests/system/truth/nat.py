# SPDX-License-Identifier: BSD-3-Clause
"""Containers: addresses and ports are changed on the way."""
from .base import A, B, BRIDGE, COUNT, DEV, INSIDE, NS, VETH, ports, sysctl
from .capture import Capture
from .network import Inside, need_nat
from .peers import Peers
from .score import by_remote_port, score_ports


def outward(dev, mode="plain", proto="tcp", count=50):
    """A client inside talks to a server outside."""
    need_nat()
    count = min(count, COUNT)
    port = 7211
    with Inside():
        peers = Peers()
        cap = Capture("-i", dev, "%s port %d" % (proto, port))
        peers.server(proto + "-server", B, str(port), "plain", ns=NS[0])
        for _ in range(count):
            peers.client(proto + "-client", B, str(port), "%s@%d" % (mode, next(ports)), ns=NS[2])
        packets = cap.stop()
    peers.finish()
    # NAT keeps the ports, which tell one process each; the address may be another.
    server = by_remote_port(peers.ends.pop((proto, port), {}))
    client = {p: pid for (kind, p), ends in peers.ends.items() for pid in ends.values()}
    return score_ports(packets, client, server, port), len(packets)


def published(dev, mode="plain", proto="tcp", decoy=False, count=50, before=False):
    """A client outside talks to a server inside, by a port of ours. decoy: somebody listens on that port here, too."""
    need_nat()
    count = min(count, COUNT)
    with Inside():
        peers = Peers()
        real = "80" if proto == "tcp" else "53"
        ready = 4 if mode in ("prefork", "noaddr") else 1
        if before:
            peers.server(proto + "-server", INSIDE, real, mode, ns=NS[2], ready=ready)
        cap = Capture("-i", dev, "%s port 7210 or port %s" % (proto, real))
        if not before:
            peers.server(proto + "-server", INSIDE, real, mode, ns=NS[2], ready=ready)
        if decoy:
            peers.server(proto + "-server", "0.0.0.0", "7210", "plain")
        for _ in range(count):
            peers.client(proto + "-client", A, "7210", "plain@%d" % next(ports), ns=NS[0])
        packets = cap.stop()
    peers.finish()
    # Seen from outside, the server's address and port are others.
    server = by_remote_port(peers.ends[proto, int(real)])
    client = {p: pid for (kind, p), ends in peers.ends.items() if p not in (int(real), 7210)
              for pid in ends.values()}
    return score_ports(packets, client, server, 7210, int(real)), len(packets)


def masqueraded_uplink_only():
    return outward(DEV)


def masqueraded_udp_uplink_only():
    return outward(DEV, proto="udp")


def masqueraded_bridge_only():
    return outward(BRIDGE)


def masqueraded_host_veth_only():
    return outward(VETH)


def masqueraded_udp_bridge_only():
    return outward(BRIDGE, proto="udp")


def bridge_without_netfilter():
    old = sysctl("net/bridge/bridge-nf-call-iptables", "0")
    try:
        return outward(BRIDGE)
    finally:
        if old:
            sysctl("net/bridge/bridge-nf-call-iptables", old)


def published_port_uplink_only():
    return published(DEV)


def published_port_past_a_proxy():
    """The proxy's listener is what a look-up finds for the SYN."""
    return published(DEV, decoy=True)


def published_port_prefork():
    return published(DEV, mode="prefork")


def published_port_from_before():
    return published(DEV, before=True)


def published_port_bridge_only():
    return published(BRIDGE, mode="prefork")


def published_port_host_veth_only():
    return published(VETH)


def published_udp_uplink_only():
    return published(DEV, proto="udp", count=20)


def published_udp_bridge_only():
    return published(BRIDGE, proto="udp", count=20)
