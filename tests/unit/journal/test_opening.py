"""The start: what is mended, what is refused untouched, who is kept out."""

import errno
import json
import logging
import stat
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from offcloud_watchd.core.events import Event, Submitted, Submitting
from offcloud_watchd.core.lifecycle import fold
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import JournalDamaged, JournalUnwritable, StateLocked
from offcloud_watchd.journal import open_journal, verify
from offcloud_watchd.journal.records import Chain, Record
from tests.fakes.clock import FakeClock
from tests.fakes.disk import FaultyDisk, fails_in, quick
from tests.unit.journal.lives import T0, life, queued

CLOCK = FakeClock()
EVENTS = [*life("a"), queued("b")]
FEW = [queued("a"), Submitting("a", T0), Submitting("a", T0 + 1)]


def journal_of(state_dir: Path, events: Sequence[Event] = EVENTS, *, batch: int = 1) -> Path:
    """Write events, so many with each sync, and return the file."""
    journal, _ = open_journal(state_dir, CLOCK, disk=quick())
    for start in range(0, len(events), batch):
        journal.append(events[start : start + batch])
    journal.close()
    return state_dir / "journal.jsonl"


def opened(state_dir: Path) -> dict[str, Job]:
    """Start once and return the jobs."""
    journal, jobs = open_journal(state_dir, CLOCK, disk=quick())
    journal.close()
    return jobs


def files(state_dir: Path) -> dict[str, bytes]:
    """Return all files of the state directory."""
    return {path.name: path.read_bytes() for path in state_dir.iterdir()}


def resealed(path: Path, change: Callable[[list[Record]], None]) -> None:
    """Change the records of a file and seal them anew, as a bug of ours would have written them."""
    records: list[Record] = [json.loads(line) for line in path.read_bytes().splitlines()]
    about = json.loads(json.dumps(records[0]["data"]))
    change(records)
    chain = Chain.start(about["journal"], about["generation"], 0)
    keep = ("batch", "at", "job", "kind", "data")
    path.write_bytes(b"".join(chain.seal({name: record[name] for name in keep}) for record in records))


# --- making one ---


def test_the_first_start_makes_everything_private(tmp_path: Path) -> None:
    """A missing state directory is made, for its owner alone, with an empty journal in it."""
    state_dir = tmp_path / "var" / "state"
    journal, jobs = open_journal(state_dir, CLOCK)
    journal.close()
    assert jobs == {}
    assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((state_dir / "journal.jsonl").stat().st_mode) == 0o600
    assert opened(state_dir) == {}


def test_leftovers_of_a_compaction_are_dropped(tmp_path: Path) -> None:
    """A generation that was not finished is taken away, at a first start and at a later one."""
    for _ in range(2):
        (tmp_path / "journal.jsonl.new").write_bytes(b"half a generation")
        opened(tmp_path)
        assert set(files(tmp_path)) == {"journal.jsonl"}


def test_a_missing_journal_beside_an_older_one_is_refused(tmp_path: Path) -> None:
    """Jobs are not forgotten silently because a file was lost."""
    (tmp_path / "journal.jsonl.1").write_bytes(b"whatever")
    with pytest.raises(
        JournalDamaged, match=r"journal\.jsonl is missing although journal\.jsonl\.1 is there"
    ):
        open_journal(tmp_path, CLOCK)
    assert files(tmp_path) == {"journal.jsonl.1": b"whatever"}


def test_a_state_directory_that_is_none_is_told(tmp_path: Path) -> None:
    """A file in its place, or above it, is an error with its reason."""
    (tmp_path / "state").write_bytes(b"")
    for state_dir in (tmp_path / "state", tmp_path / "state" / "below"):
        with pytest.raises(JournalUnwritable, match=r"state directory .* cannot be used: "):
            open_journal(state_dir, CLOCK)


def test_a_journal_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """No symbolic link is followed."""
    (tmp_path / "elsewhere").write_bytes(b"")
    (tmp_path / "journal.jsonl").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(JournalUnwritable, match="symbolic links"):
        open_journal(tmp_path, CLOCK)


def test_a_first_start_that_is_not_durable_is_refused(tmp_path: Path) -> None:
    """When the directory cannot be synced there is no journal to rely on; the next start finds one."""
    with pytest.raises(JournalUnwritable, match="Input/output error"):
        open_journal(tmp_path, CLOCK, disk=FaultyDisk(fault=fails_in("sync_directory")))
    assert opened(tmp_path) == {}


def test_what_was_read_is_synced_before_it_is_used(tmp_path: Path) -> None:
    """The writer may have died before its sync: what it left is made durable, with its name, or refused."""
    journal_of(tmp_path)
    disk = quick()
    open_journal(tmp_path, CLOCK, disk=disk)[0].close()
    assert {"sync", "sync_directory"} <= set(disk.calls)
    with pytest.raises(JournalUnwritable):
        open_journal(tmp_path, CLOCK, disk=FaultyDisk(fault=fails_in("sync")))


# --- who else is there ---


def test_a_second_writer_is_kept_out(tmp_path: Path) -> None:
    """The journal itself is locked: this holds even when the lock file was deleted."""
    journal, _ = open_journal(tmp_path, CLOCK)
    with pytest.raises(StateLocked, match=r"another process has .*journal\.jsonl open"):
        open_journal(tmp_path, CLOCK)
    journal.renew({})
    with pytest.raises(StateLocked):
        open_journal(tmp_path, CLOCK)
    journal.close()
    assert opened(tmp_path) == {}


def test_a_file_replaced_while_it_is_opened_is_opened_again(tmp_path: Path) -> None:
    """A lock on a file that lost its name is worth nothing: the new one is taken."""
    path = journal_of(tmp_path)

    class Swapped(FaultyDisk):
        def lock(self, descriptor: int) -> None:
            if "lock" not in self.calls:
                copy = path.with_name("copy")
                copy.write_bytes(path.read_bytes())
                copy.rename(path)
            super().lock(descriptor)

    disk = Swapped(syncing=False)
    journal, jobs = open_journal(tmp_path, CLOCK, disk=disk)
    assert jobs == fold(EVENTS)
    assert disk.calls.count("open") == 2
    journal.append([Submitting("b", T0)])
    journal.close()
    assert opened(tmp_path) == fold([*EVENTS, Submitting("b", T0)])


# --- torn tails ---


def test_cut_at_every_byte(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Wherever the file ends, a beginning of the events is there and the rest is set aside."""
    whole = journal_of(tmp_path / "whole", FEW).read_bytes()
    lines = whole.splitlines(keepends=True)
    ends = [len(b"".join(lines[:count])) for count in range(2, len(lines) + 1)]
    for size in range(len(whole)):
        state_dir = tmp_path / str(size)
        state_dir.mkdir()
        (state_dir / "journal.jsonl").write_bytes(whole[:size])
        caplog.clear()
        assert opened(state_dir) == fold(FEW[: max(0, sum(end <= size for end in ends) - 1)])
        assert whole[:size].endswith(files(state_dir).get("journal.jsonl.torn-1", b""))
        assert len(caplog.records) == (0 if size in ends else 1)
        assert verify(state_dir).torn_bytes == 0


@pytest.mark.parametrize(
    "tail", [b"\0" * 5000, b"garbage\n", b'{"v":1,"seq":', b"\n\n\n", b"\xff" * 70, b"x" * 3_000_000 + b"\n"]
)
def test_what_is_no_record_at_the_end_is_set_aside(tmp_path: Path, tail: bytes) -> None:
    """Zeros, garbage and half a record are copied, cut off and told once; then records are appended again."""
    path = journal_of(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert opened(tmp_path) == fold(EVENTS)
    assert files(tmp_path) == {"journal.jsonl": whole, "journal.jsonl.torn-1": tail}
    path.write_bytes(whole + b"again")
    assert opened(tmp_path) == fold(EVENTS)
    assert files(tmp_path)["journal.jsonl.torn-2"] == b"again"


def test_the_warning_tells_what_and_where(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One line in the log names the file, the number of bytes, the line and the copy."""
    path = journal_of(tmp_path)
    path.write_bytes(path.read_bytes() + b"torn")
    opened(tmp_path)
    [record] = caplog.records
    assert record.getMessage() == (
        f"{path}: the last 4 bytes, from line 10 on, were not written whole; "
        "they are set aside in journal.jsonl.torn-1"
    )


def test_a_torn_batch_is_no_damage_whatever_was_lost_of_it(tmp_path: Path) -> None:
    """A disk may keep the end of a write and lose its beginning: nothing came after it, so it is torn."""
    path = journal_of(tmp_path, batch=100)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3] = bytes(len(lines[3]))
    path.write_bytes(b"".join(lines))
    assert opened(tmp_path) == fold(EVENTS[:1])


def test_the_copy_is_durable_before_the_tail_is_cut(tmp_path: Path) -> None:
    """No moment is without the torn bytes: the copy and its name are synced first."""
    path = journal_of(tmp_path)
    path.write_bytes(path.read_bytes() + b"torn")
    disk = quick()
    open_journal(tmp_path, CLOCK, disk=disk)[0].close()
    assert disk.calls[: disk.calls.index("truncate")] == [
        "open",
        "lock",
        "create",
        "write",
        "sync",
        "sync_directory",
    ]


def test_a_tail_that_cannot_be_set_aside_stays(tmp_path: Path) -> None:
    """When there is no room for the copy nothing is cut off, and the reason is told."""
    path = journal_of(tmp_path)
    path.write_bytes(path.read_bytes() + b"torn")
    before = files(tmp_path)
    with pytest.raises(JournalUnwritable, match="No space left"):
        open_journal(tmp_path, CLOCK, disk=FaultyDisk(fault=fails_in("write", errno.ENOSPC)))
    assert files(tmp_path) == before


def test_a_journal_torn_at_its_birth_is_made_anew(tmp_path: Path) -> None:
    """A first generation that never became whole held no job: it is set aside and replaced."""
    path = journal_of(tmp_path)
    header = path.read_bytes().splitlines(keepends=True)[0]
    for number, content in enumerate((b"", header[:30], header, header + b'{"v":1,"se'), 1):
        path.write_bytes(content)
        assert opened(tmp_path) == {}
        assert files(tmp_path)[f"journal.jsonl.torn-{number}"] == content
        assert verify(tmp_path).problems == ()
    assert not (tmp_path / "journal.jsonl.1").exists()


# --- damage ---


def refused(state_dir: Path, text: str) -> None:
    """Check that the start refuses, says so, and touches nothing."""
    before = files(state_dir)
    with pytest.raises(JournalDamaged) as caught:
        open_journal(state_dir, CLOCK, disk=quick())
    assert text in str(caught.value)
    assert "Nothing was changed" in str(caught.value)
    assert files(state_dir) == before


@pytest.mark.parametrize(("index", "bits"), [(0, 1), (1, 1), (2, 1), (3, 8), (4, 8)])
def test_every_flipped_bit_is_noticed(tmp_path: Path, index: int, bits: int) -> None:
    """In the last record a flipped bit makes a torn tail, in any other it is damage."""
    path = journal_of(tmp_path, FEW)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    start = len(b"".join(lines[:index]))
    for bit in range(0, 8 * len(lines[index]), 8 // bits):
        flipped = bytearray(whole)
        flipped[start + bit // 8] ^= 1 << (bit if bits == 8 else bit // 8) % 8
        path.write_bytes(flipped)
        report = verify(tmp_path)
        if index == len(lines) - 1:
            assert (report.torn_bytes, report.problems) == (len(lines[index]), ()), bit
        else:
            assert report.problems[0].line == index + 1, bit


def test_a_flipped_bit_in_the_middle_is_refused(tmp_path: Path) -> None:
    """The error names the file, the line, the byte and what to do; nothing is touched."""
    path = journal_of(tmp_path)
    content = bytearray(path.read_bytes())
    offset = len(b"".join(bytes(content).splitlines(keepends=True)[:4]))
    content[offset + 20] ^= 1
    path.write_bytes(content)
    refused(tmp_path, f"{path}, line 5, byte {offset}: ")
    refused(tmp_path, "journal verify")


@pytest.mark.parametrize("seed", range(6))
def test_lines_cannot_be_moved(tmp_path: Path, seed: int) -> None:
    """A line that is cut out, doubled, swapped, or taken from another journal is noticed by the chain."""
    path = journal_of(tmp_path / "one")
    lines = path.read_bytes().splitlines(keepends=True)
    other = journal_of(tmp_path / "other").read_bytes().splitlines(keepends=True)
    changed = [
        [*lines[:3], *lines[4:]],
        [*lines[:4], *lines[3:]],
        [*lines[:3], lines[4], lines[3], *lines[5:]],
        [*lines[:3], other[3], *lines[4:]],
        [*lines[:3], *other[3:]],
        [*lines, *other[4:]],
    ][seed]
    path.write_bytes(b"".join(changed))
    if seed == 5:  # nothing of ours stands behind it
        assert opened(tmp_path / "one") == fold(EVENTS)
    else:
        refused(tmp_path / "one", "where" if seed < 3 else "checksum")


def test_a_generation_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    """A later generation was synced before it got its name: if its jobs are not all there it is damage."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.renew(fold(EVENTS))
    journal.close()
    path = tmp_path / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    for count in range(4):
        path.write_bytes(b"".join(lines[:count]))
        refused(tmp_path, f"line {count + 1}, ")
    (tmp_path / "journal.jsonl.1").unlink()
    path.write_bytes(b"".join(lines[:3]))
    refused(tmp_path, "the file ends before its list of jobs does")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    """A journal of a later version is not touched, whatever its checksums are."""
    path = journal_of(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0].replace(b'"v":1', b'"v":2', 1) + b'{"entirely":"different"}\n')
    refused(
        tmp_path, "format 2 of the journal belongs to another version of offcloud-watchd, this one knows 1"
    )


def test_a_record_of_another_format_is_refused(tmp_path: Path) -> None:
    """A single record of another version, properly sealed, is refused too."""
    path = journal_of(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    crc = int(lines[-2][-11:-3], 16)
    body = lines[-1][: -len(b',"crc":"00000000"}\n')].replace(b'"v":1', b'"v":3', 1)
    path.write_bytes(b"".join(lines[:-1]) + body + b',"crc":"%08x"}\n' % zlib.crc32(body, crc))
    refused(tmp_path, "format 3")


def first(records: list[Record], kind: str) -> Record:
    """Return the first record of a kind."""
    return next(record for record in records if record["kind"] == kind)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda records: first(records, "submitting").update(kind="exploded"), "unknown kind 'exploded'"),
        (lambda records: first(records, "queued")["data"].pop("link"), "Queued.link: missing"),
        (lambda records: first(records, "submitted").update(job="zz"), "does not fit its job"),
        (lambda records: first(records, "end").update(data={"jobs": 3}), "0 jobs are there, another number"),
        (lambda records: first(records, "end").update(data=None), "another number"),
        (
            lambda records: first(records, "end").update(kind="queued"),
            "an event stands within the list of jobs",
        ),
        (
            lambda records: first(records, "end").update(kind="drops"),
            "drops stand behind a job that is not theirs",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_though_sealed(
    tmp_path: Path, change: Callable[[list[Record]], None], text: str
) -> None:
    """A bug of ours in the file is not folded, not skipped and not taken for a torn tail."""
    path = journal_of(tmp_path)
    resealed(path, change)
    refused(tmp_path, text)


@pytest.mark.parametrize(
    "header",
    [
        b'{"v":1,"seq":1,"data":7}\n',
        b'{"v":1,"seq":1,"data":{"journal":"x"}}\n',
        b'{"v":1,"data":{"journal":"x","generation":1}}\n',
        b'{"v":1,"seq":1,"data":{"journal":"x","generation":1},"crc":"00000000"}\n',
        b'{"v":1,"seq":1,"data":{"journal":"\\u00e9\\ud800","generation":1}}\n',
        b"[]\n",
    ],
)
def test_a_header_that_is_none_is_refused_when_records_follow(tmp_path: Path, header: bytes) -> None:
    """Without the record of its generation a file cannot be read, and what follows it is not given up."""
    path = journal_of(tmp_path)
    path.write_bytes(header + b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    refused(tmp_path, "line 1, byte 0: ")


# --- the clock ---


def test_a_clock_behind_the_journal_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A clock that was set back is worth a line in the log, and order does not depend on it."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.append([queued("a"), Submitting("a", T0 + 500)])
    journal.close()
    open_journal(tmp_path, FakeClock(time_s=T0 + 450), disk=quick())[0].close()
    assert caplog.records == []
    open_journal(tmp_path, FakeClock(time_s=T0), disk=quick())[0].close()
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "the clock is 500 s behind the newest record" in record.getMessage()


def test_a_clock_behind_is_noticed_after_a_compaction_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The jobs of a new generation remember when they changed."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    journal.renew(fold(life("a")))
    journal.close()
    open_journal(tmp_path, FakeClock(time_s=T0 - 100), disk=quick())[0].close()
    assert "the clock is 113 s behind" in caplog.text


# --- what was written by this version stays readable ---

GOLDEN = (
    (
        '{"v":1,"seq":1,"batch":1,"at":1800000000.0,"job":"","kind":"generation","data":{"journal":"dcdc'
        'faf2490ea0e1","generation":1},"crc":"b892ec90"}'
    ),
    ('{"v":1,"seq":2,"batch":1,"at":1800000000.0,"job":"","kind":"end","data":{"jobs":0},"crc":"f569c7fb"}'),
    (
        '{"v":1,"seq":3,"batch":3,"at":1800000000.0,"job":"a","kind":"queued","data":{"link":{"kind":"ur'
        'l","key":"url:https://files.invalid/a","url":"https://files.invalid/a"},"drop":{"id":"a","name"'
        ':"a.url","folder":"/drop"},"destination":{"category":"tv","directory":"/out/tv"},"release":"a"}'
        ',"crc":"d645740b"}'
    ),
    ('{"v":1,"seq":4,"batch":4,"at":1800000000.0,"job":"a","kind":"submitting","data":{},"crc":"bcc7419d"}'),
    ('{"v":1,"seq":5,"batch":5,"at":1800000001.0,"job":"a","kind":"submitting","data":{},"crc":"0d2c6eab"}'),
)


def test_a_journal_of_this_version_is_read_for_ever(tmp_path: Path) -> None:
    """Bytes that this version wrote, kept here, fold to the same jobs in all later versions."""
    (tmp_path / "journal.jsonl").write_text("".join(line + "\n" for line in GOLDEN), encoding="ascii")
    assert opened(tmp_path) == fold(FEW)


def test_submitted_by_adoption_is_remembered(tmp_path: Path) -> None:
    """Members that differ from their default survive the file."""
    journal, _ = open_journal(tmp_path, CLOCK, disk=quick())
    adopted = Submitted("a", T0, life("a")[3].submission, adopted=True)  # type: ignore[union-attr] # the fourth
    journal.append([queued("a"), adopted])
    journal.close()
    assert opened(tmp_path) == fold([queued("a"), adopted])


def test_a_long_journal_says_that_it_goes_on(tmp_path: Path) -> None:
    """Each time more of the file is read, so that a start is not taken for one that hangs."""
    path = journal_of(tmp_path, [event for number in range(400) for event in life(f"job{number}")], batch=500)
    steps: list[str] = []
    journal, jobs = open_journal(tmp_path, CLOCK, disk=quick(), going_on=lambda: steps.append("one"))
    journal.close()
    assert len(jobs) == 400
    assert len(steps) > path.stat().st_size // (1 << 18) > 0
