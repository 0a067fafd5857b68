#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""talker.py serve PORT: answers by TCP and UDP, alone, so that nobody else has its packets. talker.py ask ADDRESS PORT: by UDP."""
import select
import socket
import sys


def serve(port):
    tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("", port))
    tcp.listen(100)
    udp.bind(("", port))
    while True:
        for s in select.select([tcp, udp], [], [])[0]:
            if s == udp:
                data, peer = s.recvfrom(100)
                s.sendto(data, peer)
                continue
            try:
                with s.accept()[0] as c:
                    c.settimeout(1)
                    c.recv(1000)
                    c.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
            except OSError:
                pass


def ask(address, port):
    s = socket.socket(type=socket.SOCK_DGRAM)
    s.settimeout(0.3)
    for _ in range(2):
        try:
            s.sendto(b"x", (address, port))
            s.recv(100)
        except OSError:
            pass


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
ask(sys.argv[2], int(sys.argv[3]))
