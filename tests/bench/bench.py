#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures ptcpdump beside tcpdump in one run, alternating, and prints a table of medians, least values and ratios.

usage: bench.py [--runs N] [--packets N] [--only WORD] PTCPDUMP BUILD_DIR

Needs root, iproute2, bpftool and tcpdump. Two network namespaces joined by veth are made and removed."""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

NS_A, NS_B = 'ptcpbench-a', 'ptcpbench-b'
ADDR_A, ADDR_B = '10.99.7.1', '10.99.7.2'
PORT = 9


def ip(*args, check=True):
    subprocess.run(['ip', *args], check=check, stderr=None if check else subprocess.DEVNULL)


def net_down():
    for ns in (NS_A, NS_B):
        ip('netns', 'del', ns, check=False)


def net_up():
    net_down()
    for ns in (NS_A, NS_B):
        ip('netns', 'add', ns)
    ip('-n', NS_A, 'link', 'add', 'veth0', 'type', 'veth', 'peer', 'name', 'veth0', 'netns', NS_B)
    for ns, addr in ((NS_A, ADDR_A), (NS_B, ADDR_B)):
        ip('-n', ns, 'addr', 'add', addr + '/24', 'dev', 'veth0')
        ip('-n', ns, 'link', 'set', 'veth0', 'up')
        ip('-n', ns, 'link', 'set', 'lo', 'up')
    # A socket that nobody reads: without it every datagram would be answered by an ICMP error.
    sink = subprocess.Popen(['ip', 'netns', 'exec', NS_B, sys.executable, '-c', 'import socket, sys\n'
                             's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
                             f's.bind(("{ADDR_B}", {PORT}))\n'
                             'sys.stdin.read()'], stdin=subprocess.PIPE)
    subprocess.run(['ip', 'netns', 'exec', NS_A, 'ping', '-qc1', ADDR_B], check=True, stdout=subprocess.DEVNULL)
    return sink


def peak_rss(pid):
    """MB, 0 when the process has ended. ru_maxrss also counts what the child was before exec: this program."""
    try:
        with open(f'/proc/{pid}/status', encoding='ascii') as f:
            return next((int(line.split()[1]) / 1024 for line in f if line.startswith('VmHWM')), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def cpu_ns(pid):
    """Of the process and its children."""
    total = 0
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/schedstat', encoding='ascii') as f:
            total += int(f.read().split()[0])
        with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as f:
            total += sum(cpu_ns(int(child)) for child in f.read().split())
    return total


def bpf_map(what, map_id):
    out = subprocess.run(['bpftool', '-j', 'map', what, 'id', map_id], check=True, stdout=subprocess.PIPE)
    return json.loads(out.stdout)


def copied(pid):
    """{'copied': packets that the programs of a capture have put into its rings, whatever it made of them afterwards}"""
    total = 0
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        with open(f'/proc/{pid}/fdinfo/{fd}', encoding='ascii') as f:
            map_id = next((line.split()[1] for line in f if line.startswith('map_id:')), None)
        # ptcp_ifaces and ptcp_iface_slots: names of maps are cut.
        if map_id and bpf_map('show', map_id).get('name', '').startswith('ptcp_iface'):
            total += sum(cpu['value']['n']['received'] for entry in bpf_map('dump', map_id)
                         for cpu in entry['formatted']['values'])
    return {'copied': total}


class Capture:
    """One run of a capturing program inside NS_A, from exec to its closing statistics."""

    def __init__(self, cmd, out):
        self.err = tempfile.TemporaryFile('w+')
        self.start = time.time()
        self.proc = subprocess.Popen(['ip', 'netns', 'exec', NS_A, *cmd], stdout=out, stderr=self.err)

    def wait_ready(self):
        end = time.time() + 10
        while time.time() < end:
            self.err.seek(0)
            if 'listening on' in self.err.read():
                return
            time.sleep(0.01)
        raise RuntimeError('no "listening on": ' + ' '.join(self.proc.args))

    def stop(self):
        rss = peak_rss(self.proc.pid)
        self.proc.send_signal(signal.SIGINT)
        _, status, use = os.wait4(self.proc.pid, 0)
        self.proc.returncode = os.waitstatus_to_exitcode(status)
        self.err.seek(0)
        text = self.err.read()
        counts = {k: int(m.group(1)) for k in ('captured', 'received', 'dropped')
                  if (m := re.search(r'(\d+) packets? ' + k, text))}
        return {'cpu': use.ru_utime + use.ru_stime, 'rss': rss, **counts}


def send(burst, count, rate):
    cmd = ['ip', 'netns', 'exec', NS_A, burst, ADDR_B, str(PORT), str(count), '64'] + ([str(rate)] if rate else [])
    words = subprocess.run(cmd, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return {'send_cpu': float(words[1]), 'send_wall': float(words[3])}


def live_run(cmd, burst, count, rate, out_path, look=lambda pid: {}):
    """count 0: nothing is sent. look: what else is to be told of the process before its end."""
    for word in cmd:
        # Who empties a file instead of making it, pays for that when it is closed.
        if word.startswith(os.path.dirname(out_path)) and os.path.exists(word):
            os.unlink(word)
    with open(out_path, 'wb') as out:
        cap = Capture(cmd, out)
        try:
            cap.wait_ready()
            time.sleep(0.2)
            start = cpu_ns(cap.proc.pid) / 1e9
            result = send(burst, count, rate) if count else {}
            time.sleep(0.6)
            result.update(look(cap.proc.pid))
        finally:
            result_stop = cap.stop()
    return {**result, **result_stop, 'start': start, 'after': result_stop['cpu'] - start}


def live_run_net(cmd, burst, count, rate, out_path, look=lambda pid: {}):
    """With 'net': the CPU after the start, less what the end takes of the same command without traffic just before."""
    idle = live_run(cmd, burst, 0, 0, out_path)
    result = live_run(cmd, burst, count, rate, out_path, look)
    return {**result, 'net': result['after'] - idle['after']}


def median_of(runs):
    return {k: statistics.median(r[k] for r in runs) for k in runs[0] if all(k in r for r in runs)}


def least_of(runs):
    return {k + '_min': min(r[k] for r in runs) for k in runs[0] if all(k in r for r in runs)}


def pair(runs, one, two):
    """Alternates two measurements, so that drift of the machine's speed hits both."""
    a, b = [], []
    for _ in range(runs):
        a.append(one())
        b.append(two())
    return {**median_of(a), **least_of(a)}, {**median_of(b), **least_of(b)}


def row(name, ours, theirs, keys):
    for key, unit in keys:
        if key not in ours:
            continue
        other = theirs.get(key)
        ratio = f'{ours[key] / other:.2f}' if other else '-'
        shown = f'{other:.3f}' if other is not None else '-'
        print(f'| {name} | {unit} | {ours[key]:.3f} | {shown} | {ratio} |', flush=True)


LIVE_KEYS = [('captured', 'captured'), ('dropped', 'dropped'), ('cpu', 'CPU s'), ('cpu_min', 'CPU s, least'),
             ('net', 'CPU s without the start'), ('net_min', 'CPU s without the start, least'),
             ('start', 'CPU s of the start'), ('rss', 'RSS MB'), ('send_cpu', 'sender CPU s')]


def fs_type(path):
    return subprocess.run(['df', '--output=fstype', path], check=True, stdout=subprocess.PIPE, text=True).stdout.split()[1]


def bench_live(args, burst, tmp):
    jobs = [('-w /dev/null', ['-w', '/dev/null']), (f'-w on {fs_type(tmp)}', ['-w', os.path.join(tmp, 'FILE')]),
            ('text -nn', ['-nn']), ('nothing matches', ['-nn', 'udp port 4242'])]
    for kind, rate, count in (('burst', 0, args.packets), ('50,000/s', 50000, 150000)):
        for name, flags in jobs:
            if args.only and args.only not in f'{kind} {name}':
                continue
            def run(tool, suffix):
                own = [f.replace('FILE', 'out' + suffix) for f in flags]
                return live_run_net([tool, '-i', 'veth0', *own], burst, count, rate, os.path.join(tmp, 'text' + suffix))
            ours, theirs = pair(args.runs, lambda: run(args.ptcpdump, '.pcapng'), lambda: run('tcpdump', '.pcap'))
            row(f'{kind}, {name}', ours, theirs, LIVE_KEYS)


def bench_counts(args, burst, conns, tmp):
    """Only counts are wanted, which the kernel makes, against copies of all packets."""
    def run(flags):
        return live_run_net([args.ptcpdump, '-i', 'veth0', *flags], burst, args.packets, 0, os.path.join(tmp, 'text'))
    ours, theirs = pair(args.runs, lambda: run(['--summary']), lambda: run(['-w', '/dev/null']))
    row('burst, --summary; right: -w /dev/null', ours, theirs, LIVE_KEYS)
    # Each is a flow, whose owner becomes known later.
    one, two = ([args.ptcpdump, '-i', 'lo', *flags] for flags in (['--summary'], ['-w', '/dev/null']))
    ours, theirs = pair(args.runs, lambda: conns_run(conns, one, NS_A, 5000), lambda: conns_run(conns, two, NS_A, 5000))
    row('5,000 connections a second, --summary; right: -w /dev/null', ours, theirs,
        [('cpu_ms', 'CPU ms in 2 s'), ('dropped', 'dropped')])


# What an expression with process terms costs above what it does not say, or what options say.
TERMS = (('not pname sshd; right: everything', ['-w', '/dev/null', 'not', 'pname', 'sshd'], ['-w', '/dev/null']),
         (f'port {PORT} and pid 1; right: --pid 1 port {PORT}', ['-w', '/dev/null', f'port {PORT} and pid 1'],
          ['-w', '/dev/null', '--pid', '1', f'port {PORT}']),
         ('port 9 or pid 1; right: --pid 1', ['-w', '/dev/null', 'port 9 or pid 1'], ['-w', '/dev/null', '--pid', '1']),
         # What nobody could make match is not copied: looked up on the left, refused before that on the right.
         ('pid 1 and not port 53; right: port 53', ['-w', '/dev/null', 'pid 1 and not port 53'],
          ['-w', '/dev/null', 'port 53']),
         ('port 53 and pid 1; right: port 53', ['-w', '/dev/null', 'port 53 and pid 1'], ['-w', '/dev/null', 'port 53']),
         # Only user space knows executables.
         ('exe none and not port 53; right: port 53', ['-w', '/dev/null', 'exe none and not port 53'],
          ['-w', '/dev/null', 'port 53']))


def bench_terms(args, burst, tmp):
    def run(flags):
        result = live_run_net([args.ptcpdump, '-i', 'veth0', *flags], burst, args.packets, 0, os.path.join(tmp, 'text'),
                              copied)
        # What the kernel's programs take is the sender's.
        return {**result, 'each': (result['net'] + result['send_cpu']) * 1e9 / args.packets}
    for name, one, two in TERMS:
        ours, theirs = pair(args.runs, lambda one=one: run(one), lambda two=two: run(two))
        row(f'terms, {name}', ours, theirs, [('captured', 'captured'), ('copied', 'copied'), ('dropped', 'dropped'),
                                             ('each', 'ns a packet'), ('each_min', 'ns a packet, least')])


SHORT = '''import os, socket, sys
listener = socket.create_server(("127.0.0.1", 4300), backlog=512)
if os.fork() == 0:
    while c := listener.accept()[0]:
        c.recv(100)
        c.close()
        if os.getppid() == 1:
            break
for _ in range(int(sys.argv[1])):
    c = socket.create_connection(("127.0.0.1", 4300))
    c.send(b"x")
    c.recv(1)
    c.close()
os.kill(0, 15)'''


def settle_run(tool, flags, count):
    """CPU per packet of short connections, whose accepted ends are provisional at first; the start does not count."""
    cap = Capture([tool, '-i', 'lo', '-w', '/dev/null', *flags], subprocess.DEVNULL)
    cap.wait_ready()
    time.sleep(0.5)
    before = cpu_ns(cap.proc.pid)
    subprocess.run(['ip', 'netns', 'exec', NS_A, sys.executable, '-c', SHORT, str(count)], check=False,
                   start_new_session=True)
    time.sleep(0.6)
    used = cpu_ns(cap.proc.pid) - before
    result = cap.stop()
    return {'us': used / 1000 / max(1, result['captured']), 'captured': result['captured'], 'dropped': result['dropped']}


def conns_run(conns, cmd, where, rate):
    """Connections in a namespace while cmd captures in NS_A (None: nothing does); the start does not count."""
    cap = Capture(cmd, subprocess.DEVNULL) if cmd else None
    if cap:
        cap.wait_ready()
        time.sleep(0.3)
    before = cpu_ns(cap.proc.pid) if cap else 0
    out = subprocess.run(['ip', 'netns', 'exec', where, conns, '127.0.0.1', '4301', '2', *([str(rate)] if rate else [])],
                         check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    time.sleep(0.3)
    used = (cpu_ns(cap.proc.pid) - before) / 1e6 if cap else 0
    result = cap.stop() if cap else {}
    ours = {'cpu_ms': used, 'dropped': result['dropped']} if cap else {}
    return {'made': int(out[0]) / 2, 'each': float(out[1]), **ours}


def bench_conns(args, conns):
    for rate in (1000, 5000):
        one, two = ([tool, '-i', 'lo', '-w', '/dev/null'] for tool in (args.ptcpdump, 'tcpdump'))
        ours, theirs = pair(args.runs, lambda: conns_run(conns, one, NS_A, rate), lambda: conns_run(conns, two, NS_A, rate))
        row(f'{rate:,} connections a second, -w', ours, theirs, [('cpu_ms', 'CPU ms in 2 s'), ('dropped', 'dropped')])
    for name, where, device, flags, other in (
            ('-w', NS_A, 'lo', ['-w', '/dev/null'], 'tcpdump'), ('nothing matches', NS_A, 'lo', ['-nn', 'port 9'], 'tcpdump'),
            ('--pid of nobody; right: no capture', NS_A, 'lo', ['-nn', '--pid', '1'], None),
            ('in a namespace that is not captured; right: no capture', NS_B, 'veth0', ['-nn', 'port 9'], None)):
        one = [args.ptcpdump, '-i', device, *flags]
        two = [other, '-i', device, *flags] if other else None
        ours, theirs = pair(args.runs, lambda: conns_run(conns, one, where, 0), lambda: conns_run(conns, two, where, 0))
        row(f'short connections, {name}', ours, theirs, [('made', 'a second'), ('each', 'CPU us of each')])


def bench_settle(args):
    ours, theirs = pair(args.runs, lambda: settle_run(args.ptcpdump, [], 4000),
                        lambda: settle_run(args.ptcpdump, ['--settle', '0'], 4000))
    row('short connections, settled; right: --settle 0', ours, theirs,
        [('captured', 'captured'), ('dropped', 'dropped'), ('us', 'CPU us per packet')])


def first_packet_delay(tool, burst, path):
    """Seconds from exec to the time stamp of the first packet in the file, with 1,000 packets/s under way."""
    sender = subprocess.Popen(['ip', 'netns', 'exec', NS_A, burst, ADDR_B, str(PORT), '2500', '64', '1000'],
                              stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    cap = Capture([tool, '-i', 'veth0', '-U', '-w', path, '-c', '20'], subprocess.DEVNULL)
    cap.proc.wait(20)
    sender.wait()
    out = subprocess.run(['tshark', '-r', path, '-c', '1', '-T', 'fields', '-e', 'frame.time_epoch'], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    return {'first': (float(out) - cap.start) * 1000}


def bench_start(args, burst, tmp):
    ours, theirs = pair(args.runs, lambda: first_packet_delay(args.ptcpdump, burst, os.path.join(tmp, 's.pcapng')),
                        lambda: first_packet_delay('tcpdump', burst, os.path.join(tmp, 's.pcap')))
    row('start to the first packet', ours, theirs, [('first', 'ms')])


def read_run(tool, flags, path):
    proc = subprocess.Popen([tool, *flags, '-r', path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rss = 0
    while os.waitid(os.P_PID, proc.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        rss = max(rss, peak_rss(proc.pid))
        time.sleep(0.005)
    _, _, use = os.wait4(proc.pid, 0)
    proc.returncode = 0
    return {'cpu': use.ru_utime + use.ru_stime, 'rss': rss}


def bench_read(args, tmp):
    # tcpdump keeps a list of all TCP conversations: with many, its time grows with the square of their number.
    for addrs, count in ((40, args.read_packets), (7000, args.read_packets // 10)):
        path = os.path.join(tmp, f'big{addrs}.pcap')
        write_pcap(path, count, addrs)
        for flags in (['-nn'], ['-nn', '-v'], ['-nn', '-vvv', '-e'], ['-nn', '-X'], ['-nn', '-A'], ['--count'],
                      ['-nn', '-w', '/dev/null']):
            ours, theirs = pair(max(3, args.runs // 2), lambda: read_run(args.ptcpdump, flags, path),
                                lambda: read_run('tcpdump', flags, path))
            row(f'-r {count:,} packets, {addrs} addresses, {" ".join(flags)}', ours, theirs,
                [('cpu', 'CPU s'), ('rss', 'RSS MB')])
        os.unlink(path)


def bench_json(args, tmp):
    """Lines of JSON against text, of annotated packets."""
    plain, path = os.path.join(tmp, 'json.pcap'), os.path.join(tmp, 'json.pcapng')
    with open(plain, 'wb') as f:
        subprocess.run([os.path.join(args.build, 'mkpcap'), str(args.read_packets // 20), '200'], stdout=f, check=True)
    subprocess.run([os.path.join(args.build, 'annotate'), plain, path], check=True)
    for form in ('packet', 'flow'):
        ours, theirs = pair(max(5, args.runs), lambda form=form: read_run(args.ptcpdump, [f'--json={form}'], path),
                            lambda: read_run(args.ptcpdump, ['-nn'], path))
        row(f'-r {args.read_packets // 20:,} annotated packets, --json={form}; right: -nn', ours, theirs,
            [('cpu', 'CPU s'), ('cpu_min', 'CPU s, least'), ('rss', 'RSS MB')])


def write_pcap(path, count, addrs):
    """TCP, UDP and DNS-like packets between addrs addresses of 10.0.0.0/12; the same bytes every time."""
    seed = 1
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1))
        eth = bytes.fromhex('0200000000020200000000010800')
        chunk = []
        for i in range(count):
            seed = (seed * 1103515245 + 12345) & 0x7fffffff
            src, dst = 0x0a000001 + seed % addrs, 0x0a000001 + (seed >> 8) % addrs
            if i % 3:
                l4 = struct.pack('>HHIIBBHHH', 1024 + src % 64, 443, seed, i, 0x50, 0x18, 502, 0, 0) + bytes(80)
                proto = 6
            else:
                l4 = struct.pack('>HHHH', 1024 + dst % 64, 5000, 8 + 48, 0) + bytes(48)
                proto = 17
            pkt = eth + struct.pack('>BBHHHBBHII', 0x45, 0, 20 + len(l4), i & 0xffff, 0x4000, 64, proto, 0, src, dst) + l4
            chunk.append(struct.pack('<IIII', 1700000000 + i // 50000, i % 50000 * 20, len(pkt), len(pkt)) + pkt)
            if len(chunk) == 10000:
                f.write(b''.join(chunk))
                chunk = []
        f.write(b''.join(chunk))


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--runs', type=int, default=5)
    p.add_argument('--packets', type=int, default=400000)
    p.add_argument('--read-packets', type=int, default=1000000)
    p.add_argument('--only', default='')
    p.add_argument('ptcpdump')
    p.add_argument('build')
    args = p.parse_args()
    # Without, tcpdump looks at /etc/localtime for each line, and takes two to three times as long.
    os.environ['TZ'] = 'UTC'
    args.ptcpdump = os.path.abspath(args.ptcpdump)
    if not shutil.which('tcpdump'):
        sys.exit('bench: tcpdump is not installed')
    burst = os.path.join(os.path.abspath(args.build), 'burst')
    print(f'{time.strftime("%Y-%m-%d")}, Linux {os.uname().release}, {os.cpu_count()} CPUs, medians of {args.runs} runs, '
          + subprocess.run(['tcpdump', '--version'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False).stdout.splitlines()[0])
    print('\n| what | unit | ptcpdump | tcpdump | ratio |\n|---|---|---:|---:|---:|', flush=True)
    # Not below /tmp, which is often no disk.
    with tempfile.TemporaryDirectory(prefix='ptcpdump-bench.', dir='/var/tmp') as tmp:
        os.chmod(tmp, 0o777)  # tcpdump drops root before it opens its file
        if os.geteuid() == 0:
            sink = net_up()
            try:
                bench_live(args, burst, tmp)
                if not args.only or args.only in 'counts':
                    bench_counts(args, burst, os.path.join(os.path.abspath(args.build), 'conns'), tmp)
                if not args.only or args.only in 'terms':
                    bench_terms(args, burst, tmp)
                if not args.only or args.only in 'connections':
                    bench_conns(args, os.path.join(os.path.abspath(args.build), 'conns'))
                if not args.only or args.only in 'settle':
                    bench_settle(args)
                if not args.only or args.only in 'start':
                    bench_start(args, burst, tmp)
            finally:
                sink.communicate()
                net_down()
        else:
            print('bench: live rows need root: skipped', file=sys.stderr)
        if not args.only or args.only in 'read':
            bench_read(args, tmp)
        if not args.only or args.only in 'json':
            bench_json(args, tmp)


if __name__ == '__main__':
    main()
