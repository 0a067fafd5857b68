#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""soak.py: mixed load for SOAK_MINUTES (60), beside which a capture of all interfaces of all network namespaces, with text and
rotated files, must not grow: memory, descriptors, threads and mappings are flat in its second half, when thousands of owners have
filled what remembers them, and whatever was received is captured or counted as dropped. Root only; all that it makes is in namespaces and control groups of its own. SOAK_LOAD (1) is how
much of everything. Prints "ok - NAME" or "not ok - NAME: why" for each, and a table of what it saw."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..')
PROGRAM = os.environ.get('PTCPDUMP', os.path.join(TOP, 'build/ptcpdump'))
MINUTES = float(os.environ.get('SOAK_MINUTES', '60'))
LOAD = float(os.environ.get('SOAK_LOAD', '1'))
BACKEND = os.environ.get('SOAK_BACKEND')
SAMPLE = 5  # s
ID = os.getpid()
OUTER, INNER, SUBNET = f'soaka{ID}', f'soakb{ID}', '10.213.77'
CGROUPS = '/sys/fs/cgroup'
# What comes and goes with the load may be this much more at the end than in the third quarter.
MAY_GROW = {'rss_kb': 2048, 'fds': 8, 'threads': 2, 'maps': 16}

ending = threading.Event()
done = {'curls': 0, 'datagrams': 0, 'forks': 0, 'cgroups': 0, 'namespaces': 0}


def run(*args, **kwargs):
    return subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                          **kwargs).returncode


def inside(*args):
    return ('ip', 'netns', 'exec', OUTER) + args


def set_up():
    for command in (f'ip netns add {OUTER}', f'ip netns add {INNER}',
                    f'ip -n {OUTER} link add v0 type veth peer name v1 netns {INNER}',
                    f'ip -n {OUTER} addr add {SUBNET}.1/24 dev v0', f'ip -n {INNER} addr add {SUBNET}.2/24 dev v1',
                    f'ip -n {OUTER} link set v0 up', f'ip -n {INNER} link set v1 up', f'ip -n {OUTER} link set lo up',
                    f'ip -n {INNER} link set lo up'):
        if run(*command.split()):
            sys.exit(f'soak.py: {command}: failed')


def clean_up(procs):
    ending.set()
    for p in procs:
        p.kill()
        p.wait()
    for name in subprocess.run(['ip', 'netns', 'list'], capture_output=True, text=True, check=False).stdout.split('\n'):
        if re.match(rf'soak[abn]{ID}', name):
            run('ip', 'netns', 'del', name.split()[0])
    for folder in group_names():
        try:
            os.rmdir(folder)
        except OSError:
            pass


def group_names():
    root = CGROUPS if os.path.exists(f'{CGROUPS}/cgroup.procs') else f'{CGROUPS}/unified'
    return [f'{root}/docker-{ID:064x}.scope']


def pace(per_second):
    """Yields so often, as long as the load lasts."""
    period, at = 1 / (per_second * LOAD), time.monotonic()
    while not ending.is_set():
        yield
        at = max(at + period, time.monotonic() - 1)
        ending.wait(max(0, at - time.monotonic()))


def curls():
    for _ in pace(5):
        done['curls'] += run(*inside('curl', '-s', '-m', '5', '-o', '/dev/null', f'http://{SUBNET}.2:8080/')) == 0


def datagrams():
    code = ('import socket,time,sys\ns=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n'
            f'while True:\n for i in range(20): s.sendto(bytes(i*40),("{SUBNET}.2",9000+i))\n time.sleep({0.1 / LOAD})')
    p = subprocess.Popen(inside(sys.executable, '-c', code), stdin=subprocess.DEVNULL)
    while not ending.wait(1):
        done['datagrams'] += int(200 * LOAD)
    p.kill()
    p.wait()


def forks():
    for _ in pace(4):
        run('sh', '-c', 'for i in 1 2 3 4 5; do /bin/true; done')
        done['forks'] += 6


def cgroups():
    """A container's group, without a runtime that knows it, that comes and goes."""
    folder = group_names()[0]
    for _ in pace(0.5):
        try:
            os.mkdir(folder)
            p = subprocess.Popen(inside('sh', '-c', f'read x; exec curl -s -m 5 -o /dev/null http://{SUBNET}.2:8080/'),
                                 stdin=subprocess.PIPE)
            with open(f'{folder}/cgroup.procs', 'w', encoding='ascii') as f:
                f.write(str(p.pid))
            p.communicate(b'\n')
            os.rmdir(folder)
            done['cgroups'] += 1
        except OSError:
            continue


def namespaces():
    n = 0
    for _ in pace(0.5):
        n += 1
        name = f'soakn{ID}x{n % 4}'
        run('ip', 'netns', 'del', name)
        if run('ip', 'netns', 'add', name) == 0:
            run('ip', '-n', name, 'link', 'set', 'lo', 'up')
            run('ip', 'netns', 'exec', name, 'ping', '-q', '-c', '2', '-i', '0.2', '127.0.0.1')
            done['namespaces'] += 1


def family(pid):
    """A process and all that come from it."""
    pids = [pid]
    for p in pids:
        try:
            for task in os.listdir(f'/proc/{p}/task'):
                with open(f'/proc/{p}/task/{task}/children', encoding='ascii') as f:
                    pids += [int(c) for c in f.read().split()]
        except OSError:
            continue
    return pids


def sample(pid):
    total = dict.fromkeys(MAY_GROW, 0)
    total['cpu_s'] = 0
    for p in family(pid):
        try:
            with open(f'/proc/{p}/status', encoding='utf8', errors='replace') as f:
                status = dict(line.split(':', 1) for line in f if ':' in line)
            with open(f'/proc/{p}/maps', encoding='utf8', errors='replace') as f:
                total['maps'] += sum(1 for _ in f)
            with open(f'/proc/{p}/stat', encoding='utf8', errors='replace') as f:
                stat = f.read().rsplit(')', 1)[1].split()
            total['fds'] += len(os.listdir(f'/proc/{p}/fd'))
            # Of rings that are shared with the kernel there is never more than their size.
            total['rss_kb'] += int(status.get('RssAnon', '0').split()[0])
            total['threads'] += int(status['Threads'])
            total['cpu_s'] += (int(stat[11]) + int(stat[12])) / os.sysconf('SC_CLK_TCK')
        except (OSError, KeyError, IndexError):
            continue
    return total


def median(values):
    return sorted(values)[len(values) // 2]


def judge(samples):
    """Of each figure the middle one of the third quarter, and of the last."""
    good, quarter = True, len(samples) // 4
    for what, more in MAY_GROW.items():
        before = median([s[what] for s in samples[2 * quarter:3 * quarter]])
        after = median([s[what] for s in samples[-quarter:]])
        print(f'{"ok" if after <= before + more else "not ok"} - soak-{what}'
              f'{"" if after <= before + more else f": {before} in the third quarter, {after} in the last"}', flush=True)
        good &= after <= before + more
    return good


def judge_counts(err, status):
    counts = {what: int(n) for n, what in re.findall(r'(\d+) packets? (captured|received by filter|dropped by kernel)', err)}
    lines = dict((what, n) for what, n in counts.items())
    told = f'{lines}, exit status {status}'
    right = status == 0 and lines.get('captured', 0) > 0 and \
        lines.get('captured', 0) + lines.get('dropped by kernel', 0) == lines.get('received by filter', -1)
    print(f'{"ok" if right else "not ok"} - soak-counts{"" if right else ": " + told}', flush=True)
    return right, told


def main():
    tmp = tempfile.mkdtemp(prefix='soak.')
    set_up()
    err = open(os.path.join(tmp, 'err'), 'w+', encoding='utf8', errors='replace')
    args = [PROGRAM, '-i', 'any', '--netns', 'any', '-nn', '-v', '--print', '-w', f'{tmp}/x.pcapng', '-C', '5', '-W', '3']
    server = subprocess.Popen(('ip', 'netns', 'exec', INNER, sys.executable, '-m', 'http.server', '-d', tmp, '8080'),
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    capture = subprocess.Popen(args + (['--backend', BACKEND] if BACKEND else []), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=err)
    threads = [threading.Thread(target=t) for t in (curls, datagrams, forks, cgroups, namespaces)]
    samples, began = [], time.monotonic()
    good = False
    try:
        time.sleep(3)
        for t in threads:
            t.start()
        while time.monotonic() - began < 60 * MINUTES and capture.poll() is None:
            time.sleep(SAMPLE)
            samples.append(sample(capture.pid))
            if len(samples) % max(1, int(60 * MINUTES / SAMPLE / 12)) == 0:
                print(f'# {int(time.monotonic() - began):5d} s ' + ' '.join(f'{k}={v:g}' for k, v in samples[-1].items()), flush=True)
        ending.set()
        for t in threads:
            t.join()
        time.sleep(2)
        capture.send_signal(signal.SIGINT)
        status = capture.wait(timeout=60)
        err.seek(0)
        counted, told = judge_counts(err.read(), status)
        good = judge(samples) and counted
        print(f'# {told}; load: {done}', flush=True)
    finally:
        clean_up([p for p in (capture, server) if p.poll() is None])
        run('rm', '-rf', tmp)
    return 0 if good else 1


if __name__ == '__main__':
    sys.exit(main())
