#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""named.py OUTPUT IFACES FORMAT COUNT: does every packet of N connections name its container?

The connection with "GET /N" belongs to container N of COUNT; each packet of it (told by the client's port) on an interface
that matches the regular expression IFACES must end in what FORMAT (with %s for N) says. Prints what is wrong."""
import re
import sys

output, ifaces, form, count = sys.argv[1], re.compile(sys.argv[2]), sys.argv[3], int(sys.argv[4])
LINE = re.compile(r'^\S+ (\S+) (?:\S+ )?(?:In|Out) IP (\S+) > (\S+): Flags ')
packets, owner, current = [], {}, {}
for line in open(output, errors='replace'):
    m = LINE.match(line)
    if not m:
        continue
    client = m[3] if m[2].endswith('.80') else m[2]
    port = client.rsplit('.', 1)[1]
    # Ports come again: a SYN with another sequence number is another connection. Each is seen on several interfaces.
    syn = re.search(r'Flags \[S\], seq (\d+)', line)
    if syn:
        current[port] = (port, syn[1])
    connection = current.get(port, (port, ''))
    packets.append((m[1], connection, line.rstrip('\n')))
    get = re.search(r'GET /(\d+) ', line)
    if get:
        owner.setdefault(connection, get[1])
seen, wrong, total = set(), 0, 0
for iface, connection, line in packets:
    if not ifaces.match(iface):
        continue
    total += 1
    n = owner.get(connection)
    if n is not None:
        seen.add(n)
    if n is None or not line.endswith(form % n if '%' in form else form):
        wrong += 1
        if wrong <= 3:
            print('%s: %s' % (n, line), file=sys.stderr)
if wrong or len(seen) != count:
    print('%d of %d packets wrong, %d of %d containers seen' % (wrong, total, len(seen), count))
    sys.exit(1)
print('%d packets' % total, file=sys.stderr)
