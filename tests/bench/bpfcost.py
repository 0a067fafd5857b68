#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Measures what the packet program costs the kernel, by kernel.bpf_stats_enabled, beside a program that does nothing.

usage: bpfcost.py [--chunks N] [--packets N] PTCPDUMP BUILD_DIR

UDP datagrams of 64 bytes between two network namespaces, whose sockets have known owners: the sending side passes egress,
the receiving side ingress. Needs root, iproute2, clang and bpftool, and Linux 6.6 or clsact."""
import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import bench

EMPTY = '''
__attribute__((section("tc"))) int empty(void *skb) { return -1; }
char LICENSE[] __attribute__((section("license"))) = "GPL";
'''
STATS = '/proc/sys/kernel/bpf_stats_enabled'


def progs(pid):
    """{id: (ns, runs)} of the programs that a process holds: other captures may be running."""
    found = {}
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        with open(f'/proc/{pid}/fdinfo/{fd}', encoding='ascii') as f:
            info = dict(line.split(':', 1) for line in f if ':' in line)
        if 'run_cnt' in info:
            found[int(info['prog_id'])] = (int(info['run_time_ns']), int(info['run_cnt']))
    return found


def shown(name):
    out = subprocess.run(['bpftool', '-j', 'prog', 'show'], check=True, stdout=subprocess.PIPE, text=True).stdout
    return {p['id']: (p.get('run_time_ns', 0), p.get('run_cnt', 0)) for p in json.loads(out) if p.get('name') == name}


def cost(read, one, chunks, action):
    """Lowest ns per run of program one among several chunks: other work on the machine only ever adds."""
    best = float('inf')
    action()
    for _ in range(chunks):
        t0, n0 = read()[one]
        action()
        t1, n1 = read()[one]
        best = min(best, (t1 - t0) / max(1, n1 - n0))
    return best


def measure_empty(obj, ns, side, chunks, action):
    before = shown('empty')
    dev = ['dev', 'veth0']
    subprocess.run(['ip', 'netns', 'exec', ns, 'tc', 'qdisc', 'add', *dev, 'clsact'], check=True)
    try:
        subprocess.run(['ip', 'netns', 'exec', ns, 'tc', 'filter', 'add', *dev, side, 'bpf', 'da', 'obj', obj, 'sec',
                        'tc'], check=True)
        one = (shown('empty').keys() - before.keys()).pop()
        return cost(lambda: shown('empty'), one, chunks, action)
    finally:
        subprocess.run(['ip', 'netns', 'exec', ns, 'tc', 'qdisc', 'del', *dev, 'clsact'], check=True)


def measure_ours(tool, flags, ns, side, chunks, action):
    with tempfile.TemporaryFile('w+') as err:
        proc = subprocess.Popen(['ip', 'netns', 'exec', ns, tool, '-i', 'veth0', '-Q', 'in' if side == 'ingress' else
                                 'out', *flags], stdout=subprocess.DEVNULL, stderr=err)
        try:
            end = time.time() + 10
            while time.time() < end:
                err.seek(0)
                if 'listening on' in err.read():
                    break
                time.sleep(0.02)
            time.sleep(0.3)
            one = (shown('ptcp_l2').keys() & progs(proc.pid).keys()).pop()
            return cost(lambda: progs(proc.pid), one, chunks, action)
        finally:
            proc.send_signal(signal.SIGINT)
            proc.wait()


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--chunks', type=int, default=10)
    p.add_argument('--packets', type=int, default=20000)
    p.add_argument('ptcpdump')
    p.add_argument('build')
    args = p.parse_args()
    if os.geteuid() != 0:
        sys.exit('bpfcost: needs root')
    tool, burst = os.path.abspath(args.ptcpdump), os.path.join(os.path.abspath(args.build), 'burst')
    with open(STATS, encoding='ascii') as f:
        old = f.read()
    sink = bench.net_up()
    with tempfile.TemporaryDirectory(prefix='ptcpdump-bpfcost.') as tmp:
        src, obj = os.path.join(tmp, 'empty.c'), os.path.join(tmp, 'empty.o')
        with open(src, 'w', encoding='ascii') as f:
            f.write(EMPTY)
        subprocess.run(['clang', '-O2', '-target', 'bpf', '-c', src, '-o', obj], check=True)
        try:
            with open(STATS, 'w', encoding='ascii') as f:
                f.write('1')
            report(args, tool, burst, obj)
        finally:
            with open(STATS, 'w', encoding='ascii') as f:
                f.write(old)
            sink.communicate()
            bench.net_down()


def report(args, tool, burst, obj):
    print(f'{time.strftime("%Y-%m-%d")}, Linux {os.uname().release}, {os.cpu_count()} CPUs, lowest of {args.chunks} times '
          f'{args.packets:,} datagrams\n\n| ns per packet | empty | filter that matches nothing | no attribution | '
          'everything | above empty | counted | above empty |\n|---|---:|---:|---:|---:|---:|---:|---:|')
    write = ['-w', '/dev/null']
    kinds = [[*write, 'udp port 4242'], [*write, '--context', ''], write, ['--summary']]
    for side, ns in (('egress', bench.NS_A), ('ingress', bench.NS_B)):
        def action():
            bench.send(burst, args.packets, 0)
        m = [measure_empty(obj, ns, side, args.chunks, action)] + \
            [measure_ours(tool, flags, ns, side, args.chunks, action) for flags in kinds]
        m[4:] = [m[3] - m[0], m[4], m[4] - m[0]]
        print(f'| {side}, owner known | ' + ' | '.join(f'{v:.0f}' for v in m) + ' |', flush=True)


if __name__ == '__main__':
    main()
