#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--json and --json=flow of files: each line is what docs/json.schema.json says, whatever packets and names hold; addresses, ports,
flags and names are what tshark finds, the Community ID too; flows add up to the packets. SEED=N repeats a run. timeout: 240"""
import json
import os
import random
import re
import shutil
import ssl
import struct
import subprocess
import sys
import tempfile

import jsonschema

TOP = os.environ.get('TOP') or os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PROGRAM = os.environ.get('PTCPDUMP', f'{TOP}/build/ptcpdump')
ASAN = os.environ.get('PTCPDUMP_ASAN', '')
SANITIZED = ASAN if os.path.exists(ASAN) else PROGRAM
TMP = os.environ.get('TEST_TMP') or tempfile.mkdtemp()
SEED = int(os.environ.get('SEED', random.randrange(1 << 32)))
RNG = random.Random(SEED)
GOLDEN = f'{TOP}/tests/golden'
FAILED = []
with open(f'{TOP}/docs/json.schema.json', encoding='utf8') as schema_file:
    SCHEMA = json.load(schema_file)
jsonschema.Draft202012Validator.check_schema(SCHEMA)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
# What a terminal would obey, or nobody see, is escaped.
UNSEEN = re.compile('[\x00-\x09\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]')


def report(name, problem=None):
    print(f'not ok - {name}: {problem} (SEED={SEED})'.replace('\n', ' ') if problem else f'ok - {name}', flush=True)
    if problem:
        FAILED.append(name)


def check(name, function):
    try:
        report(name, function())
    except (AssertionError, ValueError, KeyError, jsonschema.ValidationError, subprocess.SubprocessError) as e:
        report(name, f'{type(e).__name__}: {str(e)[:600]}')


def run(*args, program=PROGRAM):
    p = subprocess.run([program, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    assert p.returncode == 0, f'{args}: status {p.returncode}: {p.stderr.decode(errors="replace")[-400:]}'
    return p.stdout


def no_twice(pairs):
    keys = [k for k, _ in pairs]
    assert len(keys) == len(set(keys)), f'a key twice: {keys}'
    return dict(pairs)


def lines(out, every=1):
    """Objects, and of each distinct shape and every so many the check against the schema, which is slow."""
    text = out.decode()
    assert text == '' or text.endswith('\n'), 'the last line has no end'
    assert not UNSEEN.search(text), f'{UNSEEN.search(text)[0]!r} is not escaped'
    objects = [json.loads(line, object_pairs_hook=no_twice) for line in text.split('\n')[:-1]]
    for o in objects[::every]:
        VALIDATOR.validate(o)
    return objects


def packets(path, *args, program=PROGRAM, every=1):
    return lines(run('-r', path, '--json', *args, program=program), every)


def get(o, path):
    for word in path.split('.'):
        o = o.get(word) if isinstance(o, dict) else None
    return o


# --- files ----------------------------------------------------------------------------

def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)


def option(code, value):
    return struct.pack('<HH', code, len(value)) + value + bytes(-len(value) % 4)


def write(path, items, dlt=1, name=b'eth0'):
    """items: (data, comments, flags) each."""
    with open(path, 'wb') as f:
        f.write(block(0x0a0d0d0a, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1)))
        f.write(block(1, struct.pack('<HHI', dlt, 0, 0) + option(2, name) + option(9, b'\x09') + bytes(4)))
        for i, (data, comments, flags) in enumerate(items):
            ts = 1_790_000_000_000_000_000 + i * 1_000_003
            options = b''.join(option(1, c) for c in comments) + option(2, struct.pack('<I', flags)) + bytes(4)
            f.write(block(6, struct.pack('<IIIII', 0, ts >> 32, ts & 0xffffffff, len(data), len(data)) + data +
                          bytes(-len(data) % 4) + options))
    return path


def ethernet(payload, kind=0x800):
    return bytes.fromhex('020000000002020000000001') + struct.pack('>H', kind) + payload


def ipv4(proto, payload, src='10.0.0.1', dst='10.0.0.2'):
    address = lambda a: bytes(int(x) for x in a.split('.'))
    return ethernet(struct.pack('>BBHHHBBH', 0x45, 0, 20 + len(payload), 1, 0, 64, proto, 0) + address(src) + address(dst) +
                    payload)


def udp(sport, dport, payload, **ends):
    return ipv4(17, struct.pack('>HHHH', sport, dport, 8 + len(payload), 0) + payload, **ends)


def tcp(sport, dport, payload, flags=0x18, seq=1000, **ends):
    return ipv4(6, struct.pack('>HHIIBBHHH', sport, dport, seq, 7, 0x50, flags, 500, 0, 0) + payload, **ends)


# --- names of strangers ----------------------------------------------------------------

EVIL = [b'"', b'\\', b'\\"', b'"}\x00{', b'\xff\xfe', b'\xc0\xaf', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', b'\x1b[2J', b'\x7f', b'\t', b'\r',
        b'\xc2\x9b31m', '\u202e\u2066\ufeff\u2028'.encode(), '\U0001f600'.encode(), b'\xf0\x9f', 'é漢'.encode(), b'</script>', b'${jndi:x}',
        b'","pid":1,"x":"', b'\\u0000', b'-', b' ', b'/', b'{}', b'[]', b'null', b'\x00']
# Those of a line are one comment.
GROUPS = """PID Cmd Args Name Comm
ThreadId ThreadName
UserId
ParentPID ParentCmd ParentArgs ParentName ParentComm
ContainerName ContainerId ContainerImage ContainerLabels
PodName PodNamespace PodUID PodLabels PodAnnotations
UserName
Ancestors
PeerPID PeerCmd PeerArgs PeerName PeerComm
PeerUserId
PeerUserName
PeerContainerName PeerContainerId
PeerContainerImage PeerContainerLabels
PeerPodName PeerPodNamespace
PeerPodLabels
PeerAncestors
EffectivePID EffectiveCmd EffectiveArgs EffectiveName EffectiveComm
End"""
NUMBERS = ('PID', 'ThreadId', 'UserId')
LABELS = ('Labels', 'Annotations')


def evil():
    return b''.join(RNG.choice(EVIL) if RNG.random() < 0.7 else RNG.randbytes(4).replace(b'\n', b'')
                    for _ in range(RNG.randint(0, 6)))


def evil_labels():
    if RNG.random() < 0.3:
        return RNG.choice([b'{', b'[1]', b'"x"', b'{"a":', b'nul', b'{"a":"\xff"}', b'[' * 2000, b'{"a":' * 900 + b'1' + b'}' * 900]) + evil()
    value = lambda: RNG.choice([evil().decode(errors='surrogateescape'), 1, 1.5e300, True, None, [1, {'x': 'y'}], {'k': {}}])
    text = json.dumps({evil().decode(errors='surrogateescape'): value() for _ in range(3)}, ensure_ascii=RNG.random() < 0.5)
    text = text.encode(errors='surrogateescape')
    return text[:-1] + b',"twice":1,"twice":"2"}' if RNG.random() < 0.3 else text


def evil_comments():
    for group in GROUPS.split('\n'):
        found = []
        for key in group.split():
            if RNG.random() < 0.1:
                continue
            value = evil_labels() if key.endswith(LABELS) else RNG.choice(['0', '7', '4294967295', '99@host']).encode() \
                if key.endswith(NUMBERS) else RNG.choice([b'', b'/']) + evil()
            found.append(key.encode() + b': ' + value.replace(b'\n', b' '))
        if found:
            yield b'\n'.join(found)


def hostile_names():
    items = [(udp(1000 + i, 53, b''), list(evil_comments()), i % 3) for i in range(600)]
    path = write(f'{TMP}/names.pcapng', items, name=b'e"\xff\x1b\\')
    for program in {PROGRAM, SANITIZED}:
        for form in ('packet', 'flow'):
            got = lines(run('-r', path, f'--json={form}', program=program))
            assert form == 'flow' or len(got) == len(items), f'{len(got)} lines of {len(items)} packets'
    assert sum('process' in o for o in packets(path)) > 400, 'hardly any process was read'


def replaced():
    item = (udp(1, 2, b''), [b'PID: 7\nCmd: /bin/a\xffb\xe2\x80\xaec\x1b"\nArgs: a\tb', b'UserId: 5', b'UserName: j\xc3\xb6rg'], 1)
    path = write(f'{TMP}/one.pcapng', [item])
    o, = packets(path)
    want = {'pid': 7, 'executable': '/bin/a\ufffdb\u202ec\x1b"', 'command_line': 'a\tb', 'name': 'a\ufffdb\u202ec\x1b"'}
    assert o['process'] == want, o['process']
    assert o['user'] == {'id': '5', 'name': 'jörg'}, o['user']
    assert o['ptcpdump']['owner'] == 'destination' and o['network']['direction'] == 'ingress', o
    assert o['observer'] == {'ingress': {'interface': {'name': 'eth0'}}}, o
    assert b'\\u202e' in run('-r', path, '--json')


def random_packets():
    count = 3000
    for dlt in (1, 101, 0, 108, 113, 276, 9, 147):
        items = []
        for i in range(count):
            data = bytearray(RNG.choice([udp, tcp])(RNG.choice([53, 443, 5353, i]), RNG.randrange(65536), RNG.randbytes(RNG.randint(0, 90))))
            for _ in range(RNG.choice([0, 1, 3, 20])):
                data[RNG.randrange(len(data))] = RNG.choice([0, 1, 6, 17, 0x16, 0x45, 0x60, 0x81, 0x86, 0xdd, 255, RNG.randrange(256)])
            data = data[RNG.choice([0, 0, 12, 14]):]
            items.append((bytes(data[:RNG.choice([len(data), RNG.randrange(len(data) + 1)])]), [], RNG.randrange(3)))
        path = write(f'{TMP}/random.pcapng', items, dlt)
        got = packets(path, program=SANITIZED, every=7)
        assert len(got) == count, f'link type {dlt}: {len(got)} lines of {count} packets'
        lines(run('-r', path, '--json=flow', program=SANITIZED), every=7)


# --- what others say ----------------------------------------------------------------------

FIELDS = {'ip.src': 'source.ip', 'ipv6.src': 'source.ip', 'ip.dst': 'destination.ip', 'ipv6.dst': 'destination.ip',
          'tcp.srcport': 'source.port', 'udp.srcport': 'source.port', 'tcp.dstport': 'destination.port',
          'udp.dstport': 'destination.port', 'frame.len': 'network.bytes', 'tcp.seq_raw': 'ptcpdump.tcp.seq',
          'tcp.ack_raw': 'ptcpdump.tcp.ack', 'icmp.type': 'icmp.type', 'icmp.code': 'icmp.code', 'icmpv6.type': 'icmp.type',
          'dns.qry.name': 'dns.question.name', 'communityid': 'network.community_id', 'vlan.id': 'network.vlan.id',
          'tls.handshake.extensions_server_name': 'tls.client.server_name', 'eth.src': 'source.mac'}


def tshark(path):
    """Of each packet {field: its first value}."""
    fields = [a for f in FIELDS for a in ('-e', f)]
    p = subprocess.run(['tshark', '-n', '-r', path, '--enable-protocol', 'communityid', '-o', 'tcp.desegment_tcp_streams:false',
                        '-o', 'ip.defragment:false', '-o', 'ipv6.defragment:false', '-o', 'tcp.relative_sequence_numbers:false', '-T', 'fields', '-E', 'occurrence=f', '-E', 'separator=/t', *fields],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False)
    assert p.returncode == 0, p.stderr.decode()[-300:]
    for line in p.stdout.decode().split('\n')[:-1]:
        values = dict(zip(FIELDS, line.split('\t')))
        yield {f: v for f, v in values.items() if v}


def same(field, theirs, ours):
    if field == 'eth.src':
        return ours == theirs.upper().replace(':', '-')
    # tshark has control characters of names otherwise.
    return str(ours) == theirs or (field == 'dns.qry.name' and (theirs == '<Root>' and ours == '.' or '\\' in str(ours)))


def compare(path, fields=FIELDS):
    ours, theirs = packets(path, every=50), list(tshark(path))
    assert len(ours) == len(theirs), f'{len(ours)} lines, tshark: {len(theirs)}'
    compared = 0
    for i, (o, t) in enumerate(zip(ours, theirs)):
        for field, value in t.items():
            if field not in fields:
                continue
            compared += 1
            assert same(field, value, get(o, FIELDS[field])), f'packet {i + 1}: {field} is {value}, ours {get(o, FIELDS[field])}'
    assert compared >= len(ours), f'only {compared} values compared'


def big_file():
    path = f'{TMP}/big.pcap'
    with open(path, 'wb') as f:
        subprocess.run([f'{os.environ.get("HELPERS", TOP + "/build/tests")}/mkpcap', '5000', '40', '60', '30'], stdout=f, check=True)
    compare(path)


def mixed():
    """What mkpcap has not: VLANs, ICMP, fragments, SCTP, extension headers, other link types."""
    v6 = bytes.fromhex('20010db8000000000000000000000001' 'fe800000000000000000000000000002')
    ip6 = lambda nxt, payload: struct.pack('>IHBB', 0x60000000, len(payload), nxt, 64) + v6 + payload
    frames = [ethernet(b'\x00\x0a\x08\x00' + udp(1, 2, b'x')[14:], 0x8100),
              ethernet(b'\x00\x0a\x81\x00\x00\x0b\x08\x00' + udp(1, 2, b'x')[14:], 0x8100)]
    frames += [ipv4(1, bytes([kind, code]) + bytes(26)) for kind, code in ((8, 0), (0, 0), (3, 1), (11, 0), (13, 0), (9, 0), (10, 0))]
    frames += [ethernet(ip6(58, bytes([kind, 0]) + bytes(30)), 0x86dd) for kind in (128, 129, 1, 135, 136, 133, 134)]
    frames += [ethernet(ip6(0, bytes([17, 0, 1, 4, 0, 0, 0, 0]) + struct.pack('>HHHH', 5, 6, 8, 0)), 0x86dd),
               ethernet(ip6(17, struct.pack('>HHHH', 60000, 5, 8, 0)), 0x86dd),
               ipv4(132, struct.pack('>HHII', 9, 8, 0, 0) + bytes(20)), ipv4(47, bytes(8)), ipv4(2, bytes(8)),
               tcp(80, 5, b'', src='10.0.0.2', dst='10.0.0.1'), tcp(5, 80, b''), udp(7, 7, b'', src='10.0.0.9', dst='10.0.0.9')]
    compare(write(f'{TMP}/mixed.pcapng', [(f, [], 0) for f in frames]))
    compare(write(f'{TMP}/raw.pcapng', [(f[14:], [], 0) for f in frames if f[12:14] == b'\x08\0'], 101))
    fragment = bytearray(udp(1, 2, bytes(64)))
    fragment[20:22] = b'\x20\x10'
    o, = packets(write(f'{TMP}/fragment.pcapng', [(bytes(fragment), [], 0)]))
    assert 'port' not in o['source'] and 'community_id' not in o['network'] and o['ptcpdump']['fragment'], o


# --- names in packets -----------------------------------------------------------------------

def question(name, kind=1, klass=1):
    return b''.join(bytes([len(x)]) + x for x in name) + b'\0' + struct.pack('>HH', kind, klass)


def dns(flags, rest, count=1, ident=0x1234):
    return struct.pack('>HHHHHH', ident, flags, count, 0, 0, 0) + rest


def dns_names():
    q = question([b'www', b'example', b'com'], 28)
    cases = [(udp(5, 53, dns(0x100, q)), {'id': '4660', 'type': 'query', 'question': {'name': 'www.example.com', 'type': 'AAAA', 'class': 'IN'}}),
             (udp(53, 5, dns(0x8183, q)), {'id': '4660', 'type': 'answer', 'response_code': 'NXDOMAIN',
                                           'question': {'name': 'www.example.com', 'type': 'AAAA', 'class': 'IN'}}),
             (tcp(5, 53, struct.pack('>H', len(dns(0, q))) + dns(0, q)), 'www.example.com'),
             (udp(5353, 5353, dns(0, question([b'_http', b'_tcp', b'local'], 12, 0x8001))), '_http._tcp.local'),
             (udp(5, 53, dns(0, question([b'a.b', b'c"\\\xff\n', b'd']))), 'a\\.b.c\\"\\\\\\255\\010.d'),
             (udp(5, 53, dns(0, question([], 2))), '.'),
             (udp(5, 53, dns(0, question([b'x' * 63] * 3 + [b'y' * 61]))), '.'.join(['x' * 63] * 3 + ['y' * 61])),
             (udp(5, 53, dns(0, question([b'x' * 63] * 4))), None), (udp(5, 53, dns(0, b'\xc0\x0c\0\1\0\1')), None),
             (udp(5, 53, dns(0, q, 0)), None), (udp(5, 54, dns(0, q)), None), (udp(5, 53, dns(0, q[:-1])), None)]
    for (frame, want), o in zip(cases, packets(write(f'{TMP}/dns.pcapng', [(f, [], 0) for f, _ in cases]))):
        got = o.get('dns') if isinstance(want, dict) or want is None else get(o, 'dns.question.name')
        assert got == want, f'{got} instead of {want}'
        assert (get(o, 'network.protocol') == 'dns') == (want is not None)
    kind = lambda n: get(packets(write(f'{TMP}/kind.pcapng', [(udp(5, 53, dns(0, question([b'a'], n))), [], 0)]))[0], 'dns.question.type')
    assert [kind(n) for n in (65, 255, 65280)] == ['HTTPS', 'ANY', 'TYPE65280']


def hello(name):
    context, out = ssl.create_default_context(), ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def tls_names():
    data = hello('name.example.org')
    compare(write(f'{TMP}/hello.pcapng', [(tcp(5, 443, data), [], 0), (tcp(5, 8443, data), [], 0)]))
    cut = [(tcp(5, 443, data[:n]), [], 0) for n in range(len(data) + 1)] + [(tcp(5, 443, data[n:]), [], 0) for n in range(1, len(data))]
    names = {get(o, 'tls.client.server_name') for o in packets(write(f'{TMP}/cut.pcapng', cut), program=SANITIZED, every=20)}
    assert names == {None, 'name.example.org'}, names
    shown = [get(o, 'tls.client.server_name') for o in packets(f'{TMP}/cut.pcapng', every=1000)][len(data)]
    assert shown == 'name.example.org', shown
    broken = []
    for _ in range(2000):
        bad = bytearray(data)
        for _ in range(RNG.randint(1, 4)):
            bad[RNG.randrange(len(bad))] = RNG.choice([0, 255, RNG.randrange(256)])
        broken.append((tcp(5, 443, bytes(bad)), [], 0))
    assert len(packets(write(f'{TMP}/broken.pcapng', broken), program=SANITIZED, every=50)) == 2000


# --- options -----------------------------------------------------------------------------------

def selected():
    path = f'{GOLDEN}/annotated.pcapng'
    full = packets(path)
    assert all(get(o, 'process.command_line') and get(o, 'kubernetes.labels') and get(o, 'container.labels') for o in full)
    text = run('-r', path, '--json', '--json-omit', 'args,labels')
    assert b'command_line' not in text and b'labels' not in text and b'annotations' not in text and b'zzimage' in text
    assert {k for o in packets(path, '--context', 'process') for k in o} == \
        {'@timestamp', 'ecs', 'event', 'source', 'destination', 'network', 'observer', 'process', 'ptcpdump'}
    assert not any('process' in o for o in packets(path, '--context', 'user'))
    assert len(packets(path, 'udp')) == int(run('-r', path, '--count', 'udp').split()[0])
    assert len(packets(path, '-c', '2', '-v', '-e', '-tttt', '-#', '-q')) == 2


def beside():
    path, out, listed = f'{GOLDEN}/annotated.pcapng', f'{TMP}/out.pcapng', f'{TMP}/list'
    want = packets(path)
    assert packets(path, '-w', out, '--print') == want and packets(out) == want
    with open(listed, 'w', encoding='utf8') as f:
        f.write(f'{path}\n{GOLDEN}/names.pcapng\n{path}\n')
    got = lines(run('-V', listed, '--json'))
    assert got == want + packets(f'{GOLDEN}/names.pcapng') + want, 'files of a list are told otherwise than each alone'
    p = subprocess.run([PROGRAM, '-r', '-', '--json'], stdin=open(path, 'rb'), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                       check=True, timeout=60)
    assert lines(p.stdout) == want


def refused():
    path = f'{GOLDEN}/plain.pcap'
    for args, word in ((['--count'], '--count'), (['-x'], '-x'), (['-A'], '-A'), (['-XX'], '-X'), (['--brief'], '--brief'),
                       (['--summary'], '--summary'), (['--top'], '--top'), (['-w', f'{TMP}/x.pcapng'], '--print'), (['-T', 'snmp'], '-T')):
        p = subprocess.run([PROGRAM, '-r', path, '--json', *args], capture_output=True, check=False, timeout=60)
        assert p.returncode == 1 and word.encode() in p.stderr and b'--json' in p.stderr and not p.stdout, (args, p)
    for args in (['--json-omit', 'args'], ['--flow-interval', '5'], ['--json=packet', '--flow-interval', '5'], ['--json=x'],
                 ['--json', '--json-omit', 'x']):
        p = subprocess.run([PROGRAM, '-r', path, *args], capture_output=True, check=False, timeout=60)
        assert p.returncode == 1 and b'--' in p.stderr and not p.stdout, (args, p)


# --- flows -------------------------------------------------------------------------------------

def total(objects, path):
    return sum(get(o, path) for o in objects)


def flows_add_up():
    for path in (f'{TMP}/big.pcap', f'{GOLDEN}/annotated.pcapng', f'{GOLDEN}/plain.pcap'):
        each = packets(path, every=1000)
        for interval in ('0', '1', '60'):
            flows = lines(run('-r', path, '--json=flow', '--flow-interval', interval), every=20)
            last = [o for o in flows if 'end' in o['event']['type']]
            assert interval != '0' or last == flows
            assert len(last) == sum('start' in o['event']['type'] for o in flows), 'as many begin as end'
            for what in ('network.packets', 'network.bytes'):
                assert total(last, what) == total(each, what), f'{path}: {what}'
            for o in last:
                assert o['source']['bytes'] + o['destination']['bytes'] == o['network']['bytes']
        ids = {get(o, 'network.community_id') for o in each if get(o, 'network.transport') in ('tcp', 'udp')}
        assert {get(o, 'network.community_id') for o in last} == ids


def conversation():
    """(client's and server's frames with their seconds) of one connection that is closed, one that is reset, and UDP."""
    back = {'src': '10.0.0.2', 'dst': '10.0.0.1'}
    yield 0, tcp(4000, 80, b'', 2)
    yield 0, tcp(80, 4000, b'', 0x12, **back)
    yield 1, tcp(4000, 80, b'x' * 100, seq=1001)
    yield 1, tcp(4000, 80, b'x' * 100, seq=1001)
    yield 100, tcp(80, 4000, b'y' * 50, seq=1001, **back)
    yield 101, tcp(4000, 80, b'', 0x11, seq=1101)
    yield 101, tcp(80, 4000, b'', 0x11, seq=1051, **back)
    yield 110, tcp(4001, 80, b'', 2)
    yield 110, tcp(80, 4001, b'', 0x14, **back)
    yield 120, udp(6, 7, b'x')
    yield 400, udp(6, 8, b'x')


def one_flow():
    path = f'{TMP}/flow.pcap'
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for sec, data in conversation():
            f.write(struct.pack('<IIII', 1_790_000_000 + sec, 0, len(data), len(data)) + data)
    got = lines(run('-r', path, '--json=flow', '--flow-interval', '30'))
    web = [o for o in got if o['source']['port'] == 4000]
    assert [o['event']['type'] for o in web] == [['connection', 'start'], ['connection', 'end']], [o['event'] for o in web]
    first, last = web
    assert first['network']['packets'] == 4 and last['network']['packets'] == 7, web
    assert last['event']['reason'] == 'fin' and last['event']['duration'] == 101 * 10**9, last['event']
    assert last['ptcpdump']['tcp'] == {'retransmits': 1, 'resets': 0, 'connections': 1}, last['ptcpdump']
    assert last['source']['packets'] == 4 and last['destination']['packets'] == 3 and last['destination']['port'] == 80, last
    rest = [(o['source']['port'], o['destination']['port'], o['event']['reason']) for o in got if o not in web]
    assert rest == [(4001, 80, 'reset'), (6, 7, 'timeout'), (6, 8, 'capture_end')], rest


def jq():
    if not shutil.which('jq'):
        return 'jq is missing: scripts/setup.sh installs it'
    out = run('-r', f'{TMP}/names.pcapng', '--json')
    p = subprocess.run(['jq', '-c', '[.source.port, .process.name, ."@timestamp"]'], input=out, stdout=subprocess.PIPE, check=True, timeout=60)
    assert p.stdout.count(b'\n') == out.count(b'\n') == 600, p.stdout.count(b'\n')
    return None


for function in (hostile_names, replaced, random_packets, big_file, mixed, dns_names, tls_names, selected, beside, refused, flows_add_up,
                 one_flow, jq):
    check(function.__name__.replace('_', ' '), function)
sys.exit(1 if FAILED else 0)
