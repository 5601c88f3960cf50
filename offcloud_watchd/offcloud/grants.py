"""Links that were given at once and wait for their fetch: in memory only, few, for a short time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.core.ports import Clock

LIFE_S: Final = 300.0
"""Nobody tells how long such a link lives; one that is older is rather asked for anew."""
MOST: Final = 64

Key = tuple[str, str | None]
"""The key of a link, and the proxy as the operator names it."""


class Grants:
    """The links by what they lead to and the proxy that gave them. One thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[Key, tuple[float, tuple[RemoteFile, ...]]] = {}

    def keep(self, key: Key, files: Sequence[RemoteFile]) -> None:
        """Keep links in the place of older ones; where there are too many the oldest go."""
        self._kept.pop(key, None)
        self._kept[key] = (self._clock.monotonic(), tuple(files))
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def take(self, key: Key) -> tuple[RemoteFile, ...] | None:
        """Return the links, and forget them; None where there are none or they are too old."""
        given_at, files = self._kept.pop(key, (0.0, ()))
        return files if files and self._clock.monotonic() - given_at < LIFE_S else None
