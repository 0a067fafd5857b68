# SPDX-License-Identifier: BSD-3-Clause
"""FLAG: has 10,000 sockets; uses some of them when the file FLAG is there."""
import resource

from peer import *

resource.setrlimit(resource.RLIMIT_NOFILE, (10100, 10100))
all = []
for i in range(10000):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    all.append(s)
all[0].bind(("127.0.0.1", 7129))
for s in all[1:]:
    s.connect(("127.0.0.1", 7129))
say("ready")
while not os.path.exists(a[0]):
    time.sleep(0.02)
for s in all[5000:5100]:
    end("udp", s.getsockname()[1])
    s.send(b"x")
time.sleep(100)
