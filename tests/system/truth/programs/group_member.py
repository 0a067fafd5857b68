# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS [PORT TIMES]: a member of a group; with PORT it sends that often to the group, from there, and to 192.0.2.1."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.4") + socket.inet_aton(a[0]))
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(a[0]))
s.bind(("", 7126))
if len(a) > 1:
    t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    t.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(a[0]))
    t.bind((a[0], int(a[1])))
    end("udp", a[1])
    for _ in range(int(a[2])):
        t.sendto(b"x", ("239.1.2.4", 7126))
        time.sleep(0.005)
else:
    say("ready")
    while True:
        s.recv(1000)
