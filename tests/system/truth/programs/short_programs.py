# SPDX-License-Identifier: BSD-3-Clause
"""FROM SECONDS PROGRAM...: starts a program every so often until it is killed, each with a port of its own from FROM
on; tells which pid was what (ran PID PROGRAM PORT) and when it ended (ended PID NANOSECONDS)."""
import subprocess

from peer import *

SEND = "import socket; s = socket.socket(2, 2); s.bind(('%s', %d)); s.sendto(b'x', ('%s', 7145))"


def command(name, port):
    return {
        "curl": ["curl", "-s", "-m", "5", "--local-port", str(port), "-o", "/dev/null", "http://%s:7143/" % B],
        "dig": ["dig", "+short", "+tries=1", "+time=1", "-b", "%s#%d" % (A, port), "-p", "7144", "@" + B, "name.test"],
        "ping": ["ping", "-c", "1", "-W", "1", B],
        "python3": ["python3", "-S", "-c", SEND % (A, port, B)],
    }[name]


port, apart, names = int(a[0]), float(a[1]), a[2:]
first, alive, due = port, {}, time.monotonic()
say("ready")
while True:
    name = names[port % len(names)]
    p = subprocess.Popen(command(name, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    say("ran %d %s %d" % (p.pid, name, port))
    alive[p.pid] = p
    port = first + (port + 1 - first) % 8000
    due = max(due + apart, time.monotonic() - 1)
    # On a slow machine, no more than so many at a time.
    while alive and (time.monotonic() < due or len(alive) > 8):
        for pid, p in list(alive.items()):
            if p.poll() is not None:
                say("ended %d %d" % (pid, time.time_ns()))
                del alive[pid]
        time.sleep(0.005)
    time.sleep(max(0, due - time.monotonic()))
