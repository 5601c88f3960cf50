"""The journal as the command line sees it, while the daemon writes, compacts, fails or is down."""

import errno
import gc
import os
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from offcloud_watchd.core.events import Attached, Queued, Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.core.model import Drop
from offcloud_watchd.errors import JournalDamaged, JournalUnwritable
from offcloud_watchd.journal import (
    JOURNAL_NAME,
    Follower,
    Journal,
    open_journal,
    read_history,
    read_jobs,
    verify,
)
from offcloud_watchd.journal.readers import _History
from offcloud_watchd.journal.reading import Fold, Generation, open_for_reading
from offcloud_watchd.journal.records import Translator
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk, fails_at, fails_in, quick
from tests.unit.journal.lives import T0, life, queued

CLOCK = FakeClock()


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Give an empty journal that is open."""
    opened, _ = open_journal(tmp_path, CLOCK, disk=quick())
    yield opened
    opened.close()


def kinds(state_dir: Path, job_id: str) -> list[str]:
    """Return the names in a job's history."""
    return [entry.event for entry in read_history(state_dir, job_id)]


LIFE = ["queued", "submitting", "deferred", "submitted", "cloud_ready", "published"]


def reading_meanwhile(path: Path, meanwhile: dict[int, bytes]) -> Generation:
    """Read a journal's file, while by the N-th read of it somebody has written it as it is given here."""
    generation, reads = Generation(path), count(1)

    def write() -> None:
        if (content := meanwhile.get(next(reads))) is not None:
            with path.open("r+b") as file:
                file.write(content)

    with open_for_reading(path, write) as file:
        generation.read(file, Fold(Translator()).take)
    return generation


# --- read_jobs ---


def test_no_journal_holds_no_jobs(tmp_path: Path) -> None:
    """Before the first start, or without the directory, there is nothing to show and nothing is made."""
    for state_dir in (tmp_path, tmp_path / "missing"):
        assert read_jobs(state_dir) == {}
        assert read_history(state_dir, "a") == []
        assert Follower(state_dir).jobs() == {}
    assert list(tmp_path.iterdir()) == []


def test_jobs_are_read_while_the_journal_is_open(tmp_path: Path, journal: Journal) -> None:
    """No lock is needed: what was appended is seen at once."""
    journal.append(life("a"))
    assert read_jobs(tmp_path) == fold(life("a"))


def test_a_line_that_is_written_while_it_is_read_is_no_damage(tmp_path: Path, journal: Journal) -> None:
    """The reader meets half of it; when it looks behind it the line is whole, and the next one is there."""
    path = tmp_path / JOURNAL_NAME
    journal.append([queued("a")])
    journal.append([queued("b")])
    half = path.read_bytes()[:-40]
    journal.append([queued("c")])
    whole = path.read_bytes()
    path.write_bytes(half)
    generation = reading_meanwhile(path, {3: whole})
    assert (generation.flaw, generation.offset_bytes) == (None, len(whole))
    flipped = bytearray(whole)
    flipped[len(half) - 5] ^= 1
    path.write_bytes(half)
    generation = reading_meanwhile(path, {3: bytes(flipped)})
    assert generation.flaw is not None
    assert not generation.flaw.torn


def test_a_line_that_is_being_written_is_not_there_yet(tmp_path: Path, journal: Journal) -> None:
    """Half a record at the end is passed over."""
    journal.append(life("a"))
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[-1][:50])
    assert read_jobs(tmp_path) == fold(life("a"))
    assert kinds(tmp_path, "a") == LIFE


def test_damage_is_told_to_readers_too(tmp_path: Path, journal: Journal) -> None:
    """A reader does not show half of the truth."""
    journal.append(life("a"))
    journal.append([queued("b")])
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"submitting", b"submittinG"))
    for read in (read_jobs, lambda state_dir: read_history(state_dir, "a")):
        with pytest.raises(JournalDamaged, match="line 4"):
            read(tmp_path)


def test_what_may_not_be_read_is_an_error(tmp_path: Path) -> None:
    """A journal that is a symbolic link is not followed by readers either."""
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        read_jobs(tmp_path)


# --- read_history ---


def test_the_history_tells_all_events_in_order(tmp_path: Path, journal: Journal) -> None:
    """Each event of the job, with its time and its members, and none of another job."""
    journal.append([queued("b"), *life("a")])
    history = read_history(tmp_path, "a")
    assert [entry.event for entry in history] == LIFE
    assert history[2].at == T0 + 2
    assert history[2].data == {"reason": "no answer", "retry_at": T0 + 10}
    assert kinds(tmp_path, "b") == ["queued"]
    assert kinds(tmp_path, "c") == []


def test_the_history_says_what_happened(tmp_path: Path, journal: Journal) -> None:
    """In the words of the log; a kind that a later version made up is told by its name alone."""
    journal.append(life("a"))
    texts = [entry.text for entry in read_history(tmp_path, "a")]
    assert texts[0].startswith("taken from ")
    assert texts[1] == ""
    assert texts[-1].startswith("published: ")
    history = _History("a")
    history.take({"seq": 1, "at": 1.0, "job": "a", "kind": "later", "data": {}})
    assert [(entry.event, entry.text) for _, entry in history.entries] == [("later", "")]


def test_the_history_reaches_over_two_generations(tmp_path: Path, journal: Journal) -> None:
    """The older file tells what happened before; what came before that is summed up."""
    journal.append(life("a")[:4])
    journal.renew(fold(life("a")[:4]))
    journal.append(life("a")[4:])
    assert kinds(tmp_path, "a") == LIFE
    journal.renew(fold(life("a")))
    assert kinds(tmp_path, "a") == ["carried_over", "cloud_ready", "published"]
    journal.renew(fold(life("a")))
    assert kinds(tmp_path, "a") == ["carried_over"]
    assert read_history(tmp_path, "a")[0].data["state"] == "done"


def test_records_that_were_taken_back_are_no_history(tmp_path: Path) -> None:
    """Events of an append that failed do not count, though they stand in the older file."""
    disk = FaultyDisk(syncing=False)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append([queued("a")])
    number = len(disk.calls)
    disk.fault = fails_at(number + 2, errno.EIO, lasting=True)
    with pytest.raises(JournalUnwritable):
        journal.append([Submitting("a", T0)])
    assert kinds(tmp_path, "a") == ["queued", "submitting"]
    disk.fault = lambda _number, _name: None
    journal.renew(fold([queued("a")]))
    journal.close()
    assert kinds(tmp_path, "a") == ["queued"]


def test_an_older_file_of_another_journal_is_passed_over(tmp_path: Path, journal: Journal) -> None:
    """Only the generation directly before belongs to the history."""
    journal.append(life("a")[:1])
    other, _ = open_journal(tmp_path / "other", CLOCK, disk=quick())
    other.append(life("a"))
    other.close()
    journal.renew(fold(life("a")[:1]))
    for content in ((tmp_path / "other" / "journal.jsonl").read_bytes(), b"garbage", b""):
        (tmp_path / "journal.jsonl.1").write_bytes(content)
        assert kinds(tmp_path, "a") == ["carried_over"]
    (tmp_path / "journal.jsonl.1").unlink()
    assert kinds(tmp_path, "a") == ["carried_over"]


def test_an_unfinished_exchange_does_not_double_the_history(tmp_path: Path, journal: Journal) -> None:
    """When a compaction ended between its steps both names stand for one file; it is told once."""
    journal.append(life("a"))
    os.link(tmp_path / "journal.jsonl", tmp_path / "journal.jsonl.1")
    assert kinds(tmp_path, "a") == LIFE


def test_a_job_of_many_drops_is_carried_over_once(tmp_path: Path, journal: Journal) -> None:
    """Records that only continue another one are no entries of their own."""
    happened = [queued("a"), *[Attached("a", T0, Drop(str(n), f"{n}.url", "/drop")) for n in range(30)]]
    journal.renew(fold(happened))
    assert kinds(tmp_path, "a") == ["carried_over"]


def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path: Path, journal: Journal) -> None:
    """A program that runs without it keeps running without it."""
    journal.append([queued("a")])
    read_jobs(tmp_path)
    assert gc.isenabled()
    gc.disable()
    try:
        read_jobs(tmp_path)
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- Follower ---


def test_a_follower_sees_what_is_added(tmp_path: Path, journal: Journal) -> None:
    """Each look brings the jobs up to date, also over a new generation."""
    follower = Follower(tmp_path)
    assert follower.jobs() == {}
    for number in range(1, 7):
        journal.append(life("a")[number - 1 : number])
        assert follower.jobs() == fold(life("a")[:number])
        assert follower.jobs() == fold(life("a")[:number])
    journal.renew(fold([*life("a"), queued("b")]))
    assert follower.jobs() == fold([*life("a"), queued("b")])
    journal.append([Submitting("b", T0)])
    assert follower.jobs() == fold([*life("a"), queued("b"), Submitting("b", T0)])


def test_a_follower_reads_only_what_was_added(tmp_path: Path, journal: Journal) -> None:
    """What was read once is not looked at again: it may even be destroyed."""
    for event in life("a"):
        journal.append([event])
    follower = Follower(tmp_path)
    follower.jobs()
    path = tmp_path / "journal.jsonl"
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 10] = b"x" * 10
    path.write_bytes(content)
    assert follower.jobs() == fold(life("a"))
    with pytest.raises(JournalDamaged):
        Follower(tmp_path).jobs()


def test_a_follower_waits_for_the_rest_of_a_line(tmp_path: Path, journal: Journal) -> None:
    """A record that is being written is taken when it is whole."""
    follower = Follower(tmp_path)
    path = tmp_path / "journal.jsonl"
    journal.append([queued("a")])
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert follower.jobs() == {}
    path.write_bytes(whole)
    assert follower.jobs() == fold([queued("a")])


def test_a_follower_takes_back_what_the_daemon_took_back(tmp_path: Path) -> None:
    """A record that was seen but never became durable disappears again, however the file went on."""
    disk = FaultyDisk(syncing=False)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    follower = Follower(tmp_path)
    journal.append([queued("a")])
    path = tmp_path / "journal.jsonl"
    before = path.read_bytes()
    journal.append([queued("b")])
    assert set(follower.jobs()) == {"a", "b"}
    path.write_bytes(before)
    assert follower.jobs() == fold([queued("a")])
    journal.close()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    assert follower.jobs() == fold([queued("a")])
    journal.append([queued("c"), queued("d")])
    path.write_bytes(before)
    follower.jobs()
    journal.close()
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append([queued("longer-than-the-one-that-was-read-before"), queued("e"), queued("f")])
    assert set(follower.jobs()) == {"a", "longer-than-the-one-that-was-read-before", "e", "f"}
    journal.close()


def test_a_follower_notices_other_records_in_the_place_of_those_it_read(tmp_path: Path) -> None:
    """When what was read is not in the file any more all is read anew, whatever stands in its place."""
    one, _ = open_journal(tmp_path, CLOCK, disk=quick())
    one.append([queued("a")])
    path = tmp_path / "journal.jsonl"
    before = path.read_bytes()
    one.append([queued("b")])
    follower = Follower(tmp_path)
    assert set(follower.jobs()) == {"a", "b"}
    one.close()
    path.write_bytes(before)
    two, _ = open_journal(tmp_path, CLOCK, disk=quick())
    two.append([queued("c")])
    two.append([queued("d")])
    assert set(follower.jobs()) == {"a", "c", "d"}
    two.close()


def test_a_follower_outlives_a_missing_journal(tmp_path: Path) -> None:
    """Without a file there are no jobs, and a new file is read from its beginning."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.append([queued("a")])
    follower = Follower(tmp_path)
    assert set(follower.jobs()) == {"a"}
    (tmp_path / "journal.jsonl").unlink()
    assert follower.jobs() == {}
    journal.renew(fold([queued("b")]))
    assert set(follower.jobs()) == {"b"}
    journal.close()


def test_readers_see_a_consistent_view_while_the_daemon_works(tmp_path: Path) -> None:
    """While records are appended and generations exchanged, no look fails and no job is missed or lost."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    happened = [queued(f"{number:04}") for number in range(400)]
    recorded: list[Queued] = []

    def work() -> None:
        for number, event in enumerate(happened):
            journal.append([event])
            recorded.append(event)
            if number % 10 == 9:
                journal.renew(fold(recorded))

    writer = threading.Thread(target=work)
    writer.start()
    follower, looks = Follower(tmp_path), 0
    while looks < 3 or writer.is_alive():
        looks += 1
        at_least = len(recorded)
        for jobs in (read_jobs(tmp_path), follower.jobs()):
            assert len(jobs) >= at_least
            assert list(jobs) == [event.job_id for event in happened[: len(jobs)]]
        assert kinds(tmp_path, "0000")[:1] in ([], ["queued"], ["carried_over"])
        assert verify(tmp_path).problems == ()
    writer.join()
    journal.close()
    assert follower.jobs() == fold(happened)


# --- verify ---


def test_a_sound_journal_has_no_problems(tmp_path: Path, journal: Journal) -> None:
    """The report counts what is there."""
    journal.append(life("a"))
    journal.renew(fold(life("a")))
    journal.append([queued("b")])
    report = verify(tmp_path)
    path = tmp_path / "journal.jsonl"
    assert report.path == path
    assert (report.generation, report.records, report.jobs) == (2, 4, 2)
    assert (report.size_bytes, report.torn_bytes, report.problems) == (path.stat().st_size, 0, ())


def test_a_torn_tail_is_reported_and_left_alone(tmp_path: Path, journal: Journal) -> None:
    """What the next start will set aside is no problem and is not touched."""
    journal.append(life("a"))
    path = tmp_path / "journal.jsonl"
    content = path.read_bytes() + b"torn"
    path.write_bytes(content)
    report = verify(tmp_path)
    assert (report.torn_bytes, report.problems, report.size_bytes) == (4, (), len(content))
    assert path.read_bytes() == content


def test_all_damaged_lines_are_named(tmp_path: Path, journal: Journal) -> None:
    """Each bad line is listed with its place, and the good ones between them are not."""
    for event in life("a"):
        journal.append([event])
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = lines[3].replace(b"submitting", b"submittinG")
    lines[6] = b"garbage\n"
    path.write_bytes(b"".join(lines))
    report = verify(tmp_path)
    offset = len(b"".join(lines[:6]))
    assert [(flaw.line, flaw.offset_bytes) for flaw in report.problems] == [
        (4, len(b"".join(lines[:3]))),
        (7, offset),
    ]
    assert report.problems[1].what == "the line is not a record"
    assert report.jobs == 1


def test_a_hopeless_file_does_not_fill_the_screen(tmp_path: Path, journal: Journal) -> None:
    """The list of problems ends at a hundred."""
    journal.append([queued("a")])
    journal.append([queued("b")])
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *[b"garbage\n"] * 5000, *lines[2:]]))
    assert len(verify(tmp_path).problems) == 100


def test_nothing_to_verify_is_an_error(tmp_path: Path) -> None:
    """Without a journal there is no report."""
    with pytest.raises(FileNotFoundError):
        verify(tmp_path)


def test_reading_needs_no_right_to_write(tmp_path: Path, journal: Journal) -> None:
    """Readers open nothing for writing, so another user of the group may look when modes allow it."""
    journal.append(life("a"))
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    read_jobs(tmp_path)
    read_history(tmp_path, "a")
    verify(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_failed_sync_is_not_hidden_from_the_next_start(tmp_path: Path) -> None:
    """What could not be synced is cut off, so that a restart does not believe the page cache."""
    disk = FaultyDisk(syncing=False)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    disk.fault = fails_in("sync")
    with pytest.raises(JournalUnwritable):
        journal.append([queued("a")])
    journal.close()
    assert read_jobs(tmp_path) == {}
