# SPDX-License-Identifier: BSD-3-Clause
"""PROTO ADDRESS PORT COUNT OWN...: from each of our own ports, speaks to somebody who does not answer: datagrams, or a
connection request."""
from peer import *

proto, address, port, count, *own = a
family = socket.AF_INET6 if ":" in address else socket.AF_INET
for mine in own:
    s = socket.socket(family, socket.SOCK_STREAM if proto == "tcp" else socket.SOCK_DGRAM)
    s.bind(("", int(mine)))
    end(proto, mine)
    if proto == "udp":
        for _ in range(int(count)):
            s.sendto(b"x", (address, int(port)))
            time.sleep(0.001)
    else:
        s.setblocking(False)
        s.connect_ex((address, int(port)))
        time.sleep(0.05)
    s.close()
