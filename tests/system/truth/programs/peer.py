# SPDX-License-Identifier: BSD-3-Clause
"""What the peers share, who tell their own pid and port: "from peer import *"."""
import os
import socket
import struct
import sys
import time

A, B, DEV = os.environ["TRUTH_PEERS"].split()
a = sys.argv[1:]


def say(text):
    os.write(1, (text + "\n").encode())


def end(proto, port, local="*", remote="*", rport=0):
    say("end %s %s %s %s %s %d" % (proto, local, port, remote, rport, os.getpid()))


def end_of(s):
    end("tcp", s.getsockname()[1], s.getsockname()[0], *s.getpeername()[:2])


def serve(listener):
    while True:
        c = listener.accept()[0]
        end_of(c)
        c.recv(1000)
        c.send(b"ok")
        c.close()
