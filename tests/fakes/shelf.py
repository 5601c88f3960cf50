"""A shelf in memory that survives the death of its user: it publishes by one step and knows what it did."""

from dataclasses import dataclass, field

from offcloud_watchd.core.model import Job, Progress, Publication
from offcloud_watchd.core.ports import ListFiles, OnProgress, Stop
from offcloud_watchd.errors import Blocked


@dataclass
class FakeShelf:
    """``published`` holds the releases by job and round; one that is there is adopted, not doubled."""

    published: dict[tuple[str, int], str] = field(default_factory=dict)
    publications: int = 0
    full: bool = False

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring the request home; safe to repeat."""
        if self.full:
            raise Blocked("fetch", "no room on the output disk")
        place = (job.id, job.round)
        if place not in self.published:
            assert job.submission is not None
            list_files(job.submission, stop)
            on_progress(Progress(0, 100))
            self.publications += 1
            self.published[place] = f"/out/{job.destination.category}/{job.release} ({self.publications})"
        return Publication(self.published[place], 1, 100, "size")

    def tidy(self, job: Job) -> None:
        """Nothing is staged here."""

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the releases when asked; repeating it is harmless."""
        if job.remove_files:
            self.published = {place: path for place, path in self.published.items() if place[0] != job.id}

    def probe(self) -> None:
        """Raise while full."""
        if self.full:
            raise Blocked("fetch", "no room on the output disk")
