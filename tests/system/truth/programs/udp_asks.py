# SPDX-License-Identifier: BSD-3-Clause
"""PORT...: from each of these ports one datagram to udp_readers, and the answers."""
from peer import *

all = []
for port in a:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", int(port)))
    s.settimeout(3)
    end("udp", port)
    all.append(s)
for s in all:
    s.sendto(b"x", ("127.0.0.1", 7135))
for s in all:
    s.recv(10)
