"""A drop folder that is shared no more, with what this host had of it while it was.

What a host has claimed or taken lies in directories of its own, where nobody else looks: when the setting
goes, that must not stay there unseen. It is taken by the same renames as before, as the others may still be
there, and under the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from offcloud_watchd.watch.folder import Folder, Visit
from offcloud_watchd.watch.outgoing import Departure, put_away
from offcloud_watchd.watch.shared import Parts


class UnsharedFolder:
    """Visited like the ``Folder`` that it is; ``parts`` are what this host had of it."""

    def __init__(self, folder: Folder, parts: Parts) -> None:
        self.settings = folder.settings
        self._folder = folder
        self._parts: Parts | None = parts

    def visit(self, limit: int) -> Visit:
        """Take what has settled in the folder, and what is left of before. No ``OSError`` escapes."""
        visit = self._folder.visit(limit)
        if self._parts is None or not visit.places:
            return visit
        if not self._parts.are_there:
            self._parts = None
            return visit
        left = self._parts.visit(max(1, limit - len(visit.accepted)))
        if not any((one.waiting or one.accepted or one.refused or one.problem) for one in left):
            self._parts = None
        return _merged(visit, left)

    def put_away(self, departures: Iterable[Departure]) -> None:
        """Put accepted drops of this folder away. No ``OSError`` escapes; it may be repeated."""
        put_away(departures)


def _merged(visit: Visit, left: Iterable[Visit]) -> Visit:
    for one in left:
        waits_s = [wait_s for wait_s in (visit.next_s, one.next_s) if wait_s is not None]
        visit = replace(
            visit,
            problem=visit.problem or one.problem,
            accepted=(*visit.accepted, *one.accepted),
            refused=(*visit.refused, *one.refused),
            waiting=visit.waiting + one.waiting,
            next_s=min(waits_s, default=None),
            more=visit.more or one.more,
        )
    return visit
