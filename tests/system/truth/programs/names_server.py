# SPDX-License-Identifier: BSD-3-Clause
"""Says that there is no such name, whatever it is asked (DNS on port 7144 of any address)."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 7144))
say("ready")
while True:
    q, who = s.recvfrom(600)
    s.sendto(q[:2] + b"\x85\x83" + q[4:], who)
