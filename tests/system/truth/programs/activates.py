# SPDX-License-Identifier: BSD-3-Clause
"""Makes a listener and hands it to another program, activated."""
from peer import *

s = socket.create_server(("127.0.0.1", 7122))
if os.fork() == 0:
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    os.execv(sys.executable, [sys.executable, os.path.join(os.path.dirname(__file__), "activated.py")])
time.sleep(100)
