"""Ports on loopback for servers that must be told theirs before they start."""

import random
import socket

FIRST, LAST = 20_000, 30_000
"""Below what the kernel gives to who asks for any: no stranger takes it while its server is started anew.

Source: ip(7), ``ip_local_port_range``, 32768 and up by default.
"""


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    while True:
        port = random.randint(FIRST, LAST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
