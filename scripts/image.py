#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""image.py OUT VERSION EPOCH ARCH=PROGRAM,BUSYBOX...: an image for containers as a tar of an OCI layout, without a container tool.

ARCH is amd64 or arm64; PROGRAM a static ptcpdump, BUSYBOX a static BusyBox: kubectl-ptcpdump wants a shell, and `kubectl cp` a tar. The
same files and EPOCH, seconds since 1970, make the same bytes. The tar has what `docker load` wants besides (manifest.json), for Docker
before 25. The formats: https://github.com/opencontainers/image-spec, image-layout.md, image-index.md, manifest.md, config.md."""
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"
GROUP = "root:x:0:\nnogroup:x:65534:\n"
APPLETS = ("awk cat chmod chown cp cut date dd df du echo env false find grep gunzip gzip head hostname id ip kill killall less ln ls mkdir "
           "mkfifo mktemp more mount mv nc netstat nslookup pgrep ping pkill printf ps pwd readlink rm rmdir sed sh sha256sum sleep sort "
           "stat tail tar tee test timeout touch top tr true tty umount uname uniq vi wc wget which whoami xargs").split()
MANIFEST, INDEX = ("application/vnd.oci.image.%s.v1+json" % kind for kind in ("manifest", "index"))
CONFIG, LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"


class Tar:
    """Members in the order in which they come, of root, of one time."""

    def __init__(self, epoch):
        self.epoch, self.out = epoch, io.BytesIO()
        self.tar = tarfile.open(fileobj=self.out, mode="w", format=tarfile.USTAR_FORMAT)

    def add(self, name, kind, mode, data=b"", link=""):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.linkname, info.mtime = kind, mode, len(data), link, self.epoch
        self.tar.addfile(info, io.BytesIO(data))

    def folder(self, name, mode=0o755):
        self.add(name, tarfile.DIRTYPE, mode)

    def file(self, name, data, mode=0o644):
        self.add(name, tarfile.REGTYPE, mode, data)

    def bytes(self):
        self.tar.close()
        return self.out.getvalue()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def base_layer(epoch, busybox):
    tar = Tar(epoch)
    for name, mode in (("bin", 0o755), ("etc", 0o755), ("etc/ssl", 0o755), ("etc/ssl/certs", 0o755), ("root", 0o700), ("run", 0o755),
                       ("tmp", 0o1777), ("var", 0o755), ("var/run", 0o755)):
        if name == "var/run":
            tar.add(name, tarfile.SYMTYPE, 0o777, link="/run")
        else:
            tar.folder(name, mode)
    tar.file("bin/busybox", read(busybox), 0o755)
    for name in APPLETS:
        tar.add("bin/" + name, tarfile.SYMTYPE, 0o777, link="busybox")
    tar.file("etc/passwd", PASSWD.encode())
    tar.file("etc/group", GROUP.encode())
    tar.file("etc/ssl/certs/ca-certificates.crt", read(CERTIFICATES))
    return tar.bytes()


def program_layer(epoch, program):
    tar = Tar(epoch)
    for name in ("usr", "usr/bin", "usr/share", "usr/share/doc", "usr/share/doc/ptcpdump", "usr/share/doc/ptcpdump/LICENSES"):
        tar.folder(name)
    tar.file("usr/bin/ptcpdump", read(program), 0o755)
    for name in ("LICENSE", "NOTICE", *("LICENSES/" + name for name in sorted(os.listdir(os.path.join(TOP, "LICENSES"))))):
        tar.file("usr/share/doc/ptcpdump/" + name, read(os.path.join(TOP, name)))
    return tar.bytes()


class Layout:
    def __init__(self, version, epoch):
        self.version, self.epoch, self.blobs, self.docker = version, epoch, {}, []
        self.created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))

    def blob(self, media, data):
        """The descriptor of these bytes."""
        if not isinstance(data, bytes):
            data = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media, "digest": "sha256:" + digest, "size": len(data)}

    def labels(self):
        return {"org.opencontainers.image.title": "ptcpdump", "org.opencontainers.image.version": self.version,
                "org.opencontainers.image.created": self.created, "org.opencontainers.image.licenses": "BSD-3-Clause",
                "org.opencontainers.image.description": "tcpdump that knows whose packet it is"}

    def image(self, arch, program, busybox):
        """The descriptor of the manifest of one architecture."""
        layers = [base_layer(self.epoch, busybox), program_layer(self.epoch, program)]
        platform = {"architecture": arch, "os": "linux", **({"variant": "v8"} if arch == "arm64" else {})}
        config = self.blob(CONFIG, {
            **platform, "created": self.created,
            "config": {"Entrypoint": ["ptcpdump"], "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Labels": self.labels()},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]},
            "history": [{"created": self.created, "created_by": what} for what in ("BusyBox and certificates", "ptcpdump " + self.version)]})
        packed = [self.blob(LAYER, gzip.compress(layer, 9, mtime=0)) for layer in layers]
        tag = "ptcpdump:" + self.version + ("" if not self.docker else "-" + arch)
        self.docker.append({"Config": path_of(config), "RepoTags": [tag], "Layers": [path_of(layer) for layer in packed]})
        manifest = self.blob(MANIFEST, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": packed, "annotations": self.labels()})
        return {**manifest, "platform": platform}

    def write(self, out, images):
        index = self.blob(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": images})
        index["annotations"] = {"org.opencontainers.image.ref.name": self.version,
                                "io.containerd.image.name": "docker.io/library/ptcpdump:" + self.version}
        tar = Tar(self.epoch)
        tar.file("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        tar.file("index.json", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]}, sort_keys=True).encode())
        tar.file("manifest.json", json.dumps(self.docker, sort_keys=True).encode())
        tar.folder("blobs")
        tar.folder("blobs/sha256")
        for digest in sorted(self.blobs):
            tar.file("blobs/sha256/" + digest, self.blobs[digest])
        with open(out + ".part", "wb") as f:
            f.write(tar.bytes())
        os.rename(out + ".part", out)


def path_of(descriptor):
    return "blobs/sha256/" + descriptor["digest"].partition(":")[2]


def main(args):
    if len(args) < 4 or not all(a.count("=") == 1 and a.count(",") == 1 for a in args[3:]):
        sys.exit("usage: image.py OUT VERSION EPOCH ARCH=PROGRAM,BUSYBOX...")
    layout = Layout(args[1], int(args[2]))
    try:
        images = []
        for arg in args[3:]:
            arch, files = arg.split("=")
            images.append(layout.image(arch, *files.split(",")))
        layout.write(args[0], images)
    except OSError as e:
        sys.exit("image.py: %s: %s" % (e.filename, e.strerror))


if __name__ == "__main__":
    main(sys.argv[1:])
