# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS TO PORT TIMES: sends from a port to the same port of another."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((a[0], int(a[2])))
end("udp", a[2])
for _ in range(int(a[3])):
    s.sendto(b"x", (a[1], int(a[2])))
    time.sleep(0.005)
