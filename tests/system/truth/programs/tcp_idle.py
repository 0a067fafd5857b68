# SPDX-License-Identifier: BSD-3-Clause
"""SERVER SECONDS PORT...: connects from each of these ports, says nothing for a while, then its port."""
from peer import *

all = []
for port in a[2:]:
    s = socket.socket()
    s.bind(("127.0.0.1", int(port)))
    s.connect(("127.0.0.1", int(a[0])))
    end_of(s)
    all.append(s)
time.sleep(float(a[1]))
for s in all:
    s.send(b"%d" % s.getsockname()[1])
    s.recv(1)
