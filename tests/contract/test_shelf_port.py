"""The contract of ``core.ports.Shelf``, held by the fake that other tests use and by the real one."""

import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import (
    Destination,
    Job,
    JobState,
    Link,
    LinkKind,
    Progress,
    Publication,
    RemoteFile,
    Submission,
)
from offcloud_watchd.core.ports import Shelf, Stop
from offcloud_watchd.errors import Blocked, Gone, NoRoom, OffcloudWatchdError, Permanent, Transient
from offcloud_watchd.fetch import DiskShelf, ShelfSettings
from offcloud_watchd.fetch.engines.by_aria2 import Aria2Mover
from offcloud_watchd.fetch.engines.settings import EngineChoice
from tests.fakes.clock import FakeClock
from tests.fakes.engines import Aria2Server
from tests.fakes.file_host import FileHost
from tests.fakes.shelf import FakeShelf
from tests.unit.fetch.bench import blocked_lane


@dataclass
class Subject:
    """A shelf, what may happen to its disk and to a release, and a request with one file."""

    shelf: Shelf
    fill: Callable[[], Shelf]
    unmount: Callable[[], object]
    lose: Callable[[Publication], object]
    crowd: Callable[[], object]
    relieve: Callable[[], object]
    files: Sequence[RemoteFile]
    directory: str
    asked: int = 0
    progress: list[Progress] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def job(self, **changes: object) -> Job:
        """Make a job that is to be fetched."""
        job = Job(
            id="c0ffee",
            link=Link(LinkKind.URL, "url:https://example.invalid/a", "https://example.invalid/a"),
            drops=(),
            destination=Destination("tv", self.directory),
            release="Name",
            state=JobState.FETCHING,
            queued_at=1.0,
            changed_at=1.0,
            submission=Submission("R1"),
        )
        return replace(job, **changes)

    def list_files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Count how often links are asked for."""
        self.asked += 1
        return self.files

    def fetch(self, job: Job) -> Publication:
        """Fetch with what is at hand."""
        return self.shelf.fetch(job, self.list_files, self.progress.append, self.stop)


@pytest.fixture(scope="module")
def aria2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aria2Server]:
    """Run one aria2c for all tests: each has staging of its own."""
    server = Aria2Server(tmp_path_factory.mktemp("aria2")).start()
    yield server
    server.end()


@pytest.fixture(params=["fake", "disk", "aria2"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    """Set up each shelf in turn."""
    if request.param == "fake":
        fake = FakeShelf()

        def fill_fake() -> Shelf:
            fake.full = True
            return fake

        def unmount_fake() -> None:
            fake.missing = True

        def lose_fake(publication: Publication) -> None:
            fake.lost.add(publication.path)

        def crowd_fake() -> None:
            fake.tight = True

        def relieve_fake() -> None:
            fake.tight = False

        files = [RemoteFile("a", "https://files.invalid/a", 100)]
        yield Subject(fake, fill_fake, unmount_fake, lose_fake, crowd_fake, relieve_fake, files, "/out/tv")
        return
    root = tmp_path / "out"
    root.mkdir()
    directory = str(root / "tv")
    settings = ShelfSettings(outputs=(directory,), min_free_bytes=0, allow_http=True)
    movers = {}
    if request.param == "aria2":
        server: Aria2Server = request.getfixturevalue("aria2")
        choice = EngineChoice(exact={directory: "aria2"}, below={str(root): "aria2"})
        settings = replace(settings, engines=choice)
        movers = {"aria2": Aria2Mover(server.client(FakeClock()))}
    with FileHost() as host:
        files = [RemoteFile("a", host.put("a", bytes(100)), 100)]
        subject = Subject(
            DiskShelf(settings, FakeClock(), movers),
            lambda: DiskShelf(replace(settings, min_free_bytes=1 << 60), FakeClock(), movers),
            lambda: root.rename(tmp_path / "elsewhere"),
            lambda publication: shutil.rmtree(publication.path),
            lambda: setattr(subject, "files", [replace(files[0], size_bytes=1 << 60)]),
            lambda: setattr(subject, "files", files),
            files,
            directory,
        )
        yield subject


def test_a_release_is_published_below_its_directory(subject: Subject) -> None:
    """The proof names the place, the number of files, their bytes and how they were checked."""
    publication = subject.fetch(subject.job())
    assert publication.path.rpartition("/")[2].startswith("Name")
    assert (publication.files, publication.size_bytes, publication.verified) == (1, 100, "size")
    assert subject.progress
    assert subject.asked == 1


def test_one_round_publishes_once(subject: Subject) -> None:
    """Asked again after a crash, the shelf knows what it did and asks for no links."""
    first = subject.fetch(subject.job())
    assert subject.fetch(subject.job()) == first
    assert subject.asked == 1


def test_another_round_publishes_anew(subject: Subject) -> None:
    """A job that began again gets a release of its own, under another name."""
    first = subject.fetch(subject.job())
    second = subject.fetch(subject.job(round=1))
    assert first.path != second.path
    assert subject.asked == 2


def test_what_was_taken_away_has_vanished(subject: Subject) -> None:
    """Not while it is there, and not while nobody can tell."""
    publication = subject.fetch(subject.job())
    assert not subject.shelf.vanished(publication)
    subject.lose(publication)
    assert subject.shelf.vanished(publication)
    subject.unmount()
    assert not subject.shelf.vanished(publication)


@pytest.mark.parametrize("error", [Transient("x"), Gone("x"), Permanent("x"), Blocked("api", "x")])
def test_what_the_list_raises_passes_through(subject: Subject, error: OffcloudWatchdError) -> None:
    """The service's failures are not the shelf's to judge; afterwards the fetch still works."""

    def fail(submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        raise error

    with pytest.raises(type(error)) as raised:
        subject.shelf.fetch(subject.job(), fail, subject.progress.append, subject.stop)
    assert raised.value is error
    assert subject.fetch(subject.job()).files == 1


def wanted_elsewhere(subject: Subject, publication: Publication | None) -> tuple[Job, Job]:
    """Return the job that has published something, and one of another category that wants the same."""
    donor = subject.job(state=JobState.DONE, publication=publication, published_at=2e9)
    film = Destination("film", subject.directory.replace("tv", "film"))
    return donor, subject.job(id="f11f", destination=film)


def test_what_another_job_has_published_is_linked(subject: Subject) -> None:
    """The proof says whose files they are; no links are asked for, and once is enough."""
    donor, job = wanted_elsewhere(subject, subject.fetch(subject.job()))
    linked = subject.shelf.link(job, [donor], subject.stop)
    assert linked is not None
    assert (linked.files, linked.size_bytes, linked.verified) == (1, 100, "linked from c0ffee: size")
    assert subject.shelf.holds(linked)
    assert subject.shelf.link(job, [donor], subject.stop) is None, "it is published already"
    assert subject.fetch(job) == linked
    assert subject.asked == 1


def test_a_donor_that_has_nothing_is_no_donor(subject: Subject) -> None:
    """What is not there any more, or never was, is fetched."""
    publication = subject.fetch(subject.job())
    subject.lose(publication)
    for given in (publication, None):
        donor, job = wanted_elsewhere(subject, given)
        assert subject.shelf.link(job, [donor], subject.stop) is None
    assert subject.fetch(job).verified == "size"
    assert subject.asked == 2


def test_a_release_is_there_until_it_is_taken_away(subject: Subject) -> None:
    """Whoever takes it away need not tell us."""
    publication = subject.fetch(subject.job())
    assert subject.shelf.holds(publication)
    subject.lose(publication)
    assert not subject.shelf.holds(publication)


def test_without_its_disk_nobody_can_tell_what_is_there(subject: Subject) -> None:
    """Looking waits, and nothing is linked or fetched."""
    publication = subject.fetch(subject.job())
    donor, job = wanted_elsewhere(subject, publication)
    subject.unmount()
    assert blocked_lane(lambda: subject.shelf.holds(publication)) == "disk"
    for act in (lambda: subject.shelf.link(job, [donor], subject.stop), lambda: subject.fetch(job)):
        assert blocked_lane(act) == "fetch"


def test_tidy_is_harmless(subject: Subject) -> None:
    """Before anything was fetched, and again after the release was published."""
    subject.shelf.tidy(subject.job())
    publication = subject.fetch(subject.job())
    for _ in range(2):
        subject.shelf.tidy(subject.job())
    assert subject.fetch(subject.job(round=1)).path != publication.path


def test_discard_without_files_is_harmless(subject: Subject) -> None:
    """Nothing was fetched, or the release stays; repeating it changes nothing."""
    removed = subject.job(state=JobState.REMOVED)
    subject.shelf.discard(removed, subject.stop)
    publication = subject.fetch(subject.job())
    for _ in range(2):
        subject.shelf.discard(replace(removed, publication=publication), subject.stop)
    assert subject.fetch(subject.job(round=1)).path != publication.path


def test_discard_with_files_takes_the_release_away(subject: Subject) -> None:
    """Afterwards the same round has published nothing; repeating it is harmless."""
    publication = subject.fetch(subject.job())
    removed = subject.job(state=JobState.REMOVED, publication=publication, remove_files=True)
    for _ in range(2):
        subject.shelf.discard(removed, subject.stop)
    subject.fetch(subject.job())
    assert subject.asked == 2


def test_what_is_too_large_waits_alone(subject: Subject) -> None:
    """It is told so, again and again; the lane works, and another one comes home."""
    subject.crowd()
    for _ in range(2):
        with pytest.raises(NoRoom):
            subject.fetch(subject.job())
    assert subject.asked <= 1
    subject.shelf.probe()
    subject.relieve()
    subject.fetch(subject.job(id="other"))


def test_a_full_disk_blocks_the_lane(subject: Subject) -> None:
    """Both the fetch and the probe say so, and charge nobody."""
    subject.shelf.probe()
    subject.shelf = subject.fill()
    for act in (subject.shelf.probe, lambda: subject.fetch(subject.job())):
        assert blocked_lane(act) == "fetch"
