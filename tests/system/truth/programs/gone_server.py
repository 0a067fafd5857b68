# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS MODE: who accepts hands each connection on: to a child (fork), a thread, or a process that gets the descriptor
(passed). That one reads, answers, and leaves: the mode's second word says how."""
import array
import threading

from peer import *

address, how, leaves = a
listener = socket.create_server((address, 7139), family=socket.AF_INET6 if ":" in address else socket.AF_INET, backlog=64)
LINGER_NOT = struct.pack("ii", 1, 0)


def talk(c, alone=lambda: None):
    """alone: waits until nobody else holds the socket, since who closes it last is who leaves."""
    c.recv(4)
    # What came before is of the process that accepted.
    told = ("tcp", *c.getsockname()[:2], *c.getpeername()[:2])
    say("end %s %s %d %s %d %d %d" % (*told, os.getpid(), time.time_ns()))
    say("also %s %s %d %s %d %d" % (*told, accepts))
    c.send(b"ok")
    if leaves == "reset":
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    elif leaves == "unread":
        c.recv(1, socket.MSG_PEEK)
    alone()
    c.close()


def receiver(channel):
    while True:
        fds = array.array("i")
        _, data, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
        fds.frombytes(data[0][2])
        talk(socket.socket(fileno=fds[0]), lambda: channel.recv(1))


accepts = os.getpid()
say_closed, hear_closed = socket.socketpair()
if how == "passed" and os.fork() == 0:
    listener.close()
    say_closed.close()
    receiver(hear_closed)
say("ready")
while True:
    c = listener.accept()[0]
    if how == "thread":
        threading.Thread(target=talk, args=(c,)).start()
        continue
    if how == "passed":
        fds = array.array("i", [c.fileno()])
        say_closed.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    else:
        say_closed, hear_closed = socket.socketpair()
        if os.fork() == 0:
            listener.close()
            say_closed.close()
            talk(c, lambda: hear_closed.recv(1))
            os._exit(0)
    c.close()
    say_closed.send(b"y")
