# SPDX-License-Identifier: BSD-3-Clause
"""PORT: sends a datagram to a group and one to all."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((A, int(a[0])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
end("udp", a[0])
s.sendto(b"x", ("239.1.2.3", 7125))
s.sendto(b"x", (A.rsplit(".", 1)[0] + ".255", 7125))
