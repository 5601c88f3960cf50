"""What an API client is told as it happens: how things are, the jobs that move, those that are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from offcloud_watchd.core.model import Job, Progress
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.web.answers import dumped
from offcloud_watchd.web.api.documents import job_document, status_document
from offcloud_watchd.web.live import Turn
from offcloud_watchd.web.stream import Event


class ApiView:
    """One client. First it is told of every job that owes something, then of every one that changes."""

    def __init__(self) -> None:
        self._turn: Turn | None = None

    def news(self, turn: Turn) -> Sequence[Event]:
        """Return the events since the turn before; what several clients are told is made once."""
        before, self._turn = self._turn, turn
        key = ("api events", id(before) if before is not None else None)
        return turn.once(key, lambda: list(_events(before, turn)))


def _events(before: Turn | None, turn: Turn) -> Iterator[Event]:
    now = turn.overview
    if before is None or _status(before) != _status(turn):
        yield ("status", dumped(status_document(now, turn.disks)))
    if before is None:
        moved = [job for job, _ in now.picture.active]
        gone: list[str] = []
    else:
        moved, gone = _moved(before.overview, now)
    yield from (("job", dumped(job_document(job, now.progress.get(job.id)))) for job in moved)
    yield from (("gone", dumped({"id": job_id})) for job_id in gone)


def _status(turn: Turn) -> dict[str, object]:
    document = status_document(turn.overview, turn.disks)
    return {name: value for name, value in document.items() if name != "at"}


def _moved(before: Overview, now: Overview) -> tuple[list[Job], list[str]]:
    advanced = _advanced(before.progress, now.progress)
    if before.jobs is now.jobs:
        return [job for job, _ in now.picture.active if job.id in advanced], []
    known = {job.id: job for job in before.jobs}
    moved = [job for job in now.jobs if known.pop(job.id, None) is not job or job.id in advanced]
    return moved, list(known)


def _advanced(before: Mapping[str, Progress], now: Mapping[str, Progress]) -> frozenset[str]:
    return frozenset(job_id for job_id, progress in now.items() if before.get(job_id) != progress)
