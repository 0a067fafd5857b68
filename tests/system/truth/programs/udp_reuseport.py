# SPDX-License-Identifier: BSD-3-Clause
"""Four processes have a socket each on one port, and a program of theirs chooses."""
import ctypes

from peer import *

SO_REUSEPORT, SO_ATTACH_REUSEPORT_CBPF = 15, 51
for n in range(4):
    r, w = os.pipe()
    if os.fork() == 0:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, SO_REUSEPORT, 1)
        s.bind(("127.0.0.1", 7142))
        if n == 3:
            # The socket's number is the first byte of the datagram: ldb 0; ret a
            code = ctypes.create_string_buffer(struct.pack("HBBIHBBI", 0x30, 0, 0, 0, 0x16, 0, 0, 0))
            s.setsockopt(socket.SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, struct.pack("HxxxxxxQ", 2, ctypes.addressof(code)))
        os.write(w, b"x")
        say("ready")
        while True:
            data, peer = s.recvfrom(100)
            end("udp", 7142, "127.0.0.1", *peer)
            s.sendto(data, peer)
    os.read(r, 1)
time.sleep(100)
