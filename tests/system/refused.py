#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is refused to a capture, by filters of system calls as containers have them, or as lockdown does it.

timeout: 400

Whatever part of what it asks the kernel for is refused (build/tests/refuse says how), a capture shows packets whose owners are right
or not known, and never wrong; or it ends with status 1 and a message that says what is refused. Each kind alone, for each backend
that asks for it; then REFUSED_COUNT (8) of several at random, by REFUSED_SEED, which a failure names."""
import collections
import os
import random
import re
import socket
import stat
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
REAL = os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump"))
REFUSE = os.path.join(TOP, "build/tests/refuse")
KINDS = ["bpf", "bpf=ENOSYS", "prog_load=EACCES", "map_create", "btf_load", "link_create", "link_create=EINVAL", "raw_tracepoint_open",
         "iter_create", "sched_cls", "socket_filter", "cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "raw_tracepoint", "tracing",
         "tracing=EINVAL", "iter", "memory", "sock_diag", "sock_diag=ENOSYS", "packet", "pidfd=ENOSYS", "perf"]
# What a message has to tell: who refuses, or what.
CLEAR = re.compile(r"seccomp filter refuses|locked down|security module|permission|refus|CAP_|may not")
SEED = int(os.environ.get("REFUSED_SEED") or random.randrange(1 << 30))
COUNT = int(os.environ.get("REFUSED_COUNT", "8"))

os.environ["TRUTH_COUNT"] = "4"
folder = tempfile.mkdtemp(prefix="refused")
wrapper, words_file, hides = (os.path.join(folder, name) for name in ("ptcpdump", "words", "hides"))
with open(wrapper, "w") as f:
    f.write('#!/bin/sh\nexec $REFUSED_BEFORE %s $(cat %s) -- %s "$@"\n' % (REFUSE, words_file, REAL))
# /proc shows no processes but those that may be traced.
with open(hides, "w") as f:
    f.write('#!/bin/sh\nexec unshare -m --propagation private sh -c \'mount -t proc -o hidepid=2 proc /proc && '
            'exec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace "$@"\' - "$@"\n')
for file in (wrapper, hides):
    os.chmod(file, stat.S_IRWXU)
os.environ["PTCPDUMP"] = wrapper

from truth import capture, tcp, udp  # noqa: E402, the wrapper is theirs
from truth.base import children, running, tmp  # noqa: E402
from truth.score import parse, pids  # noqa: E402


def message_is_clear(text):
    lines = [line for line in text.splitlines() if line.startswith(("capture: ptcpdump: ", "ptcpdump: "))]
    return bool(lines) and any(CLEAR.search(line) for line in lines)


def one(scenario):
    """What is wrong; "" for nothing."""
    try:
        s, n = scenario()
    except RuntimeError as e:
        status = children[-1].poll() if children else None
        if status != 1:
            return "status %s: %s" % (status, e)
        return "" if message_is_clear(str(e)) else "no clear message: %s" % e
    finally:
        for p in children:
            if p.poll() is None:
                p.kill()
                p.wait()
        children.clear()
        for p in list(running):
            try:
                os.killpg(p.pid, 9)
            except ProcessLookupError:
                pass
            p.wait()
        running.clear()
    if not n:
        return "no packets"
    return "wrong: %s" % dict(s.wrong) + "; ".join(s.first.values()) if sum(s.wrong.values()) else ""


def connection():
    return tcp.tcp(count=4, before=True)


def datagrams():
    return udp.udp("connected", count=4)


def run(name, backend, words):
    with open(words_file, "w") as f:
        f.write(" ".join(words))
    capture.BACKEND = backend
    why = ""
    for scenario in (connection, datagrams):
        why = why or one(scenario)
    print("%s - %s%s" % ("not ok" if why else "ok", name, ": " + why.replace("\n", " ") if why else ""), flush=True)
    return not why


def backends():
    text = subprocess.run([REAL, "--backend", "help"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in text.splitlines() if "; not here:" not in line]


def probes_say_no():
    """--probe and --backend help tell what this process may do, not what the kernel has."""
    good = True
    for words, hook, backend in ((["bpf"], "cgroup          bind4", "tc"), (["sched_cls"], "attaching       at devices", "tc"),
                                 (["memory"], "BTF tracepoint  sock_recv_length", "tp-btf"),
                                 (["link_create"], "attaching       at cgroups", "cgroup-skb"),
                                 (["packet"], "socket          AF_PACKET", "pcap"), (["sock_diag"], "socket          sock_diag", None)):
        def told(*args, words=words):
            return subprocess.run([REFUSE, *words, "--", REAL, *args], capture_output=True, text=True, check=True).stdout
        line = next((x for x in told("--probe").splitlines() if x.startswith(hook)), "")
        rows = [x for x in told("--backend", "help").splitlines() if backend and x.split()[0] == backend]
        why = "" if re.search(r"^no ", line[39:43]) else "--probe: '%s'" % line
        if rows and "; not here: " not in rows[0]:
            why = "--backend help: '%s'" % rows[0]
        print("%s - told of %s%s" % ("not ok" if why else "ok", words[0], ": " + why if why else ""), flush=True)
        good &= not why
    return good


def lives(words, hidden=False):
    """Both ends of a connection and of datagrams that last are named where nothing but /proc tells; the words for it are said once.
    hidden: /proc does not tell either, and nobody is named. What is wrong; "" for nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    tcp_port, udp_port = server.getsockname()[1], receiver.getsockname()[1]
    script = ("import socket, time\nc = socket.create_connection(('127.0.0.1', %d))\n"
              "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nu.connect(('127.0.0.1', %d))\n"
              "for i in range(4):\n c.send(b'x')\n u.send(b'x')\n time.sleep(.1)\ntime.sleep(1)" % (tcp_port, udp_port))
    with open(words_file, "w") as f:
        f.write(" ".join(words))
    cap = capture.Capture("-i", "lo", "--backend", "pcap", "tcp port %d or udp port %d" % (tcp_port, udp_port))
    client = subprocess.Popen([sys.executable, "-c", script])
    accepted = server.accept()[0]
    time.sleep(0.6)
    packets, text = cap.stop(), cap.text()
    client.wait()
    for s in (server, receiver, accepted):
        s.close()
    children.clear()
    if hidden:
        return "" if len(packets) >= 10 and {pids(p) for p in packets} == {(None, None)} else str([pids(p) for p in packets])
    want = collections.Counter()
    for p in packets:
        _, _, sport, _, _, _, _ = parse(p.data)
        want["right" if pids(p) == ((os.getpid(), client.pid) if sport in (tcp_port, udp_port) else (client.pid, os.getpid())) else
             "not right"] += 1
    said = [x for x in text.splitlines() if "/proc" in x]
    if set(want) != {"right"} or want["right"] < 10:
        return "%s of %s" % (dict(want), [pids(p) for p in packets])
    return "" if len(said) == len(words) else "said: %s" % said


def owners_by_proc():
    good = True
    for words in (["memory"], ["bpf"], ["cgroup_skb"], ["memory", "sock_diag"], ["bpf", "sock_diag=ENOSYS"]):
        why = lives(words)
        print("%s - owners by /proc without %s%s" % ("not ok" if why else "ok", " and ".join(words), ": " + why if why else ""),
              flush=True)
        good &= not why
    os.environ["REFUSED_BEFORE"] = hides
    why = lives(["bpf"], hidden=True)
    del os.environ["REFUSED_BEFORE"]
    print("%s - nobody where /proc hides processes%s" % ("not ok" if why else "ok", ": " + why if why else ""), flush=True)
    return good and not why


def in_user_namespace():
    """Its root is told that it may not, and captures by what does without."""
    got = subprocess.run(["unshare", "-Urn", "sh", "-c", "ip link set lo up; exec %s -i lo -c 1" % REAL], capture_output=True, text=True)
    why = "" if got.returncode == 1 and re.search(r"this is a user namespace.*--backend pcap", got.stderr) else got.stderr
    print("%s - user namespace: message%s" % ("not ok" if why else "ok", ": " + why.replace("\n", " ") if why else ""), flush=True)
    script = ("import socket, time\ns = socket.create_server(('127.0.0.1', 7999))\nc = socket.create_connection(('127.0.0.1', 7999))\n"
              "a = s.accept()[0]\nfor i in range(8):\n c.send(b'x')\n a.recv(1)\n time.sleep(.1)\n")
    shell = ('ip link set lo up; %s --backend pcap -i lo -nn -c 12 tcp 2>%s/err & '
             'until grep -q listening %s/err; do sleep 0.05; done; python3 -c "$1"; wait' % (REAL, folder, folder))
    got = subprocess.run(["unshare", "-Urn", "sh", "-c", shell, "-", script], capture_output=True, text=True, timeout=30)
    named = len(re.findall(r" lo python3[.0-9]*\.\d+ Out IP ", got.stdout))
    print("%s - user namespace: pcap%s" % ("ok" if named == 12 else "not ok", "" if named == 12 else ": %d of %s" % (named, got.stdout)),
          flush=True)
    return not why and named == 12


def main():
    if os.geteuid() != 0:
        print("skip - refused: needs root")
        return 0
    rng = random.Random(SEED)
    good = probes_say_no() & owners_by_proc() & in_user_namespace()
    names = backends()
    for words in sys.argv[1:] and [sys.argv[1:]]:
        return 0 if all([run("%s: %s" % (b, " ".join(words)), b, words) for b in names]) else 1
    for kind in KINDS:
        for backend in (names[0], "pcap"):
            good &= run("%s without %s" % (backend, kind), backend, [kind])
    for i in range(COUNT):
        words = rng.sample(KINDS, rng.randrange(2, 6))
        backend = rng.choice(names)
        good &= run("%s at random %d (REFUSED_SEED=%d: %s)" % (backend, i, SEED, " ".join(words)), backend, words)
    return 0 if good else 1


try:
    sys.exit(main())
finally:
    subprocess.run(["rm", "-rf", folder, tmp()], check=False)
