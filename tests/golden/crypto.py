#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What is decrypted and hashed comes out right, and the same from each program: the static one has no libcrypto, but
deps/static_crypto.c. The packets are encrypted here by the command openssl."""
import hashlib, os, shutil, socket, struct, subprocess, sys

TOP = os.environ.get('TOP') or os.path.abspath(os.path.dirname(__file__) + '/../..')
BUILD = os.environ.get('BUILD') or f'{TOP}/build'
TMP = os.environ.get('TEST_TMP') or sys.exit('crypto.py: TEST_TMP is not set; tests/run golden')
PROGRAMS = {'shared': os.environ.get('PTCPDUMP') or f'{BUILD}/ptcpdump', 'static': f'{BUILD}/static/ptcpdump'}
SOURCE, DESTINATION = '10.9.8.1', '10.9.8.2'

# The name for -E, what openssl calls it, bytes of the key, of a block. libcrypto has the last ones only by a provider that
# programs do not load, and Mbed TLS 3 has no Blowfish.
CIPHERS = [
    ('aes128-cbc', 'aes-128-cbc', 16, 16),
    ('aes192-cbc', 'aes-192-cbc', 24, 16),
    ('aes256-cbc', 'aes-256-cbc', 32, 16),
    ('aes128', 'aes-128-cbc', 16, 16),
    ('camellia128-cbc', 'camellia-128-cbc', 16, 16),
    ('camellia256-cbc', 'camellia-256-cbc', 32, 16),
    ('3des-cbc', 'des-ede3-cbc', 24, 8),
    ('des3', 'des-ede3-cbc', 24, 8),
    ('des-cbc', 'des-cbc', 8, 8),
    ('blowfish-cbc', 'bf-cbc', 16, 8),
]
LEGACY = {'des-cbc', 'blowfish-cbc'}
UNKNOWN = ['rc3-cbc', 'cast128-cbc', 'none', 'no-such-cipher']


def said(name, problem=''):
    print(f'not ok - {name}: {problem}' if problem else f'ok - {name}')


def ip(proto, payload, source=SOURCE, destination=DESTINATION):
    return struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(payload), 0, 0, 64, proto, 0, socket.inet_aton(source),
                       socket.inet_aton(destination)) + payload


def capture(name, packets):
    path = f'{TMP}/{name}.pcap'
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 101))
        for i, packet in enumerate(packets):
            f.write(struct.pack('<IIII', i, 0, len(packet), len(packet)) + packet)
    return path


def key_of(n):
    return bytes((i * 37 + 11) % 256 for i in range(n))


def encrypted(cipher, key, iv, text):
    legacy = ['-provider', 'legacy', '-provider', 'default'] if cipher in ('des-cbc', 'bf-cbc') else []
    return subprocess.run(['openssl', 'enc', f'-{cipher}', '-nopad', '-K', key.hex(), '-iv', iv.hex(), *legacy], input=text,
                          capture_output=True, check=True).stdout


def esp(cipher, key_len, block, sequence):
    """A datagram in a tunnel, as RFC 4303 has it, with the 12 bytes of an HMAC that nobody checks."""
    inner = ip(socket.IPPROTO_UDP, struct.pack('!HHHH', 4711, 4712, 8 + sequence, 0) + bytes(sequence))
    pad = -(len(inner) + 2) % block
    text = inner + bytes(range(1, pad + 1)) + bytes([pad, 4])
    iv = key_of(block)
    return ip(50, struct.pack('!II', 0x1234, sequence) + iv + encrypted(cipher, key_of(key_len), iv, text) + bytes(12))


def run(program, *arguments):
    done = subprocess.run([program, '-n', '-t', *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, [l for l in done.stderr.splitlines() if not l.startswith('reading from file')]


def decrypts(which, program, name, cipher, key_len, block):
    path = capture('esp', [esp(cipher, key_len, block, i) for i in range(1, 40)])
    status, out, errors = run(program, '-E', f'0x1234@{DESTINATION} {name}-hmac96:0x{key_of(key_len).hex()}', '-r', path)
    want = [f': IP {SOURCE}.4711 > {DESTINATION}.4712: UDP, length {i}' for i in range(1, 40)]
    got = [line[line.rindex(': IP'):] if ': IP' in line else line for line in out.splitlines()]
    if name in LEGACY and errors == [f'ptcpdump: WARNING: failed to find cipher algo {name[:-4]}']:
        # Not the static one, unless its Mbed TLS is of version 3.
        said(f'{which}: {name}: is unknown', f'exit status {status}' if status or len(got) != 39 else '')
    else:
        said(f'{which}: {name}', f'exit status {status}, {errors}, {got[:2]}' if status or errors or got != want else '')


def unknown(which, program, name):
    path = capture('esp', [esp('aes-128-cbc', 16, 16, i) for i in range(1, 3)])
    status, out, errors = run(program, '-E', f'0x1234@{DESTINATION} {name}:0x{key_of(16).hex()}', '-r', path)
    wrong = status or len(out.splitlines()) != 2 or errors != [
        f'ptcpdump: WARNING: failed to find cipher algo {name.removesuffix("-cbc")}']
    said(f'{which}: {name} is unknown', f'exit status {status}, {errors}, {out}' if wrong else '')


def signed(secret, length):
    """A TCP segment with the option of RFC 2385."""
    header = struct.pack('!HHIIBBHHH', 179, 40000, 1, 2, 10 << 4, 0x18, 100, 0, 0)
    data = bytes(length)
    pseudo = socket.inet_aton(SOURCE) + socket.inet_aton(DESTINATION) + struct.pack('!BBH', 0, 6, 40 + length)
    digest = hashlib.md5(pseudo + header + data + secret).digest()
    return ip(socket.IPPROTO_TCP, header + bytes([1, 1, 19, 18]) + digest[:16] + data)[:20] + header + bytes([19, 18]) + \
        digest + bytes([1, 0]) + data


def tcp_md5(which, program):
    path = capture('md5', [signed(b'password' if i % 3 else b'other', i) for i in range(130)])
    status, out, errors = run(program, '-v', '-M', 'password', '-r', path)
    got = ''.join('v' if 'md5 valid' in l else '-' for l in out.splitlines() if 'md5' in l)
    want = ''.join('v' if i % 3 else '-' for i in range(130))
    said(f'{which}: -M', f'exit status {status}, {errors}, {got}, {out[:500]}' if status or errors or got != want else '')


def same(name, *arguments, wanted=''):
    """SHA-1 is in Community IDs, SHA-256 in what repeats itself in files."""
    outs = []
    for which, program in PROGRAMS.items():
        written = f'{TMP}/{which}.out'
        done = subprocess.run([program, *[written if a == 'OUT' else a for a in arguments]], capture_output=True, timeout=60)
        outs.append((done.returncode, done.stdout, open(written, 'rb').read() if 'OUT' in arguments else b''))
    wrong = outs[0] != outs[1] or outs[0][0] or wanted.encode() not in outs[0][1] + outs[0][2]
    said(f'both: {name}', f'{outs[0][0]}, {outs[1][0]}, {outs[0][1][:300]}' if wrong else '')


def main():
    if not shutil.which('openssl'):
        print('skip - crypto: openssl is missing')
        return
    for which, program in PROGRAMS.items():
        if not os.path.exists(program):
            print(f'skip - {which}: {program} is not built')
            continue
        for row in CIPHERS:
            decrypts(which, program, *row)
        for name in UNKNOWN:
            unknown(which, program, name)
        tcp_md5(which, program)
    if not all(map(os.path.exists, PROGRAMS.values())):
        print('skip - both: not both programs are built')
        return
    annotated = f'{TOP}/tests/golden/annotated.pcapng'
    same('SHA-1', '-r', annotated, '--json', wanted='"community_id":"1:')
    same('SHA-256', '-r', annotated, '--compact-comments', '-w', 'OUT', wanted='SameAs: ')


main()
