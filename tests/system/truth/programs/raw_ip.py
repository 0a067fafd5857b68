# SPDX-License-Identifier: BSD-3-Clause
"""Sends a packet of a protocol without ports."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
end("raw", 0)
s.sendto(b"x" * 30, (B, 0))
