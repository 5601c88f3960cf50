"""Events of a few jobs, and the jobs they leave, for the tests of the journal."""

from collections.abc import Callable

from offcloud_watchd.core.events import CloudReady, Deferred, Event, Published, Queued, Submitted, Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.core.model import Destination, Drop, Job, Link, LinkKind, Publication, Submission
from offcloud_watchd.errors import JournalUnwritable
from offcloud_watchd.journal import Journal

T0 = 1_800_000_000.0
DESTINATION = Destination("tv", "/out/tv")


def queued(job_id: str) -> Queued:
    """Return the birth of a job."""
    url = f"https://files.invalid/{job_id}"
    return Queued(
        job_id,
        T0,
        Link(LinkKind.URL, f"url:{url}", url),
        Drop(job_id, f"{job_id}.url", "/drop"),
        DESTINATION,
        job_id,
    )


def life(job_id: str) -> list[Event]:
    """Return the whole life of a job that went well in the end."""
    submission = Submission(f"R{job_id}", "created", "\udcff name")
    return [
        queued(job_id),
        Submitting(job_id, T0 + 1),
        Deferred(job_id, T0 + 2, "no answer", T0 + 10),
        Submitted(job_id, T0 + 11, submission),
        CloudReady(job_id, T0 + 12, submission),
        Published(job_id, T0 + 13, Publication(f"/out/tv/{job_id}", 2, 7, "size")),
    ]


class Owner:
    """Does with a journal what the engine does with it: append first, apply second, renew after a failure.

    ``done`` are the events that were recorded for certain, in order.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self.done: list[Event] = []

    @property
    def jobs(self) -> dict[str, Job]:
        """The jobs as far as they are recorded."""
        return fold(self.done)

    def record(self, *events: Event) -> None:
        """Record events; when that fails write a new generation and record them then."""
        try:
            self.journal.append(events)
        except JournalUnwritable:
            self.journal.renew(self.jobs)
            self.journal.append(events)
        self.done += events


def patiently(act: Callable[[], None], tries: int = 3) -> bool:
    """Do something again after a failure; tell whether it worked in the end."""
    for _ in range(tries):
        try:
            act()
        except JournalUnwritable:
            continue
        return True
    return False
