# SPDX-License-Identifier: BSD-3-Clause
"""Makes a socket that only its child uses, who reads and wants to know nothing of senders."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 7149))
if os.fork() == 0:
    end("udp", 7149, "127.0.0.1")
    say("ready")
    while True:
        os.read(s.fileno(), 100)
        say("read")
time.sleep(100)
