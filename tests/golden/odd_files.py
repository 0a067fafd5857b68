#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
"""Unusual capture files, made by hand: what is read, what is kept when they are rewritten, and what is said of damaged ones.

The judges are a parser of our own, which shares nothing with the program, tshark, and tcpdump for what it can read."""
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from fractions import Fraction

PROGRAM = os.environ.get('PTCPDUMP', 'build/ptcpdump')
TMP = os.environ.get('TEST_TMP') or tempfile.mkdtemp()
ENV = {**os.environ, 'TZ': 'UTC0', 'LC_ALL': 'C.UTF-8'}
FAILED = []

SHB, IDB, PB, SPB, NRB, ISB, EPB, JOURNAL, DSB = 0x0a0d0d0a, 1, 2, 3, 4, 5, 6, 9, 10
CB, CB_NOCOPY, UNKNOWN = 0xbad, 0x40000bad, 0x7b00cafe
ETHERNET, RAW, SLL = 1, 101, 113


def report(name, problem=None):
    print(f'not ok - {name}: {problem}' if problem else f'ok - {name}', flush=True)
    if problem:
        FAILED.append(name)


def same(name, got, want):
    while isinstance(got, (list, tuple)) and isinstance(want, (list, tuple)) and got != want and len(got) == len(want):
        got, want = next((g, w) for g, w in zip(got, want) if g != w)
    report(name, None if got == want else f'got {str(got)[:400]}, not {str(want)[:400]}')


def run(*args, stdin=None):
    p = subprocess.run(args, input=stdin, stdin=None if stdin else subprocess.DEVNULL, capture_output=True, env=ENV, check=False)
    return p.returncode, p.stdout.decode('utf8', 'replace'), p.stderr.decode('utf8', 'replace')


def save(name, data):
    path = os.path.join(TMP, name)
    with open(path, 'wb') as f:
        f.write(data)
    return path


def pad(data):
    return data + bytes(-len(data) % 4)


def udp(n, size=4, link=ETHERNET):
    """A datagram from port n; IPv4 without link header, behind Ethernet's, or behind a cooked one."""
    payload = bytes((n + i) & 0xff for i in range(size))
    ip = struct.pack('>BBHHHBBHII', 0x45, 0, 28 + size, n, 0, 64, 17, 0, 0x0a000001, 0x0a000002)
    packet = ip + struct.pack('>HHHH', n, 5678, 8 + size, 0) + payload
    if link == ETHERNET:
        return bytes.fromhex('0200000000020200000000010800') + packet
    if link == SLL:
        return bytes.fromhex('00000001000602000000000100000800') + packet
    return packet


class Ng:
    """Builds a pcapng file; the byte order is that of the section."""

    def __init__(self):
        self.data = b''
        self.e = '<'

    def pack(self, fmt, *values):
        return struct.pack(self.e + fmt, *values)

    def block(self, kind, body):
        body = pad(body)
        size = len(body) + 12
        self.data += self.pack('II', kind, size) + body + self.pack('I', size)
        return self

    def options(self, *options, end=True):
        out = b''.join(self.pack('HH', code, len(value)) + pad(value) for code, value in options)
        return out + (self.pack('HH', 0, 0) if options and end else b'')

    def section(self, order, *options, length=-1):
        self.e = order
        return self.block(SHB, self.pack('IHHq', 0x1a2b3c4d, 1, 0, length) + self.options(*options))

    def iface(self, link, snaplen, *options):
        return self.block(IDB, self.pack('HHI', link, 0, snaplen) + self.options(*options))

    def packet(self, iface, ts, data, *options, length=None, end=True):
        body = self.pack('IIIII', iface, ts >> 32, ts & 0xffffffff, len(data), len(data) if length is None else length)
        return self.block(EPB, body + pad(data) + self.options(*options, end=end))

    def simple(self, data, length=None):
        return self.block(SPB, self.pack('I', len(data) if length is None else length) + data)

    def old(self, iface, drops, ts, data, *options):
        body = self.pack('HHIIII', iface, drops, ts >> 32, ts & 0xffffffff, len(data), len(data))
        return self.block(PB, body + pad(data) + self.options(*options))

    def u32(self, v):
        return self.pack('I', v)

    def u64(self, v):
        return self.pack('Q', v)

    def custom(self):
        pen = self.u32(32473)
        return [(2988, pen + b'text'), (2989, pen + b'\0\1\2'), (19372, pen + b'not copied'), (19373, pen + b'\3')]


# What the parser makes of a file: numbers, so that byte orders and paddings don't matter.

def kind_of(block, code):
    if code in (2988, 2989, 19372, 19373):
        return 'I'
    return {(IDB, 8): 'Q', (IDB, 10): 'I', (IDB, 14): 'Q', (IDB, 16): 'Q', (IDB, 17): 'Q', (EPB, 2): 'I', (EPB, 4): 'Q', (EPB, 5): 'Q', (EPB, 6): 'I',
            (PB, 2): 'I', (ISB, 2): 'II', (ISB, 3): 'II', (ISB, 4): 'Q', (ISB, 5): 'Q', (ISB, 6): 'Q', (ISB, 7): 'Q',
            (ISB, 8): 'Q'}.get((block, code), '')


def parse_options(e, block, data):
    out = []
    while len(data) >= 4:
        code, size = struct.unpack(e + 'HH', data[:4])
        if code == 0 or len(data) < 4 + size:
            break
        value = data[4:4 + size]
        fmt = e + kind_of(block, code)
        n = struct.calcsize(fmt)
        if block == EPB and code == 7 and value and value[0] in (1, 2):
            number = (value[0], *struct.unpack(e + 'Q', value[1:9]))
            value = b''
        else:
            number = struct.unpack(fmt, value[:n])
        out.append((code, number, value[n:]))
        data = data[4 + size + (-size % 4):]
    return out


def parse_names(e, data):
    out = []
    while True:
        code, size = struct.unpack(e + 'HH', data[:4])
        out.append((code, data[4:4 + size]))
        data = data[4 + size + (-size % 4):]
        if code == 0:
            return out, parse_options(e, NRB, data)


def parse_packet(e, kind, body, snaplens):
    if kind == SPB:
        length, = struct.unpack(e + 'I', body[:4])
        size = min(length, snaplens[0]) if snaplens[0] else length
        return ('packet', 0, 0, length, body[4:4 + size], [])
    if kind == EPB:
        iface, high, low, size, length = struct.unpack(e + 'IIIII', body[:20])
        extra = []
    else:
        iface, drops, high, low, size, length = struct.unpack(e + 'HHIIII', body[:20])
        extra = [] if drops == 0xffff else [(4, (drops,), b'')]
    return ('packet', iface, high << 32 | low, length, body[20:20 + size], extra + parse_options(e, kind, body[20 + size + (-size % 4):]))


def parse_block(e, kind, body, snaplens):
    if kind == SHB:
        return ('section', parse_options(e, kind, body[16:]))
    if kind == IDB:
        link, _, snaplen = struct.unpack(e + 'HHI', body[:8])
        snaplens.append(snaplen)
        return ('interface', link, snaplen, parse_options(e, kind, body[8:]))
    if kind in (EPB, PB, SPB):
        return parse_packet(e, kind, body, snaplens)
    if kind == NRB:
        return ('names', *parse_names(e, body))
    if kind == ISB:
        return ('statistics', struct.unpack(e + 'III', body[:12]), parse_options(e, kind, body[12:]))
    if kind == DSB:
        secret, size = struct.unpack(e + 'II', body[:8])
        return ('secrets', secret, body[8:8 + size], parse_options(e, kind, body[8 + size + (-size % 4):]))
    if kind in (CB, CB_NOCOPY):
        return ('custom', kind, struct.unpack(e + 'I', body[:4]), body[4:])
    return ('other', kind, body)


def parse(data):
    out, e, snaplens = [], '<', []
    while data:
        if data[:4] == b'\n\r\r\n':
            e = '<' if data[8:12] == b'\x4d\x3c\x2b\x1a' else '>'
            snaplens = []
        kind, size = struct.unpack(e + 'II', data[:8])
        assert size % 4 == 0 and size >= 12 and data[size - 4:size] == data[4:8], 'broken block'
        out.append(parse_block(e, kind, data[8:size - 4], snaplens))
        data = data[size:]
    return out


def packet_times(blocks):
    """Of each packet as the text of -tt --nano shows it, which says of an empty packet that it is invalid."""
    out, ifaces = [], []
    for b in blocks:
        if b[0] == 'section':
            ifaces = []
        elif b[0] == 'interface':
            options = {code: (number, value) for code, number, value in b[3]}
            resol = options[9][1][0] if 9 in options else 6
            units = 2 ** (resol & 0x7f) if resol & 0x80 else 10 ** resol
            offset = options[14][0][0] if 14 in options else 0
            ifaces.append((units, offset - 2 ** 64 if offset >= 2 ** 63 else offset))
        elif b[0] == 'packet':
            units, offset = ifaces[b[1]]
            ns = int(Fraction(b[2], units) * 10 ** 9)
            out.append(f'{ns // 10 ** 9 + offset}.{ns % 10 ** 9:09d}' if b[4] else '[Invalid')
    return out


# The files.

NOW = 1700000000


def zoo(order, f=None):
    """Every block and every option."""
    f = f or Ng()
    f.section(order, (1, b'of the section'), (1, b'again'), (2, b'hw'), (3, b'os'), (4, b'appl'), (0x7fff, b'unknown'))
    custom = f.custom()
    f.block(NRB, f.pack('HH', 1, 13) + pad(b'\x0a\0\0\1one.test\0') + f.pack('HH', 2, 22) + pad(bytes(15) + b'\1six\0a\0')
            + f.pack('HH', 0, 0) + f.options((1, b'names'), (2, b'dns'), (3, b'\x7f\0\0\1')))
    f.iface(ETHERNET, 96, (1, b'note'), (2, b'eth0'), (3, b'first'), (4, b'\x0a\0\0\1\xff\0\0\0'), (5, bytes(17)), (6, b'\2\0\0\0\0\1'),
            (7, bytes(8)), (8, f.u64(10 ** 10)), (9, b'\x09'), (10, f.u32(3600)), (11, b'\0udp'), (12, b'Linux'), (13, b'\4'),
            (15, b'nic'), (16, f.u64(1)), (17, f.u64(2)), (0x7ffe, b'unknown'), *custom)
    f.iface(RAW, 0, (2, b'tun0'))
    f.iface(SLL, 262144)
    f.block(DSB, f.pack('II', 0x544c534b, 9) + b'CLIENT_R\n' + bytes(3) + f.options((1, b'keys')))
    for i in range(4):
        f.packet(0, (NOW + i) * 10 ** 9 + 123456789, udp(100 + i, 6 + i), (1, b'one'), (2, f.u32(1 + i % 2 | 4 << 5)),
                 (1, b'two\nlines'), (3, b'\2' + struct.pack('>I', 0xdeadbeef)), (4, f.u64(3)), (5, f.u64(77)), (6, f.u32(5)),
                 (7, b'\1' + f.u64(2)), (7, b'\0raw'), (0x7ffd, b'unknown'), *custom, (1, b'three'))
    f.packet(1, NOW * 10 ** 6 + 5, udp(200, link=RAW), end=False)
    f.packet(1, NOW * 10 ** 6 + 6, udp(201, link=RAW)[:30], length=1500)
    f.packet(2, NOW * 10 ** 6 + 7, udp(300, 5, link=SLL), (2, f.u32(2)))
    f.packet(0, NOW * 10 ** 9, b'', length=60)
    f.old(1, 0xffff, NOW * 10 ** 6 + 8, udp(202, 3, link=RAW), (2, f.u32(1)), (1, b'old'))
    f.old(2, 7, NOW * 10 ** 6 + 9, udp(301, link=SLL))
    f.simple(udp(400, 7))
    f.simple(udp(401, 100)[:96], length=142)
    f.block(JOURNAL, b'__CURSOR=x\nMESSAGE=hello\n')
    f.block(CB, f.u32(32473) + b'copied')
    f.block(CB_NOCOPY, f.u32(32473) + b'not copied')
    f.block(UNKNOWN, b'what is this')
    f.block(ISB, f.pack('III', 0, 1, 2) + f.options((1, b'stats'), (2, f.pack('II', 3, 4)), (3, f.pack('II', 5, 6)),
                                                    *((code, f.u64(code)) for code in range(4, 9)), *custom))
    f.iface(ETHERNET, 64, (2, b'late'), (9, b'\x83'))
    f.packet(3, NOW * 8 + 1, udp(500))
    return f.data


def resolutions():
    f = Ng().section('<')
    all_of_them = list(range(20)) + [0x80 + i for i in range(64)]
    for r in all_of_them:
        f.iface(ETHERNET, 0, (2, b'r%d' % r), (9, bytes([r])))
    for i, r in enumerate(all_of_them):
        units = 2 ** (r & 0x7f) if r & 0x80 else 10 ** r
        f.packet(i, min(NOW * units + units // 3, 2 ** 64 - 1), udp(i + 1))
    return f.data


def offsets():
    f = Ng()
    for order in '<>':
        f.section(order)
        for offset in (0, 1, 3600, 10 ** 9, -1, -3600, -10 ** 9):
            f.iface(ETHERNET, 0, (14, f.pack('q', offset)))
            f.iface(ETHERNET, 0, (9, b'\x09'), (14, f.pack('q', offset)))
        for i in range(7):
            f.packet(2 * i, (NOW * 10 ** 6) + i, udp(i + 1))
            f.packet(2 * i + 1, (NOW * 10 ** 9) + i, udp(i + 1))
    return f.data


def sections():
    f = Ng()
    zoo('<', f)
    zoo('>', f)
    f.section('<', length=0)
    zoo('>', f)
    return f.data


def exact_section():
    """Section lengths that are given, as some write them."""
    out = b''
    for order in '<>':
        body = Ng().section(order)
        head = len(body.data)
        body.iface(ETHERNET, 0).packet(0, NOW * 10 ** 6, udp(1)).packet(0, NOW * 10 ** 6 + 1, udp(2))
        out += Ng().section(order, length=len(body.data) - head).data + body.data[head:]
    return out


def many_ifaces():
    f = Ng().section('>')
    for i in range(300):
        f.iface(ETHERNET if i % 2 else RAW, 100 + i)
    for i in range(300):
        f.packet(i, NOW * 10 ** 6 + i, udp(i + 1, link=ETHERNET if i % 2 else RAW))
    return f.data


NG_FILES = {
    'zoo_little': zoo('<'), 'zoo_big': zoo('>'), 'sections': sections(), 'resolutions': resolutions(), 'offsets': offsets(),
    'exact_section': exact_section(), 'many_ifaces': many_ifaces(),
    'no_packets': Ng().section('>').iface(ETHERNET, 0).data,
}


def ptcpdump(*args, **kw):
    return run(PROGRAM, *args, **kw)


def tshark_fields(path, *fields):
    args = [a for f in fields for a in ('-e', f)]
    code, out, err = run('tshark', '-n', '-r', path, '-T', 'fields', '-E', 'occurrence=f', *args)
    err = [line for line in err.splitlines() if 'Running as user' not in line]
    return ([line.split('\t') for line in out.splitlines()], code, err)


def check_ng(name, data):
    path = save(name + '.pcapng', data)
    blocks = parse(data)
    packets = [b for b in blocks if b[0] == 'packet']
    code, out, err = ptcpdump('-nn', '-tt', '--nano', '-#', '-r', path)
    lines = [line for line in out.splitlines() if re.match(r' *\d+  ', line)]
    same(f'{name}: read to the end', (code, len(lines)), (0, len(packets)))
    same(f'{name}: times', [line.split()[1] for line in lines], packet_times(blocks))
    copy = os.path.join(TMP, 'copy.pcapng')
    code, _, err = ptcpdump('-r', path, '-w', copy)
    same(f'{name}: rewritten', (code, err.splitlines()[1:]), (0, []))
    with open(copy, 'rb') as f:
        same(f'{name}: rewriting keeps everything', parse(f.read()), blocks)
    if shutil.which('tshark'):
        fields = ('frame.time_epoch', 'frame.cap_len', 'frame.len', 'frame.interface_name', 'frame.encap_type', 'udp.srcport', 'frame.comment')
        want, _, _ = tshark_fields(path, *fields)
        got, code, err = tshark_fields(copy, *fields)
        same(f'{name}: tshark sees the same', got, want)
        same(f'{name}: tshark has no complaint', (code, err), (0, []))
    return path, blocks


def check_filtered(name, path, blocks):
    copy = os.path.join(TMP, 'filtered.pcapng')
    for text, wanted in (('udp src port 101 or udp src port 300', (101, 300)), ('udp src port 9', ()), ('len = 142', (401,))):
        want = [b for b in blocks if b[0] != 'packet' or port_of(b[4]) in wanted]
        code, _, err = ptcpdump('-r', path, '-w', copy, text)
        with open(copy, 'rb') as f:
            same(f'{name}: only packets are dropped by "{text}"', (code, err.splitlines()[1:], parse(f.read())), (0, [], want))


def port_of(data):
    at = data.find(b'\x45\0')
    return struct.unpack('>H', data[at + 20:at + 22])[0] if at >= 0 and len(data) >= at + 22 else None


def check_refused():
    for resol, text in ((20, '10^-20'), (127, '10^-127'), (0x80 + 64, '2^-64'), (0xff, '2^-127')):
        path = save('resol.pcapng', Ng().section('<').iface(ETHERNET, 0, (9, bytes([resol]))).packet(0, 1, udp(1)).data)
        code, _, err = ptcpdump('-r', path)
        same(f'resolution {text} is refused', (code, f'resolution {text} is too high' in err), (1, True))
    for name, data in (('no interface', Ng().section('<').data), ('packet first', Ng().section('<').packet(0, 1, udp(1)).data)):
        code, _, err = ptcpdump('-r', save('bad.pcapng', data))
        report(f'{name} is refused', None if code == 1 and 'Interface Description' in err else err)


# pcap

def pcap(order='<', magic=0xa1b2c3d4, version=(2, 4), snaplen=262144, network=1, packets=6, extra=b'', swap=False):
    out = struct.pack(order + 'IHHiIII', magic, *version, 0, 0, snaplen, network)
    for i in range(packets):
        data = udp(i + 1, 3 + i)
        lengths = (len(data), len(data) + 10 * (i == 3))
        out += struct.pack(order + 'IIII', NOW + i, 123456 + i, *(lengths[::-1] if swap else lengths)) + extra + data
    return out


PCAP_FILES = {}
for _order, _o in (('<', 'little'), ('>', 'big')):
    PCAP_FILES[f'usec_{_o}'] = pcap(_order)
    PCAP_FILES[f'nsec_{_o}'] = pcap(_order, magic=0xa1b23c4d)
    PCAP_FILES[f'kuznetzov_{_o}'] = pcap(_order, magic=0xa1b2cd34, extra=struct.pack(_order + 'IHBB', 3, 0x800, 0, 0))
    PCAP_FILES[f'fcs_{_o}'] = pcap(_order, network=1 | 0x24000000)
    PCAP_FILES[f'lengths_2_2_{_o}'] = pcap(_order, version=(2, 2), swap=True)
    PCAP_FILES[f'lengths_2_3_{_o}'] = pcap(_order, version=(2, 3), swap=True)
    PCAP_FILES[f'snaplen_0_{_o}'] = pcap(_order, snaplen=0)
    PCAP_FILES[f'snaplen_50_{_o}'] = pcap(_order, snaplen=50)
    PCAP_FILES[f'version_543_{_o}'] = pcap(_order, version=(543, 0), swap=True)
    PCAP_FILES[f'empty_{_o}'] = pcap(_order, packets=0)


def text_of(program, path, *flags):
    code, out, err = run(program, '-nn', '-tt', '-e', '-v', *flags, '-r', path)
    return code, out, ours(err, path)


def ours(err, path):
    """Messages without the program's name and what we add to libpcap's words."""
    out = []
    for line in err.splitlines():
        line = re.sub(r', at byte offset \d+$', '', re.sub(r'^(tcpdump|ptcpdump)[^:]*: ', '', line))
        line = line.removeprefix(f'{path}: ').removeprefix('pcap_loop: ')
        if line and 'dropped privs' not in line and not line.startswith('reading from file'):
            out.append(line)
    return out


def check_pcap(name, data):
    path = save(name + '.pcap', data)
    for flags in ((), ('--nano', '-XX')):
        want, got = text_of('tcpdump', path, *flags), text_of(PROGRAM, path, *flags)
        same(f'{name}: as tcpdump {" ".join(flags)}'.rstrip(), got, want)
    copy, theirs = os.path.join(TMP, 'copy.pcap'), os.path.join(TMP, 'theirs.pcap')
    for flags in ((), ('--nano',)):
        ptcpdump(*flags, '-r', path, '-w', copy)
        run('tcpdump', *flags, '-Z', 'root', '-r', path, '-w', theirs)
        with open(copy, 'rb') as a, open(theirs, 'rb') as b:
            same(f'{name}: -w {" ".join(flags)} as tcpdump', a.read().hex(), b.read().hex())
    ng = os.path.join(TMP, 'copy.pcapng')
    ptcpdump('--nano', '-r', path, '-w', ng)
    same(f'{name}: text of a pcapng made of it', text_of(PROGRAM, ng, '--nano')[:2], text_of(PROGRAM, path, '--nano')[:2])


def check_cut(name, data, stride=1):
    """Cut anywhere: what is whole is printed, and the rest is tcpdump's message."""
    bad = []
    for n in range(0, len(data), stride):
        path = save('cut', data[:n])
        want, got = text_of('tcpdump', path), text_of(PROGRAM, path)
        # libpcap does not count what it read of the header before; of 4 to 11 bytes it says less than could be said.
        counted = [re.sub(r'tried to read \d+ (file header )?bytes, only got \d+', '', ' '.join(r[2])) for r in (want, got)]
        if want[:2] != got[:2] or counted[0] != counted[1] and counted[0] != 'unknown file format':
            bad.append((n, got[0], got[1][-60:], got[2], want[0], want[1][-60:], want[2]))
    report(f'{name}: cut at every byte as tcpdump', f'{len(bad)} of {len(data)}: {bad[:3]}' if bad else None)


def check_packed():
    plain = PCAP_FILES['usec_little'] * 1
    want = text_of(PROGRAM, save('plain', plain))
    half = len(plain) // 2
    tools = {'gzip': lambda d: gzip.compress(d, mtime=0)}
    for tool in ('zstd', 'lz4'):
        if shutil.which(tool):
            tools[tool] = lambda d, t=tool: subprocess.run([t, '-qc'], input=d, stdout=subprocess.PIPE, check=True).stdout
        else:
            print(f'skip - {tool}: not installed')
    for tool, pack in tools.items():
        packed = pack(plain)
        same(f'{tool}: read', text_of(PROGRAM, save('x.pcap', packed)), want)
        joined = pack(plain[:half]) + pack(b'') + pack(plain[half:])
        same(f'{tool}: several members', text_of(PROGRAM, save('x.pcap', joined)), want)
        if tool != 'gzip':
            skippable = struct.pack('<II', 0x184d2a53, 5) + b'other'
            same(f'{tool}: a skippable frame between', text_of(PROGRAM, save('x', pack(plain[:half]) + skippable + pack(plain[half:]))), want)
            same(f'{tool}: a skippable frame first', text_of(PROGRAM, save('x', skippable + packed)), want)
        problems = []
        for n in range(1, len(packed)):
            code, out, err = text_of(PROGRAM, save('cut', packed[:n]))
            if code != 1 or not want[1].startswith(out) or len(err) != 1:
                problems.append((n, code, out[-60:], err))
        report(f'{tool}: cut anywhere', f'{len(problems)}: {problems[:3]}' if problems else None)


def main():
    for name, data in NG_FILES.items():
        path, blocks = check_ng(name, data)
        if name in ('zoo_little', 'zoo_big', 'sections'):
            check_filtered(name, path, blocks)
    check_refused()
    check_packed()
    if shutil.which('tcpdump'):
        for name, data in PCAP_FILES.items():
            check_pcap(name, data)
        for name in ('usec_little', 'nsec_big', 'kuznetzov_little'):
            check_cut(name, PCAP_FILES[name][:220])
        f = Ng().section('>', (4, b'x')).iface(ETHERNET, 0, (2, b'eth0')).packet(0, NOW * 10 ** 6, udp(1), (1, b'note')).simple(udp(2))
        check_cut('pcapng', f.old(0, 1, NOW * 10 ** 6, udp(3)).data)
    else:
        print('skip - as tcpdump: no tcpdump here')
    return bool(FAILED)


if __name__ == '__main__':
    sys.exit(main())
