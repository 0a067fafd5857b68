# SPDX-License-Identifier: BSD-3-Clause
"""Networks that use the same addresses."""
import subprocess
import time

from .base import BRIDGE, COUNT, INSIDE, NET_INSIDE, NS, OVER_THERE, VETH, ports, run, wait_for
from .capture import Capture
from .network import Inside, Service, Twins, need_nat
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


def score_senders(packets, sent):
    """sent: [(ns, pid)], who sends up to when."""
    s = Score()
    for p in packets:
        t = parse(p.data)
        if t and t[1].startswith(NET_INSIDE):
            want = next(pid for until, pid in sent if p.ns <= until)
            got = pids(p)
            s.add("client", got[0] if got[0] is not None else got[1], want, "%s %s" % (p.dir, t[:5]))
    return s


def group_in_several_namespaces():
    """Members of a group in two namespaces, one of which sends, too: all get the same packets, rightly."""
    need_nat()
    with Service():
        peers = Peers()
        peers.script("group_member", INSIDE, ns=NS[2], ready=1)
        peers.script("group_member", NET_INSIDE + "3", ns=NS[1], ready=1)
        cap = Capture("-p", "-i", BRIDGE, "udp port 7126")
        sender = peers.script("group_member", NET_INSIDE + "3", next(ports), 20, ns=NS[1])
        packets = cap.stop()
    peers.finish()
    return score_senders(packets, [(1 << 63, sender.pid)]), len(packets)


def address_used_again():
    """A container ends, and another one gets its address and uses the same ports."""
    need_nat()
    sent = []
    with Inside() as network:
        peers = Peers()
        cap = Capture("-p", "-i", BRIDGE, "udp port 7127")
        for _ in range(3):
            p = peers.script("fixed_ports", INSIDE, NET_INSIDE + "1", 7127, 10, ns=NS[2])
            sent.append((time.time_ns(), p.pid))
            run("ip", "netns", "del", NS[2])
            wait_for(5, lambda: subprocess.run(["ip", "link", "show", VETH], capture_output=True).returncode != 0)
            network.container()
        packets = cap.stop()
    peers.finish()
    return score_senders(packets, sent), len(packets)
