# SPDX-License-Identifier: BSD-3-Clause
"""Four processes accept, ask for no address, and leave when the other end has told its port."""
import ctypes
import select

from peer import *

libc = ctypes.CDLL(None)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", 7148))
s.listen(50)
s.setblocking(False)


def work():
    accepted = {}
    while True:
        for fd in select.select([s.fileno(), *accepted], [], [])[0]:
            if fd == s.fileno():
                c = libc.accept(fd, None, None)
                if c >= 0:
                    accepted[c] = time.clock_gettime_ns(time.CLOCK_REALTIME)
                continue
            port = os.read(fd, 100).decode()
            say("end tcp 127.0.0.1 7148 127.0.0.1 %s %d %d" % (port, os.getpid(), accepted.pop(fd)))
            os.close(fd)


for _ in range(4):
    if os.fork() == 0:
        say("ready")
        work()
time.sleep(100)
