# SPDX-License-Identifier: BSD-3-Clause
"""FLAG: has 4,000 sockets; each gets a datagram when the file FLAG is there."""
import resource

from peer import *

resource.setrlimit(resource.RLIMIT_NOFILE, (4100, 4100))
all = []
for i in range(4000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("127.0.0.1", 0))
    end("udp", s.getsockname()[1])
    all.append(s)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7141))
end("udp", 7141)
say("ready")
while not os.path.exists(a[0]):
    time.sleep(0.02)
for t in all:
    s.sendto(b"x", t.getsockname())
    time.sleep(0.0005)
time.sleep(100)
