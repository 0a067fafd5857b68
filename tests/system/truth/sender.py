# SPDX-License-Identifier: BSD-3-Clause
"""Short-lived processes that send."""
from .base import A, DEV, ports
from .capture import Capture
from .peers import Peers
from .score import score


def sender(filter_text, code, count=5, dev=DEV):
    """Short-lived processes send; only what they send is scored."""
    peers = Peers()
    cap = Capture("-i", dev, *filter_text.split())
    for _ in range(count):
        peers.script(code, next(ports))
    packets = cap.stop()
    peers.finish()
    return score(peers, packets, ends=("client",), local=[A]), len(packets)
