"""What the shelf's tests have in common: jobs, contents, and a look at what is visible."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import (
    Destination,
    Drop,
    Job,
    JobState,
    Link,
    LinkKind,
    Progress,
    Publication,
    RemoteFile,
    Submission,
)
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Blocked, Cancelled
from offcloud_watchd.fetch import DiskShelf, ShelfSettings
from tests.fakes.file_host import FileHost

KIB = 1024


def content(size: int, seed: int = 1) -> bytes:
    """Make bytes that differ everywhere, so that a wrong join shows."""
    return random.Random(seed).randbytes(size)


def open_descriptors() -> int:
    """Count what this process holds open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def blocked_lane(act: Callable[[], object]) -> str:
    """Do what must be blocked; return the lane that is."""
    with pytest.raises(Blocked) as raised:
        act()
    return raised.value.lane


def job_of(directory: Path, *, release: str | None = "Some.Release.2020", **changes: object) -> Job:
    """Make a job that is to be fetched."""
    job = Job(
        id="c0ffee",
        link=Link(LinkKind.TORRENT, "btih:" + "a" * 40, "magnet:?xt=urn:btih:" + "a" * 40, "Link Name"),
        drops=(Drop("d1", "Some.Release.2020.torrent", "/drop"),),
        destination=Destination("tv", str(directory)),
        release=release,
        state=JobState.FETCHING,
        queued_at=1.0,
        changed_at=2.0,
        submission=Submission("R1", name="Service Name"),
    )
    return replace(job, **changes)


@dataclass
class Bench:
    """One output directory, one host, and shelves on them."""

    root: Path
    host: FileHost
    clock: Clock
    stop: threading.Event = field(default_factory=threading.Event)
    progress: list[Progress] = field(default_factory=list)
    listings: int = 0

    def __post_init__(self) -> None:
        self.root.mkdir()

    @property
    def category(self) -> Path:
        """The output directory of the jobs."""
        return self.root / "tv"

    @property
    def staging(self) -> Path:
        """Where nobody looks."""
        return self.root / ".offcloud-watchd"

    def settings(self, **changes: object) -> ShelfSettings:
        """Make settings for small files and no patience."""
        usual = ShelfSettings(
            outputs=(str(self.category),),
            min_free_bytes=0,
            allow_http=True,
            chunk_bytes=16 * KIB,
            sync_every_bytes=64 * KIB,
            connect_timeout_s=5.0,
            read_timeout_s=5.0,
            reconnect_wait_s=0.0,
        )
        return replace(usual, **changes)

    def shelf(self, **changes: object) -> DiskShelf:
        """Start anew, as after a restart: nothing is remembered but what the disk holds."""
        return DiskShelf(self.settings(**changes), self.clock)

    def job(self, **changes: object) -> Job:
        """Make a job for this place."""
        return job_of(self.category, **changes)

    def put(self, *files: tuple[str, bytes], told: bool = True) -> list[RemoteFile]:
        """Serve files; return the service's list of them."""
        return [
            RemoteFile(path, self.host.put(f"f{number}", data), len(data) if told else None)
            for number, (path, data) in enumerate(files)
        ]

    def fetch(
        self, files: Sequence[RemoteFile] | Callable[[], Sequence[RemoteFile]], **changes: object
    ) -> Publication:
        """Fetch with a new shelf; ``changes`` go to the job or, where it has no such field, the settings."""
        of_job = {key: value for key, value in changes.items() if key in Job.__match_args__}
        of_shelf = {key: value for key, value in changes.items() if key not in of_job}

        def list_files(submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
            self.listings += 1
            return files() if callable(files) else files

        job = self.job(**of_job)
        return self.shelf(**of_shelf).fetch(job, list_files, self.progress.append, self.stop)

    def in_background(
        self, files: Sequence[RemoteFile] | Callable[[], Sequence[RemoteFile]], **changes: object
    ) -> Callable[[], Publication]:
        """Begin to fetch; return what waits for its end and gives, or raises, what came of it."""
        came: list[Publication | Exception] = []

        def run() -> None:
            try:
                came.append(self.fetch(files, **changes))
            except Exception as error:  # noqa: BLE001 - handed over to the test
                came.append(error)

        thread = threading.Thread(target=run)
        thread.start()

        def ended() -> Publication:
            thread.join(60)
            assert not thread.is_alive()
            if isinstance(came[0], Exception):
                raise came[0]
            return came[0]

        return ended

    def break_off(self, ended: Callable[[], Publication]) -> None:
        """Stop what goes on in the background; another call may go on."""
        self.stop.set()
        with pytest.raises(Cancelled):
            ended()
        self.stop.clear()

    def visible(self) -> dict[str, bytes]:
        """Return every file outside staging, by its path below the category."""
        return {
            str(path.relative_to(self.category)): path.read_bytes()
            for path in self.category.rglob("*")
            if path.is_file()
        }
