# SPDX-License-Identifier: BSD-3-Clause
"""PORT: lets programs have the same pid, one after the other; each sends from the next port."""
from peer import *

target, tag = 0, 0
for n in range(200):
    if target:
        with open("/proc/sys/kernel/ns_last_pid", "w") as f:
            f.write(str(target - 1))
    pid = os.fork()
    if pid == 0:
        if target and os.getpid() != target:
            os._exit(0)
        program = os.path.join(os.path.dirname(__file__), "send_once.py")
        os.execv(sys.executable, [sys.executable, "-S", program, str(int(a[0]) + tag)])
    os.waitpid(pid, 0)
    if not target or pid == target:
        end("udp", int(a[0]) + tag)
        tag += 1
        target = pid
    if tag == 5:
        break
