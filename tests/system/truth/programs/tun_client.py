# SPDX-License-Identifier: BSD-3-Clause
"""DEVICE HERE PEER FLAG PORT CLOSED SPORT...: what is beyond a tun device. When the file FLAG is there, it connects to
PORT and to the closed port and pings, from each SPORT."""
import fcntl
import signal
import subprocess

from peer import *

dev, here, peer, flag, port, closed = a[:6]
f = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack("16sH22x", dev.encode(), 0x1001))
for cmd in ("addr add %s/24 dev %s" % (here, dev), "link set %s up" % dev):
    subprocess.run(["ip"] + cmd.split(), check=True)
say("ready")
while not os.path.exists(flag):
    time.sleep(0.02)
signal.alarm(60)
SRC, DST = socket.inet_aton(peer), socket.inet_aton(here)
FIN, SYN, RST, ACK = 1, 2, 4, 16


def checksum(b):
    b += bytes(len(b) % 2)
    n = sum(struct.unpack("!%dH" % (len(b) // 2), b))
    n = (n & 0xffff) + (n >> 16)
    return ~((n & 0xffff) + (n >> 16)) & 0xffff


def put(proto, b):
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(b), 1, 0, 64, proto, 0) + SRC + DST
    os.write(f, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + b)


def put_tcp(sport, dport, seq, ack, flags, data=b""):
    tcp = struct.pack("!HHIIBBHHH", int(sport), int(dport), seq, ack, 0x50, flags, 65535, 0, 0) + data
    n = checksum(SRC + DST + struct.pack("!BBH", 0, 6, len(tcp)) + tcp)
    put(6, tcp[:16] + struct.pack("!H", n) + tcp[18:])


def get_tcp(sport, flags):
    while True:
        p = os.read(f, 2000)
        if p[0] != 0x45 or p[9] != 6:
            continue
        h = struct.unpack_from("!HHIIBB", p, 20)
        if h[1] == int(sport) and h[5] & flags:
            return h[2] + len(p) - 20 - (h[4] >> 4) * 4 + bool(h[5] & (SYN | FIN))


for n, sport in enumerate(a[6:]):
    put_tcp(sport, port, 1000, 0, SYN)
    ack = get_tcp(sport, SYN)
    put_tcp(sport, port, 1001, ack, ACK)
    time.sleep(0.02)
    put_tcp(sport, port, 1001, ack, ACK, b"x")
    ack = get_tcp(sport, FIN)
    put_tcp(sport, port, 1002, ack, FIN | ACK)
    put_tcp(sport, closed, 1000, 0, SYN)
    get_tcp(sport, RST)
    echo = struct.pack("!BBHHH", 8, 0, 0, int(sport), 1)
    put(1, echo[:2] + struct.pack("!H", checksum(echo)) + echo[4:])
say("done")
time.sleep(100)
