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


def held_port() -> socket.socket:
    """Return a socket that keeps a port for a server that is started anew, until it is closed.

    It does not listen: a client is refused while the server is down. The server must set ``SO_REUSEADDR``.
    """
    while True:
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind(("127.0.0.1", random.randint(FIRST, LAST)))
        except OSError:
            held.close()
            continue
        return held
