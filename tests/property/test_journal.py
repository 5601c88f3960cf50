"""Laws of the journal: what goes in comes out, a prefix is a prefix, and nothing else is believed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offcloud_watchd.core.events import Discarded, Event
from offcloud_watchd.core.frozen import freeze, thaw
from offcloud_watchd.core.lifecycle import TRANSITIONS, evolve, fold
from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.journal import Follower, open_journal, read_jobs, verify
from offcloud_watchd.journal.reading import Fold
from offcloud_watchd.journal.records import END, GENERATION, Chain, Translator
from tests.fakes.clock import FakeClock
from tests.fakes.disk import quick
from tests.property.strategies import events, histories, jobs, of

CLOCK = FakeClock()

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@contextmanager
def state_dir() -> Iterator[Path]:
    """Give a state directory to one example."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def started(directory: Path) -> dict[str, Job]:
    """Start once and return the jobs."""
    journal, found = open_journal(directory, CLOCK, disk=quick())
    journal.close()
    return found


@unhurried
@given(st.lists(events, max_size=4))
def test_every_event_survives_its_record(happened: list[Event]) -> None:
    """Sealing, JSON, opening and decoding give the very same events, whatever they hold."""
    writing, reading, translator = Chain.start("j", 1, 0), Chain.start("j", 1, 0), Translator()
    lines = [writing.seal(translator.event_record(event, 1)) for event in happened]
    assert [translator.event(reading.open(line)) for line in lines] == happened
    assert all(line.isascii() and line.count(b"\n") == 1 and json.loads(line) for line in lines)


@unhurried
@given(jobs)
def test_every_job_survives_its_records(job: Job) -> None:
    """The same for jobs, whose drops may take several records."""
    writing, reading, translator = Chain.start("j", 2, 0), Chain.start("j", 2, 0), Translator()
    lines = [writing.seal(record) for record in translator.job_records(job, 1)]
    first, *more = [reading.open(line) for line in lines]
    read = translator.job(first)
    drops = sum((translator.drops(record) for record in more), read.drops)
    assert replace(read, drops=drops) == job


@unhurried
@given(histories(), st.lists(st.sampled_from(["renew", "restart", "look"]), max_size=6), st.integers(1, 4))
def test_the_journal_is_the_fold(happened: list[Event], acts: list[str], batch: int) -> None:
    """However appends, renewals, restarts and looks from outside follow each other, the jobs are the fold."""
    with state_dir() as directory:
        journal, _ = open_journal(directory, CLOCK, disk=quick())
        follower = Follower(directory)
        for start in range(0, len(happened) + 1, batch):
            recorded = happened[: start + batch]
            journal.append(happened[start : start + batch])
            act = acts.pop() if acts else ""
            if act == "renew":
                journal.renew(fold(recorded))
            elif act == "restart":
                journal.close()
                journal, found = open_journal(directory, CLOCK, disk=quick())
                assert found == fold(recorded)
            elif act == "look":
                assert follower.jobs() == fold(recorded)
        journal.close()
        assert follower.jobs() == started(directory) == fold(happened)
        assert verify(directory).problems == ()


@unhurried
@given(jobs, st.data())
def test_a_job_changed_in_place_is_the_changed_copy(job: Job, data: st.DataObject) -> None:
    """For every event that fits, whatever the job and the event hold; the copy leaves the job as it was."""
    goes = [Discarded] if job.state is JobState.REMOVED and not job.remembered else []
    for kind in (*TRANSITIONS[job.state], *goes):
        event = replace(data.draw(of(kind)), job_id=job.id)
        before, own = replace(job), replace(job)
        changed = evolve(job, event)
        assert (job, job is changed) == (before, False)
        thaw(own)
        assert evolve(own, event) is (None if changed is None else own)
        freeze(own, Job)
        assert own == (changed or before)


@unhurried
@given(histories(), st.data())
def test_jobs_that_were_looked_at_do_not_change(happened: list[Event], data: st.DataObject) -> None:
    """A reader that looks in between keeps what it saw; and all that it is given is frozen."""
    translator = Translator()
    fold_of_records = Fold(translator)
    for record in ({"kind": GENERATION}, {"kind": END, "data": {"jobs": 0}}):
        fold_of_records.take(record)
    looks = data.draw(st.sets(st.integers(0, len(happened))))
    seen: list[tuple[dict[str, Job], dict[str, Job]]] = []
    for number, event in enumerate(happened):
        if number in looks:
            seen.append((dict(fold_of_records.jobs), fold(happened[:number])))
        fold_of_records.take(json.loads(json.dumps(translator.event_record(event, 1))))
    seen.append((fold_of_records.jobs, fold(happened)))
    for given_out, folded in seen:
        assert given_out == folded
        assert all(type(job) is Job for job in given_out.values())


@unhurried
@given(histories(), st.data())
def test_a_prefix_is_a_prefix(happened: list[Event], data: st.DataObject) -> None:
    """A file that ends early holds a beginning of the events, never others and never half of one."""
    with state_dir() as directory:
        journal, _ = open_journal(directory, CLOCK, disk=quick())
        empty_bytes = verify(directory).size_bytes
        for event in happened:
            journal.append([event])
        journal.close()
        path = directory / "journal.jsonl"
        content = path.read_bytes()
        size = data.draw(st.integers(empty_bytes, len(content)))
        path.write_bytes(content[:size])
        count = content[:size].count(b"\n") - 2
        folded = fold(happened[:count])
        assert started(directory) == folded
        assert read_jobs(directory) == in_sight(folded)


def in_sight(jobs: Mapping[str, Job]) -> dict[str, Job]:
    """Return those that readers are told of."""
    return {job_id: job for job_id, job in jobs.items() if not job.remembered}


def spoilt(content: bytes, data: st.DataObject) -> bytes:
    """Change a file somewhere: bytes put in, taken out or replaced; lines moved or doubled."""
    at = data.draw(st.integers(0, len(content)))
    length = data.draw(st.integers(0, 40))
    lines = content.splitlines(keepends=True)
    line = data.draw(st.sampled_from(lines))
    changes: list[Callable[[], bytes]] = [
        lambda: content[:at] + data.draw(st.binary(max_size=40)) + content[at:],
        lambda: content[:at] + content[at + length :],
        lambda: content[:at] + data.draw(st.binary(min_size=1, max_size=40)) + content[at + length :],
        lambda: b"".join(data.draw(st.permutations(lines))),
        lambda: content + line,
        lambda: content.replace(line, b"", 1),
        lambda: content[:at] + line + content[at:],
    ]
    return data.draw(st.sampled_from(changes))()


@unhurried
@given(histories(), st.data())
def test_nothing_false_is_believed(happened: list[Event], data: st.DataObject) -> None:
    """Whatever is done to the file, the start refuses, touching nothing, or has a beginning of the events."""
    with state_dir() as directory:
        journal, _ = open_journal(directory, CLOCK, disk=quick())
        for event in happened:
            journal.append([event])
        journal.close()
        path = directory / "journal.jsonl"
        content = spoilt(path.read_bytes(), data)
        path.write_bytes(content)
        problems = verify(directory).problems
        try:
            found = started(directory)
        except JournalDamaged:
            assert problems
            assert [(one.name, one.read_bytes()) for one in directory.iterdir()] == [(path.name, content)]
        else:
            assert not problems
            assert found in [fold(happened[:count]) for count in range(len(happened) + 1)]
            assert started(directory) == found
