#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""image.py DIR: two docker-archive images from one static busybox, DIR/bb.tar (localhost/bb:test) and DIR/pause.tar."""
import hashlib
import io
import json
import sys
import tarfile

APPLETS = ('sh', 'sleep', 'wget', 'cat', 'true', 'httpd', 'nc', 'ping')


def layer():
    out = io.BytesIO()
    tar = tarfile.open(fileobj=out, mode='w')
    for name in ('bin', 'etc', 'tmp', 'proc', 'sys', 'dev', 'root'):
        info = tarfile.TarInfo(name)
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
    busybox = open('/bin/busybox', 'rb').read()
    passwd = b'root:x:0:0:root:/root:/bin/sh\n'
    for name, data, mode in (('bin/busybox', busybox, 0o755), ('etc/passwd', passwd, 0o644)):
        info = tarfile.TarInfo(name)
        info.mode, info.size = mode, len(data)
        tar.addfile(info, io.BytesIO(data))
    for name in APPLETS:
        info = tarfile.TarInfo('bin/' + name)
        info.type, info.linkname = tarfile.SYMTYPE, 'busybox'
        tar.addfile(info)
    tar.close()
    return out.getvalue()


def image(path, tag, command):
    data = layer()
    config = json.dumps({
        'architecture': 'amd64', 'os': 'linux',
        'config': {'Env': ['PATH=/bin'], 'Cmd': command},
        'rootfs': {'type': 'layers', 'diff_ids': ['sha256:' + hashlib.sha256(data).hexdigest()]},
    }).encode()
    name = hashlib.sha256(config).hexdigest() + '.json'
    manifest = json.dumps([{'Config': name, 'RepoTags': [tag], 'Layers': ['layer.tar']}]).encode()
    tar = tarfile.open(path, 'w')
    for member, content in ((name, config), ('layer.tar', data), ('manifest.json', manifest)):
        info = tarfile.TarInfo(member)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    tar.close()


image(sys.argv[1] + '/bb.tar', 'localhost/bb:test', ['sh'])
image(sys.argv[1] + '/pause.tar', 'localhost/pause:test', ['sleep', '2147483647'])
