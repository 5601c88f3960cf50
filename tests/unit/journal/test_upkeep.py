"""What an operator asks of the journal while no daemon runs: a smaller file, all records in plain words."""

from pathlib import Path

import pytest

from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.errors import JournalDamaged, JournalUnwritable, StateLocked
from offcloud_watchd.journal import compact, export, lock_state, open_journal, read_jobs, repair, verify
from offcloud_watchd.journal.records import Record
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk, fails_in, quick
from tests.unit.journal.lives import life, queued

CLOCK = FakeClock()


def made(state_dir: Path, *, renewed: bool = True) -> Path:
    """Make a journal of two jobs, in two generations."""
    journal, _ = open_journal(state_dir, CLOCK, disk=quick())
    journal.append(life("a"))
    if renewed:
        journal.renew(fold(life("a")))
    journal.append([queued("b")])
    journal.close()
    return state_dir / "journal.jsonl"


def exported(state_dir: Path) -> list[Record]:
    """Return what is exported."""
    records: list[Record] = []
    export(state_dir, records.append)
    return records


def test_compacting_keeps_the_jobs(tmp_path: Path) -> None:
    """The file gets smaller, the one before it is kept, and doing it again is harmless."""
    path = made(tmp_path, renewed=False)
    before = path.read_bytes()
    done = compact(tmp_path, CLOCK, disk=quick())
    assert (done.path, done.jobs, done.before_bytes) == (path, 2, len(before))
    assert done.after_bytes == path.stat().st_size < done.before_bytes
    assert (tmp_path / "journal.jsonl.1").read_bytes() == before
    assert read_jobs(tmp_path) == fold([*life("a"), queued("b")])
    assert compact(tmp_path, CLOCK, disk=quick()).jobs == 2
    assert verify(tmp_path).problems == ()


@pytest.mark.parametrize("act", [compact, repair])
def test_not_while_a_daemon_runs(tmp_path: Path, act) -> None:
    """Whoever holds the state is left alone, and afterwards the lock is free again."""
    path = made(tmp_path)
    before = path.read_bytes()
    path.write_bytes(before[:40] + b"?" + before[41:])
    lock = lock_state(tmp_path)
    with pytest.raises(StateLocked):
        act(tmp_path, CLOCK)
    lock.release()
    assert path.stat().st_size == len(before)
    repair(tmp_path, CLOCK)
    lock_state(tmp_path).release()


def test_damage_is_not_compacted(tmp_path: Path) -> None:
    """It is refused and nothing is touched."""
    path = made(tmp_path)
    content = path.read_bytes().replace(b'"kind"', b'"kimd"', 1)
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="journal repair"):
        compact(tmp_path, CLOCK, disk=quick())
    assert path.read_bytes() == content


@pytest.mark.parametrize("act", [lambda path: compact(path, CLOCK), exported])
def test_where_there_is_none(tmp_path: Path, act) -> None:
    """Nothing is made."""
    with pytest.raises(FileNotFoundError):
        act(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_all_that_happened_is_exported(tmp_path: Path) -> None:
    """Both files as one story, numbered without a gap but for the list between them."""
    made(tmp_path)
    records = exported(tmp_path)
    assert [record["kind"] for record in records] == [
        *("queued", "submitting", "deferred", "submitted", "cloud_ready", "published"),
        "queued",
    ]
    assert [record["job"] for record in records] == [*"aaaaaa", "b"]
    assert set(records[0]) == {"seq", "at", "job", "kind", "data"}


def test_without_an_older_file_the_list_is_exported(tmp_path: Path) -> None:
    """It stands for what came before; the file of another journal is passed over."""
    made(tmp_path)
    (tmp_path / "journal.jsonl.1").unlink()
    assert [record["kind"] for record in exported(tmp_path)] == ["job", "queued"]
    other = made(tmp_path / "other", renewed=False)
    (tmp_path / "journal.jsonl.1").write_bytes(other.read_bytes())
    assert [record["kind"] for record in exported(tmp_path)] == ["job", "queued"]


def test_what_was_taken_back_is_not_exported(tmp_path: Path) -> None:
    """A record that a failed sync left in the older file was never acknowledged."""
    failing = {"sync", "truncate"}
    disk = FaultyDisk(syncing=False)
    journal, _ = open_journal(tmp_path, CLOCK, disk=disk)
    journal.append(life("a"))
    disk.fault = lambda _number, name: fails_in(name)(0, name) if name in failing else None
    with pytest.raises(JournalUnwritable):
        journal.append([queued("never")])
    failing.clear()
    journal.renew(fold(life("a")))
    journal.append([queued("b")])
    journal.close()
    assert b"never" in (tmp_path / "journal.jsonl.1").read_bytes()
    assert [record["job"] for record in exported(tmp_path)] == [*"aaaaaa", "b"]


def test_damage_ends_an_export(tmp_path: Path) -> None:
    """What stands before it is handed over, then it is said."""
    path = made(tmp_path, renewed=False)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], lines[4].replace(b"kind", b"kimd"), *lines[5:]]))
    records: list[Record] = []
    with pytest.raises(JournalDamaged):
        export(tmp_path, records.append)
    assert [record["kind"] for record in records] == ["queued", "submitting"]


def test_accepted_drops_without_a_job_are_kept(tmp_path: Path) -> None:
    """The next start would sweep them away; those of a job stay where they are."""
    path = made(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], lines[1].replace(b"kind", b"kimd"), *lines[2:]]))
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / ("0" * 64)).write_bytes(b"lost")
    (spool / ".half").write_bytes(b"")
    report = repair(tmp_path, CLOCK)
    assert report.spool_aside == (tmp_path / "spool.damaged-1" / ("0" * 64),)
    assert report.spool_aside[0].read_bytes() == b"lost"
    assert [one.name for one in spool.iterdir()] == [".half"]
    assert [one.name for one in report.aside] == ["journal.jsonl.damaged-1", "journal.jsonl.1.damaged-1"]
