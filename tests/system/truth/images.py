# SPDX-License-Identifier: BSD-3-Clause
"""One program after another in the same pid: the one, the user and the thread that sent a packet, not those that came
later."""
import collections
import os
import signal
import socket
import time

from .base import COUNT, SLOW, path
from .capture import Capture
from .peers import Peers
from .score import Score, comments, describe, parse

PORT = 7150
DELAYS = (0, 0.003, 0.01, 0.03, 0.1)  # seconds from what is sent to the exec
CONTEXT = ("--context", "process,thread,parentproc,user,peer")
FIELDS = "pid mark exe uid thread ppid pmark"
Who = collections.namedtuple("Who", FIELDS, defaults=(None,) * 7)


def told(text):
    """What programs/image.py says of itself."""
    w = text.split()
    return Who(int(w[1]), w[2], w[3], int(w[4]), w[5], *([int(w[6]), w[7]] if len(w) > 7 else []))


def last_word(facts, key):
    return facts.get(key, "").split(" ")[-1]


def annotated(packet, sender):
    """Who sent (else received) it, as annotated; None: nobody is named. The only end that is known is shown, whatever
    the direction."""
    f = comments(packet)
    if "PID" not in f:
        return None
    if (packet.dir == "in") == sender and "PeerPID" in f:
        return Who(int(f["PeerPID"]), last_word(f, "PeerArgs"), f.get("PeerCmd"))
    if (packet.dir == "in") == sender and int(f["PID"]) == os.getpid():
        return None
    return Who(int(f["PID"]), last_word(f, "Args"), f.get("Cmd"), int(f["UserId"]) if "UserId" in f else None,
               f.get("ThreadName"), int(f["ParentPID"]) if "ParentPID" in f else None, last_word(f, "ParentArgs"))


def add(s, got, want, what):
    """Compares what both tell."""
    if got is None or not got.exe:
        s.add("client", None, want, what)
        return
    # A process in a root of its own, as those of the machines of tests/vm, tells another path than the kernel.
    got, want = (who._replace(exe=os.path.basename(who.exe)) for who in (got, want))
    differ = [name for name, g, w in zip(FIELDS.split(), got, want) if None not in (g, w) and g != w]
    s.add("client", " ".join("%s=%s" % (name, getattr(got, name)) for name in differ),
          "" if not differ else " ".join("%s=%s" % (name, getattr(want, name)) for name in differ), what)


def compare(packets, connected):
    """Each datagram and each segment with data says who sent it; of a connection's other segments, who connected."""
    s = Score()
    for p in packets:
        t = parse(p.data)
        if not t:
            continue
        what = "%s %s %d > %d (%s)" % (p.dir, t[0], t[2], t[4], describe(p.data))
        at = p.data.find(b"image ")
        if at >= 0 and t[4] in (PORT, 7138):
            add(s, annotated(p, True), told(p.data[at:].decode(errors="replace")), what)
        elif t[0] == "tcp" and (t[2] in connected or t[4] in connected):
            want = connected[t[2] if t[2] in connected else t[4]]
            add(s, annotated(p, t[2] in connected), Who(want.pid, want.mark, want.exe), what)
    return s


class Run:
    """A capture of what images send, to a socket of ours that nobody reads, or to a server."""

    def __init__(self, *args):
        self.peers = Peers()
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("127.0.0.1", PORT))
        self.args = args or ("udp dst port %d" % PORT,)
        self.cap = None

    def capture(self):
        self.cap = Capture("-i", "lo", *CONTEXT, *self.args)

    def start(self, mark, plan, ready=1):
        os.environ["IMAGE_PLAN"] = plan
        return self.peers.script("image", mark, ready=ready)

    def end(self, at_least):
        """The score; there must be as many packets."""
        packets = self.cap.stop()
        self.peers.finish()
        self.sink.close()
        with open(self.peers.out.name) as f:
            lines = [line.split(" ", 2) for line in f if line.startswith("connected ")]
        s = compare(packets, {int(port): told(text) for _, port, text in lines})
        n = s.right["client"] + s.wrong["client"] + s.missing["client"]
        if n < at_least:
            raise RuntimeError("%d packets, not %d" % (n, at_least))
        return s, len(packets)


def forks():
    """As many at a time, and how far apart."""
    return min(10, COUNT), 0.02 * SLOW


def exec_after_datagram():
    """It sends, closes, and becomes another program, at once or a little later."""
    run = Run()
    run.capture()
    for delay in DELAYS:
        run.start("d%g" % delay, "forks:%d:%g open send close wait:%g sleep:0.3" % (*forks(), delay), ready=0)
    return run.end(len(DELAYS) * forks()[0])


def exec_after_datagram_from_before():
    """The same of processes that wait when the capture starts."""
    run = Run()
    go = path("go-images")
    for delay in DELAYS:
        run.start("d%g" % delay, "say:ready until:%s forks:%d:%g open send close wait:%g sleep:0.3"
                  % (go, *forks(), delay))
    run.capture()
    with open(go, "w"):
        pass
    for p in run.peers.servers:
        p.wait(20 * SLOW)
    os.unlink(go)
    return run.end(len(DELAYS) * forks()[0])


def exec_after_connection():
    """It connects, sends, closes, and becomes another program: all of the connection is of the one that had it."""
    run = Run("tcp port 7138")
    run.peers.script("tcp_server", "127.0.0.1", ready=1)
    run.capture()
    for delay in DELAYS:
        for word in "recv ", "":
            run.start("d%g" % delay, "forks:%d:%g connect:7138 send %sclose wait:%g sleep:0.3"
                      % (max(forks()[0] // 2, 1), forks()[1], word, delay), ready=0)
    return run.end(len(DELAYS) * forks()[0] * 6)


def exec_while_packets_wait():
    """The packets of a connection wait for who will accept it, and meanwhile who has connected becomes another."""
    run = Run("tcp port 7138")
    server = run.peers.server("tcp-server", "127.0.0.1", "7138", "noaddr", ready=4)
    run.capture()
    for n in range(forks()[0]):
        os.killpg(server.pid, signal.SIGSTOP)
        p = run.start("waits", "connect:7138 send close say:ready sleep:0.3", ready=1)
        time.sleep((0.03, 0.06, 0.09)[n % 3])  # less than the time that packets wait
        os.killpg(server.pid, signal.SIGCONT)
        p.wait(10 * SLOW)
    return run.end(forks()[0] * 5)


def behind(opens):
    """All events of processes are there before the first of the packets is read."""
    run = Run("-B", "32768", "udp dst port %d" % PORT)
    run.capture()
    run.cap.p.send_signal(signal.SIGSTOP)
    for delay in DELAYS:
        run.start("d%g" % delay, "forks:%d:%g %s send close wait:%g exec:later %s send sleep:0.1"
                  % (*forks(), opens, delay, opens), ready=0)
    run.cap.p.send_signal(signal.SIGCONT)
    return run.end(len(DELAYS) * forks()[0] * 2)


def exec_while_capture_is_behind():
    """Programs follow each other in a pid."""
    return behind("open")


def port_changes_hands_while_capture_is_behind():
    """Programs and processes follow each other on a port."""
    return behind("open:7151")


def exec_keeps_socket():
    """What each of three programs sends on the same socket is its own."""
    run = Run()
    run.capture()
    run.start("one", "forks:%d:%g keep send wait:0.01 bash:two exec:three send wait:0.05 send" % forks(), ready=0)
    return run.end(4 * forks()[0])


def exec_many_times():
    """Six programs in one pid, one after the other, each with a socket of its own."""
    run = Run()
    run.capture()
    for _ in range(min(5, COUNT)):
        run.start("m0", "open send close exec:m1 open send send close exec:m2 exec:m3 open send exec:m4 open send "
                  "close exec:m5 keep send bash:m6 sleep:0.1", ready=0)
    return run.end(7 * min(5, COUNT))


def exec_in_thread():
    """A thread sends and executes: it is the process then, under another id."""
    run = Run()
    run.capture()
    for _ in range(min(10, COUNT)):
        run.start("leader", "name:leading open send close thread name:worker keep send wait:0.01 bash:then "
                  "exec:last open send close sleep:0.1", ready=0)
    return run.end(4 * min(10, COUNT))


def exec_of_parent():
    """A child is what its parent was when it forked, whatever the parent has become since; its parent is told as of the
    time of the packet."""
    run = Run()
    run.capture()
    for n in range(min(10, COUNT)):
        became, said = path("became%d" % n), path("said%d" % n)
        run.start("before", "child:open,send:parent,until:{0},send:parent,close,exec:own,open,send,touch:{1} wait:0.02 "
                  "exec:after open send touch:{0} until:{1} sleep:0.2".format(became, said), ready=0)
    return run.end(4 * min(10, COUNT))


def user_changes():
    """setuid() between two packets, and before an exec."""
    run = Run()
    run.capture()
    for _ in range(min(10, COUNT)):
        run.start("root", "keep send uid:4242 send wait:0.01 bash:then sleep:0.1", ready=0)
        run.start("root", "open send close uid:4243 wait:0.05 sleep:0.1", ready=0)
    return run.end(4 * min(10, COUNT))


def name_changes():
    """prctl() between two packets, of the main thread and of another."""
    run = Run()
    run.capture()
    for _ in range(min(10, COUNT)):
        run.start("renames", "name:first open send name:second send close wait:0.01 name:third thread name:fourth open "
                  "send name:fifth send wait:0.05", ready=0)
    return run.end(4 * min(10, COUNT))
