"""The account and the output directory as seen by a process that may die at every call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.model import (
    Account,
    Job,
    Link,
    Phase,
    Publication,
    RemoteFile,
    RemoteTarget,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.ports import ListFiles, OnProgress, Stop
from offcloud_watchd.errors import Cancelled, Transient
from tests.fakes.cloud import FakeCloud
from tests.fakes.fate import Fate
from tests.fakes.shelf import FakeShelf

POST_TAKES_S = 25.0


@dataclass
class MortalCloud:
    """The account as seen by a process that may die at every call, over a network that loses answers."""

    inner: FakeCloud
    fate: Fate
    meanwhile: Callable[[], None]
    check_post: Callable[[Link], None]
    check_removal: Callable[[str], None]

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Pass on; the POST takes its time and the world goes on meanwhile. A file goes before it."""
        self._upload(file)
        return self._posted("submit", link, lambda: self.inner.submit(link, stop, file))

    def send(self, link: Link, target: RemoteTarget, stop: Stop, file: bytes | None = None) -> Submission:
        """The same."""
        self._upload(file)
        return self._posted("send", link, lambda: self.inner.send(link, target, stop, file))

    def _upload(self, file: bytes | None) -> None:
        if file is not None:
            self.fate.at("upload before")
            self._fail(self.fate.glitch("upload"))
            self.fate.at("upload done")

    def _posted(self, act: str, link: Link, post: Callable[[], Submission]) -> Submission:
        self.fate.at(f"{act} before")
        glitch = self.fate.glitch("submit")
        if glitch == "transient":
            raise Transient("connection refused")
        self.check_post(link)
        self.meanwhile()
        self.inner.effect_after_s = POST_TAKES_S if glitch == "late" else 0.0
        answer = post()
        self.fate.at(f"{act} done")
        self._fail(glitch, maybe_sent=True)
        return answer

    def retry(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> bool:
        """Pass on."""
        self.fate.at("retry before")
        answer = self.inner.retry(submission, stop, route)
        self.fate.at("retry done")
        self._fail(self.fate.glitch("retry"))
        return answer

    def remove(self, submission: Submission, stop: Stop) -> None:
        """Pass on."""
        self.fate.at("remove before")
        self.check_removal(submission.request_id)
        self.inner.remove(submission, stop)
        self.fate.at("remove done")
        self._fail(self.fate.glitch("remove"))

    def grant(self, link: Link, stop: Stop, proxy: str | None = None) -> Submission:
        """Pass on; the asking takes its time like a POST."""
        self.fate.at("grant before")
        self.meanwhile()
        answer = self.inner.grant(link, stop, proxy)
        self.fate.at("grant done")
        self._fail(self.fate.glitch("grant"), maybe_sent=True)
        return answer

    def granted(self, link: Link, stop: Stop, proxy: str | None = None) -> Sequence[RemoteFile]:
        """Pass on."""
        self.fate.at("granted before")
        answer = self.inner.granted(link, stop, proxy)
        self.fate.at("granted done")
        self._fail(self.fate.glitch("granted"))
        return answer

    def find(
        self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
    ) -> tuple[Sequence[Sought], float]:
        """Pass on."""
        self.fate.at("find before")
        answer = self.inner.find(link, not_before, stop, route)
        self.fate.at("find done")
        self._fail(self.fate.glitch("find"))
        return answer

    def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
        """Pass on."""
        self.fate.at("status before")
        answer = self.inner.status(submission, stop, route)
        self.fate.at("status done")
        self._fail(self.fate.glitch("status"))
        return answer

    def statuses(
        self,
        submissions: Sequence[Submission],
        stop: Stop,
        route: Route = Route.CLOUD,
        *,
        closely: bool = False,
    ) -> Mapping[str, Phase]:
        """Pass on."""
        self.fate.at("statuses before")
        answer = self.inner.statuses(submissions, stop, route, closely=closely)
        self.fate.at("statuses done")
        self._fail(self.fate.glitch("statuses"))
        return answer

    def cached(self, info_hashes: Collection[str], stop: Stop) -> frozenset[str]:
        """Pass on."""
        self.fate.at("cached before")
        answer = self.inner.cached(info_hashes, stop)
        self.fate.at("cached done")
        self._fail(self.fate.glitch("cached"))
        return answer

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Pass on."""
        self.fate.at("files before")
        answer = self.inner.files(submission, stop)
        self.fate.at("files done")
        self._fail(self.fate.glitch("files"))
        return answer

    def account(self, stop: Stop) -> Account:
        """Pass on."""
        self._fail(self.fate.glitch("account"))
        return self.inner.account(stop)

    def _fail(self, glitch: str, *, maybe_sent: bool = False) -> None:
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if glitch:
            raise Transient("the answer was lost", maybe_sent=maybe_sent)


@dataclass
class MortalTools:
    """An *arr tool as seen by a process that may die; ``told``: the jobs and rounds it knows have failed.

    ``has``: those it has imported. ``check`` is told of each report before it is made.
    """

    fate: Fate
    check: Callable[[Job], None]
    told: set[tuple[str, int]] = field(default_factory=set)
    has: set[tuple[str, int]] = field(default_factory=set)

    def report(self, job: Job, stop: Stop) -> str:
        """Take it in; what is known already is known."""
        self.fate.at("report before")
        glitch = self.fate.glitch("report")
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if stop.is_set():
            raise Cancelled("stopped")
        self.check(job)
        self.told.add((job.id, job.round))
        self.fate.at("report done")
        if glitch:
            raise Transient("the answer was lost")
        return ""

    def imported(self, job: Job, _stop: Stop) -> str:
        """Tell what it has imported."""
        self.fate.at("imported before")
        glitch = self.fate.glitch("imported")
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if glitch:
            raise Transient("the answer was lost")
        self.fate.at("imported done")
        return "tool" if (job.id, job.round) in self.has else ""


@dataclass
class MortalShelf:
    """The output directory as seen by a process that may die; ``writing``: the jobs of fetches under way.

    ``check_transfer`` is told of each transfer before it begins. ``seen``: the releases that were looked at
    and were there.
    """

    inner: FakeShelf
    fate: Fate
    meanwhile: Callable[[], None]
    wanted: Callable[[Job], bool]
    check_transfer: Callable[[Job], None]
    published: list[tuple[str, int]] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    writing: set[str] = field(default_factory=set)

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Pass on; a fetch takes its time and the world goes on meanwhile."""
        self.fate.at("publish before")
        self._fail("publish")
        if (job.id, job.round) not in self.inner.published and not stop.is_set():
            self.check_transfer(job)
        assert job.id not in self.writing, "two fetches of one job at once"
        self.writing.add(job.id)
        try:
            self.meanwhile()
            if stop.is_set():
                raise Cancelled("stopped")
            assert self.wanted(job), "not called back although nobody wants it any more"
            before = self.inner.publications
            publication = self.inner.fetch(job, list_files, on_progress, stop)
        finally:
            self.writing.discard(job.id)
        self._note(job, before)
        self.fate.at("publish done")
        return publication

    def link(self, job: Job, donors: Sequence[Job], stop: Stop) -> Publication | None:
        """Pass on."""
        self.fate.at("link before")
        self._fail("link")
        assert job.id not in self.writing, "linked under a fetch that still writes"
        if stop.is_set():
            raise Cancelled("stopped")
        before = self.inner.publications
        publication = self.inner.link(job, donors, stop)
        self._note(job, before)
        self.fate.at("link done")
        return publication

    def holds(self, publication: Publication) -> bool:
        """Pass on."""
        self.fate.at("inspect before")
        self._fail("inspect")
        there = self.inner.holds(publication)
        if there:
            self.seen.add(publication.path)
        self.fate.at("inspect done")
        return there

    def vanished(self, publication: Publication) -> bool:
        """Pass on."""
        self.fate.at("vanished before")
        self._fail("vanished")
        vanished = self.inner.vanished(publication)
        self.fate.at("vanished done")
        return vanished

    def tidy(self, job: Job) -> None:
        """Pass on."""
        assert job.id not in self.writing, "staging cleared under a fetch that still writes"
        self.fate.at("tidy before")
        self.inner.tidy(job)
        self.fate.at("tidy done")

    def discard(self, job: Job, stop: Stop) -> None:
        """Pass on."""
        assert job.id not in self.writing, "discarded under a fetch that still writes"
        self.fate.at("discard before")
        self.inner.discard(job, stop)
        if job.remove_files:
            self.published = [place for place in self.published if place[0] != job.id]
        self.fate.at("discard done")
        if self.fate.glitch("discard"):
            raise Transient("the directory is busy")

    def probe(self) -> None:
        """Pass on."""
        self.inner.probe()

    def _note(self, job: Job, before: int) -> None:
        if self.inner.publications > before:
            assert (job.id, job.round) not in self.published, "published twice"
            self.published.append((job.id, job.round))

    def _fail(self, act: str) -> None:
        glitch = self.fate.glitch(act)
        if glitch == "bug":
            raise ValueError("a bug of ours")
        if glitch:
            raise Transient("the connection broke")
