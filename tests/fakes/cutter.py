"""A wire that can be cut: a TCP forwarder between one host and a server, both on this machine."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from types import TracebackType
from typing import Final, Self

CHUNK_BYTES: Final = 65_536


class Cutter:
    """Forwards connections to ``target`` until it is cut: those there are die, new ones are refused."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._is_cut = threading.Event()
        self._closing = threading.Event()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Self:
        """Begin to forward."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        """End all connections."""
        self._closing.set()
        self.cut()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        self._thread.join(5)
        self._listener.close()

    def cut(self) -> None:
        """Cut the wire: what was sent may have arrived, and no answer comes."""
        self._is_cut.set()
        for pair in list(self._pairs):
            _end(pair)

    def mend(self) -> None:
        """Let new connections through."""
        self._is_cut.clear()

    def _accept(self) -> None:
        while not self._closing.is_set():
            near, _ = self._listener.accept()
            if self._is_cut.is_set():
                near.close()
                continue
            threading.Thread(target=self._forward, args=(near,), daemon=True).start()

    def _forward(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target, 5)
        except OSError:
            near.close()
            return
        pair = (near, far)
        self._pairs.add(pair)
        with contextlib.suppress(OSError), selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while not self._is_cut.is_set() and all(_passed(key) for key, _ in ready.select(0.2)):
                pass
        self._pairs.discard(pair)
        _end(pair)


def _passed(key: selectors.SelectorKey) -> bool:
    assert isinstance(key.fileobj, socket.socket)
    data = key.fileobj.recv(CHUNK_BYTES)
    key.data.sendall(data)
    return bool(data)


def _end(pair: tuple[socket.socket, socket.socket]) -> None:
    for one in pair:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
