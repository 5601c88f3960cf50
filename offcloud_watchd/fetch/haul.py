"""One file on its way home: what of it is asked for next, and what an ended request means for it.

Rules of this file:

* The first request of a call goes alone: only its answer tells whether the host gives parts of files, and
  whether they are of the file we have. Then as many go at once as there are connections for.
* A host that answered a part with something else gets one request at a time, for all there is.
* Large files are parted where a piece of the torrent begins, so that pieces are hashed as they come.
"""

from __future__ import annotations

from typing import Final

from offcloud_watchd.fetch.answer import Answer, Asked
from offcloud_watchd.fetch.broken import Broken
from offcloud_watchd.fetch.crew import Task
from offcloud_watchd.fetch.gear import FIRST_BYTES, LEAST_BYTES, request_bytes
from offcloud_watchd.fetch.listing import Item
from offcloud_watchd.fetch.part import Part
from offcloud_watchd.fetch.proof import Proof
from offcloud_watchd.fetch.spans import Span, gaps, joined

SMALL_BYTES: Final = 1024**2


class Haul:
    """A file that is open in staging. One thread.

    ``breaks`` counts requests in a row that broke without progress to speak of, ``due_at`` is when the next
    one may go (by the clock that never goes back), ``patience`` why a host that gives others their bytes is
    asked later for this one. ``expected_bytes`` is the size that was told by the torrent or the service.
    """

    def __init__(self, number: int, item: Item, part: Part, proof: Proof, segment_bytes: int) -> None:
        self.number = number
        self.part = part
        self.tasks: list[Task] = []
        self.breaks = 0
        self.due_at = 0.0
        self.patience: Broken | None = None
        self.expected_bytes = proof.size_bytes(number)
        self._item = item
        self._segment_bytes = segment_bytes
        self._proof = proof
        self._answered = False
        self._parted = False
        self._ended = False
        self._best_bytes = part.held_bytes

    @property
    def path(self) -> str:
        """Its place in the release."""
        return self._item.path

    @property
    def is_whole(self) -> bool:
        """Tell whether it is complete, as far as anybody knows how large it is."""
        return self._ended or self.part.is_whole

    @property
    def reached_bytes(self) -> int:
        """How much of it is written."""
        return self.part.held_bytes + sum(task.position - task.asked.offset for task in self.tasks)

    @property
    def to_come_bytes(self) -> int:
        """How much room it is still going to take, beyond what is reserved."""
        whole = self.part.total if self.part.total is not None else self.expected_bytes
        here = max(self.part.held_bytes, self.part.room_bytes)
        return 0 if self.part.is_reserved else max(0, (whole or 0) - here)

    @property
    def is_small(self) -> bool:
        """Tell whether asking for it takes longer than getting it."""
        return (self.part.total or self.expected_bytes or 0) < SMALL_BYTES

    @property
    def running(self) -> list[Span]:
        """The spans that are being written, as far as they are."""
        return [task.span for task in self.tasks]

    def next_asked(self, now: float, connections: int, bytes_per_s: float) -> Asked | None:
        """Return what to ask for next; None when nothing can be asked now.

        ``bytes_per_s`` is what one of the ``connections`` gave lately, 0 where that is not known.
        """
        if self.is_whole or now < self.due_at or (self.tasks and not self._parted):
            return None
        if self._item.twin and not self.part.validator:
            self.begin_anew()
        total = self.part.total if self.part.total is not None else self.expected_bytes
        if not total:
            return self._asked_for(self._prefix_end(), None)
        taken = joined(self.part.held, (self._wanted(task.asked, total) for task in self.tasks))
        missing = list(gaps(taken, total))
        if not missing:
            return None
        start, stop = missing[0]
        left_bytes = sum(end - begin for begin, end in missing)
        end = min(stop, start + self._request_bytes(left_bytes, connections, bytes_per_s))
        if end < stop:
            end = self._parting(start, end)
        return self._asked_for(start, None if end == total else end)

    def begin_anew(self) -> None:
        """Forget all bytes; nobody may be writing any."""
        self.part.begin_anew()
        self._proof.forget(self.number)

    def hear(self, answer: Answer) -> bool:
        """Take an answer to note; tell whether it says something new of the whole file."""
        first = not self._answered
        new = first or self.part.total is None
        if new:
            self.part.confirm(answer.total, answer.validator)
        if first:
            parts = answer.is_range and not self._item.twin
            self._answered, self._parted = True, parts and self._is_large
        return new

    def end(self, task: Task) -> None:
        """Take note of what a request has written; it is over."""
        self.tasks.remove(task)
        self.part.add(task.span)

    def end_unsized(self) -> None:
        """Take what is here for the whole: the host closed, and nobody knows how large the file is."""
        self._ended = self._answered and self.part.total is None

    def refuse_parts(self) -> None:
        """Ask for one thing at a time from now on, in this call."""
        self._answered, self._parted = True, False

    def got_on(self, least_bytes: int) -> bool:
        """Tell whether at least so much more is here than ever when this was asked before."""
        got_on = self.part.held_bytes - self._best_bytes >= least_bytes
        self._best_bytes = max(self._best_bytes, self.part.held_bytes)
        return got_on

    @property
    def _is_large(self) -> bool:
        """Tell whether it is worth several requests at once."""
        return 0 < self._segment_bytes < (self.part.total or self.expected_bytes or 0)

    def _request_bytes(self, left_bytes: int, connections: int, bytes_per_s: float) -> int:
        if self._item.twin or not self._is_large or (self._answered and not self._parted):
            return left_bytes
        return request_bytes(left_bytes, connections, bytes_per_s)

    def _parting(self, start: int, end: int) -> int:
        boundary = self._proof.boundary(self.number, end)
        return boundary if boundary - start >= LEAST_BYTES else end

    def _prefix_end(self) -> int:
        held = self.part.held
        return held[0][1] if held and held[0][0] == 0 else 0

    @staticmethod
    def _wanted(asked: Asked, total: int) -> Span:
        return asked.offset, total if asked.end is None else asked.end

    def _asked_for(self, start: int, end: int | None) -> Asked:
        """Make the question. Its end is left out where the file ends, so that small files come plainly."""
        total, validator = self.part.total, self.part.validator
        fresh = not self.part.held and not self.tasks
        if not (total or self.expected_bytes or start or self._answered or self._item.twin):
            end = FIRST_BYTES  # the answer tells how large it is
        return Asked(self._item.parts[-1], start, self.expected_bytes or None, total, validator, end, fresh)
