# SPDX-License-Identifier: BSD-3-Clause
"""Containers: addresses and ports are changed on the way."""
from .base import A, A6, B, BRIDGE, COUNT, DEV, INSIDE, INSIDE6, NS, SERVICE, SERVICE6, VETH, ports, sysctl
from .capture import Capture
from .network import Inside, Service, need_nat
from .peers import Peers
from .score import by_remote_port, pids, score_ports


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


def published(dev, mode="plain", proto="tcp", decoy=False, count=50, before=False, data=False):
    """A client outside talks to a server inside, by a port of ours. decoy: somebody listens on that port here, too. data:
    no packet is captured before the server has accepted."""
    need_nat()
    count = min(count, COUNT)
    with Inside():
        peers = Peers()
        real = "80" if proto == "tcp" else "53"
        ready = 4 if mode in ("prefork", "noaddr") else 1
        if before:
            peers.server(proto + "-server", INSIDE, real, mode, ns=NS[2], ready=ready)
        cap = Capture("-i", dev, "(%s port 7210 or port %s)%s" % (proto, real, " and tcp[13] & 8 != 0" if data else ""))
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


def service(dev, proto="tcp", local=False, v6=False, mode="plain", count=20):
    """A client in a container (local: here) talks to a server in another by the address of a service: both ends of the
    packet are rewritten, one after the other. With br_netfilter the bridge itself shows packets with one of them rewritten."""
    need_nat()
    count = min(count, COUNT)
    real = 80 if proto == "tcp" else 53
    with Service():
        peers = Peers()
        # A bridge that takes all passes what it sends on as well up to us, and we send it on again: -p.
        cap = Capture("-p", "-i", dev, "%s and (port 7213 or port %d)" % (proto, real))
        peers.server(proto + "-server", INSIDE6 if v6 else INSIDE, str(real), mode, ns=NS[2], ready=4 if mode == "prefork" else 1)
        for _ in range(count):
            peers.client(proto + "-client", SERVICE6 if v6 else SERVICE, "7213", "plain@%d" % next(ports),
                         ns=None if local else NS[1])
        packets = cap.stop()
    peers.finish()
    server = by_remote_port(peers.ends.pop((proto, real), {}))
    client = {p: pid for (kind, p), ends in peers.ends.items() for pid in ends.values()}
    if len(packets) < count:
        raise RuntimeError("only %d packets" % len(packets))
    return score_ports(packets, client, server, 7213, real), len(packets)


def unheard(dev, proto="udp", decoy=True, v6=False, local=False, refused=False, each=3, count=10):
    """A client outside (local: here) speaks to a published port, and the container does not answer, or refuses requests.
    decoy: somebody listens on that port here, too, and gets nothing. Requests that are dropped nobody receives."""
    need_nat()
    tcp = proto == "tcp"
    here, there = (A6, INSIDE6) if v6 else (A, INSIDE)
    port, real = 7212 if local else 7210, 80 if tcp else 53
    with Inside(drops=tcp and not refused):
        peers = Peers()
        cap = Capture("-i", dev, "%s and (port %d or port %d)" % (proto, port, real))
        if tcp and not refused:
            peers.server("tcp-server", there, "80", "plain", ns=NS[2])
        elif not tcp:
            peers.script("udp_sink", there, real, ns=NS[2], ready=1)
        if decoy:
            peers.server(proto + "-server", "::" if v6 else "0.0.0.0", str(port), "plain")
        own = [next(ports) for _ in range(min(count, COUNT))]
        peers.script("unheard", proto, here, port, each, *own, ns=None if local else NS[0])
        packets = cap.stop()
    peers.finish()
    server = {} if tcp else by_remote_port(peers.ends["udp", real])
    client = {p: pid for (_, p), ends in peers.ends.items() if p in own for pid in ends.values()}
    s = score_ports(packets, client, server, port, real)
    proxies = peers.listeners - set(server.values())
    for p in packets:
        for pid in set(pids(p)) & proxies:
            s.add("server", pid, None, "a packet that it never got")
    if len(packets) < len(own) * (1 if tcp else each):
        raise RuntimeError("only %d packets" % len(packets))
    return s, len(packets)


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


def published_port_prefork_data_only():
    return published(BRIDGE, mode="prefork", data=True)


def published_port_noaddr_data_only():
    return published(BRIDGE, mode="noaddr", data=True)


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


def published_udp_past_a_proxy():
    return published(DEV, proto="udp", decoy=True, count=20)


def published_udp_unheard():
    """All datagrams are of the container's process, though it never answers, and the proxy has the port open here."""
    return unheard(DEV)


def published_udp_unheard_ipv6():
    return unheard(DEV, v6=True)


def published_udp_unheard_bridge_only():
    return unheard(BRIDGE)


def published_udp_unheard_anywhere():
    return unheard("any")


def published_udp_unheard_without_a_proxy():
    return unheard(DEV, decoy=False)


def published_udp_unheard_from_here():
    return unheard("any", local=True)


def published_port_unheard():
    """Requests that the container drops: the proxy's listener does not get them."""
    return unheard(DEV, proto="tcp")


def published_port_unheard_ipv6():
    return unheard(DEV, proto="tcp", v6=True)


def published_port_refused():
    return unheard(DEV, proto="tcp", refused=True)


def published_port_refused_ipv6():
    return unheard(DEV, proto="tcp", refused=True, v6=True)


def published_port_unheard_bridge_only():
    return unheard(BRIDGE, proto="tcp")


def published_port_unheard_from_here():
    return unheard("any", proto="tcp", local=True)


def service_bridge_only():
    return service(BRIDGE)


def service_ipv6_bridge_only():
    return service(BRIDGE, v6=True)


def service_prefork():
    return service("any", mode="prefork")


def service_udp_bridge_only():
    return service(BRIDGE, proto="udp")


def service_from_here():
    return service("any", local=True)


def service_from_here_bridge_only():
    return service(BRIDGE, local=True)


def service_from_here_ipv6():
    return service("any", local=True, v6=True)


def service_udp_from_here():
    return service("any", proto="udp", local=True)
