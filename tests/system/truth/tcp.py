# SPDX-License-Identifier: BSD-3-Clause
"""Connections: who accepts, who connects, and what is left of them."""
import os
import signal
import socket
import time

from .base import A, B, COUNT, DEV, NS, SETTLE, SLOW, Skip, closed, hook_here, path, ports, wait_for
from .capture import Capture
from .peers import Peers, curls
from .score import Score, describe, parse, pids, score


def tcp(mode_server="plain", mode_client="plain", count=20, dev="lo", addr="127.0.0.1", bind=None, ns=None, port=7101,
        **scoring):
    peers = Peers()
    count = min(count, COUNT)
    ready = 1 if mode_server in ("plain", "fork", "late") else 4
    if scoring.pop("before", False):
        peers.server("tcp-server", bind or addr, str(port), mode_server, ns=ns, ready=ready)
        cap = Capture("-i", dev, "port", str(port))
    else:
        cap = Capture("-i", dev, "port", str(port))
        peers.server("tcp-server", bind or addr, str(port), mode_server, ns=ns, ready=ready)
    if mode_client == "curl":
        curls(peers, "http://%s:%d/" % (addr, port), count, port)
    else:
        for _ in range(count):
            peers.client("tcp-client", addr, str(port), "%s@%d" % (mode_client, next(ports)))
        if mode_server == "late":
            wait_for(2 * SLOW, lambda: closed(port))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=port, **scoring), len(packets)


def short_curls_on_lo():
    return tcp(mode_client="curl", count=COUNT)


def short_curls_over_veth():
    return tcp(mode_client="curl", count=COUNT, dev=DEV, addr=B, ns=NS[0], local=[A])


def short_clients():
    return tcp(count=COUNT)


def server_from_before():
    return tcp(before=True)


def prefork_server():
    return tcp("prefork", count=100)


def prefork_server_from_before():
    return tcp("prefork", count=100, before=True)


def prefork_without_address():
    return tcp("noaddr", count=100)


def reuseport_server():
    return tcp("reuseport", count=100)


def server_forks_for_each():
    """Who accepts is the parent; the child is who talks, from its first use on."""
    return tcp("fork", count=50)


def prefork_accept4():
    return tcp("accept4", count=100)


def prefork_polls():
    return tcp("poll", count=100)


def prefork_epoll_exclusive():
    return tcp("epoll", count=100)


def prefork_closes_at_once():
    """Who accepts does nothing but close."""
    return tcp("close", "waits", count=50)


def accepted_and_idle():
    """Who accepts asks for no address, and neither reads nor writes before the handshake is printed."""
    if not hook_here("security_sock_graft"):
        raise Skip("nothing tells who accepts before it reads or writes")
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7148")
    peers.script("tcp_accepts_blindly", ready=4)
    peers.script("tcp_idle", 7148, SETTLE / 1000 + 1, *(next(ports) for _ in range(min(10, COUNT))))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7148), len(packets)


def accepted_after_settle_time():
    """The workers sleep while connections come. What is printed before they accept cannot name them; what is printed
    after that does, and a longer --settle names them from the start."""
    both = []
    for settle in (str(SETTLE), "3000"):
        peers = Peers()
        cap = Capture("-i", "lo", "--settle", settle, "port", "7138")
        server = peers.server("tcp-server", "127.0.0.1", "7138", "noaddr", ready=4)
        os.killpg(server.pid, signal.SIGSTOP)
        clients = [peers.client("tcp-client", "127.0.0.1", "7138", "plain@%d" % next(ports), wait=False) for _ in range(10)]
        wait_for(2 * SLOW, lambda: peers.count("end") == len(clients))
        time.sleep(SETTLE / 1000 + 0.3)  # too late for the short one
        os.killpg(server.pid, signal.SIGCONT)
        for c in clients:
            c.wait(10)
        packets = cap.stop()
        peers.finish()
        both.append(score(peers, packets, server_port=7138))
    short, long = both
    # On a busy machine the capture itself may come so late that it knows.
    if long.late["server"]:
        raise RuntimeError("%d late in spite of a long time" % long.late["server"])
    for name in ("right", "wrong", "missing"):
        getattr(short, name).update(getattr(long, name))
    short.first.update(long.first)
    return short, len(packets)


def client_leaves_first():
    """The server's end of the connection goes on for 200 ms: TIME_WAIT answers it."""
    return tcp("late", "first", count=10)


def port_reused_at_once():
    """The same tuple again and again, by other processes."""
    total, s = 0, Score()
    for _ in range(2):
        peers = Peers()
        cap = Capture("-i", "lo", "port", "7106")
        order = []
        server = peers.server("tcp-server", "127.0.0.1", "7106", "plain")
        for _ in range(10):
            order.append(peers.client("tcp-client", "127.0.0.1", "7106", "reset@20999").pid)
        packets = cap.stop()
        peers.finish()
        total += len(packets)
        turn = -1
        for p in packets:
            t = parse(p.data)
            if t and t[2] == 20999 and p.dir == "out" and p.data[47] & 0x12 == 2:
                turn += 1
            if t and 20999 in (t[2], t[4]) and 0 <= turn < len(order):
                i = 0 if t[2] == 20999 else 1
                s.add("client", pids(p)[i], order[turn], "%s %s %s" % (turn, t[:5], describe(p.data)))
                s.add("server", pids(p)[1 - i], server.pid, "%s %s %s" % (turn, t[:5], describe(p.data)))
    return s, total


def same_tuple_after_time_wait():
    """The server keeps TIME_WAIT of the tuple, and is another process when it comes again."""
    s = Score()
    total = 0
    peers = Peers()
    port = next(ports)
    first = peers.server("tcp-server", "127.0.0.1", "7107", "plain")
    peers.client("tcp-client", "127.0.0.1", "7107", "plain@%d" % port)
    peers.stop(first)
    peers.finish()
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7107")
    for _ in range(5):
        server = peers.server("tcp-server", "127.0.0.1", "7107", "plain")
        peers.client("tcp-client", "127.0.0.1", "7107", "plain@%d" % port)
        wait_for(2 * SLOW, lambda: closed(7107))
        peers.stop(server)
        peers.ends.clear()
    packets = cap.stop()
    with open(peers.out.name) as f:
        told = [line.split() for line in f if line.startswith("end")]
    servers = [int(w[6]) for w in told if w[3] == "7107"]
    peers.finish()
    turn = -1
    for p in packets:
        t = parse(p.data)
        if not t or t[0] != "tcp":
            continue
        if p.data[47] & 0x12 == 2:
            turn += 1
        if 0 <= turn < len(servers):
            total += 1
            i = 0 if t[2] == 7107 else 1
            s.add("server", pids(p)[i], servers[turn], "%d %s %s" % (turn, t[:5], describe(p.data)))
    return s, total


def client_thread():
    return tcp(mode_client="thread")


def client_forks_without_exec():
    return tcp(mode_client="forked")


def exit_with_data_in_flight():
    return tcp(mode_client="inflight")


def passed_over_unix_socket():
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7102")
    peers.server("tcp-server", "127.0.0.1", "7102", "plain")
    for _ in range(20):
        peers.client("tcp-client", "127.0.0.1", "7102", "pass")
    packets = cap.stop()
    peers.finish()
    for (proto, port), ends in list(peers.ends.items()):
        if proto == "tcp-data":
            peers.ends["tcp", port].update(ends)
    return score(peers, packets, ends=("client",), server_port=7102, data_only=True), len(packets)


def ipv6():
    return tcp(addr="::1")


def v4_mapped():
    return tcp(addr="127.0.0.1", bind="::")


def restarted_server():
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7103")
    for _ in range(10):
        s = peers.server("tcp-server", "127.0.0.1", "7103", "plain")
        for _ in range(5):
            peers.client("tcp-client", "127.0.0.1", "7103", "plain")
        peers.stop(s)
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7103), len(packets)


def reset_without_socket():
    """Nobody listens there: the answer goes to who asked, and comes from nobody."""
    peers = Peers()
    cap = Capture("-i", "lo", "tcp port 7136")
    for _ in range(10):
        peers.script("tcp_refused", next(ports))
    packets = cap.stop()
    peers.finish()
    s = score(peers, packets, ends=("client",), server_port=7136)
    for p in packets:
        if len(p.comments) > 1 and "PeerPID" in p.comments[1]:
            s.add("server", p.comments[1], None, str(parse(p.data)[:5]))
    if len(packets) != 20:
        raise RuntimeError("%d packets, not 20" % len(packets))
    return s, len(packets)


def gone(how, leaves, dev="lo", address="127.0.0.1", ns=None, **scoring):
    """Who accepts hands the connection on. What comes when that one has left is answered by no socket, or on newer
    kernels by the listener's: it is of whom the connection was of."""
    peers = Peers()
    cap = Capture("-i", dev, "tcp port 7139")
    peers.script("gone_server", address, how, leaves, ns=ns, ready=1)
    for _ in range(min(20, COUNT)):
        peers.script("gone_client", address, next(ports), leaves)
    wait_for(2 * SLOW, lambda: closed(7139))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7139, **scoring), len(packets)


def child_leaves_by_reset():
    return gone("fork", "reset")


def child_leaves_by_reset_ipv6():
    return gone("fork", "reset", address="::1")


def child_leaves_unread_data():
    return gone("fork", "unread")


def child_leaves_before_the_client():
    return gone("fork", "closed")


def child_in_a_namespace_leaves_by_reset():
    return gone("fork", "reset", dev=DEV, address=B, ns=NS[0])


def thread_leaves_by_reset():
    return gone("thread", "reset")


def who_got_it_passed_leaves_by_reset():
    return gone("passed", "reset")


def main_thread_ended_before():
    """A process goes on when its main thread has ended; its sockets are in the files of another thread then."""
    peers = Peers()
    peers.script("main_thread_ends", ready=1)
    cap = Capture("-i", "lo", "port", "7137")
    for _ in range(10):
        peers.client("tcp-client", "127.0.0.1", "7137", "plain@%d" % next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7137), len(packets)


def same_tuples_in_two_namespaces():
    both = [Peers(), Peers()]
    cap = Capture("--netns", NS[0], "--netns", NS[1], "-i", "lo", "port", "7105")
    for i in (0, 1):
        both[i].out.close()
        both[i].out = open(path("truth.out%d" % i), "w+")
        both[i].server("tcp-server", "127.0.0.1", "7105", "plain", ns=NS[i])
    for n in range(min(40, COUNT)):
        for i in (0, 1):
            both[i].client("tcp-client", "127.0.0.1", "7105", "plain@%d" % (20000 + n), ns=NS[i])
    packets = cap.stop()
    s = Score()
    total = 0
    for i in (0, 1):
        both[i].finish()
    # Interfaces are numbered in the order of the namespaces.
    for i in (0, 1):
        mine = [p for p in packets if p.iface == i]
        part = score(both[i], mine, server_port=7105)
        total += len(mine)
        for name in ("right", "wrong", "missing"):
            getattr(s, name).update(getattr(part, name))
        s.first.update(part.first)
    return s, total


def mptcp():
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).close()
    except OSError:
        raise Skip("no MPTCP in this kernel") from None
    peers = Peers()
    cap = Capture("-i", "lo", "port", "7127")
    peers.script("mptcp_server", ready=1)
    for _ in range(10):
        peers.script("mptcp_client", next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, server_port=7127), len(packets)
