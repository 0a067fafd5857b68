#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""ptcpdump beside tcpdump, option by option, live on one link: the same lines (but for times and annotations), the same
messages, statistics, files and exit status. What differs on purpose is in the manual's DIFFERENCES FROM TCPDUMP.
timeout: 300
Environment: PTCPDUMP and TCPDUMP (default tcpdump), the two programs. Arguments: names of the cases to run."""

import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

# Nothing is written beside the sources, which may be on a file system that is only read.
sys.dont_write_bytecode = True

from frames import all_frames, echo, eth, ip4, udp

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PTCPDUMP = os.path.abspath(os.environ.get("PTCPDUMP", os.path.join(TOP, "build/ptcpdump")))
TCPDUMP = os.environ.get("TCPDUMP", "tcpdump")
HERE, THERE = "parh%d" % os.getpid(), "part%d" % os.getpid()  # namespaces
HAS_VLAN = False
VERSION = (0, 0, 0)
failed = 0


def report(name, why=None):
    global failed
    failed += why is not None
    print("ok - %s" % name if why is None else "not ok - %s: %s" % (name, why), flush=True)


# --- the link -----------------------------------------------------------------

def version():
    text = subprocess.run([TCPDUMP, "--version"], capture_output=True, text=True, check=False)
    return tuple(int(n) for n in re.search(r"version (\d+)\.(\d+)\.(\d+)", text.stdout + text.stderr).groups())


def sh(*args):
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)


def inside(ns, *args):
    return ["ip", "netns", "exec", ns, *args]


def has_vlan():
    """Whether this kernel has VLAN devices. Without, tags are still seen."""
    made = subprocess.run(inside(HERE, "ip", "link", "add", "link", "lo", "name", "try7", "type", "vlan", "id", "7"),
                          stderr=subprocess.DEVNULL, check=False).returncode == 0
    if made:
        sh("ip", "-n", HERE, "link", "del", "try7")
    return made


def link_open():
    """pa and pb, one end in each namespace, with a VLAN 7 and in that a VLAN 8 on both; a link that is down."""
    global HAS_VLAN, VERSION
    VERSION = version()
    for ns in HERE, THERE:
        sh("ip", "netns", "add", ns)
        sh(*inside(ns, "sysctl", "-q", "-w", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"))
    HAS_VLAN = has_vlan()
    sh("ip", "-n", HERE, "link", "add", "pa", "type", "veth", "peer", "name", "pb", "netns", THERE)
    for ns, name, last in (HERE, "pa", 1), (THERE, "pb", 2):
        def link(*args):
            sh("ip", "-n", ns, *args)
        link("link", "set", name, "address", "02:00:00:00:00:0%d" % last)
        devices = [name]
        if HAS_VLAN:
            link("link", "add", "link", name, "name", name + "7", "type", "vlan", "id", "7")
            link("link", "add", "link", name + "7", "name", name + "78", "type", "vlan", "id", "8")
            devices += [name + "7", name + "78"]
        for i, dev in enumerate(devices):
            link("addr", "add", "10.9.%d.%d/24" % (i, last), "dev", dev)
            link("link", "set", dev, "up")
            link("neigh", "replace", "10.9.%d.%d" % (i, 3 - last), "lladdr", "02:00:00:00:00:0%d" % (3 - last), "dev", dev,
                 "nud", "permanent")
        link("link", "set", "lo", "up")
    sh("ip", "-n", HERE, "link", "add", "pdown", "type", "veth", "peer", "name", "pdown2")


def link_close():
    for ns in HERE, THERE:
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL, check=False)


# --- traffic --------------------------------------------------------------------

def frames():
    """One of everything: what the kernel answers, what is broken, tags, other hosts' packets."""
    everything = all_frames()
    # Older versions print IPv6 and broken packets in another way.
    return everything if VERSION >= (4, 99, 6) else [f for f in everything if f[12:14] != b"\x86\xdd" and len(f) > 17]


SEND = """import socket, sys, time
count, gap = int(sys.argv[1]), float(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(('pb', 0))
frames = [bytes.fromhex(line) for line in sys.stdin]
for i in range(count):
    for f in frames:
        s.send(f)
        time.sleep(gap)
"""


def send(packets, count=1, gap=0.001):
    text = "".join(p.hex() + "\n" for p in packets)
    subprocess.run(inside(THERE, sys.executable, "-c", SEND, str(count), str(gap)), input=text, text=True, check=True)


def transfer():
    """A TCP connection from here, with data of several segments both ways."""
    server = subprocess.Popen(inside(THERE, sys.executable, "-c", """import socket
s = socket.create_server(('10.9.0.2', 8000))
print(flush=True)
c, _ = s.accept()
n = 0
while n < 20000: n += len(c.recv(65536))
c.sendall(b'b' * 5000)
c.close()"""), stdout=subprocess.PIPE)
    server.stdout.readline()
    sh(*inside(HERE, sys.executable, "-c", """import socket
s = socket.create_connection(('10.9.0.2', 8000))
s.sendall(b'a' * 20000)
while s.recv(65536): pass"""))
    server.wait(10)
    server.stdout.close()


def everything():
    send(frames())


# --- running both --------------------------------------------------------------------

class Case:
    """args: words; {S} is a case's own script. end: the signal at the end, None when it ends by itself. same: what is
    compared of stdout, stderr, status, files."""

    def __init__(self, name, args, end=signal.SIGINT, ours=None, script=None, stdin=None, same="stdout stderr status files",
                 strip=None, live=True, since=(0, 0, 0)):
        self.name, self.end, self.script, self.stdin, self.live = name, end, script, stdin, live
        self.args = args.split() if isinstance(args, str) else args
        self.ours = ours.split() if ours else []
        self.same, self.strip, self.since = same.split(), strip, since


def unhinted(text):
    """What tcpdump has no reason to say."""
    return re.sub(r"^ptcpdump: .*: a pcap file keeps no processes;.*\n", "", text, flags=re.M)


class Run:
    """One program in a folder of its own."""

    def __init__(self, case, program, args):
        self.case, self.program = case, program
        self.folder = tempfile.mkdtemp(prefix="parity.", dir="/tmp")
        os.chmod(self.folder, 0o777)
        if case.script:
            with open(os.path.join(self.folder, "script"), "w", encoding="ascii") as f:
                f.write("#!/bin/sh\n%s\n" % case.script)
            os.chmod(f.name, 0o755)
        self.out, self.err = (open(os.path.join(self.folder, "std" + x), "w+b") for x in ("out", "err"))
        stdin = subprocess.PIPE if case.stdin is not None else subprocess.DEVNULL
        env = {**os.environ, "TZ": "UTC", "PATH": "%s:%s" % (self.folder, os.environ["PATH"])}
        self.process = subprocess.Popen(inside(HERE, program, *args), cwd=self.folder, stdin=stdin, stdout=self.out,
                                        stderr=self.err, env=env)
        if case.stdin is not None:
            self.process.stdin.write(case.stdin)
            self.process.stdin.close()

    def listening(self):
        with open(self.err.name, "rb") as f:
            return b"listening on" in f.read() or self.process.poll() is not None

    def finish(self):
        if self.case.end and self.process.poll() is None:
            self.process.send_signal(self.case.end)
        try:
            self.status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            self.status = "does not end"
        time.sleep(0.05)
        result = {"status": self.status}
        for f in self.out, self.err:
            f.seek(0)
            text = unhinted(f.read().decode(errors="backslashreplace")).replace("ptcpdump", "tcpdump")
            result[os.path.basename(f.name)] = text.replace(TCPDUMP + ":", "tcpdump:")
            f.close()
        result["files"] = self.files()
        shutil.rmtree(self.folder)
        return result

    def files(self):
        """Name: owner, mode, and what is in it."""
        found = {}
        for name in sorted(os.listdir(self.folder)):
            if name in ("stdout", "stderr", "script"):
                continue
            path = os.path.join(self.folder, name)
            st = os.stat(path)
            with open(path, "rb") as f:
                data = f.read()
            found[name] = "%d %o %s" % (st.st_uid, st.st_mode, contents(data))
        return found


def contents(data):
    """A pcap file without its times; other files as they are."""
    if data[:4] not in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1"):
        return repr(data)
    parts, at = [data[:24].hex()], 24
    while at + 16 <= len(data):
        caplen, size = struct.unpack_from("<II", data, at + 8)
        parts.append("%d %s" % (size, data[at + 16:at + 16 + caplen].hex()))
        at += 16 + caplen
    return "\n".join(parts)


PREFIX = re.compile(r"^( *\d+  )?( ?(?:[\d-]+ )?(?:\d\d:\d\d:\d\d|\d+)\.\d+ |(?:\d\d:\d\d:\d\d\.\d+) )?"
                    r"(?:pa7?8?|lo) +(?:\S+\.\d+ )?(?:In|Out) ", re.M)
SUFFIX = re.compile(r"(?:, (?:Thread|ParentProc|User) \[[^]]*\])+$", re.M)
DETAIL = re.compile(r"^    (?:Process|Thread|User|ParentProc|Peer|PeerUser) \(.*\)\n", re.M)


def plain(text):
    """Our lines without the annotations."""
    return DETAIL.sub("", SUFFIX.sub("", PREFIX.sub(lambda m: (m.group(1) or "") + (m.group(2) or ""), text)))


def timeless(text):
    return re.sub(r"^((?: *\d+  )? *)((?:[\d-]+ )?[\d:]+\.\d+)",
                  lambda m: m.group(1) + re.sub(r"\d", "N", m.group(2)), text, flags=re.M)


def shortened(theirs, ours):
    """Our messages go on with what to do, and there is one line of them; after some, tcpdump says more."""
    a, b = theirs.replace("`", "'").split("\n"), ours.split("\n")
    if a[0] and b[1:] == [""] and b[0].startswith(a[0]):
        return theirs
    return ours


def first_difference(theirs, ours):
    a, b = theirs.split("\n"), ours.split("\n")
    for i in range(max(len(a), len(b))):
        x, y = a[i:i + 1], b[i:i + 1]
        if x != y:
            return "line %d: %s, tcpdump %s" % (i + 1, y, x)
    return ""


def compare(case, theirs, ours):
    ours["stdout"] = plain(ours["stdout"])
    # Interrupted, it ends with an empty line; we do only on a terminal.
    if case.end:
        theirs["stdout"] = re.sub(r"(^|\n)\n$", r"\1", theirs["stdout"])
    theirs["names"], ours["names"] = ({n: x["log"] if n == "log" else "" for n in x}
                                      for x in (dict(theirs["files"]), dict(ours["files"])))
    for what in case.same:
        a, b = theirs[what], ours[what]
        if what == "files":
            if "-Z" not in case.args:
                # Which user is the default was chosen when tcpdump was built.
                a, b = ({name: text.split(" ", 1)[1] for name, text in x.items()} for x in (a, b))
            if list(a) != list(b):
                return "files %s, tcpdump %s" % (list(b), list(a))
            for name in a:
                if a[name] != b[name]:
                    return "%s: %s" % (name, first_difference(a[name], b[name])[:300])
            continue
        if what == "names":
            if a != b:
                return "%s, tcpdump %s" % (b, a)
            continue
        if what == "status":
            if a != b:
                return "status %s, tcpdump %s (%s, tcpdump %s)" % (b, a, ours["stderr"][-200:], theirs["stderr"][-200:])
            continue
        a, b = timeless(a), timeless(b)
        if what == "stderr" and "-Z" in case.args:
            # Depends on how tcpdump was built, too.
            a, b = ("\n".join(sorted(x for x in y.split("\n") if "dropped privs" not in x)) for y in (a, b))
        if not case.live:
            b = shortened(a, b)
        if case.strip:
            a, b = (re.sub(case.strip, "", x, flags=re.M) for x in (a, b))
        if a != b:
            return "%s, %s" % (what, first_difference(a, b)[:600])
    return None


def skipped(case):
    why = None
    if any(a.startswith("pa7") for a in case.args) and not HAS_VLAN:
        why = "this kernel has no VLAN devices"
    if VERSION < case.since:
        why = "tcpdump %d.%d.%d is older than what is compared" % VERSION
    if why:
        print("skip - %s: %s" % (case.name, why))
    return why


def together(cases, traffic, settle=0.4):
    """All cases at a time see the same traffic."""
    chosen = sys.argv[1:]
    cases = [c for c in cases if (not chosen or c.name in chosen) and not skipped(c)]
    runs = [(c, Run(c, TCPDUMP, c.args), Run(c, PTCPDUMP, c.ours + c.args)) for c in cases]
    until = time.monotonic() + 20
    for c, a, b in runs:
        while c.live and not (a.listening() and b.listening()) and time.monotonic() < until:
            time.sleep(0.02)
    if runs and traffic:
        traffic()
        time.sleep(settle)  # no one of many programs tells that it has shown its last packet
    for c, a, b in runs:
        why = compare(c, a.finish(), b.finish())
        report(c.name, why.replace("\n", "\\n") if why else None)


BASE = "-i pa --immediate-mode "
# How many packets reach an idle socket before it is read is a matter of luck with -c.
# tcpdump's cooked link type has the name and the direction in front, and neither for lo nor for a link layer.
ANY = r"(?<=NNNNNN )\S+ +(?:In|Out|B|M|P) +"
COUNTED = r"^\d+ packets? received by filter$"


def text_cases():
    for name, args in {
        "plain": "-n", "names_off_twice": "-nn", "short_names": "-N", "link_header": "-nne", "quiet": "-nnq",
        "quiet_verbose": "-nnqv", "absolute_sequence": "-nnS", "ascii": "-nnA", "hex": "-nnx", "hex_link": "-nnxx",
        "hex_ascii": "-nnX", "hex_ascii_link": "-nnXX", "verbose": "-nnv", "more_verbose": "-nnvv",
        "most_verbose": "-nnvvve", "checksums_off": "-nnvK", "number": "-nn#", "no_time": "-nnt", "time_unix": "-nntt",
        "time_delta": "-nnttt", "time_date": "-nntttt", "time_since_first": "-nnttttt", "nano": "-nn --nano",
        "nano_unix": "-nntt --time-stamp-precision=nano", "micro": "-nn --micro", "line_buffered": "-nnl",
        "packet_buffered": "-nnU", "no_promiscuous": "-nnp", "snaplen_40": "-nn -s 40", "snaplen_20": "-nn -s20 -e",
        "snaplen_0": "-nn -s 0", "snaplen_hex": "-nn -s 0x60 -v", "snapshot_length": "-nn --snapshot-length=70 -X",
        "type": "-nn -T rtp udp", "one_line": "-nnv --ip-oneline", "bundled": "-nnvvXSs0", "buffer": "-nn -B 4096",
        "unoptimized": "-nn -O ip", "precise": "-nn -e -vv -#",
    }.items():
        yield Case(name, BASE + args, since=(4, 99, 6) if name in ("one_line", "snaplen_40") else (0, 0, 0))


def filter_cases():
    for name, args in {
        "trailing_options": "icmp -nn -e", "trailing_cluster": "arp or icmp -nnvX", "vlan_any": "-nne vlan",
        "vlan_7": "-nne vlan 7 and icmp", "vlan_twice": "-nne vlan 7 and vlan 8", "vlan_or": "-nne icmp or (vlan and icmp)",
        "vlan_9": "-nne vlan 9", "not_vlan": "-nn not vlan", "broadcast": "-nn ether broadcast", "multicast": "-nne ether multicast",
        "ip6": "-nn ip6", "ether_proto": "-nn ether proto 0x9999", "less": "-nn less 60", "greater": "-nn greater 1000",
        "net": "-nn net 10.9.0.0/24 and not arp", "payload": "-nn tcp[20:4]=0x47455420", "nothing": "-nn tcp port 9",
        "ether_host": "-nn ether host 02:00:00:00:00:01", "ip_broadcast": "-nn ip broadcast",
    }.items():
        yield Case(name, BASE + args)
    for direction in "in", "out", "inout":
        # tcpdump's kernel side counts before it looks at the direction.
        yield Case("direction_" + direction, BASE + "-nn -Q " + direction, strip=COUNTED)
    yield Case("vlan_device", "-i pa7 --immediate-mode -nne")
    yield Case("vlan_device_inner", "-i pa78 --immediate-mode -nne")
    yield Case("vlan_device_verbose", "-i pa78 --immediate-mode -nnvvX")


def other_cases():
    end = None
    yield Case("count", BASE + "-nn -c 5", end, strip=COUNTED)
    yield Case("count_filter", BASE + "-nn -c 2 icmp", end, strip=COUNTED)
    yield Case("receive_count", BASE + "-nnc1 arp", end, strip=COUNTED)
    yield Case("save", BASE + "-w x.pcap")
    yield Case("save_user", BASE + "-w x.pcap -Z nobody")
    yield Case("save_root", BASE + "-w x.pcap -Z root")
    yield Case("save_flushed", BASE + "-U -w x.pcap icmp")
    yield Case("save_print", BASE + "-nn --print -w x.pcap")
    yield Case("save_verbose", BASE + "-v -w x.pcap", strip=r"(?:Got \d+\r)+")
    yield Case("save_verbose_print", BASE + "-nnv --print -w x.pcap")
    yield Case("save_snaplen", BASE + "-s 50 -w x.pcap")
    yield Case("save_nano", BASE + "--nano -w x.pcap")
    yield Case("save_count", BASE + "-c 3 -w x.pcap", end, strip=COUNTED)
    yield Case("count_only", BASE + "-nn --count")
    yield Case("count_only_save", BASE + "--count -w x.pcap")
    yield Case("terminate", BASE + "-nn", signal.SIGTERM)
    yield Case("hang_up", BASE + "-nn", signal.SIGHUP)
    yield Case("expression_file", BASE + "-nn -F script", script="\nicmp # comment\n or arp")
    yield Case("expression_file_ignores", BASE + "-nn -F script tcp", script="\narp")
    yield Case("time_stamp_host", BASE + "-nn -j host")
    yield Case("link_type_same", BASE + "-nn -y EN10MB")
    yield Case("loopback", "-i lo -nn --immediate-mode")


# Older versions say it in another way, or not at all.
NEWER = dict.fromkeys(["list_link_types", "list_link_types_of", "list_link_types_any", "list_link_types_lo",
                       "list_link_types_index", "list_link_types_down", "list_time_stamps", "list_time_stamps_any",
                       "list_link_types_bad_index", "interface_index_0", "interface_index_999", "interface_negative",
                       "rotate_without", "seconds_without", "ascii_and_hex"], (4, 99, 6))


def message_cases():
    """No traffic is needed."""
    for name, args in {
        "list_interfaces": "-D", "list_link_types": "-L", "list_link_types_of": "-i pa -L", "list_link_types_any": "-i any -L",
        "list_link_types_lo": "-i lo -L", "list_link_types_index": "-i 1 -L", "list_link_types_unknown": "-i nosuch0 -L",
        "list_link_types_bad_index": "-i 999 -L", "list_link_types_down": "-i pdown -L",
        "list_time_stamps": "-i pa -J", "list_time_stamps_any": "-i any -J",         "interface_unknown": "-i nosuch0", "interface_empty": ["-i", ""], "interface_long": "-i " + "x" * 40,
        "interface_index_0": "-i 0", "interface_index_999": "-i 999", "interface_negative": "-i -1",
        "interface_down": "-i pdown -c 1", "interface_down_count": "-i pdown",
        "snaplen_bad": "-i pa -s 40x", "snaplen_negative": "-i pa -s -1", "snaplen_large": "-i pa -s 262145",
        "count_0": "-i pa -c 0", "count_bad": "-i pa -c x", "buffer_0": "-i pa -B 0", "buffer_bad": "-i pa -B x",
        "buffer_negative": "-i pa -B -5", "buffer_absurd": "-i pa -B 2147483647", "buffer_huge": "-i pa -B 99999999999",
        "direction_bad": "-i pa -Q sideways", "time_stamp_bad": "-i pa -j nosuch",
        "time_stamp_unserved": "-i pa -j adapter", "monitor": "-i pa -I", "monitor_list": "-i pa -I -L",
        "link_type_bad": "-i pa -y NOSUCH", "link_type_unserved": "-i pa -y IEEE802_11",
        "filter_bad": "-i pa tcp prot 80", "filter_bad_host": "-i pa host 1.2.3.4.5", "file_bad": "-i pa -F nosuch",
        "user_bad": "-i pa -Z nosuchuser", "precision_bad": "-i pa --time-stamp-precision=pico",
        "option_bad": "-i pa -nn -k",
        "dump_of": "-i pa -d tcp port 80", "dump_c": "-i pa -dd ip", "dump_numbers": "-i pa -ddd icmp",
        "dump_unoptimized": "-i pa -O -d tcp port 80", "dump_any_link": "-y RAW -d tcp", "dump_vlan": "-i pa -d vlan 7",
        "dump_broadcast": "-i pa -d ip broadcast", "dump_unknown": "-i nosuch0 -d tcp",
        "save_folder": "-i pa -w nosuch/x.pcap", "save_is_folder": "-i pa -w /",
        "rotate_0": "-i pa -C 0 -w x.pcap", "rotate_bad": "-i pa -C x -w x.pcap", "rotate_without": "-i pa -C 1",
        "seconds_negative": "-i pa -G -1 -w x.pcap", "seconds_without": "-i pa -G 1",
        "files_0": "-i pa -W 0 -C 1 -w x.pcap", "files_bad": "-i pa -W x -C 1 -w x.pcap",
        "ascii_and_hex": "-i pa -A -x", "times_six": "-i pa -tttttt", "fork_without": "-i pa -M",
        "type_bad": "-i pa -T nosuch", "esp_bad": "-i pa -E", "list_files_missing": "-V nosuch",
        "print_only": "-i pdown --print -c 1",
    }.items():
        yield Case("message_" + name, args, None, live=False, since=NEWER.get(name, (0, 0, 0)),
                   strip="nosuch: " if name == "list_files_missing" else None)


def rotation_cases():
    """Under a packet every 10 ms or so, for some seconds; how many fell into which second differs."""
    def counts(*args, **kw):
        return Case(*args, strip=r"^\d+ packets.*$", live=True, **kw)
    yield counts("rotate_time", "-i pa -G 1 -W 2 -w x%S.pcap icmp", None, same="stdout stderr status")
    yield counts("rotate_time_names", "-i pa -G 1 -W 2 -w x.pcap icmp", None, same="stdout stderr status names")
    yield counts("rotate_command", "-i pa -G 1 -W 2 -w x.pcap -z script -Z root icmp", None, same="stdout stderr status names",
                 script='echo "$#" "${1%%[0-9]*}" >>log')
    yield counts("rotate_size", "-i pa -C 1 -w x.pcap -Z nobody greater 1000", same="stdout stderr status files")
    yield counts("rotate_size_ring", "-i pa -C 1 -W 3 -w x.pcap -Z nobody greater 1000", same="stdout stderr status files")
    yield counts("rotate_size_many", "-i pa -C 1 -W 12 -w x.pcap -Z root greater 1000", same="stdout stderr status names")
    yield counts("rotate_command_size", "-i pa -C 1 -w x.pcap -z script -Z root greater 1000",
                 same="stdout stderr status files", script='echo "$@" >>log')
    yield counts("verbose_counts", "-i pa -v -w x.pcap icmp", same="stdout status")


def busy():
    """3 s of pings with 2.4 MB of others among them."""
    big = eth(0x800, ip4(17, udp(1, 2, b"q" * 1400), dst="10.9.0.77"), "020000000099")
    send([eth(0x800, ip4(1, echo(1)))] + [big] * 8, 220, 0.0015)


def any_cases():
    for name, args in {"any": "-nn", "any_verbose": "-nnv", "any_filter": "-nn icmp or tcp", "any_hex": "-nnx"}.items():
        # Not --immediate-mode: tcpdump's buffer would hold 8 packets then.
        yield Case(name, "-i any " + args, strip=ANY, same="stdout status")
    yield Case("connection", BASE + "-nn tcp")
    yield Case("connection_verbose", BASE + "-nnvvv tcp")
    yield Case("connection_saved", BASE + "-w x.pcap tcp")
    yield Case("connection_short", "-i pa -nnS -s 60 tcp")


def pipes():
    """Packets go from one to the other while they come."""
    programs = {"ours": PTCPDUMP, "theirs": TCPDUMP}
    lines = {}
    for writer, reader in (("theirs", "theirs"), ("ours", "ours"), ("ours", "theirs"), ("theirs", "ours")):
        with tempfile.TemporaryFile("w+") as err:
            first = subprocess.Popen(inside(HERE, programs[writer], "-i", "pa", "--immediate-mode", "-U", "-w", "-"),
                                     stdout=subprocess.PIPE, stderr=err)
            second = subprocess.Popen([programs[reader], "-nn", "-l", "-r", "-"], stdin=first.stdout, stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL, text=True)
            first.stdout.close()
            until = time.monotonic() + 10
            while time.monotonic() < until:
                err.seek(0)
                if "listening" in err.read():
                    break
                time.sleep(0.02)
            everything()
            time.sleep(0.4)  # for what the first still has
            first.send_signal(signal.SIGINT)
            out = second.communicate(timeout=10)[0]
            lines[writer, reader] = first.wait(10), second.returncode, timeless(plain(out)).strip("\n")
    want = lines["theirs", "theirs"]
    for key, got in lines.items():
        if got != want:
            report("pipe_%s_%s" % key, "status %s %s, %s" % (*got[:2], first_difference(want[2], got[2])))
        else:
            report("pipe_%s_%s" % key)


def signals():
    """What is asked for while running, and a reader that goes."""
    got = {}
    for program in TCPDUMP, PTCPDUMP:
        with tempfile.TemporaryDirectory() as folder, open(folder + "/err", "w+", encoding="utf-8") as err:
            os.chmod(folder, 0o777)
            p = subprocess.Popen(inside(HERE, program, "-i", "pa", "-w", folder + "/x.pcap", "icmp"), stderr=err)

            def said(text, name=folder + "/err"):
                until = time.monotonic() + 5
                while time.monotonic() < until:
                    with open(name, encoding="utf-8") as f:
                        if text in f.read():
                            return
                    time.sleep(0.02)
            said("listening")
            everything()
            time.sleep(1.2)  # longer than tcpdump leaves packets in its ring
            p.send_signal(signal.SIGUSR2)
            time.sleep(0.3)  # neither tells that it has written
            saved = os.stat(folder + "/x.pcap").st_size
            p.send_signal(signal.SIGUSR1)
            said("dropped by kernel")
            p.send_signal(signal.SIGTERM)
            status = p.wait(5)
            err.seek(0)
            text = unhinted(err.read()).replace("ptcpdump", "tcpdump")
            got[program] = saved, status, text
    for i, name in enumerate(("flush_on_usr2", "status_after_usr1", "statistics_on_usr1")):
        a, b = got[TCPDUMP][i], got[PTCPDUMP][i]
        report(name, None if a == b else "%r, tcpdump %r" % (b, a))


def main():
    together(text_cases(), everything)
    together(filter_cases(), everything)
    together(other_cases(), everything)
    together(message_cases(), None)
    together(rotation_cases(), busy, 1.5)
    together(any_cases(), lambda: (send([frames()[0], frames()[-1]]), transfer()), 1.2)
    if not sys.argv[1:]:
        pipes()
        signals()
    return failed > 0


def missing():
    if os.getuid() != 0:
        return "needs root"
    for tool in TCPDUMP, "ip":
        if not shutil.which(tool):
            return "%s is missing" % tool
    return None


if __name__ == "__main__":
    WHY = missing()
    if WHY:
        print("skip - parity: %s" % WHY)
        sys.exit(0)
    try:
        link_open()
        STATUS = main()
    finally:
        link_close()
    sys.exit(STATUS)
