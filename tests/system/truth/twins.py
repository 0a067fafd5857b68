# SPDX-License-Identifier: BSD-3-Clause
"""Networks that use the same addresses."""
from .base import COUNT, OVER_THERE, ports
from .capture import Capture
from .network import Twins
from .peers import Peers
from .score import Score, describe, parse, pids

PORT = 7215


def score_twins(packets, mac, own):
    """own: the processes of each network. The end beyond may be unknown."""
    s = Score()
    for p in packets:
        t = parse(p.data)
        if not t:
            continue
        network = 0 if p.data[:5] == mac(0) else 1
        got = pids(p)
        near = got[0] if p.dir == "out" else got[1]
        far = got[1] if p.dir == "out" else got[0]
        what = "%d %s %s (%s)" % (network, p.dir, t[:5], describe(p.data))
        s.add("near", near, near if near in own[network] else "one of that network", what)
        if far is not None:
            s.add("far", far, far if far in own[network] else "one of that network", what)
    return s


def twins(proto, count=100):
    """In both networks the same port of the same address talks to the same port of the same address, at the same time."""
    count = min(count, COUNT)
    with Twins() as networks:
        peers = Peers()
        names = networks.names
        cap = Capture("-i", "any", *(x for name in sum(names, []) for x in ("--netns", name)), "%s port %d" % (proto, PORT))
        own = [{peers.server(proto + "-server", OVER_THERE, str(PORT), "plain", ns=name[1]).pid} for name in names]
        for _ in range(count):
            mode = "plain@%d" % next(ports)
            clients = [peers.client(proto + "-client", OVER_THERE, str(PORT), mode, ns=name[0], wait=False) for name in names]
            for p, pids_of in zip(clients, own):
                p.wait(10)
                pids_of.add(p.pid)
        packets = cap.stop()
    peers.finish()
    return score_twins(packets, networks.mac, own), len(packets)


def equal_addresses():
    return twins("tcp")


def equal_addresses_udp():
    return twins("udp")
