"""Large files in several requests at once, from hosts that like it and from hosts that do not."""

import os
import threading
import time
from collections.abc import Sequence

import pytest

from offcloud_watchd.core.model import Progress, RemoteFile
from offcloud_watchd.errors import Cancelled, Transient
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.part import Mark, Marks
from tests.fakes.file_host import GOOD, FileHost, Play
from tests.unit.fetch.bench import KIB, Bench, content

MIB = 1024 * KIB
LARGE = content(12 * MIB)
PAUSE_S = 0.004  # after 64 KiB: some 12 MiB/s for each connection


class RealClock:
    """The machine's own."""

    def now(self) -> float:
        """Return UTC seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


@pytest.fixture
def slow(bench: Bench, host: FileHost) -> Bench:
    """Let the host limit each connection, on a clock that runs."""
    host.block_pause_s = PAUSE_S
    host.while_stalled = lambda: None
    bench.clock = RealClock()
    return bench


def large_of(bench: Bench, host: FileHost) -> Sequence[RemoteFile]:
    """Serve the large file and a small one behind it."""
    return bench.put(("R/a", LARGE), ("R/b", b"small"))


def check(bench: Bench) -> None:
    """The release is what was served."""
    visible = bench.visible()
    assert visible.keys() == {"Some.Release.2020/a", "Some.Release.2020/b"}
    assert visible["Some.Release.2020/a"] == LARGE


def test_a_host_that_limits_each_connection_gets_several(slow: Bench, host: FileHost) -> None:
    """All that one job may have, and every byte once."""
    slow.fetch(large_of(slow, host), connections_per_job=6)
    check(slow)
    assert 1 < host.most_at_once <= 6, "how many depends on how busy this machine is"
    assert host.bytes_served == len(LARGE) + 5


def test_connections_are_shared_between_jobs(slow: Bench, host: FileHost) -> None:
    """Two at once get half of them each."""
    files = large_of(slow, host)
    shelf = slow.shelf(connections=6, connections_per_job=6, chunk_bytes=MIB)
    jobs = [slow.job(id=name, release=f"{name}-release") for name in ("one", "two")]

    def fetch(number: int) -> None:
        shelf.fetch(jobs[number], lambda *_: files, slow.progress.append, slow.stop)

    threads = [threading.Thread(target=fetch, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [slow.visible()[f"{name}-release/a"] == LARGE for name in ("one", "two")] == [True, True]
    assert host.bytes_served == 2 * len(LARGE) + 10


def test_a_host_that_ignores_ranges_gets_one_request(slow: Bench, host: FileHost) -> None:
    """Its whole answer is taken for what it is."""
    files = large_of(slow, host)
    host.block_pause_s = PAUSE_S / 8
    host.always["f0"] = Play(ignore_range=True)
    slow.fetch(files)
    check(slow)
    assert [asked.path for asked in host.asked].count("f0") == 1


def test_a_host_that_refuses_more_connections_is_left_with_those_it_takes(
    slow: Bench, host: FileHost
) -> None:
    """Fault: 503 for the second one; the first goes on, and nothing is charged to the job."""
    host.at_once_limit = 1
    files = large_of(slow, host)
    slow.fetch(files, reconnect_wait_s=0.05)
    check(slow)
    assert len(host.asked) < 40


def test_a_host_that_gives_the_whole_to_the_second_request(slow: Bench, host: FileHost) -> None:
    """A part was promised first; then each range is answered by all there is: one request, and no mixture."""
    files = large_of(slow, host)
    host.plan("f0", GOOD)
    host.always["f0"] = Play(ignore_range=True)
    slow.fetch(files)
    check(slow)


def test_a_host_that_changes_the_file_meanwhile(slow: Bench, host: FileHost) -> None:
    """Parts of two contents are never joined."""
    other = content(len(LARGE), seed=2)
    files = large_of(slow, host)
    changed = threading.Event()

    def change() -> None:
        if not changed.is_set():
            changed.set()
            host.put("f0", other, etag='"two"')

    host.plan("f0", GOOD, Play(before=change))
    slow.fetch(files)
    assert slow.visible()["Some.Release.2020/a"] == other


def test_parts_that_break_are_asked_for_again(slow: Bench, host: FileHost) -> None:
    """Cuts here and there, and a link that dies, cost neither bytes nor the job."""
    files = large_of(slow, host)
    cuts = [Play(cut_after=100 * KIB * number) for number in range(1, 9)]
    host.plan("f0", *cuts, Play(status=403, body=b""), *cuts)
    slow.fetch(files)
    check(slow)
    assert host.bytes_served == len(LARGE) + 5


def test_a_part_that_breaks_at_once_is_not_asked_for_in_haste(slow: Bench, host: FileHost) -> None:
    """A few bytes and a cut, again and again, while another part comes: the host is not stormed."""
    files = large_of(slow, host)
    host.block_pause_s = 4 * PAUSE_S
    host.plan("f0", GOOD)
    host.always["f0"] = Play(cut_after=1)

    def report(progress: Progress) -> None:
        if progress.done_bytes >= 3 * MIB:
            host.always.clear()
            host.block_pause_s = 0.0

    shelf = slow.shelf(reconnect_wait_s=0.2, connections_per_job=2)
    shelf.fetch(slow.job(), lambda *_: files, report, slow.stop)
    check(slow)
    assert 3 < len(host.asked) < 40


def test_a_host_that_was_crowded_may_break_later(slow: Bench, host: FileHost) -> None:
    """A break after a refusal that is long over is a break like any other: the call goes on."""
    files = large_of(slow, host)
    host.plan("f0", GOOD, Play(status=503, body=b""), Play(cut_after=100 * KIB))
    slow.fetch(files, reconnect_wait_s=0.2, connections_per_job=2)
    check(slow)


def test_a_part_that_is_too_long_counts_for_nothing(slow: Bench, host: FileHost) -> None:
    """In chunks, where nobody tells the length: not even what came before it was too much is kept."""
    head = content(9 * MIB, seed=5)
    play = Play(
        status=206,
        headers={
            "Content-Length": None,
            "Transfer-Encoding": "chunked",
            "Content-Range": f"bytes 0-{4 * MIB - 1}/{len(LARGE)}",
        },
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(head), head),
    )
    host.block_pause_s = 0.0
    files = large_of(slow, host)
    host.plan("f0", play)
    slow.fetch(files)
    check(slow)


@pytest.mark.parametrize(("segment_bytes", "ranges"), [(0, 0), (len(LARGE), 0), (len(LARGE) - 1, 6)])
def test_a_file_is_parted_where_it_is_larger_than_a_segment(
    slow: Bench, host: FileHost, segment_bytes: int, ranges: int
) -> None:
    """One request is enough for the others, even where the host would give more."""
    host.block_pause_s = PAUSE_S / 4
    slow.fetch(large_of(slow, host), segment_bytes=segment_bytes, connections_per_job=6)
    check(slow)
    assert len(host.asked) == 2 or ranges
    assert len([one for one in host.ranges() if one]) >= min(ranges, 2)


@pytest.mark.parametrize("ignore_range", [True, False])
def test_a_file_whose_beginning_is_missing_and_that_has_changed(
    bench: Bench, host: FileHost, *, ignore_range: bool
) -> None:
    """An answer of the whole to a question for the beginning is not joined with the later part."""
    files = bench.put(("R/a", LARGE))
    item = Listing(lambda: files, Choice()).items[0]
    release = bench.staging / "c0ffee-0" / "release"
    release.mkdir(parents=True)
    (release / "a").write_bytes(LARGE[: 8 * MIB])
    fd = disk.open_directory(str(release.parent))
    marks = Marks(fd, 1)
    marks.put([Mark("a", item.source, ((4 * MIB, 8 * MIB),), len(LARGE), '"one"')])
    marks.close()
    os.close(fd)
    other = content(len(LARGE), seed=2)
    host.put("f0", other, etag='"two"')
    host.plan("f0", Play(cut_after=MIB, ignore_range=ignore_range))
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": other}


def test_a_restart_goes_on_with_all_parts(slow: Bench, host: FileHost) -> None:
    """What several lines had brought is kept, and the marks tell it."""
    files = large_of(slow, host)
    host.block_pause_s = 8 * PAUSE_S

    def report(progress: Progress) -> None:
        if progress.done_bytes >= 4 * MIB:
            slow.stop.set()

    with pytest.raises(Cancelled):
        slow.shelf().fetch(slow.job(), lambda *_: files, report, slow.stop)
    host.block_pause_s = PAUSE_S
    fd = disk.open_directory(str(slow.staging / "c0ffee-0"))
    marks = Marks(fd, 1)
    item = Listing(lambda: files, Choice()).items[0]
    held = marks.get("a", item.source).held
    marks.close()
    os.close(fd)
    staged = (slow.staging / "c0ffee-0" / "release" / "a").read_bytes()
    assert len(held) > 1
    assert all(staged[start:end] == LARGE[start:end] for start, end in held)
    slow.stop = threading.Event()
    before = len(host.asked)
    slow.fetch(files)
    check(slow)
    spans = [one.removeprefix("bytes=").split("-") for one in host.ranges()[before:] if one]
    asked_bytes = sum(int(last or len(LARGE) - 1) + 1 - int(start) for start, last in spans)
    assert asked_bytes == len(LARGE) - sum(end - start for start, end in held)


def test_a_host_of_unknown_size_is_asked_for_a_part(slow: Bench, host: FileHost) -> None:
    """Its answer tells the size, and the rest comes in parts too."""
    host.block_pause_s = 0.0
    slow.fetch(slow.put(("R/a", LARGE), ("R/b", b"small"), told=False))
    check(slow)
    assert host.ranges()[0] == "bytes=0-4194303"


def test_an_empty_file_of_unknown_size(bench: Bench, host: FileHost) -> None:
    """No part of it can be given: that is what tells its size."""
    publication = bench.fetch(bench.put(("R/a", b""), told=False))
    assert (publication.size_bytes, publication.verified) == (0, "size")


def test_a_host_that_refuses_any_part(bench: Bench, host: FileHost) -> None:
    """416 without a total to the first question: the whole is asked for."""
    host.plan("f0", Play(status=416, body=b""))
    bench.fetch(bench.put(("R/a", b"12345"), told=False))
    assert bench.visible() == {"Some.Release.2020/a": b"12345"}
    assert host.ranges() == ["bytes=0-4194303", None]


def test_a_host_that_gives_less_than_was_asked(bench: Bench, host: FileHost) -> None:
    """A part may be shorter than asked; the rest is asked for, and the job is not charged."""
    data = content(300 * KIB)
    host.plan(
        "f0",
        *(
            Play(
                status=206,
                body=data[at : at + 30 * KIB],
                headers={"Content-Range": f"bytes {at}-{at + 30 * KIB - 1}/{len(data)}"},
            )
            for at in range(0, len(data), 30 * KIB)
        ),
    )
    bench.fetch(bench.put(("R/a", data), told=False), reconnects=0)
    assert bench.visible() == {"Some.Release.2020/a": data}


def test_a_host_that_gives_next_to_nothing_is_left(bench: Bench, host: FileHost) -> None:
    """A byte an answer is no break of a line, and would take for ever all the same."""
    data = content(300 * KIB)
    headers = [{"Content-Range": f"bytes {at}-{at}/{len(data)}"} for at in range(100)]
    host.plan("f0", *(Play(status=206, body=data[:1], headers=one) for one in headers))
    with pytest.raises(Transient, match="gives less than it is asked for"):
        bench.fetch(bench.put(("R/a", data), told=False))
    assert len(host.asked) < 10


def test_a_rate_limit_is_kept_by_all_lines(slow: Bench, host: FileHost) -> None:
    """It is asked again and again; lifting it lifts it at once."""
    host.block_pause_s = 0.0
    limits = iter([float(4 * MIB)] * 4)
    asked = []

    def limit() -> float | None:
        asked.append(next(limits, None))
        return asked[-1]

    slow.fetch(large_of(slow, host), rate_limit=limit)
    check(slow)
    assert len(asked) > 4
    assert None in asked


def test_a_slow_disk_holds_the_lines_back(slow: Bench, host: FileHost) -> None:
    """With little room ahead of the sync, everything still comes."""
    host.block_pause_s = 0.0
    slow.fetch(large_of(slow, host), sync_every_bytes=64 * KIB, chunk_bytes=16 * KIB)
    check(slow)


def test_crowding_that_never_ends_is_a_break(bench: Bench, host: FileHost) -> None:
    """When the host takes nothing at all any more, the call ends."""
    host.at_once_limit = 0
    with pytest.raises(Transient, match="503"):
        bench.fetch(bench.put(*((f"R/{number}", b"x") for number in range(8))))
