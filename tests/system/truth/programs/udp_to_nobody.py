# SPDX-License-Identifier: BSD-3-Clause
"""PORT [ADDRESS]: sends to a port that is closed."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("0.0.0.0", int(a[0])))
s.sendto(b"x", (a[1] if len(a) > 1 else B, 7128))
time.sleep(0.05)
