# SPDX-License-Identifier: BSD-3-Clause
"""Frames made by hand, from 10.9.0.2 to 10.9.0.1 and others."""
import socket
import struct


def checksum(data):
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while n >> 16:
        n = (n & 0xffff) + (n >> 16)
    return ~n & 0xffff


def eth(kind, body, dst="020000000001"):
    return bytes.fromhex(dst) + bytes.fromhex("020000000002") + struct.pack("!H", kind) + body


def ip4(proto, body, dst="10.9.0.1", src="10.9.0.2", fragment=0, ttl=64):
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(body), 4660, fragment, ttl, proto, 0, socket.inet_aton(src),
                       socket.inet_aton(dst))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + body


def udp(sport, dport, body):
    return struct.pack("!HHHH", sport, dport, 8 + len(body), 0x1234) + body


def tcp(sport, dport, flags, body=b"", seq=1000):
    return struct.pack("!HHIIBBHHH", sport, dport, seq, 5000 if flags & 16 else 0, 0x50, flags, 1024, 0xbeef, 0) + body


def echo(n, body=b"x" * 56):
    head = struct.pack("!BBHHH", 8, 0, 0, 77, n)
    return head[:2] + struct.pack("!H", checksum(head + body)) + head[4:] + body


def all_frames():
    dns = bytes.fromhex("abcd01000001000000000000") + b"\3www\7example\3com\0\0\1\0\1"
    other = "020000000099"
    v6 = bytes.fromhex("6000000000001140") + socket.inet_pton(socket.AF_INET6, "fd00::2") + socket.inet_pton(
        socket.AF_INET6, "fd00::1")
    v6udp = udp(4000, 53, dns)
    v6 = v6[:4] + struct.pack("!H", len(v6udp)) + v6[6:] + v6udp
    return [
        eth(0x800, ip4(1, echo(1))),
        eth(0x800, ip4(17, udp(4000, 53, dns), dst="10.9.0.77"), other),
        eth(0x800, ip4(6, tcp(4001, 80, 2), dst="10.9.0.77"), other),
        eth(0x800, ip4(6, tcp(4001, 80, 24, b"GET / HTTP/1.0\r\nHost: \x1b[31m x\r\n\r\n", 1001), dst="10.9.0.77"), other),
        eth(0x800, ip4(6, tcp(4001, 80, 16, b"y" * 1400, 1100), dst="10.9.0.77"), other),
        eth(0x806, bytes.fromhex("0001080006040001" + "020000000002" + "0a090002" + "000000000000" + "0a090001")),
        eth(0x800, ip4(17, b"z" * 64, fragment=0x2005, dst="10.9.0.77"), other),
        eth(0x86dd, v6),
        eth(0x8100, struct.pack("!HH", 0x2007, 0x800) + ip4(1, echo(2), dst="10.9.1.1", src="10.9.1.2")),
        eth(0x8100, struct.pack("!HHHH", 7, 0x8100, 8, 0x800) + ip4(1, echo(3), dst="10.9.2.1", src="10.9.2.2")),
        eth(0x8100, struct.pack("!HH", 9, 0x800) + ip4(17, udp(1, 2, b"unknown tag"), dst="10.9.0.77"), other),
        eth(0x88a8, struct.pack("!HHHH", 5, 0x8100, 6, 0x800) + ip4(17, udp(1, 2, b"service tag"), dst="10.9.0.77"), other),
        eth(0x800, ip4(17, udp(138, 138, b"broadcast"), dst="10.9.0.255"), "ffffffffffff"),
        eth(0x800, ip4(2, bytes.fromhex("1600e9fd00000000"), dst="224.0.0.1", ttl=1), "01005e000001"),
        eth(0x88cc, bytes.fromhex("0207040200000000020403070200000000020602007800000000")),
        eth(0x20, bytes.fromhex("424203000000000000000000") + b"\0" * 30, "0180c2000000"),
        eth(0x9999, b"unknown protocol" * 4),
        eth(0x800, b"\x45\0\0"),
        eth(0x800, ip4(1, echo(4))),
    ]
