"""Every way to damage a journal: noticed, with one defined end, and repaired as far as anything is proven.

The defined end of a start: a torn tail is set aside and the jobs are those of a prefix; anything else is
``JournalDamaged`` with nothing touched. The defined end of a repair: a journal that opens, the damaged one
beside it, no job that is not proven, and nothing that could be posted twice.
"""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from offcloud_watchd.core.events import Attached, Event, Failed, Queued, Removed, Requeued, Submitting
from offcloud_watchd.core.lifecycle import IllegalTransition, fold
from offcloud_watchd.core.model import Drop, Job, JobState
from offcloud_watchd.errors import JournalDamaged
from offcloud_watchd.journal import Repair, open_journal, read_jobs, repair, verify
from tests.fakes.clock import FakeClock
from tests.fakes.disk import quick
from tests.unit.journal.lives import T0, life, queued

CLOCK = FakeClock()
PAST: list[Event] = [
    *life("a"),
    queued("b"),
    queued("m"),
    *(Attached("m", T0, Drop(f"m{number}", "m.url", "/drop")) for number in range(9)),
]
FUTURE: list[Event] = [
    queued("c"),
    Submitting("b", T0 + 20),
    *life("d"),
    Requeued("a", T0 + 30),
    Submitting("c", T0 + 31),
    Failed("m", T0 + 32, "no"),
    queued("e"),
    Removed("d", T0 + 33),
    Submitting("e", T0 + 34),
]
JOBS = fold([*PAST, *FUTURE])


@dataclass(frozen=True)
class Original:
    """A sound journal: a state directory to copy, the lines of its file and where its events begin."""

    state_dir: Path
    lines: Sequence[bytes]
    events_from: int

    @property
    def content(self) -> bytes:
        """The whole file."""
        return b"".join(self.lines)

    def prefix(self, lines: int) -> dict[str, Job]:
        """Return the jobs of the first so many lines."""
        return fold([*PAST, *FUTURE[: max(0, lines - self.events_from)]])


def written(state_dir: Path, past: Sequence[Event], future: Sequence[Event]) -> Original:
    """Write a journal of two generations."""
    journal, _ = open_journal(state_dir, CLOCK, disk=quick())
    journal.append(past)
    journal.renew(fold(past))
    events_from = len((state_dir / "journal.jsonl").read_bytes().splitlines())
    for event in future:
        journal.append([event])
    journal.close()
    lines = (state_dir / "journal.jsonl").read_bytes().splitlines(keepends=True)
    return Original(state_dir, lines, events_from)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Give the journal that is damaged."""
    return written(tmp_path_factory.mktemp("original"), PAST, FUTURE)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Original:
    """Give the journal of another daemon, alike in everything but its jobs."""
    past = [*life("u"), queued("v"), queued("w"), queued("x")]
    future: list[Event] = [queued("y"), Submitting("v", T0 + 20), *life("z"), Submitting("y", T0 + 31)]
    return written(tmp_path_factory.mktemp("foreign"), past, future)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)


def damaged(original: Original, state_dir: Path, content: bytes | None, *, older: bool = True) -> Path:
    """Make a state directory with other content of the journal; None: the file is missing."""
    shutil.rmtree(state_dir, ignore_errors=True)
    shutil.copytree(original.state_dir, state_dir)
    if content is None:
        (state_dir / "journal.jsonl").unlink()
    else:
        (state_dir / "journal.jsonl").write_bytes(content)
    if not older:
        (state_dir / "journal.jsonl.1").unlink()
    return state_dir


def files(state_dir: Path) -> dict[str, bytes]:
    """Return what stands in the directory, but for the lock."""
    return {path.name: path.read_bytes() for path in state_dir.iterdir() if path.name != "lock"}


def started(state_dir: Path) -> dict[str, Job] | None:
    """Start; return the jobs, None when it is refused, and then nothing was touched."""
    before = files(state_dir)
    try:
        journal, jobs = open_journal(state_dir, CLOCK, disk=quick())
    except JournalDamaged:
        assert files(state_dir) == before
        return None
    journal.close()
    return jobs


def repaired(state_dir: Path) -> tuple[Repair, dict[str, Job]]:
    """Repair; return the report and the jobs, held against the laws of a repair."""
    before = files(state_dir)
    report = repair(state_dir, CLOCK, disk=quick())
    jobs = read_jobs(state_dir)
    if report.flaw is None:
        assert files(state_dir) == before
        return report, jobs
    copies = {path.read_bytes() for path in report.aside}
    assert copies == {content for name, content in before.items() if name.startswith("journal.jsonl")}
    assert verify(state_dir).problems == ()
    assert started(state_dir) == jobs
    assert report.jobs == len(jobs)
    assert jobs.keys() <= JOBS.keys() | {"d"}, "a job that never was"
    assert not jobs.keys() & set(report.unknown)
    if report.lost:
        assert all(job.unsure for job in jobs.values() if job.state is JobState.QUEUED)
    assert repair(state_dir, CLOCK, disk=quick()).flaw is None
    return report, jobs


# --- one bit ---


def flips(content: bytes, stride: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """Give the content with one bit flipped, for every ``stride``-th bit; and the number of the bit."""
    for bit in range(first, 8 * len(content), stride):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(flipped)


def survives_flips(original: Original, state_dir: Path, stride: int) -> None:
    """Flip bits all over the file: in the last record a torn tail, elsewhere damage, repaired wholly."""
    last = len(original.content) - len(original.lines[-1])
    count = 0
    for bit, content in flips(original.content, stride):
        damaged(original, state_dir, content)
        jobs = started(state_dir)
        if bit // 8 >= last:
            assert jobs == original.prefix(len(original.lines) - 1), bit
        else:
            assert jobs is None, bit
            report, jobs = repaired(state_dir)
            assert (jobs, report.lost, report.mended) == (JOBS, 0, 1), bit
        count += 1
    print(f"\n{count} flipped bits, all noticed; all but those of the last record put right")


def test_a_flipped_bit_is_noticed_and_put_right(original: Original, tmp_path: Path) -> None:
    """Bits all over the file."""
    survives_flips(original, tmp_path / "state", 1499)


@pytest.mark.torture
def test_every_flipped_bit_is_noticed_and_put_right(original: Original, tmp_path: Path) -> None:
    """Each bit of each record, its newline too."""
    survives_flips(original, tmp_path / "state", 1)


# --- cut short ---


def survives_cuts(original: Original, state_dir: Path, stride: int) -> None:
    """Cut the file short: a prefix, or damage where it was synced before it had its name."""
    base_bytes = len(b"".join(original.lines[: original.events_from]))
    count = 0
    for size in range(0, len(original.content), stride):
        content = original.content[:size]
        damaged(original, state_dir, content)
        jobs = started(state_dir)
        if size >= base_bytes:
            assert jobs == original.prefix(content.count(b"\n")), size
        else:
            assert jobs is None, size
            _, jobs = repaired(state_dir)
            assert jobs.keys() == fold(PAST).keys(), size
            assert all(job.unsure for job in jobs.values() if job.state is JobState.QUEUED), size
        count += 1
    print(f"\n{count} cuts")


def test_a_cut_leaves_a_prefix(original: Original, tmp_path: Path) -> None:
    """At bytes all over the file."""
    survives_cuts(original, tmp_path / "state", 193)


@pytest.mark.torture
def test_a_cut_at_every_byte_leaves_a_prefix(original: Original, tmp_path: Path) -> None:
    """At each byte."""
    survives_cuts(original, tmp_path / "state", 1)


# --- whole lines ---


def moved(lines: Sequence[bytes], place: int) -> dict[str, list[bytes]]:
    """Give the ways to move the line at a place."""
    before, line, rest = list(lines[:place]), lines[place], list(lines[place + 1 :])
    ways = {"doubled": [*before, line, line, *rest], "moved to the front": [line, *before, *rest]}
    if rest:
        ways["swapped"] = [*before, rest[0], line, *rest[1:]]
        ways["moved to the end"] = [*before, *rest, line]
    return ways


def test_moved_lines_are_put_back(original: Original, tmp_path: Path) -> None:
    """Doubled, swapped or moved: refused by the start, and nothing is lost by a repair."""
    for place in (*range(0, len(original.lines), 5), len(original.lines) - 1):
        for way, lines in moved(original.lines, place).items():
            if b"".join(lines) == original.content:
                continue
            damaged(original, tmp_path / "state", b"".join(lines))
            jobs = started(tmp_path / "state")
            last = place == len(original.lines) - 1
            if way == "doubled" and last:
                assert jobs == JOBS, "a line of the same batch behind the last is a torn tail"
                continue
            if jobs is not None:  # what stood behind the moved line was the last batch
                assert place >= len(original.lines) - 2, (way, place)
                continue
            report, jobs = repaired(tmp_path / "state")
            assert (jobs, report.lost) == (JOBS, 0), (way, place)


def touched(original: Original, places: set[int]) -> set[str]:
    """Return the jobs that the lines at some places are about."""
    events = {
        place: FUTURE[place - original.events_from] for place in places if place >= original.events_from
    }
    return {event.job_id for event in events.values()}


@pytest.mark.parametrize("older", [True, False], ids=["with the older file", "without"])
def test_a_lost_line_costs_what_it_said_at_the_most(
    original: Original, tmp_path: Path, *, older: bool
) -> None:
    """Jobs of which no line is missing are what they were; of the others nothing false is said."""
    for place in range(1, len(original.lines) - 1):
        lines = [*original.lines[:place], *original.lines[place + 1 :]]
        damaged(original, tmp_path / "state", b"".join(lines), older=older)
        assert started(tmp_path / "state") is None, place
        report, jobs = repaired(tmp_path / "state")
        behind = place + 1  # it has nothing that proves it any more
        if place >= original.events_from or older:
            missing = touched(original, {place, behind})
            # The end of the list stands before the first event, and proves it.
            assert (report.lost == 0) == (place < original.events_from - 1), place
            for job_id, job in JOBS.items():
                if job_id not in missing:
                    assert same(jobs[job_id], job), (place, job_id)
            assert not (JOBS.keys() - jobs.keys()) - missing, place
        else:
            assert report.lost, place
            assert report.listed_jobs_lost, place


def same(repaired_job: Job, job: Job) -> bool:
    """Tell whether a job is what it was, but for the search that a repair asks for."""
    if job.state is not JobState.QUEUED:
        # Of one that was never posted nobody knows whether the gap holds that it was.
        may_be = replace(job, posted_at=job.queued_at, doubted_at=repaired_job.doubted_at)
        return repaired_job == job or (job.posted_at is None and repaired_job == may_be)
    return (repaired_job.link, repaired_job.state, repaired_job.round) == (job.link, job.state, job.round)


def test_a_line_that_cannot_be_read_costs_itself_alone(original: Original, tmp_path: Path) -> None:
    """Its checksum still proves the line behind it."""
    for place in range(original.events_from, len(original.lines) - 1):
        line = original.lines[place]
        lines = [*original.lines[:place], b"x" * (len(line) - 20) + line[-20:], *original.lines[place + 1 :]]
        damaged(original, tmp_path / "state", b"".join(lines))
        assert started(tmp_path / "state") is None
        _, jobs = repaired(tmp_path / "state")
        missing = touched(original, {place})
        assert all(same(jobs[job_id], job) for job_id, job in JOBS.items() if job_id not in missing), place


# --- lines of another journal ---


def test_nothing_of_another_journal_is_believed(
    original: Original, foreign: Original, tmp_path: Path
) -> None:
    """A line, or all lines from one on, of another journal: none of its jobs appears."""
    for place in range(1, len(original.lines), 4):
        one = [
            *original.lines[:place],
            foreign.lines[place % len(foreign.lines)],
            *original.lines[place + 1 :],
        ]
        rest = [*original.lines[:place], *foreign.lines[place:]]
        more = [*original.lines[:place], *foreign.lines[: place + 1], *original.lines[place:]]
        for lines in (one, rest, more):
            damaged(original, tmp_path / "state", b"".join(lines))
            jobs = started(tmp_path / "state")
            if jobs is None:
                report, jobs = repaired(tmp_path / "state")
                if lines is more:
                    assert jobs == JOBS or report.lost, place
            assert jobs.keys() <= JOBS.keys() | {"d"}, place


# --- pieces of a disk ---

PIECE_BYTES = 512
PIECES: dict[str, Callable[[bytes], bytes]] = {
    "zeros": lambda piece: bytes(len(piece)),
    "ones": lambda piece: b"\xff" * len(piece),
    "noise": lambda piece: random.Random(len(piece)).randbytes(len(piece)),
    "nothing": lambda _piece: b"",
}


@pytest.mark.parametrize("older", [True, False], ids=["with the older file", "without"])
@pytest.mark.parametrize("what", PIECES)
def test_a_bad_piece_of_the_disk(original: Original, tmp_path: Path, what: str, *, older: bool) -> None:
    """A sector turned into something else: a prefix, or damage that a repair gets over."""
    for start in range(0, len(original.content), PIECE_BYTES + 89):
        content = original.content
        piece = PIECES[what](content[start : start + PIECE_BYTES])
        content = content[:start] + piece + content[start + PIECE_BYTES :]
        damaged(original, tmp_path / "state", content, older=older)
        if started(tmp_path / "state") is not None:
            continue
        try:
            repaired(tmp_path / "state")
        except JournalDamaged as error:
            assert not older, start
            assert "nothing was changed" in str(error)
            assert (tmp_path / "state" / "journal.jsonl").read_bytes() == content


def test_random_damage_is_never_believed(original: Original, foreign: Original, tmp_path: Path) -> None:
    """Several damages at once, thrown by fair dice: whatever opens in the end tells no job that never was."""
    survives_dice(original, foreign, tmp_path, range(12))


@pytest.mark.torture
def test_much_random_damage_is_never_believed(original: Original, foreign: Original, tmp_path: Path) -> None:
    """The same, many times."""
    survives_dice(original, foreign, tmp_path, range(1000, 4000))


def survives_dice(original: Original, foreign: Original, tmp_path: Path, seeds: range) -> None:
    """Damage a journal at random for each seed."""
    for seed in seeds:
        chance = random.Random(seed)
        content = bytearray(original.content)
        for _ in range(chance.randint(1, 6)):
            start = chance.randrange(len(content))
            end = min(len(content), start + chance.randint(0, 700))
            kind = chance.choice(["flip", "cut", "noise", "foreign", "double"])
            match kind:
                case "flip":
                    content[start] ^= 1 << chance.randrange(8)
                case "cut":
                    del content[start:end]
                case "noise":
                    content[start:end] = chance.randbytes(end - start)
                case "foreign":
                    content[start:start] = chance.choice(foreign.lines)
                case _:
                    content[start:start] = content[start:end]
        damaged(original, tmp_path / "state", bytes(content), older=chance.random() < 0.7)
        if started(tmp_path / "state") is None:
            try:
                repaired(tmp_path / "state")
            except JournalDamaged as error:
                assert "nothing was changed" in str(error)


# --- whole files ---


def test_a_missing_file_is_made_from_the_older_one(original: Original, tmp_path: Path) -> None:
    """Refused by the start; a repair goes back to the jobs of the older file and has them all looked at."""
    damaged(original, tmp_path / "state", None)
    assert started(tmp_path / "state") is None
    report, jobs = repaired(tmp_path / "state")
    assert report.flaw is not None
    assert "missing" in report.flaw.what
    assert jobs.keys() == fold(PAST).keys()
    assert all(job.unsure for job in jobs.values() if job.state is JobState.QUEUED)


def test_a_first_file_without_its_first_line(tmp_path: Path) -> None:
    """A journal that never had an older file is read from its second line on."""
    journal, _ = open_journal(tmp_path / "made", CLOCK, disk=quick())
    journal.append([queued("a"), queued("b")])
    journal.append([Submitting("a", T0 + 1)])
    journal.close()
    lines = (tmp_path / "made" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    made = Original(tmp_path / "made", lines, 2)
    damaged(made, tmp_path / "state", b"".join([b"\0" * (len(lines[0]) - 20) + lines[0][-20:], *lines[1:]]))
    assert started(tmp_path / "state") is None
    report, jobs = repaired(tmp_path / "state")
    assert jobs.keys() == {"a", "b"}
    assert report.unknown == ()


def test_another_version_is_no_damage(original: Original, tmp_path: Path) -> None:
    """What a newer program wrote is not repaired, and not touched."""
    damaged(original, tmp_path / "state", original.content.replace(b'{"v":1,', b'{"v":2,', 1))
    before = files(tmp_path / "state")
    assert started(tmp_path / "state") is None
    with pytest.raises(JournalDamaged, match="install"):
        repair(tmp_path / "state", CLOCK, disk=quick())
    assert files(tmp_path / "state") == before


def test_a_sound_or_torn_journal_is_left_alone(original: Original, tmp_path: Path) -> None:
    """There is nothing to repair where a start is enough."""
    for content in (original.content, original.content[:-7], original.content + b'{"v":1'):
        report, _ = repaired(damaged(original, tmp_path / "state", content))
        assert report.flaw is None


def test_no_journal_at_all(tmp_path: Path) -> None:
    """What is not there cannot be repaired, and nothing is made."""
    with pytest.raises(FileNotFoundError):
        repair(tmp_path / "none", CLOCK)
    assert not (tmp_path / "none").exists()


def test_illegal_is_never_folded() -> None:
    """The events of these tests fit each other, so that a refusal is never theirs."""
    with pytest.raises(IllegalTransition):
        fold([*FUTURE])
    assert isinstance(FUTURE[0], Queued)
