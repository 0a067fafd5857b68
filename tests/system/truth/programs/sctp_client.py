# SPDX-License-Identifier: BSD-3-Clause
"""PORT: an SCTP client."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind(("127.0.0.1", int(a[0])))
end("sctp", a[0])
s.connect(("127.0.0.1", 7134))
s.send(b"x")
s.recv(100)
