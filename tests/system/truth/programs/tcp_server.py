# SPDX-License-Identifier: BSD-3-Clause
"""ADDRESS: one process that accepts and answers."""
from peer import *

listener = socket.create_server((a[0], 7138))
say("ready")
serve(listener)
