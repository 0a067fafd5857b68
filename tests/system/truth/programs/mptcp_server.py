# SPDX-License-Identifier: BSD-3-Clause
"""An MPTCP server."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 7127))
s.listen(10)
say("ready")
serve(s)
