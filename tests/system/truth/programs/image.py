# SPDX-License-Identifier: BSD-3-Clause
"""MARK: does what the environment's IMAGE_PLAN says, word by word; what is left of it after an exec is done by the next
image. Each thing sent tells who sent it: pid, executable, last argument, user, thread.

open, keep: a datagram socket, kept over exec or not; open:PORT: it sends from there; connect:PORT; send; recv; close
wait:SECONDS; until:FILE
forks:N:SECONDS: N children do the rest, started so far apart; child:WORD,WORD: a child does these
touch:FILE: makes it; uid:N; name:TEXT: the thread's; thread: another thread does the rest
exec:MARK, bash:MARK, sleep:SECONDS: becomes this program; bash sends once before it goes on with the rest.
exec:MARK:PATH: a script there that is this one. Tells of each process: process PID PARENT."""
import os
import socket
import sys
import threading
import time

HOST, PORT = os.environ.get("IMAGE_HOST", "127.0.0.1"), 7150
ME, MARK = os.path.abspath(__file__), sys.argv[1]
EXE = os.readlink("/proc/self/exe")
plan = os.environ["IMAGE_PLAN"].split()
sock = socket.socket(fileno=int(os.environ["IMAGE_FD"])) if "IMAGE_FD" in os.environ else None
if any(word.startswith("name:") for word in plan):
    import ctypes
BASH = """read -r comm < /proc/$$/comm
exe=$(readlink /proc/$$/exe)
printf 'image %s %s %s %s %s\\n' $$ "$0" "$exe" "$UID" "$comm" >&"$IMAGE_FD"
exec NEXT
"""


def say(text):
    os.write(1, (text + "\n").encode())


def born(parent):
    """Of a parent that may have ended."""
    say("process %d %d" % (os.getpid(), parent))


def last_argument(pid):
    with open("/proc/%d/cmdline" % pid, "rb") as f:
        return f.read().rstrip(b"\0").rsplit(b"\0", 1)[-1].decode()


def record(parent=False):
    with open("/proc/self/task/%d/comm" % threading.get_native_id()) as f:
        thread = f.read().strip()
    text = "image %d %s %s %d %s" % (os.getpid(), MARK, EXE, os.getuid(), thread)
    return text + " %d %s" % (os.getppid(), last_argument(os.getppid())) if parent else text


def make(word, arg):
    global sock
    if word == "connect":
        sock = socket.create_connection((HOST, int(arg)))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        say("connected %d %s" % (sock.getsockname()[1], record()))
    else:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        if arg:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((HOST, int(arg)))
        sock.connect((HOST, PORT))
        if word == "keep":
            sock.set_inheritable(True)
            os.environ["IMAGE_FD"] = str(sock.fileno())


def fork_all(count, apart):
    """Returns in the children only."""
    children, me = [], os.getpid()
    for _ in range(count):
        children.append(os.fork())
        if not children[-1]:
            born(me)
            return
        time.sleep(apart)
    for pid in children:
        os.waitpid(pid, 0)
    os._exit(0)


def become(word, arg):
    os.environ["IMAGE_PLAN"] = " ".join(plan)
    if word == "exec":
        mark, _, script = arg.partition(":")
        if script:
            os.execv(script, [script, mark])
        os.execv(sys.executable, [sys.executable, "-S", ME, mark])
    elif word == "sleep":
        os.execvp("sleep", ["sleep", arg])
    following = ["true"]
    if plan and plan[0].startswith("exec:"):
        following = [sys.executable, "-S", ME, plan.pop(0)[5:]]
    elif plan and plan[0].startswith("sleep:"):
        following = ["sleep", plan.pop(0)[6:]]
    os.environ["IMAGE_PLAN"] = " ".join(plan)
    words = " ".join("'%s'" % w for w in following)
    os.execvp("bash", ["bash", "-c", BASH.replace("NEXT", words), arg])


def do(word, arg):
    if word in ("open", "keep", "connect"):
        make(word, arg)
    elif word == "send":
        sock.send(record(parent=arg == "parent").encode() + b"\n")
    elif word == "recv":
        while sock.recv(1000):
            pass
    elif word == "close":
        sock.close()
    elif word == "wait":
        time.sleep(float(arg))
    elif word == "until":
        while not os.path.exists(arg):
            time.sleep(0.01)
    elif word == "say":
        say(arg)
    elif word == "forks":
        count, apart = arg.split(":")
        fork_all(int(count), float(apart))
    elif word == "touch":
        open(arg, "w").close()
    elif word == "uid":
        os.setresuid(int(arg), int(arg), int(arg))
    elif word == "name":
        ctypes.CDLL(None).prctl(15, arg.encode(), 0, 0, 0)
    else:
        become(word, arg)


def go_on():
    """The rest by another thread: what fails there ends the process."""
    try:
        go()
    finally:
        os._exit(1)


def go():
    while plan:
        word, _, arg = plan.pop(0).partition(":")
        if word == "child":
            me = os.getpid()
            if os.fork() == 0:
                born(me)
                plan[:] = arg.split(",")
        elif word == "thread":
            t = threading.Thread(target=go_on)
            t.start()
            t.join()
        else:
            do(word, arg)
    os._exit(0)


born(os.getppid())
go()
