#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
"""Every allocation that fails in turn, every descriptor that is not to be had, and reads and writes that are short or interrupted
(tests/faults/fault.c): the program ends with what it should have written, or says that it has not; it never dies, hangs or leaks.
FAULTS=NAME: only that one; FAULTS_ALL=1: each call, however many there are."""
import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
BUILD = os.environ.get('BUILD', os.path.join(TOP, 'build'))
PROGRAM = os.path.join(BUILD, 'asan', 'ptcpdump-faults')
# What libraries ask for, too.
PRELOADED, PRELOAD = os.environ.get('PTCPDUMP', os.path.join(BUILD, 'ptcpdump')), os.path.join(BUILD, 'tests', 'fault.so')
TMP = os.environ.get('TEST_TMP') or tempfile.mkdtemp()
FILE = os.path.join(TOP, 'tests/golden/annotated.pcapng')
LIMIT = 30  # seconds for a run that takes a fraction of one
# Of a run that makes more calls, only so many fail, evenly spread: those of one loop are alike.
MOST = 100000 if os.environ.get('FAULTS_ALL') else 60

# NAME: arguments; "{out}" is a file of the run's own.
RUNS = {
    'text': ['-r', FILE, '-nn', '-v', '-c', '40'],
    'text-forms': ['-r', FILE, '-nn', '-X', '-e', '--oneline', '-tttt', '-c', '20'],
    'brief': ['-r', FILE, '-nn', '--brief', '--color', 'always', '-c', '20'],
    'filter': ['-r', FILE, '-nn', '-c', '5', '--pname', 'curl', 'tcp or udp'],
    'write': ['-r', FILE, '-w', '{out}.pcapng'],
    'write-compact': ['-r', FILE, '--compact-comments', '-w', '{out}.pcapng'],
    'write-pcap': ['-r', FILE, '-w', '{out}.pcap', '-c', '30'],
    'rotate': ['-r', FILE, '-w', '{out}.pcapng', '-C', '1', '-W', '2'],
    'print-and-write': ['-r', FILE, '-nn', '--print', '-w', '{out}.pcapng', '-c', '20'],
    'merge': ['-r', FILE, '-r', '{gz}', '-nn', '-c', '30'],
    'merge-write': ['-r', 'one=' + FILE, '-r', 'two={gz}', '-f', '--pname', 'curl', '-w', '{out}.pcapng', 'tcp'],
    'list': ['-V', '{list}', '-nn', '-c', '3'],
    'count': ['-r', FILE, '--count', 'tcp'],
    'dump': ['-r', FILE, '-d', 'tcp port 80 and host 1.2.3.4'],
    'gzip': ['-r', '{gz}', '-nn', '-c', '20'],
    'zstd': ['-r', '{zst}', '-nn', '-c', '20'],
    'lz4': ['-r', '{lz4}', '-nn', '-c', '20'],
    'help': ['--help'],
    'help_all': ['--help', 'all'],
    'version': ['--version'],
    'completion': ['--completion', 'bash'],
    'bad-option': ['-r', FILE, '--no-such-option'],
    'bad-filter': ['-r', FILE, 'no such filter'],
    'bad-file': ['-r', os.path.join(TMP, 'missing')],
    'options': ['-r', FILE, '--pid', '1,2', '--pname', 'a,b', '--uid', '0', '--container-name', 'x', '--label', 'a=b', '-c', '1', '-n'],
}
# for-good: from some allocation on none succeeds.
KINDS = ('memory', 'for-good', 'files', 'short', 'libraries')


def prepare():
    files = {'list': os.path.join(TMP, 'list')}
    with open(files['list'], 'w', encoding='utf8') as f:
        f.write(f'{FILE}\n{FILE}\n')
    for tool, suffix in (('gzip', 'gz'), ('zstd', 'zst'), ('lz4', 'lz4')):
        if shutil.which(tool):
            files[suffix] = os.path.join(TMP, f'x.{suffix}')
            with open(files[suffix], 'wb') as f:
                subprocess.run([tool, '-c', FILE], stdout=f, check=True, stderr=subprocess.DEVNULL)
    return files


class Run:
    def __init__(self, args, files, tag, kind, at):
        """What came of it; calls: how many there were that could fail."""
        folder = os.path.join(TMP, tag)
        os.makedirs(folder)
        count = os.path.join(folder, 'count')
        libraries = kind == 'libraries'
        for_good = kind == 'for-good'
        env = {**os.environ, 'TZ': 'UTC0', 'FAULT_COUNT': count, 'FAULT_KIND': 'memory' if libraries or for_good else kind, 'FAULT_AT': str(at),
               **({'LD_PRELOAD': PRELOAD} if libraries else {}), **({'FAULT_ALL': '1'} if for_good else {}),
               'ASAN_OPTIONS': 'detect_leaks=1:allocator_may_return_null=1:handle_abort=1', 'UBSAN_OPTIONS': 'print_stacktrace=1'}
        files = {**files, 'out': os.path.join(folder, 'out')}
        try:
            p = subprocess.run([PRELOADED if libraries else PROGRAM] + [a.format(**files) for a in args], env=env, stdin=subprocess.DEVNULL,
                               capture_output=True, timeout=LIMIT, check=False)
            self.status, self.out, self.err = p.returncode, p.stdout, p.stderr.decode('utf8', 'replace')
        except subprocess.TimeoutExpired:
            self.status, self.out, self.err = 'none within {} s'.format(LIMIT), b'', ''
        try:
            with open(count, encoding='utf8') as f:
                self.calls = int(f.read())
        except (OSError, ValueError):
            self.calls = 0
        self.files = {}
        for name in sorted(os.listdir(folder)):
            if name.startswith('out'):
                with open(os.path.join(folder, name), 'rb') as f:
                    self.files[name] = f.read()
        shutil.rmtree(folder)


def judge(run, want):
    """What is wrong, '' nothing."""
    if 'Sanitizer' in run.err or 'runtime error' in run.err:
        line = next(x for x in run.err.split('\n') if 'Sanitizer' in x or 'runtime error' in x)
        frames = [x.split(' in ')[1].split(' ')[0] for x in run.err.split('\n') if ' in ' in x and x.strip().startswith('#')]
        return f'{line.strip()} {frames[:8]}'
    # libpcap's scanner says so and ends the program itself.
    if run.status == 2 and 'out of dynamic memory in yy_' in run.err:
        return ''
    if run.status not in (0, 1):
        return f'exit status {run.status}: {run.err[-300:]}'
    if run.status == want.status and (run.out, run.files) == (want.out, want.files):
        return ''
    if run.status == 0:
        return f'exit status 0, but not the same output: {run.err[-200:]!r}'
    return '' if run.err.strip() else 'exit status 1 without a word'


def calls_of(run):
    n = run.calls
    return range(1, n + 1) if n <= MOST else sorted({1 + i * (n - 1) // (MOST - 1) for i in range(MOST)})


def try_one(name, kind, files, pool):
    args = RUNS[name]
    tag = f'{name}-{kind}'
    want = Run(args, files, tag + '-0', '' if kind == 'short' else kind, 0)
    problem = judge(want, want)
    faults = [0] if kind == 'short' else calls_of(want)
    runs = [pool.submit(Run, args, files, f'{tag}-{n}x', kind, n) for n in faults]
    bad = []
    for n, run in zip(faults, runs):
        what = judge(run.result(), want)
        if not what and kind == 'short' and run.result().status != want.status:
            what = f'exit status {run.result().status}: {run.result().err[-200:]}'
        if what:
            bad.append(f'call {n} of {want.calls}: {what}')
    problem = problem or (f'{len(bad)} times, ' + (' | '.join(bad) if os.environ.get('FAULTS') else bad[0]) if bad else '')
    print(f'not ok - {name}-{kind}: {problem}' if problem else f'ok - {name}-{kind}', flush=True)
    return not problem


def main():
    files = prepare()
    good = True
    chosen = os.environ.get('FAULTS', '').split()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, args in RUNS.items():
            if chosen and name not in chosen:
                continue
            missing = [a[1:-1] for a in args if a in ('{gz}', '{zst}', '{lz4}') and a[1:-1] not in files]
            for kind in KINDS:
                if missing:
                    print(f'skip - {name}-{kind}: no {missing[0]} here')
                else:
                    good &= try_one(name, kind, files, pool)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
