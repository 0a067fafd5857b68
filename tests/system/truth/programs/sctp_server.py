# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS: an SCTP server."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.bind((a[0], 7134))
s.listen(10)
end("sctp", 7134)
say("ready")
while True:
    c = s.accept()[0]
    c.recv(1000)
    c.send(b"ok")
    c.close()
