#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 900
"""A capture in which an allocation fails, or a descriptor is not to be had, or reads and writes are short or interrupted
(tests/faults/fault.c): it ends, says why when it fails, leaks nothing, and what it counts adds up. FAULTS_ALL=1: each call that
could fail, however many there are; FAULTS=NAME-KIND: only that one."""
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PROGRAM = os.path.join(os.environ.get('BUILD', os.path.join(TOP, 'build')), 'asan', 'ptcpdump-faults')
TMP = os.environ.get('TEST_TMP') or tempfile.mkdtemp()
NETNS = f'ptfault{os.getpid()}'
LIMIT = 40  # seconds for a run that takes one
MOST = 100000 if os.environ.get('FAULTS_ALL') else 40
WANTED = 5  # packets

RUNS = {
    'text': ['-i', 'lo', '-nn', '-v', '-c', str(WANTED), 'udp port 9'],
    'write': ['-i', 'any', '-w', '{out}.pcapng', '-c', str(WANTED), 'udp port 9'],
    'command': ['-i', 'lo', '-nn', '-c', '1', '--', 'python3', '-c',
                'import socket\nfor i in range(3): socket.socket(2, 2).sendto(b"x", ("127.0.0.1", 9))'],
    'socket-filter': ['--backend', 'socket-filter', '-i', 'lo', '-nn', '-c', str(WANTED), 'udp port 9'],
    'interfaces': ['-D'],
}
WITHOUT_LO = "cannot capture on 'lo'"
KINDS = ('memory', 'files', 'short')


def run(args, tag, kind, at):
    """(status, stdout, stderr, calls that could fail)"""
    out = os.path.join(TMP, tag)
    count = out + '.count'
    env = {**os.environ, 'FAULT_COUNT': count, 'FAULT_KIND': kind, 'FAULT_AT': str(at),
           'ASAN_OPTIONS': 'detect_leaks=1:allocator_may_return_null=1:handle_abort=1', 'UBSAN_OPTIONS': 'print_stacktrace=1'}
    command = ['ip', 'netns', 'exec', NETNS, PROGRAM] + [a.replace('{out}', out) for a in args]
    p = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        text, err = p.communicate(timeout=LIMIT)
        status = p.returncode
    except subprocess.TimeoutExpired:
        p.send_signal(signal.SIGINT)
        try:
            text, err = p.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            p.kill()
            text, err = p.communicate()
        # Of all devices it goes on without one that it cannot watch, which may be the one with the packets.
        status = p.returncode if p.returncode >= 0 and WITHOUT_LO.encode() in err else f'none within {LIMIT} s'
    text, err = text.decode('utf8', 'replace'), err.decode('utf8', 'replace')
    try:
        with open(count, encoding='utf8') as f:
            calls = int(f.read())
    except (OSError, ValueError):
        calls = 0
    written = 0
    if os.path.exists(out + '.pcapng'):
        read = subprocess.run([os.environ.get('PTCPDUMP', os.path.join(TOP, 'build/ptcpdump')), '-r', out + '.pcapng', '--count'],
                              capture_output=True, text=True, check=False)
        written = int((read.stdout.split() or ['0'])[0])
    return status, text, err, calls, written


def judge(name, result):
    status, text, err, _, written = result
    if 'Sanitizer' in err or 'runtime error' in err:
        lines = [x.strip() for x in err.split('\n') if 'Sanitizer' in x or 'runtime error' in x]
        frames = [x.split(' in ')[1].split(' ')[0] for x in err.split('\n') if ' in ' in x and x.strip().startswith('#')]
        return f'{lines[0]} {frames[:10]}'
    if status not in (0, 1):
        return f'exit status {status}: {err[-300:]}'
    if status == 1:
        return '' if err.strip() else 'exit status 1 without a word'
    if name == 'interfaces':
        return '' if 'lo' in text else 'exit status 0 without interfaces'
    counts = {k: int(n) for n, k in re.findall(r'(\d+) packets? (captured|received by filter|dropped by kernel)', err)}
    captured = counts.get('captured', -1)
    if not captured <= counts.get('received by filter', 0):
        return f'exit status 0, {counts}'
    if name == 'write' and written != captured:
        return f'{captured} captured, {written} in the file'
    if name == 'text' and text.count('UDP, length') != captured:
        return f'{captured} captured, printed {text!r}'
    if name == 'write' and WITHOUT_LO in err:
        return ''
    return '' if captured >= (1 if name == 'command' else WANTED) else f'exit status 0 with {captured} packets: {err[-200:]!r}'


def calls_of(n):
    return range(1, n + 1) if n <= MOST else sorted({1 + i * (n - 1) // (MOST - 1) for i in range(MOST)})


def try_one(name, kind, pool):
    args, tag = RUNS[name], f'{name}-{kind}'
    want = run(args, tag + '-0', '' if kind == 'short' else kind, 0)
    problem = judge(name, want) or (f'exit status {want[0]}: {want[2]}' if want[0] else '')
    faults = [0] if kind == 'short' else calls_of(want[3])
    futures = [pool.submit(run, args, f'{tag}-{n}x', kind, n) for n in faults] if not problem else []
    bad = []
    for n, future in zip(faults, futures):
        result = future.result()
        what = judge(name, result)
        if not what and kind == 'short' and result[0]:
            what = f'exit status {result[0]}: {result[2][-200:]}'
        if what:
            bad.append(f'call {n} of {want[3]}: {what}')
    problem = problem or (f'{len(bad)} times, ' + (' | '.join(bad) if os.environ.get('FAULTS') else bad[0]) if bad else '')
    print((f'not ok - {tag}: {problem}' if problem else f'ok - {tag}').replace('\n', ' '), flush=True)
    return not problem


def main():
    if os.geteuid() != 0:
        for name in RUNS:
            for kind in KINDS:
                print(f'skip - {name}-{kind}: needs root')
        return 0
    subprocess.run(['ip', 'netns', 'add', NETNS], check=True)
    traffic = None
    good = True
    chosen = os.environ.get('FAULTS', '').split()
    try:
        subprocess.run(['ip', '-n', NETNS, 'link', 'set', 'lo', 'up'], check=True)
        code = ('import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
                'while True:\n try: s.sendto(b"x", ("127.0.0.1", 9))\n except OSError: pass\n time.sleep(0.01)')
        traffic = subprocess.Popen(['ip', 'netns', 'exec', NETNS, sys.executable, '-c', code])
        time.sleep(0.5)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for name in RUNS:
                for kind in KINDS:
                    if not chosen or f'{name}-{kind}' in chosen:
                        good &= try_one(name, kind, pool)
    finally:
        if traffic:
            traffic.kill()
            traffic.wait()
        subprocess.run(['ip', 'netns', 'del', NETNS], check=False)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
