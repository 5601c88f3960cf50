"""Reading back what is staged, to prove it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.listing import Item
from offcloud_watchd.fetch.staging import Round

_READ_BYTES: Final = 1024**2


class Reader:
    """Gives the bytes of a staged file from one place to another. One thread; one file at a time.

    Raises ``Cancelled`` when it is stopped.
    """

    def __init__(self, staged: Round, items: Sequence[Item], stop: Stop) -> None:
        self._staged = staged
        self._items = items
        self._stop = stop
        self._buffer = bytearray()

    def __call__(self, number: int, start: int, end: int) -> Iterator[memoryview]:
        """Give a span of a file; less where the file ends before."""
        self._buffer = self._buffer or bytearray(_READ_BYTES)
        view = memoryview(self._buffer)
        fd = disk.open_to_read(self._items[number].parts, self._staged.release_fd())
        try:
            while start < end:
                if self._stop.is_set():
                    raise Cancelled("stopped while checking pieces")
                count = os.preadv(fd, [view[: end - start]], start)
                if not count:
                    return
                yield view[:count]
                start += count
        finally:
            disk.release(fd)
            os.close(fd)
