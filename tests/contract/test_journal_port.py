"""What the engine may rely on in a journal: one suite, run on the real one and on the one in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from offcloud_watchd.core import ports
from offcloud_watchd.core.events import CategoryDropped, CategoryMade, Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import JournalUnwritable
from offcloud_watchd.journal import open_journal
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk, fails_in
from tests.fakes.journal_memory import MemoryJournal
from tests.unit.journal.lives import T0, life, queued


class Subject(Protocol):
    """A journal together with the hands that break it."""

    journal: ports.Journal

    def restart(self) -> dict[str, Job]:
        """Let the writer die and start another; return what it reads."""
        ...

    def break_appends(self) -> None:
        """Let appends fail before anything is written."""
        ...

    def tear_appends(self) -> None:
        """Let appends fail half-way."""
        ...

    def break_renewals(self) -> None:
        """Let renewals fail."""
        ...

    def mend(self) -> None:
        """Let everything work again."""
        ...


class RealSubject:
    """The journal on a disk."""

    def __init__(self, state_dir: Path) -> None:
        self._dir = state_dir
        self._disk = FaultyDisk(syncing=False)
        self._journal, _ = open_journal(state_dir, FakeClock(), disk=self._disk)
        self.journal: ports.Journal = self._journal

    def restart(self) -> dict[str, Job]:
        """The kernel closes what a dead process had open."""
        self._journal.close()
        self._journal, jobs = open_journal(self._dir, FakeClock(), disk=self._disk)
        self.journal = self._journal
        return jobs

    def break_appends(self) -> None:
        """The disk takes nothing."""
        self._disk.fault = fails_in("write")

    def tear_appends(self) -> None:
        """The disk takes a part."""
        self._disk.part = 200
        self._disk.fault = fails_in("write")

    def break_renewals(self) -> None:
        """No file can be made."""
        self._disk.fault = fails_in("create")

    def mend(self) -> None:
        """The disk works."""
        self._disk.fault = lambda _number, _name: None


@dataclass
class MemorySubject:
    """The journal of the engine's tests."""

    memory: MemoryJournal = field(default_factory=MemoryJournal)

    @property
    def journal(self) -> ports.Journal:
        """The one in memory."""
        return self.memory

    def restart(self) -> dict[str, Job]:
        """A new start folds and trusts what it reads."""
        self.memory.trusted = True
        return self.memory.fold()

    def break_appends(self) -> None:
        """Nothing becomes durable."""
        self.memory.tears = lambda _count: 0

    def tear_appends(self) -> None:
        """One record does."""
        self.memory.tears = lambda _count: 1

    def break_renewals(self) -> None:
        """No new generation."""
        self.memory.renewable = False

    def mend(self) -> None:
        """All works."""
        self.memory.tears, self.memory.renewable = lambda _count: None, True


MAKERS: dict[str, Callable[[Path], Subject]] = {
    "real": RealSubject,
    "memory": lambda _state_dir: MemorySubject(),
}


@pytest.fixture(params=MAKERS)
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Subject:
    """Give each journal in turn, empty."""
    return MAKERS[request.param](tmp_path)


def test_an_empty_journal_leaves_no_jobs(subject: Subject) -> None:
    """A first start has nothing."""
    assert subject.restart() == {}


def test_recorded_events_survive_a_death(subject: Subject) -> None:
    """What an append returned from is there at the next start, in order."""
    subject.journal.append(life("a"))
    subject.journal.append([])
    subject.journal.append([queued("b"), Submitting("b", T0)])
    assert subject.restart() == fold([*life("a"), queued("b"), Submitting("b", T0)])
    assert subject.restart() == fold([*life("a"), queued("b"), Submitting("b", T0)])


def test_a_renewed_journal_holds_the_jobs_it_was_given(subject: Subject) -> None:
    """A new generation replaces all that was recorded before, and appends go on behind it."""
    subject.journal.append(life("a"))
    subject.journal.renew(fold([queued("b")]))
    assert subject.restart() == fold([queued("b")])
    subject.journal.append([Submitting("b", T0)])
    assert subject.restart() == fold([queued("b"), Submitting("b", T0)])


def test_jobs_given_to_renew_are_not_kept_hold_of(subject: Subject) -> None:
    """The caller goes on changing its jobs; the generation stays what it was."""
    jobs = fold([queued("a")])
    subject.journal.renew(jobs)
    jobs.clear()
    assert subject.restart() == fold([queued("a")])


def test_an_append_that_fails_leaves_a_beginning_at_the_most(subject: Subject) -> None:
    """After a failure the next start has the events before, and perhaps the first ones of the batch."""
    subject.journal.append([queued("a")])
    subject.tear_appends()
    with pytest.raises(JournalUnwritable):
        subject.journal.append([queued("b"), queued("c")])
    subject.mend()
    beginnings = [[queued("a")], [queued("a"), queued("b")], [queued("a"), queued("b"), queued("c")]]
    assert subject.restart() in [fold(events) for events in beginnings]


@pytest.mark.parametrize("torn", [False, True])
def test_after_a_failure_only_a_renewal_helps(subject: Subject, *, torn: bool) -> None:
    """Every append is refused until a new generation was written, and that holds what it was given."""
    subject.journal.append([queued("a")])
    if torn:
        subject.tear_appends()
    else:
        subject.break_appends()
    with pytest.raises(JournalUnwritable):
        subject.journal.append([queued("b"), queued("c")])
    subject.mend()
    with pytest.raises(JournalUnwritable):
        subject.journal.append([queued("d")])
    subject.journal.renew(fold([queued("a")]))
    subject.journal.append([queued("b")])
    assert subject.restart() == fold([queued("a"), queued("b")])


def test_a_renewal_may_be_tried_again(subject: Subject) -> None:
    """A renewal that fails changes nothing that was recorded, and a later one works."""
    subject.journal.append([queued("a")])
    subject.break_renewals()
    for _ in range(2):
        with pytest.raises(JournalUnwritable):
            subject.journal.renew(fold([queued("a")]))
    subject.mend()
    subject.journal.renew(fold([queued("a")]))
    assert subject.restart() == fold([queued("a")])


def test_a_failed_renewal_loses_nothing(subject: Subject) -> None:
    """The start after it has what was recorded before."""
    subject.journal.append(life("a"))
    subject.break_renewals()
    with pytest.raises(JournalUnwritable):
        subject.journal.renew(fold(life("a")))
    subject.mend()
    assert subject.restart() == fold(life("a"))


def test_a_small_journal_wants_no_compaction(subject: Subject) -> None:
    """There is nothing to win."""
    subject.journal.append(life("a"))
    assert not subject.journal.wants_compaction


def test_categories_are_remembered(subject: Subject) -> None:
    """Through appends, a new generation and a restart; what was not durable does not count."""
    subject.journal.append([CategoryMade("tv/4k", T0), *life("a"), CategoryMade("Größe, 4K", T0)])
    subject.journal.append([CategoryDropped("tv/4k", T0)])
    assert subject.journal.categories == {"Größe, 4K"}
    subject.journal.renew(fold(life("a")))
    assert subject.journal.categories == {"Größe, 4K"}
    subject.restart()
    assert subject.journal.categories == {"Größe, 4K"}
    subject.break_appends()
    with pytest.raises(JournalUnwritable):
        subject.journal.append([CategoryMade("lost", T0)])
    assert subject.journal.categories == {"Größe, 4K"}
