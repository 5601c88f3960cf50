"""A repair in single steps: what an event behind a gap proves of the job it is about."""

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.events import (
    Attached,
    CategoryMade,
    CloudReady,
    Deferred,
    Delivered,
    Discarded,
    Event,
    Failed,
    Imported,
    NotFound,
    Published,
    Recalled,
    Removed,
    Reported,
    Requeued,
    Resumed,
    Stirred,
    Submitted,
    Submitting,
    Vanished,
)
from offcloud_watchd.core.lifecycle import evolve, fold
from offcloud_watchd.core.model import (
    Delivery,
    Destination,
    Drop,
    Job,
    JobState,
    Publication,
    RemoteTarget,
    Route,
    Submission,
)
from offcloud_watchd.core.relatives import rivals_of
from offcloud_watchd.core.verdicts import recalled
from offcloud_watchd.errors import JournalDamaged, JournalUnwritable
from offcloud_watchd.journal import Repair, lock_state, open_journal, read_jobs, repair
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk, fails_in, quick
from tests.unit.journal.lives import T0, life, queued

CLOCK = FakeClock()
DROP = Drop("again", "again.magnet", "/drop")


def unreadable(line: bytes) -> bytes:
    """Return a line of which only the checksum at its end is left."""
    return b"?" * (len(line) - 20) + line[-20:]


def without(
    state_dir: Path, lost: int, events: Sequence[Event], *, more: int = 0, clock: FakeClock = CLOCK
) -> tuple[Repair, dict[str, Job]]:
    """Write events, make one of them (and some ``more``) unreadable, repair; return report and jobs."""
    journal, _ = open_journal(state_dir, clock, disk=quick())
    for event in events:
        journal.append([event])
    journal.close()
    path = state_dir / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for place in range(2 + lost, 3 + lost + more):
        lines[place] = unreadable(lines[place])
    path.write_bytes(b"".join(lines))
    with pytest.raises(JournalDamaged):
        open_journal(state_dir, clock, disk=quick())
    report = repair(state_dir, clock, disk=quick())
    return report, read_jobs(state_dir)


@pytest.mark.parametrize("lost", range(1, 5))
def test_the_end_of_a_life_is_proven_by_its_last_event(tmp_path: Path, lost: int) -> None:
    """Whatever is lost in its middle: it was published, and where."""
    report, jobs = without(tmp_path, lost, [*life("a"), queued("b")])
    assert jobs["a"].state is JobState.DONE
    assert jobs["a"].publication == fold(life("a"))["a"].publication
    assert (report.lost, report.begun_anew, report.unknown) == (1, (), ())
    assert report.searched == ("b",)
    assert jobs["b"].unsure


def test_a_job_that_was_open_again_begins_anew(tmp_path: Path) -> None:
    """What wants it again proves that it was open; in which state nobody knows."""
    for number, event in enumerate((Attached("a", T0 + 40, DROP), Resumed("a", T0 + 40))):
        report, jobs = without(
            tmp_path / str(number), 6, [*life("a"), Requeued("a", T0 + 30), event, queued("b")]
        )
        assert report.begun_anew == ("a",)
        assert jobs["a"].state is JobState.QUEUED
        assert jobs["a"].unsure
        assert jobs["a"].round == 1


def test_a_job_whose_request_is_lost_begins_anew(tmp_path: Path) -> None:
    """It was in the cloud, and nobody knows by which request: that is searched for."""
    events = [*life("a")[:4], Stirred("a", T0 + 12, "mark"), queued("b")]
    report, jobs = without(tmp_path, 3, events)
    assert (report.begun_anew, report.searched) == (("a",), ("a", "b"))
    assert (jobs["a"].state, jobs["a"].unsure, jobs["a"].submission) == (JobState.QUEUED, True, None)


def test_what_has_vanished_before_a_gap_may_vanish_once_more(tmp_path: Path) -> None:
    """Its request may have been taken out of the account by ourselves, when all was here."""
    again = Submission("R2", "created")
    events = [*life("a")[:5], Vanished("a", T0 + 20), Submitting("a", T0 + 21)]
    events += [Submitted("a", T0 + 22, again), CloudReady("a", T0 + 23, again), life("a")[5], queued("b")]
    _, jobs = without(tmp_path, 9, events)
    assert (jobs["a"].state, jobs["a"].submission, jobs["a"].vanished) == (JobState.FETCHING, again, "")


def test_what_was_published_by_a_lost_request_owes_nothing_to_the_account(tmp_path: Path) -> None:
    """There is no telling what would have to be taken out of it."""
    for number, (clear, later) in enumerate(((True, False), (False, True))):
        published = Published("a", T0 + 13, Publication("/out/tv/a", 2, 7, "size"), clear, later)
        events = [*life("a")[:5], published, queued("b")]
        _, jobs = without(tmp_path / str(number), 1, events, more=3)
        assert (jobs["a"].state, jobs["a"].submission, jobs["a"].to_clear) == (JobState.DONE, None, False)
        for event in (Imported("a", T0 + 20, "seen", T0 + 30), Removed("a", T0 + 20)):
            after = evolve(jobs["a"], event)
            assert after is not None
            assert not after.to_clear


def test_what_was_begun_anew_is_none_of_what_was_before(tmp_path: Path) -> None:
    """A submission proves that a finished job was open again."""
    events = [*life("a"), Requeued("a", T0 + 30), Submitting("a", T0 + 31), queued("b")]
    _, jobs = without(tmp_path, 6, events)
    assert (jobs["a"].state, jobs["a"].round) == (JobState.QUEUED, 1)
    assert (jobs["a"].submission, jobs["a"].publication) == (None, None)


def test_what_may_have_been_posted_is_searched_for_though_its_job_has_failed(tmp_path: Path) -> None:
    """Neither the job itself, when it begins anew, nor another one for the same posts blindly."""
    lost = [Requeued("a", T0 + 2), Submitting("a", T0 + 3), Failed("a", T0 + 4, "y")]
    events = [queued("a"), Failed("a", T0 + 1, "x"), *lost, Reported("a", T0 + 5), queued("b")]
    _, jobs = without(tmp_path, 2, events, more=2)
    assert (jobs["a"].state, jobs["a"].posted_at) == (JobState.FAILED, T0)
    again = evolve(jobs["a"], Requeued("a", T0 + 50))
    assert again is not None
    assert (again.unsure, again.doubted_at) == (True, CLOCK.now())
    other = replace(jobs["b"], link=jobs["a"].link, posted_at=None)
    assert isinstance(recalled(other, [jobs["a"]], T0 + 50), Recalled)


AWAY = Destination("tv", "/out/tv", Route.REMOTE, RemoteTarget("drive", "f1"))


def test_where_it_was_sent_is_where_it_goes(tmp_path: Path) -> None:
    """That it was to go there is lost, and what came of it tells."""
    sent = Delivered("a", T0 + 9, Delivery("drive", "f1"))
    events = [queued("a"), Failed("a", T0 + 1, "x"), Requeued("a", T0 + 2, destination=AWAY)]
    events += [Submitting("a", T0 + 3), Submitted("a", T0 + 4, Submission("R1")), sent]
    _, jobs = without(tmp_path, 2, [*events, queued("b")])
    assert (jobs["a"].state, jobs["a"].destination) == (JobState.DONE, AWAY)


def test_what_was_sent_by_a_lost_request_is_nobody_elses(tmp_path: Path) -> None:
    """Whoever searches for the same knows that a transfer of that time may be this one."""
    events = [replace(queued("a"), destination=AWAY), Submitting("a", T0 + 1)]
    events += [Submitted("a", T0 + 2, Submission("R1")), Delivered("a", T0 + 9, Delivery("drive", "f1"))]
    _, jobs = without(tmp_path, 1, [*events, queued("b")], more=1)
    gone: list[Event] = [Removed("a", T0 + 20), Discarded("a", T0 + 21)]
    without(tmp_path / "gone", 1, [*events, *gone, queued("b")])
    journal, after = open_journal(tmp_path / "gone", CLOCK, disk=quick())
    journal.close()
    assert (after["a"].remembered, after["a"].unsure, after["a"].sent) == (True, False, ("R1",))
    there = replace(AWAY, remote=RemoteTarget("box"))
    assert rivals_of(replace(jobs["b"], destination=there), [jobs["a"]]) == {T0}


def test_an_open_intent_keeps_its_time(tmp_path: Path) -> None:
    """By it what is found is told from another one's; who may have posted since is known by the repair's."""
    clock = FakeClock()
    clock.advance(60.0)
    events = [queued("a"), Submitting("a", T0 + 1), Resumed("a", T0 + 2), queued("b"), Resumed("a", T0 + 3)]
    _, jobs = without(tmp_path, 2, events, clock=clock)
    assert jobs["a"].unsure
    assert jobs["a"].posted_at == T0 + 1
    assert jobs["b"].posted_at == clock.now()


def test_an_open_job_stays_where_it_is_known_to_be(tmp_path: Path) -> None:
    """An event that many states allow, and this one does not, changes nothing."""
    events = [queued("a"), Removed("a", T0 + 1), Deferred("a", T0 + 2, "x", T0 + 3), queued("b")]
    report, jobs = without(tmp_path, 1, events)
    assert jobs["a"].state is JobState.QUEUED
    assert jobs["a"].reason == "x"
    assert report.begun_anew == ()


def test_a_job_that_left_is_gone(tmp_path: Path) -> None:
    """Its discarding proves that it was removed."""
    events: list[Event] = [
        *life("a"),
        queued("b"),
        Removed("a", T0 + 20),
        Discarded("a", T0 + 21),
        queued("c"),
    ]
    report, jobs = without(tmp_path, 7, events)
    assert jobs.keys() == {"b", "c"}
    assert report.unknown == ()


def test_a_job_without_its_beginning_is_named(tmp_path: Path) -> None:
    """Only its id is left."""
    events = [
        queued("a"),
        queued("b"),
        Submitting("b", T0 + 1),
        NotFound("b", T0 + 2),
        Submitting("a", T0 + 3),
    ]
    report, jobs = without(tmp_path, 1, events)
    assert jobs.keys() == {"a"}
    assert report.unknown == ("b",)
    assert report.lost == 3


def test_drops_without_their_job_are_lost(tmp_path: Path) -> None:
    """They stand behind it in the list, and have nothing to belong to."""
    many = [queued("m"), *(Attached("m", T0, Drop(f"m{number}", "m", "/drop")) for number in range(9))]
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.renew(fold([*many, queued("a")]))
    journal.close()
    (tmp_path / "journal.jsonl.1").unlink()
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], unreadable(lines[1]), *lines[2:]]))
    report = repair(tmp_path, CLOCK, disk=quick())
    assert read_jobs(tmp_path).keys() == {"a"}
    assert (report.lost, report.listed_jobs_lost) == (2, 1)


def test_an_older_file_that_is_damaged_too_proves_nothing(tmp_path: Path) -> None:
    """Then the list counts as far as it can be read itself."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.append([queued("a"), queued("b")])
    journal.append([queued("c")])
    journal.renew(fold([queued("a"), queued("b"), queued("c")]))
    journal.append([queued("d")])
    journal.close()
    for name, place in (("journal.jsonl", 2), ("journal.jsonl.1", 3)):
        path = tmp_path / name
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([*lines[:place], unreadable(lines[place]), *lines[place + 1 :]]))
    report = repair(tmp_path, CLOCK, disk=quick())
    assert read_jobs(tmp_path).keys() == {"a", "c", "d"}
    assert report.listed_jobs_lost == 1
    assert len(report.aside) == 2


@pytest.mark.parametrize("call", ["create", "write", "sync", "sync_directory", "rename"])
def test_a_disk_that_fails_leaves_the_damaged_journal(tmp_path: Path, call: str) -> None:
    """It is said, the lock is free again, and a second try repairs it."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    for event in [*life("a"), queued("b")]:
        journal.append([event])
    journal.close()
    path = tmp_path / "journal.jsonl"
    content = path.read_bytes().replace(b'"submitting"', b'"submixxxng"')
    path.write_bytes(content)
    with pytest.raises(JournalUnwritable, match="cannot be used"):
        repair(tmp_path, CLOCK, disk=FaultyDisk(fault=fails_in(call)))
    assert path.read_bytes() == content
    lock_state(tmp_path).release()
    assert repair(tmp_path, CLOCK, disk=quick()).flaw is not None
    assert read_jobs(tmp_path).keys() == {"a", "b"}


def with_another_record(state_dir: Path, **changes: object) -> Path:
    """Write a damaged journal with one sealed record that this program does not know; return the file."""
    journal, _ = open_journal(state_dir, CLOCK, disk=quick())
    for event in [*life("a"), queued("b")]:
        journal.append([event])
    journal.close()
    path = state_dir / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])
    body = json.dumps({**last, **changes}, separators=(",", ":")).encode().rpartition(b',"crc"')[0]
    crc = zlib.crc32(body, int(json.loads(lines[-2])["crc"], 16))
    lines[-1] = body + b',"crc":"%08x"}\n' % crc
    path.write_bytes(b"".join([*lines[:3], unreadable(lines[3]), *lines[4:]]))
    return path


def test_a_record_of_another_version_is_no_damage(tmp_path: Path) -> None:
    """However damaged the rest is: a program that knows less must not rewrite it."""
    path = with_another_record(tmp_path, v=2)
    content = path.read_bytes()
    with pytest.raises(JournalDamaged, match="of format 2"):
        repair(tmp_path, CLOCK, disk=quick())
    assert path.read_bytes() == content


def test_a_record_that_says_nothing_is_lost(tmp_path: Path) -> None:
    """It is whole, and nobody knows what it means: it counts as lost."""
    with_another_record(tmp_path, kind="unheard of")
    report = repair(tmp_path, CLOCK, disk=quick())
    assert report.lost == 2
    assert read_jobs(tmp_path).keys() == {"a"}


def test_an_open_job_is_not_begun_anew(tmp_path: Path) -> None:
    """What does not fit it is lost, and it stays where it is known to be."""
    events = [queued("a"), *life("b")[:4], Removed("b", T0 + 20), queued("c")]
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    for event in events:
        journal.append([event])
    journal.append([Removed("a", T0 + 21)])
    journal.close()
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    chain_crc = int(json.loads(lines[-1])["crc"], 16)
    body = lines[-1].replace(b'"seq":10', b'"seq":11').replace(b'"batch":10', b'"batch":11')
    body = body.rpartition(b',"crc"')[0]
    lines.append(body + b',"crc":"%08x"}\n' % zlib.crc32(body, chain_crc))
    path.write_bytes(b"".join([*lines[:4], unreadable(lines[4]), *lines[5:]]))
    report = repair(tmp_path, CLOCK, disk=quick())
    jobs = read_jobs(tmp_path)
    assert jobs["a"].state is JobState.REMOVED
    assert (report.begun_anew, report.lost) == ((), 2)


def test_categories_outlive_a_repair(tmp_path: Path) -> None:
    """What was named before and after a record that is lost is known still, also from the older file."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.append([CategoryMade("before", T0)])
    journal.renew({})
    for event in (*life("a"), CategoryMade("after", T0)):
        journal.append([event])
    journal.close()
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[4] = unreadable(lines[4])
    path.write_bytes(b"".join(lines))
    repair(tmp_path, CLOCK, disk=quick())
    journal, jobs = open_journal(tmp_path, CLOCK, disk=quick())
    assert journal.categories == {"before", "after"}
    assert jobs["a"].state is JobState.DONE
    journal.close()
