# SPDX-License-Identifier: BSD-3-Clause
"""The namespaces and links of the test."""
import shutil
import subprocess

from .base import (A, A6, B, B6, BRIDGE, DEV, INSIDE, INSIDE6, NET_INSIDE, NET_INSIDE6, NET_OVER, NS, OVER, OVER_THERE,
                   SERVICE, SERVICE6, VETH, Skip, inside, run, sysctl)


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
    from there to port 7210 of ours is sent to its port 80 or 53; what we send to our own port 7212 is, too. drops: what
    comes for port 80 there is."""

    def __init__(self, drops=False):
        self.drops = drops

    @staticmethod
    def container():
        run("ip", "netns", "add", NS[2])
        run("ip", "link", "add", VETH, "type", "veth", "peer", "name", "eth0", "netns", NS[2])
        run("ip", "link", "set", VETH, "master", BRIDGE, "up")
        for cmd in ("link set lo up", "link set eth0 up", "addr add %s/24 dev eth0" % INSIDE,
                    "route add default via %s1" % NET_INSIDE, "addr add %s/64 dev eth0 nodad" % INSIDE6,
                    "-6 route add default via %s1" % NET_INSIDE6):
            run("ip", "-n", NS[2], *cmd.split())

    def __enter__(self):
        self.__exit__()
        run("ip", "link", "add", BRIDGE, "type", "bridge")
        run("ip", "addr", "add", NET_INSIDE + "1/24", "dev", BRIDGE)
        sysctl("net/ipv6/conf/%s/accept_dad" % BRIDGE, "0")  # else it looks for nobody in its first seconds
        run("ip", "link", "set", BRIDGE, "up")
        self.container()
        run("ip", "addr", "add", NET_INSIDE6 + "1/64", "dev", BRIDGE, "nodad")
        run("ip", "-n", NS[0], "-6", "route", "replace", "default", "via", A6)
        self.forward = sysctl("net/ipv4/ip_forward", "1")
        self.forward6 = sysctl("net/ipv6/conf/all/forwarding", "1")
        rules = """table ip BRIDGE {
            chain pre { type nat hook prerouting priority dstnat;
                iifname "DEV" tcp dport 7210 dnat to INSIDE:80
                iifname "DEV" udp dport 7210 dnat to INSIDE:53; }
            chain post { type nat hook postrouting priority srcnat;
                ip saddr INSIDE oifname "DEV" masquerade; }
            chain out { type nat hook output priority -100;
                ip daddr HERE tcp dport 7212 dnat to INSIDE:80
                ip daddr HERE udp dport 7212 dnat to INSIDE:53; }
            }
            table ip6 BRIDGE {
            chain pre { type nat hook prerouting priority dstnat;
                iifname "DEV" tcp dport 7210 dnat to [INSIDE6]:80
                iifname "DEV" udp dport 7210 dnat to [INSIDE6]:53; }
            }
"""
        for word, value in (("BRIDGE", BRIDGE), ("INSIDE6", INSIDE6), ("INSIDE", INSIDE), ("DEV", DEV), ("HERE", A)):
            rules = rules.replace(word, value)
        run("nft", "-f", "-", input=rules)
        if self.drops:
            run(*inside(NS[2]), "nft", "-f", "-", input="""table inet drops {
                chain c { type filter hook input priority 0; tcp dport 80 drop; }
                }
""")
        return self

    def __exit__(self, *_):
        for family in ("ip", "ip6"):
            subprocess.run(["nft", "delete", "table", family, BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", BRIDGE], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", VETH], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "netns", "del", NS[2]], stderr=subprocess.DEVNULL)
        if hasattr(self, "forward"):
            sysctl("net/ipv4/ip_forward", self.forward)
            sysctl("net/ipv6/conf/all/forwarding", self.forward6)


class Service(Inside):
    """A second container, NS[1], on the bridge, and an address of a service, which nobody has: what this machine and the
    containers send to its port 7213 is sent to INSIDE, masqueraded."""

    DEV = VETH + "s"

    def __enter__(self):
        super().__enter__()
        run("ip", "link", "add", self.DEV, "type", "veth", "peer", "name", "eth0", "netns", NS[1])
        run("ip", "link", "set", self.DEV, "master", BRIDGE, "up")
        for cmd in ("link set eth0 up", "addr add %s3/24 dev eth0" % NET_INSIDE, "addr add %s3/64 dev eth0 nodad" % NET_INSIDE6,
                    "route add default via %s1" % NET_INSIDE, "-6 route add default via %s1" % NET_INSIDE6):
            run("ip", "-n", NS[1], *cmd.split())
        run("ip", "route", "add", SERVICE, "via", B, "src", A)
        run("ip", "-6", "route", "add", SERVICE6, "via", B6, "src", A6)
        for family, service, inner in (("ip", SERVICE, INSIDE), ("ip6", SERVICE6, "[%s]" % INSIDE6)):
            to = "%s daddr %s %%s dport 7213 dnat to %s:%%d;" % (family, service, inner)
            to = " ".join(to % x for x in (("tcp", 80), ("udp", 53)))
            run("nft", "-f", "-", input="""table %s %ss {
                chain pre { type nat hook prerouting priority dstnat; %s }
                chain out { type nat hook output priority -100; %s }
                chain post { type nat hook postrouting priority srcnat; %s daddr %s ct status dnat masquerade; }
                }
""" % (family, BRIDGE, to, to, family, inner.strip("[]")))
        return self

    def __exit__(self, *_):
        for family in ("ip", "ip6"):
            subprocess.run(["nft", "delete", "table", family, BRIDGE + "s"], stderr=subprocess.DEVNULL)
        for cmd in ("route", SERVICE), ("-6", "route", SERVICE6):
            subprocess.run(["ip", *cmd[:-1], "del", cmd[-1]], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "link", "del", self.DEV], stderr=subprocess.DEVNULL)
        super().__exit__()


class Overlay(Inside):
    """A tunnel between here, OVER, and NS[0], OVER_THERE, through which INSIDE and NS[0] reach each other, too. kind: as ip-link
    names it."""

    DEV = VETH + "o"
    LINKS = {
        "vxlan": "vxlan id 42 local %s remote %s dstport 4789",
        "vxlan6": "vxlan id 42 local %s remote %s dstport 8472",
        "geneve": "geneve id 42 remote %s",
        "gretap": "gretap local %s remote %s key 42",
        "gre": "gre local %s remote %s",
        "ipip": "ipip local %s remote %s",
    }

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def add(self, name, ns, here, there, address, other):
        words = self.LINKS[self.kind]
        words = words % ((here, there) if words.count("%s") == 2 else there)
        where = ("ip", "-n", ns) if ns else ("ip",)
        add = subprocess.run([*where, "link", "add", name, "type", *words.split()], capture_output=True, text=True)
        if add.returncode:
            raise Skip("no " + self.kind + ": " + add.stderr.strip())
        run(*where, "addr", "add", address + "/24", "dev", name)
        run(*where, "link", "set", name, "up", "mtu", "1300")
        return where

    def __enter__(self):
        super().__enter__()
        ends = (A6, B6) if self.kind.endswith("6") else (A, B)
        self.add(self.DEV, None, *ends, OVER, OVER_THERE)
        where = self.add(self.DEV, NS[0], *ends[::-1], OVER_THERE, OVER)
        run(*where, "route", "add", NET_INSIDE + "0/24", "via", OVER, "dev", self.DEV)
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "del", self.DEV], stderr=subprocess.DEVNULL)
        subprocess.run(["ip", "-n", NS[0], "link", "del", self.DEV], stderr=subprocess.DEVNULL)
        super().__exit__()


class Twins:
    """Two networks of two namespaces each, with the same addresses. names[network][end]; mac(network) begins the addresses of
    its devices."""

    def __enter__(self):
        self.names = [["%s-%d%d" % (NS[0], network, end) for end in (0, 1)] for network in (0, 1)]
        self.__exit__()
        for network, names in enumerate(self.names):
            for name in names:
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            run("ip", "-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
            for end, name in enumerate(names):
                mac = self.mac(network) + bytes([end])
                run("ip", "-n", name, "link", "set", "eth0", "address", mac.hex(":"), "up")
                run("ip", "-n", name, "addr", "add", "%s%d/24" % (NET_OVER, end + 1), "dev", "eth0")
        return self

    @staticmethod
    def mac(network):
        return bytes([2, 0, 0, 0, network])

    def __exit__(self, *_):
        for name in sum(self.names, []):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL)


def need_nat():
    if not shutil.which("nft"):
        raise Skip("no nft")
    if subprocess.run(["nft", "add table ip truthnat; add chain ip truthnat c { type nat hook postrouting priority 100; };"
                       " add rule ip truthnat c masquerade; delete table ip truthnat"],
                      stderr=subprocess.DEVNULL).returncode:
        raise Skip("no NAT in this kernel")
