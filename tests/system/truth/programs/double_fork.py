# SPDX-License-Identifier: BSD-3-Clause
"""PORT: who sends has lost its parents."""
from peer import *

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", int(a[0])))
        end("udp", a[0])
        s.sendto(b"x", (B, 7123))
    os._exit(0)
os.wait()
time.sleep(0.1)
