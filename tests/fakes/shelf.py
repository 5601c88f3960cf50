"""A shelf in memory that survives the death of its user: it publishes by one step and knows what it did."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.model import Job, Progress, Publication
from offcloud_watchd.core.ports import ListFiles, OnProgress, Stop
from offcloud_watchd.errors import Astray, Blocked, NoRoom

Round = tuple[str, int]
"""A job's id and its round."""


@dataclass
class FakeShelf:
    """``published`` holds the releases by round; one that is there is adopted, not doubled.

    ``lost`` are the paths that users took away. ``links``: the file system can link. ``missing``: the output
    directory is not mounted. ``tight``: there is room, but for no release that comes now; those that
    were ``refused`` are not asked for their size again. ``astray`` is an output directory that no setting
    names any more, and that is gone.
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
    astray: str = ""
    # Of all that are published: a soak asks for each of thousands, again and again.
    _paths: set[str] = field(default_factory=set)

    @property
    def there(self) -> set[str]:
        """The releases that are in their place."""
        return {path for path in self._paths if self.has(path)}

    def has(self, path: str) -> bool:
        """Tell whether a release is in its place."""
        return path in self._paths and path not in self.lost and not self._is_astray(path)

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring the request home; safe to repeat."""
        self.probe()
        self._check_place(job)
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
        self._check_place(job)
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
        return self.has(publication.path)

    def vanished(self, publication: Publication) -> bool:
        """Tell whether somebody took the release away; while the directory is missing nobody can tell."""
        is_gone = not self.has(publication.path) and not self._is_astray(publication.path)
        return not self.missing and is_gone

    def tidy(self, job: Job) -> None:
        """Nothing is staged here."""

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the releases when asked; repeating it is harmless."""
        if job.remove_files:
            its = [place for place in self.published if place[0] == job.id]
            self._paths -= {self.published.pop(place).path for place in its}

    def probe(self) -> None:
        """Raise while full or missing."""
        self._check_mounted("fetch")
        if self.full:
            raise Blocked("fetch", "no room on the output disk")

    def _publish(self, job: Job, how: str) -> None:
        self.publications += 1
        path = f"{job.destination.directory}/{job.release} ({self.publications})"
        self.published[job.id, job.round] = Publication(path, 1, 100, how)
        self._paths.add(path)

    def _check_place(self, job: Job) -> None:
        if self._is_astray(job.destination.directory):
            raise Astray("no setting leads there any more")

    def _is_astray(self, path: str) -> bool:
        return bool(self.astray) and path.startswith(f"{self.astray}/")

    def _check_mounted(self, lane: str) -> None:
        if self.missing:
            raise Blocked(lane, "the output directory is missing")
