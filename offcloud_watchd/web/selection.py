"""Which jobs a reader wants to see, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from offcloud_watchd.core.model import Job, JobState, LinkKind
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.story import display_name, shown_key


@dataclass(frozen=True, slots=True)
class Wanted:
    """A filter; None and empty mean any. Each word of ``text`` is in a name, a path, an address or a reason.

    An id or an info hash is met by its beginning alone: its digits would hold many a number by chance.
    """

    state: JobState | None = None
    category: str | None = None
    text: str = ""

    def chosen(self, jobs: Sequence[Job]) -> list[Job]:
        """Return the jobs that fit, in their order."""
        words = self.text.casefold().split()
        return [
            job
            for job in jobs
            if self.state in (None, job.state)
            and self.category in (None, job.destination.category)
            and (not words or _holds(job, words))
        ]


def _holds(job: Job, words: Sequence[str]) -> bool:
    text = "\n".join(_texts(job)).casefold()
    names = tuple(_names(job))
    return all(word in text or any(name.startswith(word) for name in names) for word in words)


def _names(job: Job) -> Iterator[str]:
    yield job.id
    yield shown_key(job.link.key)
    yield shown_key(job.link.key).partition(":")[2]


def _texts(job: Job) -> Iterator[str]:
    name, key = display_name(job), shown_key(job.link.key)
    if job.link.kind is LinkKind.URL:
        yield key
    if name != key:
        yield name
    yield job.reason
    yield from (drop.name for drop in job.drops)
    if job.publication is not None:
        yield job.publication.path


def at_address(overview: Overview, base: str | None) -> Iterator[Job]:
    """Return the jobs that a client may follow: of an address's category (None: of any), not being removed.

    A drop that could not be used is nothing that a client handed over.
    """
    for job in overview.jobs:
        is_there = job.state is not JobState.REMOVED and job.link.kind is not LinkKind.FILE
        if is_there and base in (None, job.destination.category):
            yield job


def oldest_first(job: Job) -> tuple[float, str]:
    """Order jobs as they came; a key for ``sorted``."""
    return (job.queued_at, job.id)
