#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
"""Small files that would become large: what is kept of them is bounded, and what comes before the bound is printed."""
import os
import struct
import sys
import tempfile
import zlib

PROGRAM = os.environ.get('PTCPDUMP', 'build/ptcpdump')
TMP = os.environ.get('TEST_TMP') or tempfile.mkdtemp()
SHB, IDB, EPB = 0x0a0d0d0a, 1, 6
OPT_COMMENT, IF_DESCRIPTION = 1, 3
MOST = 65532  # bytes of an option, padded
FAILED = []


def report(name, problem=None):
    print(f'not ok - {name}: {problem}' if problem else f'ok - {name}', flush=True)
    if problem:
        FAILED.append(name)


def block(kind, body):
    body += bytes(-len(body) % 4)
    return struct.pack('<II', kind, len(body) + 12) + body + struct.pack('<I', len(body) + 12)


def option(code, text):
    return struct.pack('<HH', code, MOST) + text + b'A' * (MOST - len(text))


def packet(options=b''):
    return block(EPB, struct.pack('<IIIII', 0, 0, 0, 60, 60) + bytes(60) + options)


def section():
    yield block(SHB, struct.pack('<IHHq', 0x1a2b3c4d, 1, 0, -1))
    yield block(IDB, struct.pack('<HHI', 1, 0, 262144))
    yield packet()


def interfaces():
    yield from section()
    one = block(IDB, struct.pack('<HHI', 1, 0, 262144) + option(IF_DESCRIPTION, b'') * 240)
    for _ in range(20):
        yield one


def containers():
    yield from section()
    for i in range(1500):
        yield packet(b''.join(option(OPT_COMMENT, text + b' %d' % i) for text in (
            b'PID: 1\nCmd: a\nArgs:', b'ContainerName: x\nContainerId:', b'PodName:', b'ParentPID: 3\nParentCmd:')))


def run(parts, *args):
    """Its exit status, memory in MB, output and messages."""
    names = [os.path.join(TMP, name) for name in ('bomb.gz', 'out', 'err')]
    pack = zlib.compressobj(1, wbits=31)
    with open(names[0], 'wb') as file:
        for part in parts:
            file.write(pack.compress(part))
        file.write(pack.flush())
    pid = os.fork()
    if pid == 0:
        for number, name in enumerate(names[1:], 1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.execv(PROGRAM, [PROGRAM, '-n', '-r', names[0], *args])
    _, status, usage = os.wait4(pid, 0)
    out, err = (open(name, encoding='utf-8', errors='replace').read() for name in names[1:])
    for name in names:
        os.unlink(name)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss // 1024, out, err


def check(name, parts, args, status, lines, said, most):
    got, size, out, err = run(parts, *args)
    if got != status or said not in err:
        report(name, f'exit status {got}: {err[-200:]!r}')
    elif out.count('\n') != lines:
        report(name, f'{out.count(chr(10))} lines, not {lines}')
    else:
        report(name, f'takes {size} MB' if size > most else None)


check('interfaces', interfaces(), [], 1, 1, 'interface blocks of more than 32 MB together, at byte offset', 120)
check('interfaces_rewritten', interfaces(), ['-w', '/dev/null'], 1, 0, 'interface blocks of more than 32 MB', 160)
check('annotations', containers(), [], 0, 1501, '', 120)
check('containers_listed', containers(), ['--container-name', 'y'], 0, 0, "there are 'x'", 120)
if 'TEST_TMP' not in os.environ:
    os.rmdir(TMP)
sys.exit(1 if FAILED else 0)
