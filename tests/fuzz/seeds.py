#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""seeds.py FOLDER: what the fuzz targets begin with, FOLDER/NAME/* for each: captures of other tests, and of all else that is
read a well-formed piece or two. FOLDER/NAME.dict holds words that a target's input is made of."""
import glob
import gzip
import io
import lzma
import os
import re
import shutil
import struct
import sys
import tarfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
OUT = sys.argv[1]
LARGEST = 16384  # libFuzzer's -max_len of tests/fuzz/run.sh
ID_A, ID_B = 'a' * 64, 'b' * 64


def save(target, name, data):
    folder = os.path.join(OUT, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), 'wb') as f:
        f.write(data.encode() if isinstance(data, str) else data)


def captures():
    files = glob.glob(f'{TOP}/tests/golden/*.pcap*') + glob.glob(f'{TOP}/build/deps/tcpdump-*/tests/*.pcap*')
    for path in sorted(files):
        with open(path, 'rb') as f:
            data = f.read()
        name = os.path.basename(path)
        if len(data) <= LARGEST:
            save('text', name, data)
            save('json', name, data)
            save('json', name + '.longer', data + b'x')
            save('headers', name, b'\0\0' + data[40:])  # from the first packet on
        if len(data) <= LARGEST // 4 and '/golden/' in path:
            save('reader', name + '.gz', gzip.compress(data, mtime=0))
        if len(data) <= LARGEST // 4:
            save('reader', name, data)


# --- runtimes ---

LIST = f'[{{"Id":"{ID_A}","Names":["/web"],"Image":"img:1","Labels":{{"a":"b","io.kubernetes.pod.name":"p"}}}}]'
INSPECT = f'{{"Id":"{ID_A}","Name":"/late","State":{{"Pid":12}},"Config":{{"Image":"img:2","Labels":{{"z":"1"}}}}}}'
EVENTS = (f'{{"Action":"create","Actor":{{"ID":"{ID_B}","Attributes":{{"name":"new","image":"i","k":"v"}}}}}}\n'
          f'{{"Action":"start","Actor":{{"ID":"{ID_A}"}}}}\n{{"Action":"rename","Actor":{{"ID":"{ID_A}"}}}}\n'
          f'{{"Action":"die","Actor":{{"ID":"{ID_A}"}}}}\n{{"Action":"destroy","Actor":{{"ID":"{ID_B}"}}}}\n')


def varint(n):
    out = b''
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    """Of a protobuf message: a number, or anything that has a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def pair(number, key, value):
    return field(number, field(1, key) + field(2, value))


def messages():
    """What is written of the services that src/meta/runtime/rt.proto describes, by the numbers that stand there."""
    container = field(1, ID_A) + pair(2, 'nerdctl/name', 'n') + field(3, 'img:1')
    meta = field(1, 'name') + field(2, 'uid') + field(3, 'space')
    pod = field(1, ID_B) + field(2, meta) + field(3, 0) + pair(5, 'a', 'b') + pair(6, 'c', 'd')
    of_pod = (field(1, ID_A) + field(2, ID_B) + field(3, field(1, 'c')) + field(4, field(1, 'img:1')) + field(6, 1) +
              pair(8, 'k', 'v'))
    status = field(1, field(1, ID_A) + field(2, meta) + field(8, field(1, 'img'))) + pair(2, 'info', '{"pid":12}')
    event = field(1, ID_A)
    envelope = field(2, 'k8s.io') + field(3, '/containers/create') + field(4, field(1, 'type') + field(2, event))
    task = field(1, ID_A) + field(2, ID_A) + field(3, 12)
    return {
        'container': container, 'containers': field(1, container), 'namespaces': field(1, field(1, 'k8s.io')),
        'tasks': field(1, task), 'event': envelope, 'pods': field(1, pod), 'ofpods': field(1, of_pod), 'status': status,
    }


def answers():
    docker = b'\0' + b''.join(bytes([which]) + struct.pack('<HB', len(body), how) + body.encode()
                              for which, how, body in ((0, 1, EVENTS), (1, 3, LIST), (1, 3, INSPECT), (1, 7, 'x')))
    save('answers', 'docker', docker)
    save('answers', 'docker-user', b'\x81' + docker[1:])
    for name, m in messages().items():
        for kind in (1, 2):
            data = bytes([kind])
            for which in range(4):
                data += bytes([which]) + struct.pack('<HB', len(m), 3) + m + b'\0'
            save('answers', f'{name}-{kind}', data)
    pieces = [(1, EVENTS), (1, LIST), (1, LIST), (1, INSPECT), (3, '{"message":"none"}')]
    raw = 'HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}'
    save('http', 'framed', b''.join(struct.pack('<BH', how, len(b)) + b.encode() for how, b in pieces))
    save('http', 'raw', b''.join(struct.pack('<BH', 0, len(b)) + b.encode() for b in
                                 (raw.format(len(x), x) for _, x in pieces)))
    chunked = ''.join(f'{len(b):x}\r\n{b}\r\n' for b in (LIST[:9], LIST[9:])) + '0\r\n\r\n'
    save('http', 'chunked', b''.join(struct.pack('<BH', 5, len(chunked)) + chunked.encode() for _ in range(3)))


def frame(kind, flags, stream, payload):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


def literal(name, value):
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def grpc():
    for name, m in messages().items():
        for kind in (0, 1, 2):
            data = frame(4, 0, 0, b'') + frame(4, 1, 0, b'')
            for stream in (1, 3, 5, 7):
                data += frame(1, 4, stream, b'\x88' + literal('content-type', 'application/grpc'))
                data += frame(0, 0, stream, b'\0' + struct.pack('>I', len(m)) + m)
                data += frame(1, 5, stream, literal('grpc-status', '0') + literal('grpc-message', 'fine'))
            if kind & 2:
                data = b''.join(b'\x3f' + data[i:i + 64] for i in range(0, len(data), 64))
            save('grpc', f'{name}-{kind}', bytes([kind]) + data)


# --- the rest ---

def texts():
    start = ' '.join(['S', '1'] + ['2'] * 4 + ['4194304'] + ['3'] * 12 + ['12345', '0'])
    save('proc', 'stat', f'1 (a) S 1 (b)) {start}\n')
    save('proc', 'status', 'Name:\tx\nUmask:\t0022\nPid:\t12\nUid:\t33\t33\t33\t33\nNSpid:\t12\t1\n')
    save('proc', 'cgroup', f'12:cpu,cpuacct:/docker/{ID_A}\n1:name=systemd:/x\n0::/system.slice/docker-{ID_A}.scope\n')
    save('proc', 'cgroup-ctr', f'0::/default/web\n0::/../../x:cri-containerd:{ID_B}\n')
    save('proc', 'fib_trie', 'Local:\n  +-- 127.0.0.0/8 2 0 2\n     |-- 127.0.0.1\n        /32 host LOCAL\n')
    save('proc', 'if_inet6', '00000000000000000000000000000001 01 80 10 80       lo\n')
    save('proc', 'cpus', '0-3,8\n')
    line = 'CLIENT_RANDOM ' + '0123456789abcdef' * 4 + ' ' + 'AB' * 48
    save('keylog', 'lines', f'\n# a comment\n{line}\r\n{line}\nA 00 11\nA 0 11\n{line}')
    save('keylog', 'long', 'CLIENT_RANDOM ' + '00' * 300 + ' 00\nA 00 11\n')
    for name, pattern, text in (('all', '*', 'x'), ('set', 'a[!b-d\\]]?', 'axy'), ('class', '[[:alpha:]]*\\*', 'ab*')):
        save('glob', name, f'{pattern}\n{text}')


def mounts():
    some = ('22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n'
            '50 22 0:4 net:[4026532276] /run/netns/a\\040b rw - nsfs nsfs rw\n'
            '57 22 0:50 / /home/a\\134b rw,nosuid - fuse.sshfs a:\\040 rw,user_id=1000,group_id=1000\n'
            '58 22 0:51 / /mnt rw - virtiofs host rw\n')
    for number in (22, 57, 58):
        save('mounts', f'{number}', f'\x10{chr(number)}/home/a\\b/c/d/e/f{some}')
    with open(os.path.join(OUT, 'mounts.dict'), 'w', encoding='utf8') as f:
        f.writelines(f'"{w}"\n' for w in (' - ', ' - fuse', ' - virtiofs ', 'user_id=', '\\\\040', 'net:['))


def archives():
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode='w', format=tarfile.USTAR_FORMAT) as t:
        for name, data in (('x/readme', b'hello'), ('x/5.4.0.btf', b'\x9f\xeb' + bytes(700))):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    data = tar.getvalue()[:4096]
    save('archive', 'tar', b'\1' + data)
    save('archive', 'xz', b'\0' + lzma.compress(data))
    save('archive', 'lzma', b'\0' + lzma.compress(data, format=lzma.FORMAT_ALONE))


def btf_file(types, strings):
    """types: (name, kind, number of members, size or type, what follows)."""
    names, text = {'': 0}, b'\0'
    for s in strings:
        names[s] = len(text)
        text += s.encode() + b'\0'
    body = b''.join(struct.pack('<III', names[name], kind << 24 | vlen, size) +
                    b''.join(struct.pack('<I', names.get(x, x)) for x in more) for name, kind, vlen, size, more in types)
    return struct.pack('<HBBIIIII', 0xeb9f, 1, 0, 24, 0, len(body), len(body), len(text)) + body + text


def btf():
    """One type of each kind, by the numbers of enum in linux/btf.h; a name stands for where it is."""
    kernel = btf_file([('int', 1, 0, 4, [32]), ('', 2, 0, 3, []), ('sock', 4, 3, 16, ['a', 1, 0, 'b', 2, 32, 'c', 4, 64]),
                       ('', 3, 0, 0, [1, 5, 7]), ('word', 8, 0, 6, []), ('', 10, 0, 7, []), ('', 9, 0, 8, []),
                       ('pid', 5, 1, 4, ['a', 9, 0]), ('bpf_func_id', 6, 1, 4, ['VALUE', 7]), ('far', 7, 0, 0, []),
                       ('', 13, 1, 1, ['a', 3]), ('task_newtask', 12, 1, 11, []), ('task_struct', 4, 2, 8, ['a', 8, 0, 'b', 9, 32]),
                       ('real', 16, 0, 4, []), ('tag', 18, 0, 1, []), ('big', 19, 1, 8, ['VALUE', 1, 2])],
                      ['int', 'sock', 'a', 'b', 'c', 'word', 'pid', 'bpf_func_id', 'VALUE', 'far', 'task_newtask',
                       'task_struct', 'real', 'tag', 'big'])
    module = btf_file([('nf_conn', 4, 1, 8, ['status', 1, 32])], ['nf_conn', 'status'])
    # Strings of a module follow those of the kernel.
    save('btf', 'kernel', struct.pack('<H', len(kernel)) + kernel)
    save('btf', 'module', struct.pack('<H', len(kernel)) + kernel + module)


def packets():
    v4 = b'\x45' + bytes(5) + b'\0\0\x40%c' + bytes(2) + b'\x0a\0\0\1\x0a\0\0\2'
    v6 = b'\x60' + bytes(5) + b'%c\x40' + bytes(15) + b'\1' + bytes(15) + b'\2'
    ports = b'\0\x50\x1f\x90'
    tcp, udp = ports + bytes(8) + b'\x50\2' + bytes(6), ports + bytes(4)
    ether, vlan, sll2 = bytes(12) + b'%b', bytes(12) + b'\x81\0\0\1%b', b'%b' + bytes(18)
    # The device's number, less 1; its link header; protocol; what follows.
    for i, (device, link, kind, data) in enumerate((
            (0, ether, b'\x08\0', v4 % 6 + tcp), (0, vlan, b'\x08\0', v4 % 17 + udp), (0, ether, b'\x86\xdd', v6 % 6 + tcp),
            (1, b'%.0b', b'', v4 % 17 + udp), (1, b'%.0b', b'', v6 % 0 + b'\x11' + bytes(7) + udp),
            (2, sll2, b'\x08\0', v4 % 1 + b'\x08' + bytes(7)), (3, bytes(14) + b'%b', b'\x86\xdd', v6 % 44 + b'\6' + bytes(7) + tcp))):
        packet = link % kind + data
        for how in (3, 7):
            one = b''.join(bytes([6 | ring]) + struct.pack('<HBBB', len(packet), 9, device | device << 1 & 4 | 8, 0) + packet +
                           bytes([1, 128 + 1]) for ring in (0, 1))
            save('deliver', f'{i}-{how}', bytes([how]) + (one + bytes([2, 5, 0xf4, 0, 0, 2, 2, 2])) * 3)


def options():
    with open(f'{TOP}/src/options_table.c', encoding='utf8') as f:
        names = re.findall(r'\.name = "([a-z0-9-]+)"', f.read())
    words = ['any', 'lo', '1', '0', '-1', '4294967296', 'a,b', 'k=v', 'tcp port 80', 'eth0', 'all', 'x.pcapng', '/tmp/x', '--', '-']
    words += [f'-{c}' for c in 'AbBcCdDeEFfgGHiIJjKlLmMnNOpqQrsStTuUvVwWxXyzZh#=']
    for i, name in enumerate(names):
        save('options', f'{i}', '\n'.join([f'--{name}', words[i % len(words)], '-n', f'--{name}={words[i % 7]}']))
    save('options', 'usual', '-i\nany\n-nn\n-v\n-w\nx.pcapng\n-C\n1\n-W\n3\n--pid\n1,2\ntcp\nport\n80')
    save('options', 'command', '-i\nlo\n--\ncurl\n-v\nhttp://x')
    with open(os.path.join(OUT, 'options.dict'), 'w', encoding='utf8') as f:
        f.writelines(f'"{w}"\n' for w in [f'--{n}' for n in names] + words)


def expressions():
    packet = bytes(12) + b'\x08\0' + b'\x45' + bytes(8) + b'\x06' + bytes(30)
    texts = ['port 53 and pid 7', 'tcp and not pname sshd', 'src pid 1 or (dst uid 33 and tcp port (80 or 443))',
             'pname (curl or wget or "Web \\"Content")', "not (exe '/usr/bin/x' or parent 1 and label a=b)", 'pid 1 or 2',
             'vlan 10 and src and dst container web-* or unknown', 'tcp[((tcp[12:1] & 0xf0) >> 2):4] = 1 and netns x']
    with open(f'{TOP}/tests/bpf/expressions.txt', encoding='utf8') as f:
        texts += [line.strip() for line in f if line[0] != '#']
    for i, text in enumerate(texts):
        save('expr', f'{i}', bytes([i % 8, 0xa5, len(packet)]) + packet + text.encode())
    words = sorted(set(re.findall(r'[a-z][a-z0-9-]+', ' '.join(texts))))
    words += ['pod', 'cmdline', '&&', '||', '!', '(', ')', '\\"', "'", '\\\\', '!=', '0x9d100000', 'byte', '@host']
    with open(os.path.join(OUT, 'expr.dict'), 'w', encoding='utf8') as f:
        f.writelines(f'"{w}"\n' for w in words)


def names():
    save('json_names', 'dns', b'\2' + bytes.fromhex('123401000001000000000000') + b'\3www\7example\3com\0\0\x1c\0\1')
    save('json_names', 'dns-tcp', b'\3\0\x21' + bytes.fromhex('123481830001000000000000') + b'\3www\7example\3com\0\0\x1c\0\1')
    save('json_names', 'mdns', b'\4' + bytes.fromhex('000000000001000000000000') + b'\5_http\4_tcp\5local\0\0\x0c\x80\1')
    vector = lambda size, body: len(body).to_bytes(size, 'big') + body
    name = vector(2, vector(2, b'\0' + vector(2, b'name.example.org')))
    hello = b'\3\3' + bytes(32) + vector(1, bytes(32)) + vector(2, b'\x13\1') + vector(1, b'\0') + vector(
        2, b'\0\x0a' + vector(2, b'\0\2\0\x1d') + b'\0\0' + name)
    save('json_names', 'tls', b'\1\x16\3\1' + vector(2, b'\1' + vector(3, hello)))


def records():
    save('process', 'all', bytes(b for kind in range(8) for b in (kind, 9 + kind, 1, 3, 4, 5) + tuple(b'abcdefghi')))
    save('process', 'asked', bytes(b for i in range(32) for b in (i, 17, 9, 8, 0x80 | i, 17, 9, 8, 1)))
    save('reference', 'all', bytes(b for i in range(8) for b in (i * 5, 3) + tuple(b'abc')) +
         bytes(b for i in range(64) for b in (i, i * 7 & 7, i)))
    world = b''.join(bytes([7 + i]) + b'ifname-' + bytes(i) for i in range(4)) + b''.join(
        struct.pack('<HI', 0xffff, 12345678 + i) for i in range(4))
    for how in range(16):
        steps = b''.join(struct.pack('<BBHB', 0x66 | how, i * 5 & 0xff, i * 700 & 0xffff, i & 15) for i in range(150))
        save('relay', f'{how}', bytes([how, 3]) + world + steps)
    for how in range(4):
        find = b''.join(bytes([i | i << 3 & 0xe0, 0, 0x4f, 5 + (i & 8), 0]) + b'a.b c' + bytes(i & 8) for i in range(64))
        serve = b''.join(bytes([i & 1 | i << 4 & 0x80, 0, 0x6b]) + b'host.example' for i in range(64))
        save('names', f'{how}', bytes([how]) + (serve if how & 1 else find))
    # The time to wait is spent, and more is asked than is answered.
    many = b''.join(bytes([0x40 | i & 31, i >> 5, 3, 0]) for i in range(1, 400))
    save('names', 'many', bytes([0, 0x40, 0, 0, 0x20]) + many[:4] + b'\3' + many[4:])
    for how in range(0, 256, 3):
        ask = b''.join(bytes([kind | step << 2, 1, 0, 0, 0]) for step in (0, 2, 1, 3, 2) for kind in (0, 1, 2))
        save('broker', f'{how}', bytes([how, 15]) + (b'/a\n/tmp\n/dev/x\n' if how & 0x40 else b'') + ask)
    ret = struct.pack('<HBBI', 6, 0, 0, 65535)
    load = struct.pack('<HBBI', 0x28, 0, 0, 12) + struct.pack('<HBBI', 0x15, 0, 1, 0x800)
    save('filter', 'ip', b'\3\0' + load + ret + ret + bytes(12) + b'\x08\0' + bytes(20))
    save('filter', 'tame', b'\x10\1' + bytes(range(128)) + bytes(40))


shutil.rmtree(OUT, ignore_errors=True)
for make in (captures, answers, grpc, texts, mounts, archives, btf, packets, options, expressions, names, records):
    make()
