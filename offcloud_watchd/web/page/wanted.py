"""What a reader of the front page wants to see, out of the address and back into one."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.web.selection import Wanted

PAGE_JOBS: Final = 50
_ORDER: Final[Mapping[JobState, int]] = {
    JobState.FETCHING: 0,
    JobState.CHECKING: 1,
    JobState.REMOVED: 1,
    JobState.CLOUD: 2,
    JobState.QUEUED: 3,
    JobState.FAILED: 4,
    JobState.DONE: 5,
}
"""What moves comes first; what has ended comes last, the newest of it before the rest."""


@dataclass(frozen=True, slots=True)
class Front:
    """A view of the front page; ``page`` counts from 1 on, ``day`` shows the traffic of a day."""

    state: JobState | None = None
    category: str = ""
    text: str = ""
    page: int = 1
    day: bool = False

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Front:
        """Read an address; what is wrong in it is as if it were not there."""
        state, page = given.get("state", ""), given.get("page", "")
        return cls(
            JobState(state) if state in list(JobState) else None,
            given.get("category", "")[:200],
            given.get("text", "")[:500],
            max(1, int(page)) if page.isdecimal() and page.isascii() and len(page) < 8 else 1,
            given.get("span") == "day",
        )

    def address(self, **changes: object) -> str:
        """Return the address of this view, or of one like it."""
        view = replace(self, **changes)  # type: ignore[arg-type] # the fields of this class, by name
        query = {
            "state": view.state,
            "category": view.category,
            "text": view.text,
            "page": "" if view.page == 1 else view.page,
            "span": "day" if view.day else "",
        }
        found = urlencode({name: value for name, value in query.items() if value}, errors="replace")
        return f"/?{found}" if found else "/"

    def chosen(self, jobs: Sequence[Job]) -> list[Job]:
        """Return all jobs that fit, in no order: they may be very many, and a page shows few."""
        return Wanted(self.state, self.category or None, self.text).chosen(jobs)

    def shown(self, found: Sequence[Job]) -> Sequence[Job]:
        """Return the jobs of this page, of those that fit, in their order."""
        before = (self.page - 1) * PAGE_JOBS
        return foremost(found, before + PAGE_JOBS)[before:] if before < len(found) else ()


def foremost(found: Sequence[Job], most: int) -> list[Job]:
    """Return those that are shown first; only they are put in order, as it is done twice a second."""
    return heapq.nsmallest(most, found, key=_place)


def _place(job: Job) -> tuple[int, float, str]:
    ended = job.state in (JobState.DONE, JobState.FAILED)
    return (_ORDER[job.state], -job.changed_at if ended else job.queued_at, job.id)
