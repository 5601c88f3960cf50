"""A shelf in memory that survives the death of its user: it publishes by one step and knows what it did."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.model import Job, Progress, Publication
from offcloud_watchd.core.ports import ListFiles, OnProgress, Stop
from offcloud_watchd.errors import Blocked, NoRoom

Round = tuple[str, int]
"""A job's id and its round."""


@dataclass
class FakeShelf:
    """``published`` holds the releases by round; one that is there is adopted, not doubled.

    ``lost`` are the paths that users took away. ``links``: the file system can link. ``missing``: the output
    directory is not mounted. ``tight``: there is room, but for no release that comes now; those that
    were ``refused`` are not asked for their size again.
    """

    published: dict[Round, Publication] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    publications: int = 0
    transfers: int = 0
    links: bool = True
    full: bool = False
    missing: bool = False
    tight: bool = False
    refused: set[str] = field(default_factory=set)

    @property
    def there(self) -> set[str]:
        """The releases that are in their place."""
        return {one.path for one in self.published.values()} - self.lost

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring the request home; safe to repeat."""
        self.probe()
        if (job.id, job.round) not in self.published:
            if self.tight and job.id in self.refused:
                raise NoRoom("this release does not fit")
            assert job.submission is not None
            list_files(job.submission, stop)
            if self.tight:
                self.refused.add(job.id)
                raise NoRoom("this release does not fit")
            on_progress(Progress(0, 100))
            self.transfers += 1
            self._publish(job, "size")
        return self.published[job.id, job.round]

    def link(self, job: Job, donors: Sequence[Job], stop: Stop) -> Publication | None:
        """Publish without a transfer; safe to repeat."""
        self._check_mounted("fetch")
        if (job.id, job.round) in self.published or not self.links:
            return None
        for donor in donors:
            if donor.publication is not None and self.holds(donor.publication):
                self._publish(job, f"linked from {donor.id}: size")
                return self.published[job.id, job.round]
        return None

    def holds(self, publication: Publication) -> bool:
        """Tell whether nobody took the release away."""
        self._check_mounted("disk")
        return publication.path in self.there

    def vanished(self, publication: Publication) -> bool:
        """Tell whether somebody took the release away; while the directory is missing nobody can tell."""
        return not self.missing and publication.path not in self.there

    def tidy(self, job: Job) -> None:
        """Nothing is staged here."""

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the releases when asked; repeating it is harmless."""
        if job.remove_files:
            self.published = {place: one for place, one in self.published.items() if place[0] != job.id}

    def probe(self) -> None:
        """Raise while full or missing."""
        self._check_mounted("fetch")
        if self.full:
            raise Blocked("fetch", "no room on the output disk")

    def _publish(self, job: Job, how: str) -> None:
        self.publications += 1
        path = f"/out/{job.destination.category}/{job.release} ({self.publications})"
        self.published[job.id, job.round] = Publication(path, 1, 100, how)

    def _check_mounted(self, lane: str) -> None:
        if self.missing:
            raise Blocked(lane, "the output directory is missing")
