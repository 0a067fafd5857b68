# SPDX-License-Identifier: BSD-3-Clause
"""PORT: sends a frame made by hand."""
from peer import *

s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
s.bind((DEV, 0))
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 0, 0, 64, 17, 0, socket.inet_aton(A), socket.inet_aton(B))
end("udp", a[0])
s.send(bytes(12) + struct.pack("!H", 0x800) + ip + struct.pack("!HHHH", int(a[0]), 7126, 8, 0) + bytes(18))
