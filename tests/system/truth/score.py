# SPDX-License-Identifier: BSD-3-Clause
"""What the packets say, compared with what the peers say."""
import collections
import ipaddress
import struct

from .base import SETTLE


def parse(data):
    """(proto, src, sport, dst, dport, payload length, later fragment) or None, also of one that a snaplen has cut short."""
    if len(data) < 34:
        return None
    kind = struct.unpack_from("!H", data, 12)[0]
    if kind == 0x0800:
        ihl = (data[14] & 15) * 4
        proto, off = data[23], 14 + ihl
        src, dst = data[26:30], data[30:34]
        length = struct.unpack_from("!H", data, 16)[0] - ihl
        if struct.unpack_from("!H", data, 20)[0] & 0x1fff:
            return ("frag", str(ipaddress.ip_address(src)), 0, str(ipaddress.ip_address(dst)), 0, length, True)
    elif kind == 0x86dd and len(data) >= 54:
        proto, off = data[20], 54
        src, dst = data[22:38], data[38:54]
        length = struct.unpack_from("!H", data, 18)[0]
    else:
        return None
    src, dst = str(ipaddress.ip_address(src)), str(ipaddress.ip_address(dst))
    if proto == 6 and len(data) >= off + 20:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "tcp", src, sport, dst, dport, length - (data[off + 12] >> 4) * 4, False
    if proto == 136 and len(data) >= off + 8:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "udplite", src, sport, dst, dport, length - 8, False
    if proto == 132 and len(data) >= off + 12:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "sctp", src, sport, dst, dport, length - 12, False
    if proto == 253:
        return "raw", src, 0, dst, 0, length, False
    if proto == 17 and len(data) >= off + 8:
        sport, dport = struct.unpack_from("!HH", data, off)
        return "udp", src, sport, dst, dport, length - 8, False
    if proto in (1, 58) and len(data) >= off + 8:
        kind, _, _, ident = struct.unpack_from("!BBHH", data, off)
        if kind in (8, 128):
            return "icmp", src, ident, dst, 0, length, False
        if kind in (0, 129):
            return "icmp", src, 0, dst, ident, length, False
    return None


def describe(data):
    off = 14 + ((data[14] & 15) * 4 if data[14] >> 4 == 4 else 40)
    return "flags %#x, %d bytes" % (data[off + 13], len(data)) if len(data) > off + 13 else "%d bytes" % len(data)


def comments(packet):
    """{key: value} of what is told of a packet's owner."""
    facts = {}
    for text in packet.comments:
        for line in text.split("\n"):
            key, colon, value = line.partition(": ")
            if colon:
                facts.setdefault(key, value)
    return facts


def pids(packet):
    """(source, destination) as annotated; None: nobody named."""
    shown = peer = None
    for c in packet.comments:
        if c.startswith("PID: "):
            shown = int(c.split("\n")[0][5:])
        elif c.startswith("PeerPID: "):
            peer = int(c.split("\n")[0][9:])
    return (peer, shown) if packet.dir == "in" else (shown, peer)


class Score:
    """late: credited to the listener's process, since nobody had accepted within the settle time."""

    def __init__(self):
        self.late = collections.Counter()
        self.right = collections.Counter()
        self.wrong = collections.Counter()
        self.missing = collections.Counter()
        self.first = {}

    def update(self, other):
        for mine, theirs in ((self.late, other.late), (self.right, other.right), (self.wrong, other.wrong),
                             (self.missing, other.missing)):
            mine.update(theirs)
        self.first = other.first | self.first

    def add(self, end, got, want, what):
        if got == want:
            self.right[end] += 1
            return
        (self.missing if got is None else self.wrong)[end] += 1
        self.first.setdefault(end, "%s of %s is %s, not %s" % (end, what, got, want))


def score(peers, packets, ends=("client", "server"), server_port=None, local=None, data_only=False):
    """local: only ends with one of these addresses are known here. The client is the end without server_port."""
    s = Score()
    for p in packets:
        t = parse(p.data)
        if not t or t[6]:
            continue
        proto, src, sport, dst, dport, payload, _ = t
        got = pids(p)
        for i, (addr, port, raddr, rport) in enumerate(((src, sport, dst, dport), (dst, dport, src, sport))):
            want = peers.find(proto, addr, port, raddr, rport)
            if want is None or (local and addr not in local):
                continue
            known = got[i]
            if known is None and peers.find(proto, raddr, rport, addr, port) is None:
                known = got[1 - i]  # the only end that is known is shown, whatever the direction
            end = "server" if port == server_port else "client"
            if end not in ends or (data_only and not (i == 0 and payload > 0)):
                continue
            told = (proto, addr, port, raddr, rport)
            if known != want and known is not None and p.ns < peers.since.get(told, 0):
                if known == peers.also.get(told):
                    want = known
                elif known in peers.listeners and p.ns + SETTLE * 1000000 < peers.since[told]:
                    s.late[end] += 1
                    continue
            s.add(end, known, want,
                  "%s %s %s.%d > %s.%d (%s)%s" % (proto, p.dir, src, sport, dst, dport, describe(p.data),
                                                  " %+d us" % ((peers.since[told] - p.ns) // 1000)
                                                  if told in peers.since else ""))
    return s


def by_remote_port(ends):
    """{port of the client: pid}; 0: of all others."""
    return {rport: pid for (addr, _, rport), pid in ends.items() if addr not in ("0.0.0.0", "::") or rport}


def score_ports(packets, client, server, *server_ports):
    """Both ends by the client's port alone, as NAT keeps it. Both processes are on this machine, and the name of one
    end must not stand for the other."""
    s = Score()
    others = {"server": set(client.values()), "client": set(server.values())}
    for p in packets:
        t = parse(p.data)
        if not t or t[6]:
            continue
        i = 0 if t[2] in server_ports else 1
        port = t[4] if i == 0 else t[2]
        got = pids(p)
        alone = (got[0] is None) != (got[1] is None)
        for end, at, want in (("server", i, server.get(port, server.get(0))), ("client", 1 - i, client.get(port))):
            if want is None:
                continue
            known = got[at]
            if alone:  # the only end that is known is shown, whatever the direction
                only = got[0] if got[0] is not None else got[1]
                known = want if only == want else None if only in others[end] else only
            s.add(end, known, want, "%s %s (%s)" % (p.dir, t[:5], describe(p.data)))
    return s
