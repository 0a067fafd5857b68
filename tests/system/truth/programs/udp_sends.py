# SPDX-License-Identifier: BSD-3-Clause
"""SERVER PORT...: from each of these ports one datagram to that of the server."""
from peer import *

for port in a[1:]:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", int(port)))
    end("udp", port)
    s.sendto(b"x", ("127.0.0.1", int(a[0])))
