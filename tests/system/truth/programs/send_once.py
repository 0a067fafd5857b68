# SPDX-License-Identifier: BSD-3-Clause
"""PORT: sends one datagram from there. Without what peer.py needs, for -S."""
import socket
import sys

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.sendto(b"x", ("127.0.0.1", 7140))
