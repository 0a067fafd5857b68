# SPDX-License-Identifier: BSD-3-Clause
"""packets.py all|hostile FILE: a pcapng file of UDP packets with comments: of every key that the program writes, or of what
nobody should write. packets.py blocks FILE: how many blocks of processes it has (Apple's form), and packets that name one."""
import struct
import sys

OUT, IN = 2, 1
LABELS = '{"app":"shop"}'
ALL = [
    "PID: 11\nCmd: /usr/bin/curl\nArgs: curl a\\nb c\\\\nd e\\f\nName: fetch\nComm: fetcher",
    "ThreadId: 12\nThreadName: worker",
    "UserId: 1000\nGroupId: 1001",
    "ParentPID: 10@host\nParentCmd: /bin/bash\nParentArgs: bash -l\nParentName: -bash\nParentComm: shell",
    "ContainerName: web\nContainerId: c0ffee\nContainerImage: nginx:1\nContainerLabels: " + LABELS,
    'PodName: front\nPodNamespace: shop\nPodUID: u-1\nPodLabels: {"tier":"1"}\nPodAnnotations: {"a":"1"}',
    "UserName: alice",
    "PeerPID: 21\nPeerCmd: /usr/sbin/nginx (deleted)\nPeerArgs: nginx -g\nPeerName: master\nPeerComm: worker-1",
    "PeerUserId: 33\nPeerUserName: www-data",
    "PeerContainerName: db\nPeerContainerId: beef",
    "PeerPodName: back\nPeerPodNamespace: store",
    "EffectivePID: 31\nEffectiveCmd: /bin/browser\nEffectiveArgs: browser",
]
ONCE = [
    "Ancestors: bash.10,systemd.1",
    "PeerContainerImage: redis:7\nPeerContainerLabels: {\"x\":\"y\"}",
    'PeerPodLabels: {"tier":"2"}',
    "PeerAncestors: systemd.1",
]
PROCESS = "PID: 5\nCmd: /bin/five\nArgs: five"
HOSTILE = [
    ["Name: somebody's note", PROCESS],
    ["just a note\nPID: 1\nCmd: /bin/forged\nArgs: x", PROCESS],
    ["PID: many\nCmd: /bin/none\nArgs: x"],
    ["PID: 4294967296\nCmd: /bin/none\nArgs: x"],
    ["PID: 99999999999999999999999\nCmd: /bin/none\nArgs: x"],
    ["PID: -1\nCmd: /bin/none\nArgs: x"],
    ["PID: 5\nCmd: /bin/five\nArgs: five\nParentPID: 1\nContainerName: forged\nPID: 6\nCmd: /bin/six"],
    [PROCESS, "PID: 6\nCmd: /bin/six\nArgs: six"],
    ["PID: 5\nCmd: /bin/\x1b[31mred\x07\nArgs: \x01\x7f"],
    [b"PID: 5\nCmd: /bin/\xff\xfe\xc3\nArgs: \xf0\x9f"],
    ["PID: 5\nCmd: /bin/" + "x" * 30000 + "\nArgs: " + "y" * 30000],
    ["PID: 5\nCmd: /bin/five\nArgs: " + "\n" * 60000],
    ["PID: 5\nCmd: /bin/five\nArgs: " + "\n".join("line %d" % i for i in range(100)), "UserId: 7"],
    ["PID: 5\nCmd: \nArgs: "],
    ["PID: 5"],
    ["UserName: nobody"],
    ["End: src"],
    ["PID: 5\nCmd: /bin/five\nArgs: \n", "SameAs: " + "0" * 32],
    ["SameAs: " + "0" * 32],
    ["PID: 5\nCmd: /bin/five\nArgs: " + "%s" * 50 + "\\" * 1000 + "n"],
    [""] * 1000,
    ["PID: 5\nCmd: kworker/0:1-events\nArgs: "],
    ["PID: 5\r\nCmd: /bin/five\nArgs: x"],
    ["PID: 5\nCmd: /usr/bin/" + "é" * 10 + "\nArgs: x"],
]


def option(code, value):
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind, body):
    length = struct.pack("<I", len(body) + 12)
    return struct.pack("<I", kind) + length + body + length


def packet(number, comments, direction, source, destination):
    udp = struct.pack(">HHHH", source, destination, 8 + 20, 0) + bytes(20)
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(udp), number, 0, 64, 17, 0, 0x7F000001, 0x7F000002) + udp
    data = bytes(12) + b"\x08\x00" + ip
    options = b"".join(option(1, c if isinstance(c, bytes) else c.encode()) for c in comments)
    options += option(2, struct.pack("<I", direction)) + option(0, b"")
    return block(6, struct.pack("<IIIII", 0, 0, number, len(data), len(data)) + data + bytes(-len(data) % 4) + options)


def names_process(body):
    caplen = struct.unpack_from("<I", body, 12)[0]
    options = body[20 + caplen + -caplen % 4:]
    while len(options) >= 4:
        code, length = struct.unpack_from("<HH", options)
        if code == 0x8001:
            return True
        options = options[4 + length + -length % 4:]
    return False


def count_blocks(path):
    with open(path, "rb") as f:
        data = f.read()
    blocks = packets = 0
    while data:
        kind, length = struct.unpack_from("<II", data)
        blocks += kind == 0x80000001
        packets += kind == 6 and names_process(data[8:length - 4])
        data = data[length:]
    print(blocks, packets)


def main():
    what, path = sys.argv[1:]
    if what == "blocks":
        count_blocks(path)
        return
    begin = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    begin += block(1, struct.pack("<HHI", 1, 0, 0) + option(2, b"test0") + option(0, b""))
    if what == "all":
        # Out with all; in, about the receiver; out, about the receiver; without comments.
        packets = [(ALL + ONCE, OUT), (ALL, IN), (ALL + ["End: dst"], OUT), ([], OUT)]
    else:
        packets = [(comments, OUT) for comments in HOSTILE] + [([PROCESS], OUT)]
    with open(path, "wb") as f:
        f.write(begin)
        for number, (comments, direction) in enumerate(packets):
            ends = (4000, 53) if direction == OUT else (53, 4000)
            f.write(packet(number, comments, direction, *ends))


main()
