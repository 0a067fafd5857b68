# SPDX-License-Identifier: BSD-3-Clause
"""A server whose main thread ends before anybody comes."""
import ctypes
import threading

from peer import *

listener = socket.create_server(("127.0.0.1", 7137))


def work():
    while "Z" not in open("/proc/%d/task/%d/stat" % (os.getpid(), os.getpid())).read().rsplit(")", 1)[1]:
        time.sleep(0.01)
    say("ready")
    serve(listener)


threading.Thread(target=work).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "ppc64le": 1, "s390x": 1}.get(os.uname().machine, 93), 0)
