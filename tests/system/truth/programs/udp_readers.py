# SPDX-License-Identifier: BSD-3-Clause
"""Four processes wait at one socket; who has read a datagram answers it, and takes its time."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7135))
for _ in range(4):
    if os.fork() == 0:
        say("ready")
        while True:
            data, peer = s.recvfrom(100)
            end("udp", 7135, "127.0.0.1", *peer)
            time.sleep(0.003)
            s.sendto(data, peer)
time.sleep(100)
