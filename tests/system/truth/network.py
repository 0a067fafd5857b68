# SPDX-License-Identifier: BSD-3-Clause
"""The namespaces and links of the test."""
import shutil
import subprocess

from .base import A, A6, B, B6, BRIDGE, DEV, INSIDE, NET_INSIDE, NS, VETH, Skip, run, sysctl


def setup():
    cleanup()
    for ns in NS[:2]:
        run("ip", "netns", "add", ns)
        run("ip", "-n", ns, "link", "set", "lo", "up")
    run("ip", "link", "add", DEV, "type", "veth", "peer", "name", "truth1", "netns", NS[0])
    run("ip", "addr", "add", A + "/24", "dev", DEV)
    run("ip", "addr", "add", A6 + "/64", "dev", DEV, "nodad")
    run("ip", "link", "set", DEV, "up")
    run("ip", "-n", NS[0], "addr", "add", B + "/24", "dev", "truth1")
    run("ip", "-n", NS[0], "addr", "add", B6 + "/64", "dev", "truth1", "nodad")
    run("ip", "-n", NS[0], "link", "set", "truth1", "up")


def cleanup():
    subprocess.run(["ip", "link", "del", DEV], stderr=subprocess.DEVNULL)
    for ns in NS:
        subprocess.run(["ip", "netns", "del", ns], stderr=subprocess.DEVNULL)


class Inside:
    """A namespace behind a bridge of ours, as containers have it: INSIDE goes out masqueraded to B, and what comes
    from there to port 7210 of ours is sent to its port 80."""

    def __enter__(self):
        self.__exit__()
        run("ip", "netns", "add", NS[2])
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", NET_INSIDE + "1/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        run("ip", "link", "add", VETH, "type", "veth", "peer", "name", "eth0", "netns", NS[2])
        run("ip", "link", "set", VETH, "master", BRIDGE, "up")
        for cmd in ("link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % INSIDE,
                    "route add default via %s1" % NET_INSIDE):
            run("ip", "-n", NS[2], *cmd.split())
        self.forward = sysctl("net/ipv4/ip_forward", "1")
        rules = """table ip BRIDGE {
            chain pre { type nat hook prerouting priority dstnat;
                iifname "DEV" tcp dport 7210 dnat to INSIDE:80
                iifname "DEV" udp dport 7210 dnat to INSIDE:53; }
            chain post { type nat hook postrouting priority srcnat;
                ip saddr INSIDE oifname "DEV" masquerade; }
            }
"""
        for word in ("BRIDGE", "INSIDE", "DEV"):
            rules = rules.replace(word, globals()[word])
        run("nft", "-f", "-", input=rules)
        return self

    def __exit__(self, *_):
        subprocess.run(["nft", "delete", "table", "ip", BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", VETH], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", NS[2]], stderr=subprocess.DEVNULL)
        if hasattr(self, "forward"):
            sysctl("net/ipv4/ip_forward", self.forward)


def need_nat():
    if not shutil.which("nft"):
        raise Skip("no nft")
    if subprocess.run(["nft", "add table ip truthnat; add chain ip truthnat c { type nat hook postrouting priority 100; };"
                       " add rule ip truthnat c masquerade; delete table ip truthnat"],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("no NAT in this kernel")
