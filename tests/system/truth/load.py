# SPDX-License-Identifier: BSD-3-Clause
"""Many packets, sockets and connections."""
import os
import signal
import time

from .base import BURST, COUNT, SECONDS, SLOW, TABLE, path, ports, rss, run, wait_for
from .capture import Capture
from .peers import Peers
from .score import parse, score


def burst_while_packets_wait():
    """A connection that nobody accepts yet holds back all that follows: nothing of a burst is lost, and time goes on."""
    peers = Peers()
    count = min(20000, COUNT * 40)
    cap = Capture("-i", "lo", "port", "7139")
    server = peers.server("tcp-server", "127.0.0.1", "7139", "noaddr", ready=4)
    peers.client("tcp-client", "127.0.0.1", "7139", "plain@%d" % next(ports))
    before = rss(cap.p.pid)
    os.killpg(server.pid, signal.SIGSTOP)
    client = peers.client("tcp-client", "127.0.0.1", "7139", "plain@%d" % next(ports), wait=False)
    time.sleep(0.01)
    run(BURST, "127.0.0.1", "7139", str(count), "100")
    os.killpg(server.pid, signal.SIGCONT)
    client.wait(10)
    after = rss(cap.p.pid)
    packets = cap.stop()
    peers.finish()
    got = sum(parse(p.data)[0] == "udp" for p in packets)
    if got != count:
        raise RuntimeError("%d datagrams of %d" % (got, count))
    if any(a.ns > b.ns for a, b in zip(packets, packets[1:])):
        raise RuntimeError("time goes back")
    if after > before + 64 * 1024:
        raise RuntimeError("memory grows from %d to %d kB" % (before, after))
    # Who accepts may come too late: a full ring does not wait.
    return score(peers, packets, ends=("client",), server_port=7139), len(packets)


def many_sockets_from_before():
    """10,000 sockets exist when the capture starts; some of them are used then. The bound on the start is for slow
    machines: TRUTH_TABLE tells what it was."""
    peers = Peers()
    empty = Capture("-i", "lo", "udp port 7129")
    empty.stop()
    flag = path("go")
    peers.script("many_sockets", flag, ready=1)
    cap = Capture("-i", "lo", "udp port 7129")
    open(flag, "w").close()
    wait_for(2 * SLOW, lambda: peers.count("end") == 100)
    packets = cap.stop()
    if TABLE:
        with open(TABLE, "a") as f:
            print("start without and with 10,000 sockets\tok\t0\t%d ms, %d ms\t" % (empty.start_ms, cap.start_ms), file=f)
    if cap.start_ms > empty.start_ms * 3 + 1000:
        raise RuntimeError("the start takes %d ms, not %d" % (cap.start_ms, empty.start_ms))
    peers.finish()
    return score(peers, packets, ends=("client",), server_port=7129), len(packets)


def received_during_the_start():
    """Datagrams arrive at sockets from before, while the capture starts: each at one that nobody has used since, and that
    nobody reads."""
    peers = Peers()
    flag = path("go-start")
    sender = peers.script("many_receivers", flag, ready=1)
    open(flag, "w").close()
    cap = Capture("-i", "lo", "udp src port 7141")
    time.sleep(1)  # of them after the start, too
    os.killpg(sender.pid, signal.SIGSTOP)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7141), len(packets)


def thousand_connections_a_second():
    """TRUTH_SECONDS of them (10); memory must not grow with their number."""
    peers = Peers()
    cap = Capture("-i", "lo", "tcp port 7130")
    peers.server("tcp-server", "127.0.0.1", "7130", "plain")
    p = peers.client("tcp-client", "127.0.0.1", "7130", "many@%d" % (SECONDS * 1000), wait=False)
    sizes = []
    while p.poll() is None:
        time.sleep(SECONDS / 10)  # ten sizes
        sizes.append(rss(cap.p.pid))
    packets = cap.stop()
    peers.finish()
    s = score(peers, packets, server_port=7130)
    if len(sizes) > 5 and sizes[-1] > sizes[len(sizes) // 2] * 1.1 + 1024:
        raise RuntimeError("memory grows: %s kB" % sizes)
    return s, len(packets)
