# SPDX-License-Identifier: BSD-3-Clause
"""PORT N: asks the Nth process of udp_reuseport."""
from peer import *

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(a[0])))
s.settimeout(3)
end("udp", a[0])
s.sendto(bytes([int(a[1])]), ("127.0.0.1", 7142))
s.recv(10)
