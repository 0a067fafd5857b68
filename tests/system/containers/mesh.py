#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""mesh.py NETNS DOCKER_SOCKET CONTAINERD_SOCKET: each selection by container, pod, user and process, live on each kind of
interface, gives the packets that -r selects of what a capture of everything has saved. Whoever talks is given by tests/system/
mesh.sh on standard input, a line each:

    actor NAME COMMAND...       a shell of it, which reads what it is to do
    target ADDRESS[:PORT]       who is talked to, by wget or $ASK ADDRESS PORT; without a port, by ping
    iface NAME
    select OPTION VALUE         what may be asked for

--seed, --first and --rounds repeat what was seen; -v shows each selection."""

import argparse
import concurrent.futures
import os
import random
import shlex
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import selection
from selection import Selection
from truth.base import PTCPDUMP, SLOW, children, path, tmp, wait_for
from truth.capture import Program

CONTAINERS = ("--container-name", "--container-id", "--pod-name", "--namespace", "--image", "--label", "--compose")
KINDS = CONTAINERS + ("--uid", "--pname", "--pid")


class Mesh:
    def __init__(self, lines):
        self.actors, self.targets, self.ifaces, self.values = {}, [], [], {}
        for line in lines:
            what, *w = shlex.split(line)
            if what == "actor":
                self.actors[w[0]] = w[1:]
            elif what == "target":
                self.targets.append(w[0])
            elif what == "iface":
                self.ifaces.append(w[0])
            elif what == "select":
                self.values.setdefault(w[0], []).append(w[1])
        self.shells = {}

    def open(self):
        for name, cmd in self.actors.items():
            self.shells[name] = subprocess.Popen(cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                                 stderr=subprocess.DEVNULL)
        self.wait()

    def tell(self, name, text):
        self.shells[name].stdin.write(text + "\n")
        self.shells[name].stdin.flush()

    def wait(self):
        """Until all have done what they were told."""
        for name in self.shells:
            self.tell(name, "wait; echo done")
        for name, shell in self.shells.items():
            if shell.stdout.readline() != "done\n":
                raise RuntimeError("the shell of %s has ended" % name)

    def close(self):
        for shell in self.shells.values():
            shell.stdin.close()
            shell.wait(10 * SLOW)

    def talk(self, rng, n):
        for _ in range(n):
            name, target = rng.choice(sorted(self.shells)), rng.choice(self.targets)
            if ":" in target and rng.random() < 0.3:
                self.tell(name, '[ -z "$ASK" ] || $ASK %s &' % target.replace(":", " "))
            elif ":" in target:
                self.tell(name, "wget -q -O /dev/null http://%s/%d 2>/dev/null &" % (target, rng.randint(0, 60)))
            elif not name.startswith("user"):
                self.tell(name, "ping -c 1 -W 1 %s >/dev/null &" % target)
            time.sleep(rng.random() * 0.03 * SLOW)
        self.wait()


def asks_runtimes(args):
    """Nothing else than containers and pods makes a capture ask them."""
    context = args[args.index("--context") + 1] if "--context" in args else "container,pod"
    return any(word in context for word in ("container", "pod")) or any(option in args for option in CONTAINERS)


class Selected(Program):
    def __init__(self, n, s, backend, where):
        self.file = path("mesh%d.pcapng" % n)
        netns, docker, containerd = where
        cmd = ["nsenter", "--net=" + netns, PTCPDUMP, "-w", self.file, "--settle", str(int(1000 * SLOW)), "--docker-address",
               docker, "--containerd-address", containerd, "--cri-runtime-address", containerd, "--log-level", "info",
               *s.live, *s.args]
        super().__init__(cmd + (["--backend", backend] if backend else []), "mesh%d" % n)
        self.cmd = cmd
        # Docker, containerd and CRI: what comes before is not what this is about.
        if asks_runtimes(s.args) and not wait_for(30 * SLOW, lambda: self.text().count("' answers") >= 3):
            raise RuntimeError("not all runtimes have answered: " + self.text().strip())


def criterion(rng, mesh, kind):
    return selection.some(rng, kind, mesh.values[kind], 3)


def selections(rng, mesh, backend, netns):
    """By the devices of one capture: on a single one less is known than on all."""
    def any_of(most):
        kinds = rng.sample([k for k in KINDS if k in mesh.values], rng.randint(1, most))
        return [a for kind in kinds for a in criterion(rng, mesh, kind)]

    for dev in rng.sample(mesh.ifaces, 2):
        # What a pair is called is different each time.
        kind = "mesh " + ("veth" if dev.startswith("veth") else dev)
        yield [Selection(kind, args, ("-i", dev)) for args in ([], any_of(1 if rng.random() < 0.7 else 2))]
    context = rng.choice(("process", "container", "pod", "process,user", "container,peer"))
    # libpcap's "any" has bytes of chance behind its addresses: no two captures have the same packets.
    # Without a namespace, "any" is also those of the containers that are chosen, and less of our own.
    live = ("-i", ",".join(mesh.ifaces)) if backend == "pcap" else ("--netns", netns, "-i", "any")
    yield [Selection(*s, live=live) for s in (("mesh any", []), ("mesh any", any_of(1)),
                                              ("mesh any, several kinds", any_of(3)),
                                              ("mesh any, context", any_of(2) + ["--context", context]))]


def one_round(n, rng, mesh, a, results):
    groups = list(selections(rng, mesh, a.backend, a.where[0]))
    chosen = [s for group in groups for s in group]
    with concurrent.futures.ThreadPoolExecutor(len(chosen)) as pool:
        captures = list(pool.map(lambda i: Selected(i, chosen[i], a.backend, a.where), range(len(chosen))))
        mesh.talk(rng, a.packets)
        lost = [why for why in pool.map(selection.captured, captures) if why]
    if lost:
        raise RuntimeError("lost packets: " + lost[0])
    files = iter([c.file for c in captures])
    for group in groups:
        saved = next(files)
        everything = selection.packets_of(saved)
        for s in group[1:]:
            again = selection.packets_of(selection.read_again(saved, s.args, ()))
            results.add(n, s, selection.packets_of(next(files)), again, everything)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("where", nargs=3)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--seconds", type=float, default=60, help="no round begins later")
    parser.add_argument("--rounds", type=int, default=1000, help="as many at most")
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--packets", type=int, default=60, help="that are asked for in a round")
    parser.add_argument("--strict", action="store_true", help="what differs once fails, too")
    parser.add_argument("--backend", default=os.environ.get("TRUTH_BACKEND"))
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def main():
    a = arguments()
    mesh, results = Mesh(sys.stdin), selection.Results(a.verbose)
    print("# mesh: seed %d%s" % (a.seed, ", backend " + a.backend if a.backend else ""), flush=True)
    until = time.monotonic() + a.seconds
    try:
        mesh.open()
        for n in range(a.first, a.first + a.rounds):
            if time.monotonic() > until:
                break
            more = True
            while more:
                one_round(n, random.Random("%d %d" % (a.seed, n)), mesh, a, results)
                more = results.again(a.strict)
    finally:
        for p in children:
            if p.poll() is None:
                p.kill()
            p.wait()
        mesh.close()
        shutil.rmtree(tmp())
    return results.show()


if __name__ == "__main__":
    sys.exit(main())
