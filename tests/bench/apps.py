#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What servers do in a second without a capture, under tcpdump and under ptcpdump, in turn, and prints a table.

usage: apps.py [--rounds N] [--seconds N] [--only WORD] PTCPDUMP BUILD_DIR

Client and server are in two network namespaces joined by veth; the capture is in the server's, or in a third one. Needs
root and, of Debian: tcpdump nginx wrk redis-server postgresql iperf3; a server that is not installed is skipped by name.
--bpf: how long our programs ran for each request, by program (kernel.bpf_stats_enabled); rates are lower then."""
import argparse
import glob
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from bpfcost import STATS

CLIENT, SERVER, OTHER = 'ptcpapps-c', 'ptcpapps-s', 'ptcpapps-o'
ADDR, PORT = '10.99.8.2', 8080
URL = f'http://{ADDR}:{PORT}/'


def ip(*args, check=True):
    subprocess.run(['ip', *args], check=check, stderr=None if check else subprocess.DEVNULL)


def net_down():
    for ns in (CLIENT, SERVER, OTHER):
        ip('netns', 'del', ns, check=False)


def net_up():
    net_down()
    for ns in (CLIENT, SERVER, OTHER):
        ip('netns', 'add', ns)
        ip('-n', ns, 'link', 'set', 'lo', 'up')
    ip('-n', CLIENT, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth0', 'netns', SERVER)
    for ns, addr in ((CLIENT, '10.99.8.1'), (SERVER, ADDR)):
        ip('-n', ns, 'addr', 'add', addr + '/24', 'dev', 'veth0')
        ip('-n', ns, 'link', 'set', 'veth0', 'up')
    for ns in (SERVER, OTHER):
        ip('-n', ns, 'link', 'add', 'idle0', 'type', 'veth', 'peer', 'name', 'idle1')
        for dev in ('idle0', 'idle1'):
            ip('-n', ns, 'link', 'set', dev, 'up')


def inside(ns, *cmd, **more):
    return subprocess.Popen(['ip', 'netns', 'exec', ns, *cmd], stderr=more.pop('stderr', subprocess.DEVNULL), **more)


def asked(*cmd):
    """What a client prints."""
    return subprocess.run(['ip', 'netns', 'exec', CLIENT, *cmd], check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True).stdout


class Server:
    """One server; start() and rate() are the subclass's, needs: programs without which it is skipped."""
    needs = ()

    def __init__(self, args, tmp):
        self.args, self.tmp, self.proc = args, tmp, None

    def missing(self):
        return [n for n in self.needs if not shutil.which(n)]

    def stop(self):
        self.proc.terminate()
        self.proc.wait()


class Nginx(Server):
    needs = ('nginx', 'wrk')
    kinds = {'nginx, a connection per request': ['-H', 'Connection: close'], 'nginx, keep-alive': []}

    def start(self):
        conf = os.path.join(self.tmp, 'nginx.conf')
        with open(conf, 'w', encoding='ascii') as f:
            f.write(f'daemon off; worker_processes 2; pid {self.tmp}/nginx.pid; error_log /dev/null;\n'
                    f'events {{ worker_connections 4096; }}\nhttp {{ access_log off; server {{ listen {ADDR}:{PORT};\n'
                    'location / { return 200 ok; } } }\n')
        self.proc = inside(SERVER, 'nginx', '-c', conf)

    def rate(self, kind):
        out = asked('wrk', '-t1', '-c16', f'-d{self.args.seconds}s', *self.kinds[kind], URL)
        return float(re.search(r'Requests/sec:\s*([\d.]+)', out).group(1))


class Redis(Server):
    needs = ('redis-server', 'redis-benchmark')
    kinds = {'redis': (1, 20000), 'redis, 16 requests at once': (16, 200000)}

    def start(self):
        self.proc = inside(SERVER, 'redis-server', '--port', str(PORT), '--bind', ADDR, '--save', '', '--dir', self.tmp,
                           '--protected-mode', 'no', stdout=subprocess.DEVNULL)

    def rate(self, kind):
        at_once, each = self.kinds[kind]
        out = asked('redis-benchmark', '-h', ADDR, '-p', str(PORT), '-t', 'get', '-c', '16', '-P', str(at_once), '-n',
                    str(each * self.args.seconds), '--csv')
        return float(re.search(r'"GET","([\d.]+)"', out).group(1))


class Postgres(Server):
    kinds = {'postgres': None}

    def __init__(self, args, tmp):
        super().__init__(args, tmp)
        self.bin = next(iter(sorted(glob.glob('/usr/lib/postgresql/*/bin'), reverse=True)), '')
        self.data = os.path.join(tmp, 'postgres')

    def missing(self):
        return [] if self.bin and shutil.which('pgbench') else ['postgresql']

    def start(self):
        if not os.path.exists(self.data):
            os.mkdir(self.data)
            shutil.chown(self.data, 'postgres')
            self.run_as('initdb', '-D', self.data, '-A', 'trust', '-N')
            with open(os.path.join(self.data, 'pg_hba.conf'), 'a', encoding='ascii') as f:
                f.write('host all all 10.99.8.0/24 trust\n')
        self.proc = inside(SERVER, 'setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups',
                           os.path.join(self.bin, 'postgres'), '-D', self.data, '-h', ADDR, '-p', str(PORT), '-k', '')
        self.filled = False

    def run_as(self, name, *args):
        subprocess.run(['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', os.path.join(self.bin, name),
                        *args], check=True, cwd='/', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def rate(self, kind):
        where = ('-h', ADDR, '-p', str(PORT), '-U', 'postgres', 'postgres')
        if not self.filled:
            asked('pgbench', '-i', '-q', *where)
            self.filled = True
        out = asked('pgbench', '-S', '-n', '-c', '4', '-T', str(self.args.seconds), *where)
        return float(re.search(r'tps = ([\d.]+)', out).group(1))


class Iperf(Server):
    needs = ('iperf3',)
    kinds = {'iperf3, Mbit/s': None}

    def start(self):
        self.proc = inside(SERVER, 'iperf3', '-s', '-p', str(PORT), '-B', ADDR, stdout=subprocess.DEVNULL)

    def rate(self, kind):
        out = json.loads(asked('iperf3', '-c', ADDR, '-p', str(PORT), '-t', str(self.args.seconds), '-J'))
        return out['end']['sum_received']['bits_per_second'] / 1e6


class Udp(Server):
    kinds = {'UDP, 64 bytes': None}

    def start(self):
        self.proc = inside(SERVER, self.args.echo, ADDR, str(PORT))

    def rate(self, kind):
        return float(asked(self.args.echo, ADDR, str(PORT), str(self.args.seconds)))


SERVERS = (Nginx, Redis, Postgres, Iperf, Udp)

# Name, namespace, arguments (None: no capture), what it is compared with, the least ratio wanted.
NONE = 'no capture'
CAPTURES = (
    (NONE, None, None, None, None),
    ('tcpdump -w', SERVER, ['tcpdump', '-i', 'veth0', '-w', '/dev/null'], NONE, None),
    ('-w', SERVER, ['-i', 'veth0', '-w', '/dev/null'], 'tcpdump -w', 0.98),
    ('tcpdump, text', SERVER, ['tcpdump', '-i', 'veth0', '-nn'], NONE, None),
    ('text', SERVER, ['-i', 'veth0', '-nn'], 'tcpdump, text', 0.98),
    ('tcpdump, nothing matches', SERVER, ['tcpdump', '-i', 'veth0', '-nn', 'port 9'], NONE, None),
    ('nothing matches', SERVER, ['-i', 'veth0', '-nn', 'port 9'], 'tcpdump, nothing matches', 0.98),
    ('--pid of nobody here', SERVER, ['-i', 'veth0', '-nn', '--pid', '1'], NONE, 0.98),
    ('on another interface', SERVER, ['-i', 'idle0', '-nn', 'port 9'], NONE, 0.99),
    ('in another namespace', OTHER, ['-i', 'idle0', '-nn', 'port 9'], NONE, 0.99),
)


class Capture:
    def __init__(self, args, ns, cmd):
        self.err = tempfile.TemporaryFile('w+')
        if cmd[0] != 'tcpdump':
            cmd = [args.ptcpdump, *cmd]
        self.proc = inside(ns, *cmd, stdout=subprocess.DEVNULL, stderr=self.err)
        end = time.time() + 10
        while 'listening on' not in self.said():
            if time.time() > end or self.proc.poll() is not None:
                self.proc.kill()
                raise RuntimeError('does not listen: ' + ' '.join(cmd) + ': ' + self.said())
            time.sleep(0.01)
        time.sleep(0.2)

    def said(self):
        self.err.seek(0)
        return self.err.read()

    def stop(self):
        """CPU seconds, packets dropped."""
        self.proc.send_signal(signal.SIGINT)
        _, status, use = os.wait4(self.proc.pid, 0)
        self.proc.returncode = os.waitstatus_to_exitcode(status)
        dropped = re.search(r'(\d+) packets? dropped', self.said())
        return use.ru_utime + use.ru_stime, int(dropped.group(1)) if dropped else 0


def programs():
    out = subprocess.run(['bpftool', '-j', 'prog', 'show'], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {p['id']: (p.get('name', ''), p.get('run_time_ns', 0)) for p in json.loads(out)
            if p.get('name', '').startswith('ptcp_')}


def under(args, server, kind, capture):
    """Rate, CPU seconds and drops of the capture, {program: ns} with --bpf."""
    _, ns, cmd, _, _ = capture
    running = Capture(args, ns, cmd) if cmd else None
    try:
        before = programs() if args.bpf and running else {}
        rate = server.rate(kind)
        after = programs() if args.bpf and running else {}
    finally:
        cpu, dropped = running.stop() if running else (0, 0)
    spent = {name: ns - before.get(i, ('', 0))[1] for i, (name, ns) in after.items()}
    return rate, cpu, dropped, spent


def rates(args, server, kind):
    """{name of the capture: [(rate, cpu, dropped, spent)]}; each round begins with another one."""
    found = {c[0]: [] for c in CAPTURES}
    for r in range(args.rounds):
        turn = CAPTURES[r % len(CAPTURES):] + CAPTURES[:r % len(CAPTURES)]
        for capture in turn:
            found[capture[0]].append(under(args, server, kind, capture))
    return found


def report(args, kind, found):
    middle = {name: statistics.median(r[0] for r in runs) for name, runs in found.items()}
    for name, _, _, other, aim in CAPTURES:
        runs = found[name]
        ratio = f'{middle[name] / middle[other]:.3f}' if other else ''
        print(f'| {kind} | {name} | {middle[name]:,.0f} | {min(r[0] for r in runs):,.0f} | {ratio} | {other or ""} | '
              f'{aim or ""} | {statistics.median(r[1] for r in runs):.2f} | {max(r[2] for r in runs)} |', flush=True)
        if args.bpf and runs[-1][3]:
            requests = runs[-1][0] * args.seconds
            parts = sorted(((ns / requests / 1000, p) for p, ns in runs[-1][3].items() if ns), reverse=True)
            print(f'|  | us of BPF per request: {sum(us for us, _ in parts):.1f} | '
                  + ', '.join(f'{p[5:]} {us:.2f}' for us, p in parts[:10]) + ' |', flush=True)


def measure(args, tmp):
    for kind_of in SERVERS:
        server = kind_of(args, tmp)
        kinds = [k for k in kind_of.kinds if args.only in k]
        if not kinds:
            continue
        if server.missing():
            print(f'apps: skipped {", ".join(kinds)}: not installed: {" ".join(server.missing())}', file=sys.stderr)
            continue
        server.start()
        try:
            time.sleep(1.5)
            for kind in kinds:
                server.rate(kind)
                report(args, kind, rates(args, server, kind))
        finally:
            server.stop()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--rounds', type=int, default=5)
    p.add_argument('--seconds', type=int, default=2)
    p.add_argument('--only', default='')
    p.add_argument('--bpf', action='store_true')
    p.add_argument('ptcpdump')
    p.add_argument('build')
    args = p.parse_args()
    args.ptcpdump = os.path.abspath(args.ptcpdump)
    args.echo = os.path.join(os.path.abspath(args.build), 'echo')
    os.environ['TZ'] = 'UTC'
    if os.geteuid() != 0 or not shutil.which('tcpdump'):
        sys.exit('apps: needs root and tcpdump')
    print(f'{time.strftime("%Y-%m-%d")}, Linux {os.uname().release}, {os.cpu_count()} CPUs, {args.rounds} rounds\n\n'
          '| server | capture | a second, median | minimum | ratio | to | aim | CPU s | dropped |\n'
          '|---|---|---:|---:|---:|---|---:|---:|---:|', flush=True)
    if args.bpf:
        with open(STATS, 'w', encoding='ascii') as f:
            f.write('1')
    with tempfile.TemporaryDirectory(prefix='ptcpdump-apps.') as tmp:
        os.chmod(tmp, 0o755)
        net_up()
        try:
            measure(args, tmp)
        finally:
            net_down()
            if args.bpf:
                with open(STATS, 'w', encoding='ascii') as f:
                    f.write('0')


if __name__ == '__main__':
    main()
