"""Appending and renewing: what is durable when, and the way back after every failure."""

import contextlib
import errno
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd.core.events import Deferred, Event, Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.core.model import Drop, Job, JobState
from offcloud_watchd.errors import JournalUnwritable
from offcloud_watchd.journal import open_journal, read_jobs, verify
from offcloud_watchd.journal.disk import Disk
from tests.fakes.clock import FakeClock
from tests.fakes.disk import Died, FaultyDisk, PowerDisk, dies_at, fails_at, fails_in, quick
from tests.unit.journal.lives import Owner, life, patiently, queued

CLOCK = FakeClock()


def reopened(state_dir: Path) -> dict[str, Job]:
    """Return what a new start reads."""
    journal, jobs = open_journal(state_dir, CLOCK, disk=quick())
    journal.close()
    return jobs


def names(state_dir: Path) -> list[str]:
    """Return the files of the state directory."""
    return sorted(path.name for path in state_dir.iterdir())


# --- append ---


def test_what_was_appended_is_there_at_the_next_start(tmp_path: Path) -> None:
    """The next start folds to the jobs the events leave."""
    journal, jobs = open_journal(tmp_path, CLOCK)
    assert jobs == {}
    journal.append(life("a"))
    journal.append([queued("b")])
    journal.close()
    assert reopened(tmp_path) == fold([*life("a"), queued("b")])


def test_one_append_is_one_write_and_one_sync(tmp_path: Path) -> None:
    """All events of a batch share the one wait for the disk."""
    disk = quick()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.calls.clear()
    journal.append(life("a"))
    assert disk.calls == ["write", "sync"]


def test_an_empty_append_does_nothing(tmp_path: Path) -> None:
    """No events, no write."""
    disk = quick()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.calls.clear()
    journal.append([])
    assert disk.calls == []


def test_lines_are_ascii_json_for_other_tools(tmp_path: Path) -> None:
    """Each line is an object that any JSON tool reads, with the promised members in order."""
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.append(life("a"))
    lines = (tmp_path / "journal.jsonl").read_bytes().decode("ascii").splitlines()
    records = [json.loads(line) for line in lines]
    assert [record["seq"] for record in records] == list(range(1, len(lines) + 1))
    assert {tuple(record) for record in records} == {
        ("v", "seq", "batch", "at", "job", "kind", "data", "crc")
    }


def test_a_short_write_is_continued(tmp_path: Path) -> None:
    """A disk that takes a few bytes at a time gets the rest."""

    class Slow(Disk):
        def write(self, descriptor: int, chunk: memoryview) -> int:
            return super().write(descriptor, chunk[:7])

    journal, _ = open_journal(tmp_path, CLOCK, disk=Slow())
    journal.append(life("a"))
    assert read_jobs(tmp_path) == fold(life("a"))


@pytest.mark.parametrize("call", ["write", "sync"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS])
def test_a_failed_append_leaves_nothing_behind(tmp_path: Path, call: str, code: int) -> None:
    """After a failed write or sync none of the events is in the file, and the reason is told."""
    disk = FaultyDisk(part=50)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append([queued("a")])
    disk.fault = fails_in(call, code)
    with pytest.raises(JournalUnwritable, match=f"1 records were not written: {os.strerror(code)}"):
        journal.append([queued("b")])
    assert read_jobs(tmp_path) == fold([queued("a")])
    assert verify(tmp_path).torn_bytes == 0


def test_a_file_that_failed_is_not_trusted_again(tmp_path: Path) -> None:
    """A retry that works proves nothing: only a new generation makes appends possible again."""
    disk = quick()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.fault = fails_in("sync")
    with pytest.raises(JournalUnwritable):
        journal.append([queued("a")])
    disk.fault = lambda _number, _name: None
    disk.calls.clear()
    with pytest.raises(JournalUnwritable, match="not trusted any more"):
        journal.append([queued("a")])
    assert disk.calls == []
    journal.renew({})
    journal.append([queued("b")])
    assert read_jobs(tmp_path) == fold([queued("b")])


def test_a_failure_that_cannot_be_cut_back_is_outlived(tmp_path: Path) -> None:
    """Even when the half-written record stays in the file, the next generation does not hold it."""
    disk = FaultyDisk(part=30)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    number = len(disk.calls)
    disk.fault = fails_at(number + 1, errno.EIO, lasting=True)
    with pytest.raises(JournalUnwritable):
        journal.append([queued("a")])
    assert verify(tmp_path).torn_bytes == 30
    disk.fault = lambda _number, _name: None
    journal.renew({})
    assert read_jobs(tmp_path) == {}


def test_an_event_too_long_for_a_record_is_a_bug(tmp_path: Path) -> None:
    """It is refused before anything is touched, and the journal goes on."""
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.append([queued("a")])
    with pytest.raises(ValueError, match=r"Deferred of job a: a record of \d+ bytes"):
        journal.append([Submitting("a", 1.0), Deferred("a", 1.0, "x" * (1 << 20), 0.0)])
    for unfit in (Deferred("a", 1.0, "x" * (1 << 20), 0.0), Submitting("a", float("nan"))):
        with pytest.raises(ValueError, match=r"record of|Out of range"):
            journal.check(unfit)
    journal.check(Submitting("a", 2.0))
    journal.append([Submitting("a", 2.0)])
    assert read_jobs(tmp_path) == fold([queued("a"), Submitting("a", 2.0)])


def deleted(path: Path) -> None:
    """Delete the journal."""
    path.unlink()


def replaced(path: Path) -> None:
    """Put a copy in the journal's place, as editors do."""
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.rename(path)


def cut(path: Path) -> None:
    """Empty the journal."""
    os.truncate(path, 0)


def written_to(path: Path) -> None:
    """Append to the journal."""
    with path.open("ab") as file:
        file.write(b"hello\n")


@pytest.mark.parametrize(
    ("meddle", "reason"),
    [
        (deleted, "deleted or replaced"),
        (replaced, "deleted or replaced"),
        (cut, "cut or written to"),
        (written_to, "cut or written to"),
    ],
)
def test_meddling_is_noticed(tmp_path: Path, meddle: Callable[[Path], None], reason: str) -> None:
    """When somebody changes the file under our hands no record is lost into it."""
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.append([queued("a")])
    meddle(tmp_path / "journal.jsonl")
    with pytest.raises(JournalUnwritable, match=reason):
        journal.append([queued("b")])
    journal.renew(fold([queued("a")]))
    journal.append([queued("b")])
    journal.close()
    assert reopened(tmp_path) == fold([queued("a"), queued("b")])


def test_a_state_directory_that_vanished_is_told(tmp_path: Path) -> None:
    """An unreachable path is a failure like any other, not a crash."""
    state_dir = tmp_path / "state"
    journal, _ = open_journal(state_dir, CLOCK)
    (tmp_path / "state").rename(tmp_path / "elsewhere")
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(JournalUnwritable, match="cannot be looked at"):
        journal.append([queued("a")])
    with pytest.raises(JournalUnwritable, match="a new generation"):
        journal.renew({})


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    """After closing, which may be repeated, an append is refused."""
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.close()
    journal.close()
    with pytest.raises(JournalUnwritable, match="is closed"):
        journal.append([queued("a")])


# --- renew ---


def test_a_new_generation_holds_the_jobs_and_goes_on(tmp_path: Path) -> None:
    """Jobs, numbers and appends continue in the new file, and the old one is kept beside it."""
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.append(life("a"))
    before = verify(tmp_path)
    journal.renew(fold(life("a")))
    journal.append([queued("b")])
    journal.close()
    assert reopened(tmp_path) == fold([*life("a"), queued("b")])
    assert names(tmp_path) == ["journal.ballast", "journal.jsonl", "journal.jsonl.1"]
    after = verify(tmp_path)
    assert (before.generation, after.generation) == (1, 2)
    first = json.loads((tmp_path / "journal.jsonl").read_bytes().splitlines()[0])
    assert first["seq"] == before.records + 1


def test_a_job_with_many_drops_survives_renewal(tmp_path: Path) -> None:
    """Drops that do not fit into one record are put together again."""
    drops = tuple(Drop(str(number), f"{number}.url", "/drop") for number in range(100))
    [job] = fold([queued("a")]).values()
    many = Job(job.id, job.link, drops, job.destination, None, JobState.DONE, 1.0, 2.0)
    journal, _ = open_journal(tmp_path, CLOCK)
    journal.renew({"a": many, "b": fold([queued("b")])["b"]})
    journal.close()
    assert reopened(tmp_path) == {"a": many, "b": fold([queued("b")])["b"]}


def test_a_large_generation_is_written_in_pieces(tmp_path: Path) -> None:
    """Many jobs do not need one large piece of memory, all arrive, and each piece is a sign of life."""
    disk = quick()
    steps: list[str] = []
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk, going_on=lambda: steps.append("one"))
    jobs = fold([queued(f"{number:012}") for number in range(5000)])
    disk.calls.clear()
    journal.renew(jobs)
    assert steps
    assert disk.calls.count("write") > 1
    assert disk.calls.count("sync") == 1
    assert read_jobs(tmp_path) == jobs


def test_the_old_file_stays_in_use_when_renewal_fails(tmp_path: Path) -> None:
    """A compaction that finds no room is told, leaves no temporary file, and appends go on."""
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append([queued("a")])
    disk.fault = fails_in("write", errno.ENOSPC)
    with pytest.raises(JournalUnwritable, match="with 1 jobs was not written: No space left"):
        journal.renew(fold([queued("a")]))
    disk.fault = lambda _number, _name: None
    assert names(tmp_path) == ["journal.jsonl"]
    journal.append([queued("b")])
    assert read_jobs(tmp_path) == fold([queued("a"), queued("b")])


def test_a_name_that_is_not_durable_is_not_trusted(tmp_path: Path) -> None:
    """When the directory cannot be synced nothing is appended until a further renewal worked."""
    disk = FaultyDisk()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.fault = fails_in("sync_directory")
    with pytest.raises(JournalUnwritable, match="its name is not durable"):
        journal.renew({})
    with pytest.raises(JournalUnwritable):
        journal.append([queued("a")])
    disk.fault = lambda _number, _name: None
    journal.renew({})
    journal.append([queued("a")])
    assert verify(tmp_path).generation == 3


def test_no_older_generation_without_hard_links(tmp_path: Path) -> None:
    """A file system that has no hard links costs the older generation and nothing else."""
    disk = FaultyDisk(fault=fails_in("link", errno.EPERM))
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.renew(fold([queued("a")]))
    assert names(tmp_path) == ["journal.jsonl"]
    assert read_jobs(tmp_path) == fold([queued("a")])


def test_compaction_is_wanted_when_it_pays(tmp_path: Path) -> None:
    """Only a file that is large and has grown far beyond its list of jobs asks for a new generation."""
    disk = quick()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    assert not journal.wants_compaction
    journal.append([queued("a"), *[Deferred("a", 1.0, "x" * 100_000, 0.0)] * 90])
    assert journal.wants_compaction
    journal.renew(read_jobs(tmp_path))
    assert not journal.wants_compaction


def test_compaction_waits_for_room_on_the_disk(tmp_path: Path) -> None:
    """On a nearly full disk, or one that does not tell, the file just grows on."""
    disk = quick()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append([queued("a"), *[Deferred("a", 1.0, "x" * 100_000, 0.0)] * 90])

    class Full(FaultyDisk):
        def free_bytes(self, path: Path) -> int:
            return 20 << 20

    journal.close()
    journal, _ = open_journal(tmp_path, CLOCK, disk=Full(syncing=False))
    assert not journal.wants_compaction
    journal.close()
    journal, _ = open_journal(tmp_path, CLOCK, disk=FaultyDisk(fault=fails_in("free_bytes")))
    assert not journal.wants_compaction


# --- every fault at every call ---


def story(state_dir: Path, disk: FaultyDisk, owners: list[Owner]) -> None:
    """Start, record, compact, record, start again, record: all that a journal goes through."""
    for round_ in range(2):
        owner = Owner(open_journal(state_dir, CLOCK, disk=disk)[0])
        owner.done = owners[-1].done if owners else []
        owners.append(owner)
        first, *rest = life(f"{round_}")
        owner.record(first)
        owner.record(*rest)
        owner.journal.renew(owner.jobs)
        owner.record(queued(f"b{round_}"))
        owner.journal.close()


def all_events() -> list[Event]:
    """Return the events of the story in order."""
    return [*life("0"), queued("b0"), *life("1"), queued("b1")]


def calls_of_the_story(tmp_path: Path) -> int:
    """Count the calls of an undisturbed run."""
    disk = quick()
    story(tmp_path / "count", disk, [])
    return len(disk.calls)


def check(jobs: dict[str, Job], done: list[Event]) -> None:
    """Every recorded event is there, and nothing but a beginning of what was to be recorded."""
    events = all_events()
    assert events[: len(done)] == done
    assert jobs in [fold(events[:count]) for count in range(len(done), len(events) + 1)]


def test_death_at_every_call(tmp_path: Path) -> None:
    """Whatever call the process dies before, the next start has all that was recorded."""
    for number in range(1, calls_of_the_story(tmp_path) + 1):
        state_dir = tmp_path / str(number)
        state_dir.mkdir()
        owners: list[Owner] = []
        disk = FaultyDisk(fault=dies_at(number), part=40, syncing=False)
        with pytest.raises(Died):
            story(state_dir, disk, owners)
        for owner in owners:
            owner.journal.close()
        check(reopened(state_dir), owners[-1].done if owners else [])


@pytest.mark.parametrize("lasting", [False, True])
def test_an_error_at_every_call(tmp_path: Path, *, lasting: bool) -> None:
    """Whatever call fails, once or from then on, nothing recorded is lost and only one class is raised."""
    for number in range(1, calls_of_the_story(tmp_path) + 1):
        state_dir = tmp_path / str(number)
        state_dir.mkdir()
        owners: list[Owner] = []
        disk = FaultyDisk(fault=fails_at(number, errno.EIO, lasting=lasting), part=40, syncing=False)
        with contextlib.suppress(JournalUnwritable):
            story(state_dir, disk, owners)
        for owner in owners:
            owner.journal.close()
        check(reopened(state_dir), owners[-1].done if owners else [])


def test_power_loss_at_every_call(tmp_path: Path) -> None:
    """Whatever the disk kept of what was not synced, the next start has all that was recorded."""
    states = 0
    for number in range(1, calls_of_the_story(tmp_path) + 1):
        state_dir = tmp_path / str(number)
        state_dir.mkdir()
        owners: list[Owner] = []
        disk = PowerDisk(fault=dies_at(number), part=40)
        with pytest.raises(Died):
            story(state_dir, disk, owners)
        done = owners[-1].done if owners else []
        for aftermath in disk.aftermaths():
            states += 1
            after = tmp_path / f"{number}-{states}"
            after.mkdir()
            for name, content in aftermath.items():
                (after / name).write_bytes(content)
            check(reopened(after), done)
        disk.forget()
    assert states > 100


def test_the_owner_recovers_from_one_error_at_any_append(tmp_path: Path) -> None:
    """One error in an append is overcome by a new generation, within the same run, with nothing lost."""
    for number in range(1, 3):
        disk = FaultyDisk(part=40, syncing=False)
        state_dir = tmp_path / str(number)
        owner = Owner(open_journal(state_dir, CLOCK, disk=disk)[0])
        owner.record(queued("a"))
        disk.fault = fails_at(len(disk.calls) + number, errno.EIO)
        assert patiently(lambda: owner.record(queued("b")))  # noqa: B023 - called at once
        owner.record(queued("c"))
        owner.journal.close()
        assert reopened(state_dir) == fold([queued("a"), queued("b"), queued("c")])


def test_nothing_private_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither a failure nor a torn tail puts a submitted link into the log or an error."""
    caplog.set_level(logging.DEBUG)
    disk = FaultyDisk(part=200)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.fault = fails_at(len(disk.calls) + 1, errno.EIO, lasting=True)
    with pytest.raises(JournalUnwritable) as caught:
        journal.append([queued("secret")])
    journal.close()
    open_journal(tmp_path, CLOCK)[0].close()
    assert "set aside" in caplog.text
    assert "files.invalid" not in caplog.text + str(caught.value)
