# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS PORT MODE: asks, and speaks once more when the server's end is gone."""
import ipaddress

from peer import *

address, port, leaves = a
v6 = ":" in address
remote = (address, 7139)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    return ~((total >> 16) + (total & 0xffff) + (((total >> 16) + (total & 0xffff)) >> 16)) & 0xffff


def stray(local):
    """An acknowledgement that is late: no socket sends it any more."""
    src, dst = (ipaddress.ip_address(x).packed for x in (local, address))
    head = struct.pack("!HHIIBBHHH", int(port), 7139, 1000, 1000, 5 << 4, 16, 1000, 0, 0)
    pseudo = src + dst + struct.pack("!II" if v6 else "!HH", *((20, 6) if v6 else (6, 20)))
    head = head[:16] + struct.pack("!H", checksum(pseudo + head)) + head[18:]
    raw = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
    raw.bind((local, 0))
    raw.sendto(head, (address, 0))


s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("::" if v6 else "0.0.0.0", int(port)))
s.connect(remote)
end_of(s)
local = s.getsockname()[0]
s.send(b"asks" + (b"more" if leaves == "unread" else b""))
try:
    while s.recv(100):
        pass
    s.send(b"late")
except OSError:
    pass
s.close()
if leaves != "closed":
    stray(local)
