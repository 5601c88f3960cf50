"""The ledger: checked, appended, synced, and only then applied."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from offcloud_watchd.core.events import (
    Attached,
    Deferred,
    Discarded,
    Event,
    Failed,
    Queued,
    Recategorized,
    Removed,
    Requeued,
    Resumed,
    Submitted,
    Submitting,
)
from offcloud_watchd.core.lifecycle import IllegalTransition
from offcloud_watchd.core.model import Destination, Job, JobState, Submission
from offcloud_watchd.engine.ledger import RENEW_EVERY_S, Ledger
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import NOW, a_drop, a_job, a_link, an_intake
from tests.fakes.journal_memory import MemoryJournal

QUEUED = Queued("new", NOW, a_link(), a_drop("d9"), an_intake().destination, None)


def a_ledger(journal: MemoryJournal | None = None) -> Ledger:
    """Return a ledger that holds one job."""
    job = a_job()
    return Ledger({job.id: job}, journal or MemoryJournal({job.id: job}), FakeClock())


def test_decided_is_seen_before_it_is_recorded() -> None:
    """Later decisions of one turn see the earlier ones; readers do not."""
    ledger = a_ledger()
    ledger.add(Submitting("job", NOW))
    decided = ledger.get("job")
    assert decided is not None
    assert decided.unsure
    assert ledger.jobs["job"] == a_job()
    assert list(ledger.agenda) == [decided]
    assert ledger.flush() == [(a_job(), decided)]
    assert ledger.jobs["job"] is decided
    assert list(ledger.agenda) == [decided]


def test_who_has_a_request_is_found_whatever_the_content() -> None:
    """As decided, so that decisions of one turn see each other."""
    ledger = a_ledger()
    assert ledger.holding("R1") == []
    ledger.add(Submitted("job", NOW, Submission("R1")))
    assert [job.id for job in ledger.holding("R1")] == ["job"]
    ledger.flush()
    assert ledger.holding("R1") == [ledger.jobs["job"]]
    ledger.add(replace(QUEUED, link=a_link("two")))
    ledger.add(Submitted("new", NOW, Submission("R1")))
    ledger.flush()
    assert [job.id for job in ledger.holding("R1")] == ["job", "new"]
    for job_id, left in (("job", ["new"]), ("new", [])):
        ledger.add(Failed(job_id, NOW, "no seeds"))
        ledger.add(Requeued(job_id, NOW))
        assert [job.id for job in ledger.holding("R1")] == left
        ledger.flush()
        assert [job.id for job in ledger.holding("R1")] == left
    assert ledger.holding("") == []


def test_what_does_not_fit_changes_nothing() -> None:
    """An illegal event is refused before anything is written."""
    journal = MemoryJournal()
    ledger = a_ledger(journal)
    with pytest.raises(IllegalTransition):
        ledger.add(Discarded("job", NOW))
    assert ledger.flush() == []
    assert journal.records == []


def test_same_content_sees_decided_jobs() -> None:
    """Two drops of the same in one look are one job."""
    ledger = a_ledger()
    ledger.add(QUEUED)
    assert [job.id for job in ledger.same_content(a_link())] == ["job", "new"]
    assert ledger.same_content(a_link("two")) == []


def test_what_could_not_be_recorded_did_not_happen() -> None:
    """A failed append leaves jobs, lines and counts as they were."""
    journal = MemoryJournal(tears=lambda _count: 1)
    ledger = a_ledger(journal)
    ledger.add(QUEUED)
    ledger.add(Submitting("job", NOW))
    assert ledger.flush() is None
    assert "no space" in ledger.problem
    assert dict(ledger.jobs) == {"job": a_job()}
    assert list(ledger.agenda) == [a_job()]
    assert [job.id for job in ledger.same_content(a_link())] == ["job"]
    assert ledger.counts[JobState.QUEUED] == 1


def test_a_problem_is_mended_by_a_new_generation() -> None:
    """Not before its time, and then the disk holds what the memory does."""
    journal, clock = MemoryJournal(tears=lambda _count: 1), FakeClock()
    ledger = Ledger({}, journal, clock)
    assert not ledger.mend(), "there is nothing to mend"
    ledger.add(QUEUED)
    ledger.flush()
    assert journal.fold().keys() == {"new"}, "the torn batch left something"
    assert (ledger.mend(), ledger.wait_s()) == (False, RENEW_EVERY_S)
    clock.advance(RENEW_EVERY_S)
    assert ledger.mend()
    assert (ledger.problem, ledger.wait_s(), journal.fold()) == ("", 0.0, {})


def test_a_strain_is_told_once_and_asked_about_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    """Records are taken meanwhile; that it is over is found out without one."""
    journal, clock = MemoryJournal(strained="the disk is full"), FakeClock()
    ledger = Ledger({}, journal, clock)
    for event in (QUEUED, Submitting("new", NOW)):
        ledger.add(event)
        assert ledger.flush() is not None
    assert (ledger.strain, ledger.problem, len(journal.records)) == ("the disk is full", "", 2)
    journal.strained = ""
    assert (ledger.mend(), ledger.wait_s()) == (False, RENEW_EVERY_S)
    clock.advance(RENEW_EVERY_S)
    assert ledger.mend()
    assert (ledger.strain, ledger.mend()) == ("", False)
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["the disk is full", "there is room for the journal again"]


def test_a_job_that_leaves_leaves_nothing_behind() -> None:
    """Counts and indexes forget it."""
    ledger = a_ledger()
    for event in (Attached("job", NOW, a_drop("d2")), Removed("job", NOW)):
        ledger.add(event)
    ledger.flush()
    assert ledger.counts[JobState.REMOVED] == 1
    ledger.add(Discarded("job", NOW))
    [(before, after)] = ledger.flush() or []
    assert (before.state, after) == (JobState.REMOVED, None)
    assert dict(ledger.jobs) == {}
    assert not list(ledger.agenda)
    assert not any(ledger.counts.values())
    assert ledger.same_content(a_link()) == []


def test_born_and_gone_in_one_batch() -> None:
    """A job that was never recorded leaves nothing behind either."""
    ledger = a_ledger()
    for event in (QUEUED, Removed("new", NOW), Discarded("new", NOW)):
        ledger.add(event)
    assert ledger.flush() == []
    assert dict(ledger.jobs) == {"job": a_job()}


def test_of_two_with_one_key_the_other_stays() -> None:
    """The index is by key, not by job."""
    other = a_job(JobState.REMOVED, id="other", category="film")
    ledger = Ledger({"job": a_job(), "other": other}, MemoryJournal(), FakeClock())
    ledger.add(Discarded("other", NOW))
    ledger.flush()
    assert ledger.same_content(a_link()) == [a_job()]


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        (QUEUED, logging.INFO, "new one: taken from d9.txt for tv"),
        (Failed("job", NOW, "no seeds"), logging.WARNING, "job release: failed: no seeds"),
        (Deferred("job", NOW, "no answer", 0), logging.WARNING, "job release: not now: no answer"),
        (Deferred("job", NOW, "early", 0, charged=False), logging.INFO, "job release: not now: early"),
        (Submitting("job", NOW), None, ""),
        (Resumed("job", NOW), None, ""),
    ],
)
def test_what_is_recorded_is_told(
    event: Event, level: int | None, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One line for each event that means something to an operator, a warning for what went wrong."""
    caplog.set_level(logging.DEBUG)
    ledger = a_ledger()
    ledger.add(event)
    assert caplog.records == [], "nothing is told before it is durable"
    ledger.flush()
    assert [(one.levelno, one.getMessage()) for one in caplog.records] == ([(level, line)] if line else [])


def test_what_was_not_recorded_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    """The journal's problem is said once; what did not happen is not."""
    caplog.set_level(logging.INFO)
    ledger = a_ledger(MemoryJournal(tears=lambda _count: 1))
    for _ in range(2):
        ledger.add(Failed("job", NOW, "no seeds"))
        ledger.flush()
    assert [one.levelno for one in caplog.records] == [logging.ERROR]
    assert "nothing new is begun" in caplog.text


def test_a_job_that_came_and_went_in_one_batch_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """There is no name left to tell it by, and nobody asks."""
    caplog.set_level(logging.INFO)
    ledger = a_ledger()
    for event in (QUEUED, Removed("new", NOW), Discarded("new", NOW)):
        ledger.add(event)
    ledger.flush()
    assert caplog.records == []


def test_lines_can_be_filtered_by_what_they_are_about(caplog: pytest.LogCaptureFixture) -> None:
    """The lane is the one whose work it was; the request is known with the very line that tells of it."""
    ledger = a_ledger()
    ledger.add(QUEUED)
    ledger.add(Submitting("job", NOW))
    ledger.add(Submitted("job", NOW, Submission("R1")))
    with caplog.at_level(logging.INFO):
        ledger.flush()
    names = ("job", "category", "request", "lane")
    assert [tuple(record.__dict__[name] for name in names) for record in caplog.records] == [
        ("new", a_job().destination.category, "", "disk"),
        ("job", a_job().destination.category, "R1", "api"),
    ]


class Listener:
    """Writes down what it hears, with what the journal held by then; may be broken."""

    def __init__(self, journal: MemoryJournal, error: Exception | None = None) -> None:
        self.heard: list[tuple[Event, str, int]] = []
        self.journal = journal
        self.error = error

    def recorded(self, event: Event, job: Job) -> None:
        """Take in."""
        self.heard.append((event, job.state, len(self.journal.records)))
        if self.error is not None:
            raise self.error


def test_subscribers_hear_of_what_is_durable(caplog: pytest.LogCaptureFixture) -> None:
    """Each event once, with the job as it has become; one that raises is in nobody's way."""
    job = a_job()
    journal = MemoryJournal({job.id: job})
    ledger = Ledger({job.id: job}, journal, FakeClock())
    broken, good = Listener(journal, ValueError("a bug")), Listener(journal)
    ledger.subscribe(broken)
    ledger.subscribe(good)
    events: list[Event] = [Failed("job", NOW, "never"), Removed("job", NOW), Discarded("job", NOW)]
    for event in events[:2]:
        ledger.add(event)
    assert good.heard == []
    ledger.flush()
    ledger.add(events[2])
    ledger.flush()
    assert good.heard == [(events[0], "removed", 2), (events[1], "removed", 2), (events[2], "removed", 3)]
    assert broken.heard == good.heard
    assert "a subscriber failed" in caplog.text


def test_subscribers_hear_nothing_of_what_was_not_recorded() -> None:
    """The decision is made anew, and told then."""
    job = a_job()
    journal = MemoryJournal({job.id: job})
    ledger = Ledger({job.id: job}, journal, FakeClock())
    listener = Listener(journal)
    ledger.subscribe(listener)
    journal.tears = lambda _count: 0
    ledger.add(Failed("job", NOW, "never"))
    assert ledger.flush() is None
    assert listener.heard == []


def test_namesakes_follow_the_jobs() -> None:
    """Of one category and release name, as recorded; asked about before and after they come and go."""
    ledger = a_ledger()
    job = a_job()
    other = replace(QUEUED, release="release")
    assert ledger.namesakes(job) == [job]
    ledger.add(other)
    ledger.add(replace(QUEUED, job_id="elsewhere"))
    assert ledger.namesakes(job) == [job]
    ledger.flush()
    assert [one.id for one in ledger.namesakes(job)] == ["job", "new"]
    assert ledger.namesakes(replace(job, release="nobody's")) == []
    for event in (Removed("job", NOW), Discarded("job", NOW)):
        ledger.add(event)
    ledger.flush()
    assert [one.id for one in ledger.namesakes(job)] == ["new"]
    for event in (Removed("new", NOW), Discarded("new", NOW)):
        ledger.add(event)
    ledger.flush()
    assert ledger.namesakes(job) == []


def test_namesakes_follow_a_job_into_another_category() -> None:
    """A client moves it there, and it is forgotten after that."""
    ledger = a_ledger()
    job = a_job()
    there = replace(job, destination=Destination("film", "/out/film"))
    assert ledger.namesakes(job) == [job]
    ledger.add(Recategorized("job", NOW, there.destination))
    ledger.flush()
    assert ledger.namesakes(job) == []
    assert [one.id for one in ledger.namesakes(there)] == ["job"]
    for event in (Removed("job", NOW), Discarded("job", NOW)):
        ledger.add(event)
    ledger.flush()
    assert ledger.namesakes(there) == []
