# SPDX-License-Identifier: BSD-3-Clause
"""PORT: connects where nobody listens."""
from peer import *

s = socket.socket()
s.bind(("127.0.0.1", int(a[0])))
end("tcp", a[0])
try:
    s.connect(("127.0.0.1", 7136))
except ConnectionRefusedError:
    pass
