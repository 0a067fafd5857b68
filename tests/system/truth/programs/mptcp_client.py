# SPDX-License-Identifier: BSD-3-Clause
"""PORT: an MPTCP client."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.bind(("0.0.0.0", int(a[0])))
s.connect(("127.0.0.1", 7127))
end_of(s)
s.send(b"x")
while s.recv(100):
    pass
