#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""bad_daemon.py SOCKET HOW [ID]: a container runtime that misbehaves: silent, garbage, half, error, endless; or (forge) a
Docker that gives the container ID a name and labels made to forge lines."""
import json
import os
import socket
import sys
import threading

path, how = sys.argv[1], sys.argv[2]
EVIL = 'a"b\n12:00:00.000000 forged IP 1.2.3.4\r\x1b[2J\x9b2J'


def forge(connection):
    data = b''
    while True:
        more = connection.recv(4096)
        if not more:
            return
        data += more
        if b'\r\n\r\n' not in data:
            continue
        target, data = data.split(b' ')[1].decode(), b''
        container = {'Id': sys.argv[3], 'Names': ['/' + EVIL], 'Image': EVIL, 'Labels': {EVIL: EVIL, 'big': 'x' * 100000}}
        if target.startswith('/events'):
            connection.sendall(b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n')
            continue
        if target.startswith('/containers/json'):
            body = json.dumps([container]).encode()
        else:
            container.update(Name='/' + EVIL, Config={'Image': EVIL, 'Labels': container['Labels']}, State={'Pid': 0})
            body = json.dumps(container).encode()
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % len(body) + body)


def serve(connection):
    try:
        if how == 'silent':
            while connection.recv(4096):
                pass
        elif how == 'garbage':
            connection.sendall(b'\x1b[2Jgarbage\nforged\r\n\r\n\0\xff' * 20)
        elif how == 'half':
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"Id":"abc')
        elif how == 'error':
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nforged\n\n')
        elif how == 'endless':
            connection.recv(4096)
            connection.sendall(b'HTTP/1.1 200 OK\r\n\r\n')
            while True:
                connection.sendall(b'[{},' * 16384)
        else:
            forge(connection)
    except OSError:
        pass
    connection.close()


listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
if how == 'refused':
    listener.close()
    os._exit(0)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
