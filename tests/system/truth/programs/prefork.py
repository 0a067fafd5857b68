# SPDX-License-Identifier: BSD-3-Clause
"""Four workers share a listener."""
from peer import *

s = socket.create_server(("127.0.0.1", 7121))
for _ in range(4):
    if os.fork() == 0:
        say("ready")
        serve(s)
time.sleep(100)
