# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS PORT: takes what comes and never answers."""
from peer import *

s = socket.socket(socket.AF_INET6 if ":" in a[0] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((a[0], int(a[1])))
end("udp", a[1])
say("ready")
while True:
    s.recv(1000)
