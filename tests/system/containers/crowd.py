#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Many containers, without a real runtime.
crowd.py serve SOCKET COUNT SECONDS: a Docker daemon that has them, c0, c1 and so on, and takes that long for each answer
crowd.py ids COUNT: their ids
crowd.py send FOLDER COUNT: a process of each, in the control group FOLDER/ID, sends a datagram to 127.0.0.1:9 each 20 ms
crowd.py flood [FOLDER N]: as fast as it goes, by a process of no container, or of cN"""
import hashlib
import http.server
import json
import os
import signal
import socket
import socketserver
import sys
import time


def container_id(i):
    return hashlib.sha256(b'crowd%d' % i).hexdigest()


class Daemon(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    count, seconds = 0, 0.0

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path.startswith('/events'):
            self.send_response(200)
            self.send_header('Connection', 'close')
            self.end_headers()
            self.wfile.flush()
            time.sleep(3600)
            return
        time.sleep(self.seconds)
        ids = [container_id(i) for i in range(self.count)]
        found = [{'Id': v, 'Names': ['/c%d' % i], 'Image': 'img', 'Labels': {}} for i, v in enumerate(ids)
                 if self.path == '/containers/json' or v in self.path]
        body = json.dumps(found).encode()
        self.send_response(200 if self.path.startswith('/containers/json') else 404)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def serve(path, count, seconds):
    Answers.count, Answers.seconds = int(count), float(seconds)
    Daemon(path, Answers).serve_forever()


def enter(folder, i):
    with open(f'{folder}/{container_id(i)}/cgroup.procs', 'w') as f:
        f.write('0')


def discard():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(('127.0.0.1', 9))
    return s


def send_on(s, data, pause):
    while True:
        try:
            s.send(data)
        except OSError:
            pass
        if pause:
            time.sleep(pause)


def send(folder, count):
    children = []
    for i in range(int(count)):
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            enter(folder, i)
            send_on(discard(), b'x', 0.02)
        children.append(pid)
    signal.signal(signal.SIGTERM, lambda *args: sys.exit())
    try:
        signal.pause()
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def flood(folder='', i=0):
    if folder:
        enter(folder, int(i))
    send_on(discard(), b'x' * 1000, 0)


if sys.argv[1] == 'ids':
    print('\n'.join(container_id(i) for i in range(int(sys.argv[2]))))
else:
    {'serve': serve, 'send': send, 'flood': flood}[sys.argv[1]](*sys.argv[2:])
