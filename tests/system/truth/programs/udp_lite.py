# SPDX-License-Identifier: BSD-3-Clause
"""PORT: sends one UDP-Lite datagram."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
s.bind(("0.0.0.0", int(a[0])))
end("udplite", a[0])
s.sendto(b"x", (B, 7124))
