#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""--color auto on a terminal, in a pipe and with NO_COLOR. Environment: PTCPDUMP, the program to test."""

import os
import pty
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PTCPDUMP = os.environ.get("PTCPDUMP", os.path.join(HERE, "../../build/ptcpdump"))
FILE = os.path.join(HERE, "annotated.pcapng")
failed = 0


def printed(when, terminal, **env):
    args = [PTCPDUMP, "-r", FILE, "-nn", "-c", "3", "--color", when]
    keep = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    keep.update(env)
    if not terminal:
        return subprocess.run(args, env=keep, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout
    ours, theirs = pty.openpty()
    p = subprocess.Popen(args, env=keep, stdout=theirs, stderr=subprocess.DEVNULL)
    os.close(theirs)
    text = b""
    try:
        while True:
            more = os.read(ours, 65536)
            if not more:
                break
            text += more
    except OSError:  # the other side is closed
        pass
    p.wait()
    os.close(ours)
    return text.replace(b"\r\n", b"\n")


def check(name, text, colored):
    global failed
    plain = printed("never", False)
    why = None
    if (b"\033" in text) != colored:
        why = "%s colours" % ("no" if colored else "has")
    elif re.sub(rb"\033\[[\d;]*m", b"", text) != plain:
        why = "another text"
    failed += why is not None
    print("ok - color %s" % name if why is None else "not ok - color %s: %s" % (name, why), flush=True)


def main():
    check("never", printed("never", True), False)
    check("auto on a terminal", printed("auto", True), True)
    check("auto in a pipe", printed("auto", False), False)
    check("auto with NO_COLOR", printed("auto", True, NO_COLOR="1"), False)
    check("auto with an empty NO_COLOR", printed("auto", True, NO_COLOR=""), True)
    check("always in a pipe with NO_COLOR", printed("always", False, NO_COLOR="1"), True)
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
