"""Where the web listens: a port of this machine, or a socket in the file system."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path
from typing import Final

_BACKLOG: Final = 128
_UNIX_MODE: Final = 0o660


def opened(listen: str) -> list[socket.socket]:
    """Listen at ``HOST:PORT`` or ``unix:/PATH``; raise ``OSError``. The caller closes what comes back.

    A name that has several addresses is listened to at each of them.
    """
    if listen.startswith("unix:"):
        return [_unix(listen.removeprefix("unix:"))]
    host, _, port = listen.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            if sockets and port == "0":
                break  # the others could not have the same port
            sockets.append(_tcp(family, address))
    except OSError as error:
        # A machine without IPv6 still has a name for it.
        if not sockets or error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            for one in sockets:
                one.close()
            raise
    return sockets


def shown(one: socket.socket) -> str:
    """Say where a socket listens."""
    name = one.getsockname()
    if one.family == socket.AF_UNIX:
        return f"unix:{name}"
    host = f"[{name[0]}]" if one.family == socket.AF_INET6 else name[0]
    return f"http://{host}:{name[1]}"


def _tcp(family: int, address: object) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        one.bind(address)  # type: ignore[arg-type] # as getaddrinfo gave it
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def _unix(path: str) -> socket.socket:
    _clear(path)
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        one.bind(path)
        Path(path).chmod(_UNIX_MODE)
        one.listen(_BACKLOG)
    except OSError:
        one.close()
        raise
    return one


def _clear(path: str) -> None:
    """Take away the socket of a process that has ended; never one that somebody listens at, nor a file."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise OSError(errno.EEXIST, "there is something else under this name")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink()
        except TimeoutError:
            raise OSError(errno.EADDRINUSE, "another process listens there") from None
        else:
            raise OSError(errno.EADDRINUSE, "another process listens there")
