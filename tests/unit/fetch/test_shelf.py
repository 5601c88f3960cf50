"""The shelf as a whole: files come home over real HTTP, and releases appear at once or not at all."""

import errno
import os
import shutil
import threading
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Destination, JobState, Publication, RemoteFile
from offcloud_watchd.errors import Astray, Blocked, Cancelled, NoRoom, Permanent, Transient
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.listing import Listing
from offcloud_watchd.fetch.part import Mark, Marks
from tests.fakes.disk import Died
from tests.fakes.file_host import FileHost, Play
from tests.unit.fetch.bench import KIB, Bench, content

ONE = content(300 * KIB)


def test_a_release_is_fetched_and_published_whole(bench: Bench) -> None:
    """All files stand in one directory named after the drop; the host's folder is not repeated."""
    files = bench.put(("Root/a.mkv", ONE), ("Root/sub/b.srt", b"text"), ("Root/empty.nfo", b""))
    publication = bench.fetch(files)
    path = str(bench.category / "Some.Release.2020")
    assert publication == Publication(path, 3, len(ONE) + 4, "size")
    assert bench.visible() == {
        "Some.Release.2020/a.mkv": ONE,
        "Some.Release.2020/sub/b.srt": b"text",
        "Some.Release.2020/empty.nfo": b"",
    }


def test_rights_are_those_of_the_settings(bench: Bench) -> None:
    """Files and directories get exactly their modes and group, whatever the umask."""
    before = os.umask(0o077)
    try:
        bench.fetch(
            bench.put(("R/a", b"1"), ("R/s/b", b"2")), file_mode=0o640, dir_mode=0o2750, group=os.getgid()
        )
    finally:
        os.umask(before)
    release = bench.category / "Some.Release.2020"
    modes = {str(path.relative_to(bench.root)): path.stat().st_mode & 0o7777 for path in release.rglob("*")}
    assert modes == {
        "tv/Some.Release.2020/a": 0o640,
        "tv/Some.Release.2020/s": 0o2750,
        "tv/Some.Release.2020/s/b": 0o640,
    }
    assert release.stat().st_mode & 0o7777 == 0o2750
    assert bench.category.stat().st_mode & 0o7777 == 0o2750
    assert bench.staging.stat().st_mode & 0o7777 == 0o700


def test_nothing_of_ours_goes_to_the_host(bench: Bench) -> None:
    """A file host sees no cookie it has set, no referrer, no credentials, and no wish for a coding."""
    bench.host.plan("f0", Play(headers={"Set-Cookie": "a=b"}))
    bench.fetch(bench.put(("R/a", b"1"), ("R/b", b"2")))
    for asked in bench.host.asked:
        assert set(asked.headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"} - (
            {"Connection"} - set(asked.headers)
        )
        assert asked.headers["Accept-Encoding"] == "identity"


def test_connections_are_kept_between_files(bench: Bench) -> None:
    """Many small files of one host need no more connections than are fetched at once."""
    bench.fetch(bench.put(*((f"R/{number}", b"x") for number in range(40))))
    assert len(bench.host.connections()) <= 4


def test_progress_is_told(bench: Bench) -> None:
    """The last word is that all bytes are here, out of the total."""
    bench.fetch(bench.put(("R/a", ONE), ("R/b", b"12")))
    assert (bench.progress[-1].done_bytes, bench.progress[-1].total_bytes) == (len(ONE) + 2, len(ONE) + 2)


def test_progress_has_a_rate(bench: Bench) -> None:
    """While time passes the rate is what came in over it."""
    bench.host.plan("f0", Play(stall_after=200 * KIB))
    bench.fetch(bench.put(("R/a", ONE)))
    rates = [progress.bytes_per_s for progress in bench.progress]
    assert 0 < max(rates) <= 200 * KIB / 20.0


def test_sizes_that_are_not_told_leave_the_total_open(bench: Bench) -> None:
    """The host's own length still confirms each file."""
    publication = bench.fetch(bench.put(("R/a", ONE), told=False))
    assert publication.verified == "size"
    assert bench.progress[-1].total_bytes is None


@pytest.mark.parametrize("percent", [1, 50, 99.9])
def test_a_cut_is_resumed(bench: Bench, percent: float) -> None:
    """Fault 73: the connection is cut and the file goes on from there; hardly a byte comes twice."""
    bench.host.plan("f0", Play(cut_after=int(len(ONE) * percent / 100)))
    bench.fetch(bench.put(("R/a", ONE)))
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.bytes_served == len(ONE)
    assert len(bench.host.asked) == 2


def test_a_restart_goes_on_from_the_last_mark(bench: Bench) -> None:
    """A new process resumes what a stopped one left: complete files are kept, the open one goes on."""
    files = bench.put(("R/a", content(50 * KIB)), ("R/b", ONE))
    bench.host.while_stalled = bench.stop.set
    bench.host.plan("f1", Play(cut_after=200 * KIB), Play(stall_after=0))
    with pytest.raises(Cancelled):
        bench.fetch(files)
    bench.stop = threading.Event()
    served = bench.host.bytes_served
    bench.fetch(files)
    assert bench.visible()["Some.Release.2020/b"] == ONE
    assert bench.host.ranges()[-1] == f"bytes={200 * KIB}-"
    assert bench.host.bytes_served - served == len(ONE) - 200 * KIB


def test_a_range_that_is_ignored_starts_anew(bench: Bench) -> None:
    """Fault 74: 200 to a Range is taken from the beginning, without mixing bytes."""
    bench.host.plan("f0", Play(cut_after=100 * KIB), Play(ignore_range=True))
    bench.fetch(bench.put(("R/a", ONE)))
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.ranges() == [None, f"bytes={100 * KIB}-", None]


@pytest.mark.parametrize(
    "lie",
    [
        Play(shift=7),
        Play(total=12345),
        Play(headers={"ETag": '"two"'}),
        Play(headers={"Content-Range": None}),
        Play(headers={"Content-Range": "bytes many"}),
    ],
)
def test_a_wrong_range_starts_anew(bench: Bench, lie: Play) -> None:
    """Fault 75: a part with another start, total or tag is not joined; the file comes whole."""
    bench.host.plan("f0", Play(cut_after=100 * KIB), lie)
    bench.fetch(bench.put(("R/a", ONE), told=False))
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.ranges()[1:] == [f"bytes={100 * KIB}-", None]


def test_a_file_that_changed_comes_whole(bench: Bench) -> None:
    """Fault 75: when the content behind the link is another, nothing of the old one stays."""
    other = content(len(ONE), seed=2)
    files = bench.put(("R/a", ONE))
    bench.host.plan("f0", Play(cut_after=100 * KIB))
    bench.host.plan("f0", Play(reset_before=True, before=lambda: _replace(bench, other)))
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": other}


def _replace(bench: Bench, other: bytes) -> None:
    bench.host.put("f0", other, etag='"two"')


@pytest.mark.parametrize("given", [20, 70])
@pytest.mark.parametrize("lives", [1, 2])
def test_a_rest_of_a_size_that_is_not_told_again_is_no_whole(
    bench: Bench, host: FileHost, given: int, lives: int
) -> None:
    """The host told the size with the first answer; then it gives less, or more, and tells none."""
    data = content(100 * KIB)
    files = bench.put(("a", data), told=False)
    rest = (data[50 * KIB :] + content(20 * KIB, 2))[: given * KIB]
    span = f"bytes {50 * KIB}-{(50 + given) * KIB - 1}/*"
    host.plan("f0", Play(cut_after=50 * KIB))
    host.plan("f0", Play(status=206, body=rest, headers={"Content-Range": span}))
    for _ in range(lives - 1):
        with pytest.raises(Transient):
            bench.fetch(files, reconnects=0)
    publication = bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": data}
    assert (publication.size_bytes, publication.verified) == (len(data), "size")


def test_a_file_that_grows_before_its_first_byte_is_not_cut_short(bench: Bench, host: FileHost) -> None:
    """The first answer tells a size and breaks at once; the next one tells another one, and breaks there."""
    old, new = content(100 * KIB), content(200 * KIB, 2)
    files = bench.put(("a", new), told=False)
    host.plan("f0", Play(body=old, cut_after=0, headers={"ETag": None}))
    host.plan("f0", Play(cut_after=150 * KIB, headers={"ETag": None}), Play(cut_after=150 * KIB))
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": new}


def test_416_on_a_complete_file_completes_it(bench: Bench) -> None:
    """Fault 76: all bytes are here but that was not known; the host's total confirms it."""
    bench.host.plan("f0", Play(no_length=True, ignore_range=True, stall_after=len(ONE)))
    publication = bench.fetch(bench.put(("R/a", ONE), told=False))
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert publication.verified == "size"
    assert bench.host.ranges()[1:] == [f"bytes={len(ONE)}-"]


def test_416_on_a_part_starts_anew(bench: Bench) -> None:
    """Fault 76: the host now says the file is smaller than what is here."""
    bench.host.plan(
        "f0",
        Play(cut_after=100 * KIB),
        Play(status=416, headers={"Content-Range": "bytes */5"}, body=b""),
    )
    bench.fetch(bench.put(("R/a", ONE)))
    assert bench.visible() == {"Some.Release.2020/a": ONE}


def test_no_length_and_an_early_end_is_not_called_verified(bench: Bench) -> None:
    """Fault 77: nobody told a size, so nobody can say that it is all."""
    bench.host.plan("f0", Play(no_length=True, ignore_range=True, cut_after=10 * KIB))
    publication = bench.fetch(bench.put(("R/a", ONE), told=False))
    assert (publication.verified, publication.size_bytes) == ("unverified", 10 * KIB)


def test_no_length_but_a_told_size_is_checked(bench: Bench) -> None:
    """Fault 77: the service's size shows that the end came early, and the file goes on."""
    bench.host.plan("f0", Play(no_length=True, cut_after=10 * KIB))
    assert bench.fetch(bench.put(("R/a", ONE))).verified == "size"
    assert bench.visible() == {"Some.Release.2020/a": ONE}


@pytest.mark.parametrize("told", [len(ONE) - 1, len(ONE) + 1])
def test_another_size_than_the_service_told_is_not_published(bench: Bench, told: int) -> None:
    """Fault 78: the file is retried, then the call ends with both numbers, and nothing is visible."""
    files = [replace(bench.put(("R/a", ONE))[0], size_bytes=told)]
    with pytest.raises(Transient, match=f"{len(ONE)} bytes, the service or the torrent says {told}"):
        bench.fetch(files)
    assert bench.visible() == {}
    assert len(bench.host.asked) == 4


def test_more_bytes_than_told_are_not_published(bench: Bench) -> None:
    """Fault 78: without a length the surplus shows only as it comes."""
    files = [replace(bench.put(("R/a", ONE))[0], size_bytes=1000)]
    bench.host.always["f0"] = Play(no_length=True)
    with pytest.raises(Transient, match="more than the 1000 bytes"):
        bench.fetch(files)
    assert bench.visible() == {}


@pytest.mark.parametrize("cut_after", [None, 100])
@pytest.mark.parametrize("coding", ["gzip", "br"])
def test_a_coded_body_is_refused(bench: Bench, coding: str, cut_after: int | None) -> None:
    """Fault 79: a host that codes the file anyway gives no file, whether it ends early or not."""
    bench.host.always["f0"] = Play(headers={"Content-Encoding": coding}, cut_after=cut_after)
    with pytest.raises(Transient, match="coding"):
        bench.fetch(bench.put(("R/a", ONE)))
    assert bench.visible() == {}


def test_a_coded_transfer_is_refused(bench: Bench) -> None:
    """Nobody asked for it, and without a length nothing else would tell that it is not the file."""
    headers = {"Transfer-Encoding": "gzip", "Content-Length": None, "Connection": "close"}
    bench.host.always["f0"] = Play(headers=headers)
    with pytest.raises(Transient, match="coding"):
        bench.fetch(bench.put(("R/a", ONE), told=False))
    assert bench.visible() == {}


def test_a_host_that_drips_is_left(bench: Bench) -> None:
    """Fault 80: single bytes for ever are a stalled line: it is cut and the file goes on elsewhere."""
    bench.host.plan("f0", Play(stall_after=100 * KIB, drip=True))
    bench.fetch(bench.put(("R/a", ONE)), rate_window_s=60.0)
    assert bench.visible() == {"Some.Release.2020/a": ONE}


def test_a_host_that_always_stalls_ends_the_call(bench: Bench) -> None:
    """Fault 80: after a few stalled lines without progress the job is charged."""
    bench.host.always["f0"] = Play(stall_after=10)
    with pytest.raises(Transient, match="less than 1024 bytes/s for 60 s"):
        bench.fetch(bench.put(("R/a", ONE)), reconnects=1)


@pytest.mark.parametrize("status", [401, 403, 404, 410, 500, 502, 503])
def test_a_dead_link_is_renewed_and_the_file_goes_on(bench: Bench, status: int) -> None:
    """Fault 81: the link expires mid-way; a fresh one is asked for and no byte comes twice."""
    bench.host.plan("f0", Play(cut_after=100 * KIB), Play(status=status, body=b"gone"))
    bench.fetch(bench.put(("R/a", ONE)))
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.listings == 2
    assert bench.host.bytes_served == len(ONE) + len(b"gone")


def test_links_that_stay_dead_end_the_call(bench: Bench) -> None:
    """Fault 81: fresh links that are dead too are asked for a few times only, and no link is in the text."""
    files = bench.put(("R/a", ONE))
    bench.host.always["f0"] = Play(status=403, body=b"no")
    with pytest.raises(Transient, match="answered 403") as raised:
        bench.fetch(files)
    assert bench.listings == 4
    assert "/f0" not in str(raised.value)


def test_a_new_list_of_other_files_is_not_joined(bench: Bench) -> None:
    """When the service suddenly lists other files, what is here is not taken for a part of them."""
    lists = [bench.put(("R/a", ONE)), bench.put(("R/b", ONE))]
    bench.host.plan("f0", Play(status=404, body=b""))
    with pytest.raises(Transient, match="other files than before"):
        bench.fetch(lambda: lists.pop(0))


def test_an_empty_list_is_not_a_release(bench: Bench) -> None:
    """A finished request without files is asked again later."""
    with pytest.raises(Transient, match="no files"):
        bench.fetch([])


@pytest.mark.parametrize("seconds", ["17", "soon"])
def test_a_host_that_asks_for_patience_gets_it(bench: Bench, seconds: str) -> None:
    """429 with Retry-After ends the call at once and carries the time; an unusable time is no time."""
    bench.host.always["f0"] = Play(status=429, headers={"Retry-After": seconds}, body=b"")
    with pytest.raises(Transient) as raised:
        bench.fetch(bench.put(("R/a", ONE)))
    assert raised.value.retry_after_s == (17.0 if seconds == "17" else None)


@pytest.mark.parametrize("kind", ["text/html; charset=utf-8", "application/json"])
def test_a_page_in_place_of_the_file_is_not_published(bench: Bench, kind: str) -> None:
    """Fault 82: 200 with HTML or JSON where a film should be."""
    bench.host.always["f0"] = Play(body=b"<html>Temporary error", headers={"Content-Type": kind})
    with pytest.raises(Transient, match="in place of the file"):
        bench.fetch(bench.put(("R/a.mkv", ONE)))
    assert bench.visible() == {}


def test_a_complaint_in_place_of_a_file_of_unknown_size(bench: Bench) -> None:
    """Fault 82: no type and no size would tell, so how it begins must; fresh links are asked for."""
    bench.host.plan("f0", Play(body=b'{"error": "Temporary error"}'))
    bench.fetch(bench.put(("R/a.mkv", ONE), told=False))
    assert bench.visible() == {"Some.Release.2020/a.mkv": ONE}
    assert bench.listings == 2


def test_a_page_that_is_the_file_is_fetched(bench: Bench) -> None:
    """Fault 82: a file that is named HTML, or has exactly the size that was told, is what it should be."""
    for name in ("f0", "f1"):
        bench.host.always[name] = Play(headers={"Content-Type": "text/html"})
    bench.fetch(bench.put(("R/readme.html", b"<html>"), ("R/a.mkv", ONE)))
    assert bench.visible()["Some.Release.2020/readme.html"] == b"<html>"


def test_hostile_names_stay_inside_and_distinct(bench: Bench) -> None:
    """Fault 83: whatever the service calls its files, they land below the release under distinct names."""
    names = [
        "../../x",
        "/etc/passwd",
        ".",
        "",
        "a" * 300 + ".mkv",
        "\u202ecod.exe",
        "CON",
        "b\x00c",
        "x",
        "X",
    ]
    bench.fetch(bench.put(*((name, name.encode()) for name in names)))
    assert sorted(bench.visible().values()) == sorted(name.encode() for name in names)
    assert {path.partition("/")[0] for path in bench.visible()} == {"Some.Release.2020"}
    assert {path.name for path in bench.root.iterdir()} == {"tv", ".offcloud-watchd"}


@pytest.mark.parametrize("kind", ["directory", "file", "symlink", "dangling"])
def test_a_taken_name_is_never_touched(bench: Bench, kind: str) -> None:
    """Fault 84: what stands at the target stays as it is, and the release gets a number."""
    bench.category.mkdir()
    taken = bench.category / "Some.Release.2020"
    elsewhere = bench.root / "elsewhere"
    elsewhere.mkdir()
    match kind:
        case "directory":
            taken.mkdir()
        case "file":
            taken.write_text("mine")
        case "symlink":
            taken.symlink_to(elsewhere)
        case _:
            taken.symlink_to(bench.root / "nowhere")
    publication = bench.fetch(bench.put(("R/a", b"1")))
    assert publication.path == f"{taken} (2)"
    assert Path(publication.path, "a").read_bytes() == b"1"
    assert not list(elsewhere.iterdir())


def test_a_staging_that_is_swapped_for_a_link_is_not_followed(bench: Bench) -> None:
    """Fault 85: what was opened stays the place that is written to, and a link is never entered."""
    trap = bench.root / "trap"
    trap.mkdir()
    staged = bench.staging / "c0ffee-0" / "release"

    def swap() -> None:
        staged.rename(bench.root / "moved")
        staged.symlink_to(trap)

    bench.host.plan("f0", Play(before=swap))
    with pytest.raises(Blocked):
        bench.fetch(bench.put(("R/a", ONE), ("R/b", b"2")))
    assert not list(trap.iterdir())
    assert bench.visible() == {}


def test_a_staging_directory_that_is_a_link_is_refused(bench: Bench) -> None:
    """Fault 85: a link in the place of our hidden directory is the operator's to explain."""
    (bench.root / "elsewhere").mkdir()
    bench.staging.symlink_to(bench.root / "elsewhere")
    with pytest.raises(Blocked, match="remove it"):
        bench.fetch(bench.put(("R/a", b"1")))


def test_what_does_not_fit_waits_before_a_byte_is_written(bench: Bench, host: FileHost) -> None:
    """Fault 86: it alone waits, others go on, and asking again costs the service nothing."""
    shelf = bench.shelf(min_free_bytes=1 << 20)
    (one,) = bench.put(("R/a", b"1"))
    lists = [[replace(one, size_bytes=1 << 60)]]
    for _ in range(2):
        with pytest.raises(NoRoom, match="no room on the output disk: this release needs 1073741824"):
            shelf.fetch(bench.job(), lambda *_: lists.pop(), bench.progress.append, bench.stop)
    assert host.asked == []
    other = bench.job(id="other", release="Another")
    shelf.fetch(other, lambda *_: [one], bench.progress.append, bench.stop)
    assert set(bench.visible()) == {"Another/a"}
    shelf.probe()


def test_what_fits_later_starts_by_itself(bench: Bench) -> None:
    """What was refused is let in as soon as another one has ended, and is not remembered beyond the job."""
    (one,) = bench.put(("R/a", b"1"))
    shelf = bench.shelf()
    lists = [[one], [replace(one, size_bytes=1 << 60)]]
    with pytest.raises(NoRoom):
        shelf.fetch(bench.job(), lambda *_: lists.pop(), bench.progress.append, bench.stop)
    shelf.tidy(bench.job())
    assert shelf.fetch(bench.job(), lambda *_: lists.pop(), bench.progress.append, bench.stop).files == 1


def test_a_disk_without_the_room_that_stays_free_blocks(bench: Bench) -> None:
    """Fault 86: nothing fits at all, so the lane pauses before a byte is written."""
    with pytest.raises(Blocked, match="must stay free") as raised:
        bench.fetch(bench.put(("R/a", b"1")), min_free_bytes=1 << 60)
    assert raised.value.lane == "fetch"
    assert bench.visible() == {}


def test_a_missing_output_directory_blocks(bench: Bench) -> None:
    """Fault 88: nothing is made where the output directory should be."""
    bench.root.rmdir()
    with pytest.raises(Blocked, match="missing"):
        bench.fetch(bench.put(("R/a", b"1")))
    assert not bench.root.exists()


def test_an_unmounted_output_directory_blocks(bench: Bench) -> None:
    """Fault 88: where staging was and is no more, the file system has gone; nothing is written beneath."""
    shelf = bench.shelf()
    files = bench.put(("R/a", b"1"))
    shelf.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)
    bench.root.rename(bench.root.with_name("unmounted"))
    bench.root.mkdir()
    with pytest.raises(Blocked, match="not to be mounted"):
        shelf.fetch(bench.job(round=1), lambda *_: files, bench.progress.append, bench.stop)
    with pytest.raises(Blocked, match="not to be mounted"):
        shelf.probe()
    assert not list(bench.root.iterdir())


def test_an_output_directory_that_is_not_mounted_at_the_start_blocks(bench: Bench) -> None:
    """Fault 88: the journal knows that something was published there, in another life."""
    files = bench.put(("R/a", b"1"))
    done = bench.job(id="done", state=JobState.DONE, publication=bench.fetch(files, id="done"))
    bench.root.rename(bench.root.with_name("unmounted"))
    bench.root.mkdir()
    shelf = bench.shelf()
    shelf.sweep({"done": done})
    for _ in range(2):
        with pytest.raises(Blocked, match="not to be mounted"):
            shelf.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)
        with pytest.raises(Blocked, match="not to be mounted"):
            shelf.probe()
    assert not list(bench.root.iterdir())
    bench.root.rmdir()
    bench.root.with_name("unmounted").rename(bench.root)
    shelf.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)


def test_a_place_of_former_settings_that_is_gone_holds_up_its_own_job_alone(bench: Bench) -> None:
    """The output directory was changed and the old one deleted, with jobs for it under way."""
    files = bench.put(("R/a", b"1"))
    donor = bench.job(id="donor", state=JobState.DONE, publication=bench.fetch(files, id="donor"))
    now = bench.root.with_name("now")
    now.mkdir()
    shelf = bench.shelf(outputs=(str(now / "tv"),), roots=(str(now),))
    shelf.sweep({"donor": donor, "c0ffee": bench.job()})
    shutil.rmtree(bench.root)
    for _ in range(2):
        with pytest.raises(Astray, match="no setting leads to"):
            shelf.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)
        with pytest.raises(Astray, match="no setting leads to"):
            shelf.link(bench.job(), [donor], bench.stop)
        shelf.probe()
    assert donor.publication is not None
    assert not shelf.holds(donor.publication)
    job = bench.job(id="other", destination=Destination("tv", str(now / "tv")))
    assert shelf.fetch(job, lambda *_: files, bench.progress.append, bench.stop).files == 1
    bench.root.mkdir()
    again = bench.shelf(outputs=(str(now / "tv"),), roots=(str(now),))
    again.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)
    assert bench.visible() == {"Some.Release.2020/a": b"1"}


def test_an_output_directory_that_was_emptied_is_no_reason_to_wait(bench: Bench) -> None:
    """All was imported, and the staging directory was tidied away by hand: the category is still there."""
    files = bench.put(("R/a", b"1"))
    done = bench.job(id="done", state=JobState.DONE, publication=bench.fetch(files, id="done"))
    shutil.rmtree(bench.category / "Some.Release.2020")
    shutil.rmtree(bench.staging)
    shelf = bench.shelf()
    shelf.sweep({"done": done})
    shelf.fetch(bench.job(), lambda *_: files, bench.progress.append, bench.stop)


def test_an_output_directory_that_goes_while_a_file_comes_blocks(bench: Bench, host: FileHost) -> None:
    """Fault 88: we still hold it, so all comes to its end; but nothing is made where it was."""

    def unmount() -> None:
        bench.root.rename(bench.root.with_name("unmounted"))
        bench.root.mkdir()

    files = bench.put(("R/a", b"1"))
    host.plan("f0", Play(before=unmount))
    with pytest.raises(Blocked, match="not to be mounted"):
        bench.fetch(files)
    assert not list(bench.root.iterdir())
    bench.root.rmdir()
    bench.root.with_name("unmounted").rename(bench.root)
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": b"1"}


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == Path("/tmp").stat().st_dev,
    reason="needs two file systems",
)
def test_an_output_on_another_file_system_blocks_before_the_fetch(bench: Bench) -> None:
    """Fault 89: a category that cannot be reached by a rename is said at the start, not at the end."""
    bench.category.symlink_to("/dev/shm")
    with pytest.raises(Blocked, match="same file system"):
        bench.fetch(bench.put(("R/a", b"1")))
    assert bench.host.asked == []


@pytest.mark.parametrize("count", [300, pytest.param(5_000, marks=pytest.mark.torture)])
def test_many_files(bench: Bench, count: int) -> None:
    """Fault 90: a release of many files, some empty, comes whole, and its names stay distinct."""
    twins = {"R/e\u0301clair": b"NFD", "R/\u00e9clair": b"NFC", "R/\u00c9CLAIR": b"upper"}
    files = {f"R/{number % 7}/{number}": b"x" * (number % 3) for number in range(count - len(twins))}
    publication = bench.fetch(bench.put(*files.items(), *twins.items()))
    shown = bench.visible()
    assert publication.files == len(shown) == count
    assert len({unicodedata.normalize("NFC", path).casefold() for path in shown}) == count
    assert sorted(shown.values()) == sorted((*files.values(), *twins.values()))


def test_a_redirect_is_followed(bench: Bench) -> None:
    """A link may lead to another place of the same kind."""
    target = bench.host.put("real", ONE)
    files = bench.put(("R/a", b""))
    bench.host.always["f0"] = Play(status=302, headers={"Location": target}, body=b"")
    bench.fetch([replace(files[0], size_bytes=len(ONE))])
    assert bench.visible() == {"Some.Release.2020/a": ONE}


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[::1", "//", "f0"])
def test_a_redirect_to_elsewhere_is_refused(bench: Bench, target: str) -> None:
    """Fault 91: other schemes, broken addresses and circles are no files."""
    bench.host.always["f0"] = Play(status=302, headers={"Location": target}, body=b"")
    with pytest.raises(Transient):
        bench.fetch(bench.put(("R/a", ONE)), reconnects=0)
    assert bench.visible() == {}


def test_plain_http_is_refused_where_it_is_not_allowed(bench: Bench) -> None:
    """Fault 91: a link that is not https is not even asked."""
    with pytest.raises(Transient, match="not https"):
        bench.fetch(bench.put(("R/a", ONE)), allow_http=False, reconnects=0)
    assert bench.host.asked == []


def test_a_stop_ends_a_silent_fetch_at_once(bench: Bench) -> None:
    """Fault 92: a line on which nothing comes is cut when the program stops, and the part is kept."""
    bench.host.while_stalled = bench.stop.set
    bench.host.plan("f0", Play(stall_after=100 * KIB))
    files = bench.put(("R/a", ONE))
    with pytest.raises(Cancelled):
        bench.fetch(files, read_timeout_s=600.0)
    bench.stop = threading.Event()
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.ranges()[-1] is not None


def test_a_stop_ends_the_wait_for_headers(bench: Bench) -> None:
    """Fault 92: a host that has taken the question and says nothing does not hold the program up."""

    def say_nothing() -> None:
        bench.stop.set()
        bench.host.stopping.wait()

    bench.host.plan("f0", Play(before=say_nothing))
    with pytest.raises(Cancelled):
        bench.fetch(bench.put(("R/a", ONE)), read_timeout_s=600.0)


def test_a_stop_while_waiting_to_reconnect(bench: Bench) -> None:
    """Fault 92: the pause between two connections ends with the program."""
    bench.host.always["f0"] = Play(reset_before=True)
    timer = threading.Timer(0.05, bench.stop.set)
    timer.start()
    with pytest.raises(Cancelled):
        bench.fetch(bench.put(("R/a", ONE)), reconnect_wait_s=600.0)
    timer.join()


def test_a_release_that_was_taken_away_is_not_fetched_again(bench: Bench) -> None:
    """Fault 93: published before a crash, imported since: it counts as published, and nothing is asked."""
    files = bench.put(("R/a", b"1"))
    first = bench.fetch(files)
    (bench.category / "Some.Release.2020" / "a").unlink()
    (bench.category / "Some.Release.2020").rmdir()
    asked = len(bench.host.asked)
    assert bench.fetch(files) == first
    assert (bench.visible(), len(bench.host.asked)) == ({}, asked)


def test_a_release_that_was_about_to_be_published_is(bench: Bench) -> None:
    """A crash between note and rename: nothing is asked for again, and the next free name is taken."""
    files = bench.put(("R/a", b"1"))
    first = bench.fetch(files)
    Path(first.path).rename(bench.staging / "c0ffee-0" / "release")
    Path(first.path).mkdir()
    asked = len(bench.host.asked)
    assert bench.fetch(files).path == f"{first.path} (2)"
    assert bench.visible() == {"Some.Release.2020 (2)/a": b"1"}
    assert len(bench.host.asked) == asked


def test_a_release_whose_rename_was_never_synced_is_not_called_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it is called so, its staging and its cloud copy go, and a power cut could take the rename back."""
    sync, is_ill = os.fsync, True

    def fsync(fd: int) -> None:
        if is_ill and bench.visible() and os.path.samestat(os.fstat(fd), bench.category.stat()):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    files = bench.put(("a", b"data"))
    for _ in range(2):
        with pytest.raises(Blocked, match="the disk reports an error"):
            bench.fetch(files)
    is_ill = False
    assert bench.fetch(files).path == str(bench.category / "Some.Release.2020")
    assert bench.visible() == {"Some.Release.2020/a": b"data"}


def test_a_file_that_is_whole_is_not_asked_for(bench: Bench) -> None:
    """All bytes were marked, the note that it is done was lost: the size tells."""
    files = bench.put(("R/a", ONE))
    item = Listing(lambda: files, Choice()).items[0]
    release = bench.staging / "c0ffee-0" / "release"
    release.mkdir(parents=True)
    (release / "a").write_bytes(ONE)
    round_fd = disk.open_directory(str(release.parent))
    marks = Marks(round_fd, 1)
    marks.put([Mark("a", item.source, ((0, len(ONE)),))])
    marks.close()
    os.close(round_fd)
    bench.fetch(files)
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.asked == []


def test_a_whole_file_of_unknown_size_is_not_asked_for(bench: Bench) -> None:
    """The same where only the file host had told how large it is: its word is in the mark."""
    files = bench.put(("R/a", ONE), told=False)
    item = Listing(lambda: files, Choice()).items[0]
    release = bench.staging / "c0ffee-0" / "release"
    release.mkdir(parents=True)
    (release / "a").write_bytes(ONE)
    round_fd = disk.open_directory(str(release.parent))
    marks = Marks(round_fd, 1)
    marks.put([Mark("a", item.source, ((0, len(ONE)),), total=len(ONE))])
    marks.close()
    os.close(round_fd)
    assert bench.fetch(files).verified == "size"
    assert bench.visible() == {"Some.Release.2020/a": ONE}
    assert bench.host.asked == []


def test_another_round_publishes_again(bench: Bench) -> None:
    """What one round published is never taken for another's."""
    files = bench.put(("R/a", b"1"))
    bench.fetch(files)
    assert bench.fetch(files, round=1).path.endswith("Some.Release.2020 (2)")


def test_no_half_release_is_ever_seen(bench: Bench) -> None:
    """Fault 94: an observer that looks all the time sees every file of a release or none."""
    files = bench.put(*((f"R/{number}", content(20 * KIB, number)) for number in range(40)))
    seen: set[int] = set()
    done = threading.Event()

    def observe() -> None:
        while not done.is_set():
            release = bench.category / "Some.Release.2020"
            seen.add(len(list(release.iterdir())) if release.is_dir() else 0)

    observer = threading.Thread(target=observe)
    observer.start()
    bench.fetch(files)
    done.set()
    observer.join()
    assert seen <= {0, 40}


def test_files_that_are_not_of_the_release_any_more_go(bench: Bench) -> None:
    """What an earlier list left in staging is not published with the files of the present one."""
    bench.host.plan("f1", Play(status=429, headers={"Retry-After": "1"}, body=b""))
    with pytest.raises(Transient):
        bench.fetch(bench.put(("R/old/a", b"1"), ("R/b", b"2")))
    bench.fetch(bench.put(("R/a", b"3"), ("R/b", b"4")))
    assert bench.visible() == {"Some.Release.2020/a": b"3", "Some.Release.2020/b": b"4"}


def test_twins_are_not_joined(bench: Bench) -> None:
    """Of two files with one path and size, a part without a tag may be of either, so it begins anew."""
    first, second = content(100 * KIB, 1), content(100 * KIB, 2)
    files = bench.put(("R/a", first), ("R/a", second))
    for name, data in (("f0", first), ("f1", second)):
        bench.host.put(name, data, etag=None)
    bench.host.plan("f0", Play(cut_after=50 * KIB))
    bench.fetch(files)
    assert sorted(bench.visible().values()) == sorted([first, second])
    assert bench.host.ranges() == [None, None, None]


def test_the_release_is_named_after_what_is_known(bench: Bench) -> None:
    """Without a dropped file's name: the service's name, the link's, the host's folder, the file's stem."""
    link = replace(bench.job().link, name=None)
    names = [
        {"release": None},
        {"release": None, "submission": replace(bench.job().submission, name=None)},
        {"release": "a" * 40, "submission": replace(bench.job().submission, name=None), "link": link},
    ]
    files = bench.put(("The Root/a.mkv", b"1"), ("The Root/b.mkv", b"2"))
    got = [Path(bench.fetch(files, round=at, **given).path).name for at, given in enumerate(names)]
    assert got == ["Service Name", "Link Name", "The Root"]


def test_a_single_file_names_its_directory_without_its_extension(bench: Bench) -> None:
    """Nothing but the file has a name, and a path that is not told stands at the end of the link."""
    unnamed = replace(bench.job().submission, name=None)
    link = replace(bench.job().link, name=None)
    url = bench.host.put("Film 2020.mkv", b"1")
    bench.fetch([RemoteFile("", url, 1)], release=None, submission=unnamed, link=link)
    assert bench.visible() == {"Film 2020/Film 2020.mkv": b"1"}


def test_a_link_that_is_none_has_no_name(bench: Bench) -> None:
    """A broken link without a path is a failed attempt, not a crash."""
    with pytest.raises(Transient):
        bench.fetch([RemoteFile("", "http://[::1", 1)], reconnects=0)


def test_a_job_without_a_request_cannot_be_fetched(bench: Bench) -> None:
    """There is nothing to ask for."""
    with pytest.raises(Permanent):
        bench.fetch([], submission=None)


# --- tidy, discard, sweep, probe ---------------------------------------------------------------------------


def test_tidy_clears_this_round_and_earlier_ones(bench: Bench) -> None:
    """Published releases stay, later rounds and other jobs too; repeating it is harmless."""
    for name in ("c0ffee-0", "c0ffee-1", "c0ffee-2", "other-0"):
        (bench.staging / name / "release").mkdir(parents=True)
    for _ in range(2):
        bench.shelf().tidy(bench.job(round=1))
    assert {path.name for path in bench.staging.iterdir()} == {"c0ffee-2", "other-0"}


def test_tidy_where_nothing_is(bench: Bench) -> None:
    """No staging, nothing to do."""
    bench.shelf().tidy(bench.job())
    assert not bench.staging.exists()


def test_discard_keeps_the_release_unless_asked(bench: Bench) -> None:
    """Staging goes in any case, the files only with ``remove_files``; repeating it is harmless."""
    publication = bench.fetch(bench.put(("R/a", b"1")))
    job = bench.job(state=JobState.REMOVED, publication=publication)
    bench.shelf().discard(job, bench.stop)
    assert bench.visible()
    assert not list(bench.staging.iterdir())
    for _ in range(2):
        bench.shelf().discard(replace(job, remove_files=True), bench.stop)
    assert not list(bench.category.iterdir())
    assert not list(bench.staging.iterdir())


def test_discard_finds_what_the_journal_does_not_know(bench: Bench) -> None:
    """Published, then a crash before it was recorded, then removed: the note tells where the release is."""
    bench.fetch(bench.put(("R/a", b"1")))
    bench.shelf().discard(bench.job(state=JobState.REMOVED, remove_files=True), bench.stop)
    assert not list(bench.category.iterdir())


def test_discard_of_a_part_that_was_never_published(bench: Bench) -> None:
    """A round without a note has no release to look for."""
    (bench.staging / "c0ffee-0").mkdir(parents=True)
    bench.shelf().discard(bench.job(state=JobState.REMOVED, remove_files=True), bench.stop)
    assert not list(bench.staging.iterdir())


def test_a_discard_that_dies_does_not_take_a_note_for_a_release(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note names what is somebody else's, on a file system that cannot tell whose a release is."""
    left = 0

    def unknown(*_: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    def dying(act: Callable[..., None], *where: object, **named: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Died
        act(*where, **named)

    for name in ("setxattr", "getxattr"):
        monkeypatch.setattr(os, name, unknown)
    for name in ("unlink", "rmdir"):
        monkeypatch.setattr(os, name, partial(dying, getattr(os, name)))
    monkeypatch.setattr(disk, "rename_new", partial(dying, disk.rename_new))
    files, theirs = bench.put(("a", b"data"), ("b/c", b"more")), bench.category / "Some.Release.2020"
    for deletion in range(1, 12):
        left = 1
        with pytest.raises(Died):
            bench.fetch(files, id=f"c0ffee{deletion}")
        theirs.mkdir(exist_ok=True)
        (theirs / "precious").touch()
        left = deletion
        for _ in range(2):
            with suppress(Died):
                job = bench.job(id=f"c0ffee{deletion}", state=JobState.REMOVED, remove_files=True)
                bench.shelf().discard(job, bench.stop)
        assert not list(bench.staging.iterdir())
        assert (theirs / "precious").exists(), f"it died at deletion {deletion}"
    assert left > 0, "all deletions were died at"


def test_discard_deletes_nothing_else(bench: Bench) -> None:
    """Not outside the output directory, not through a link, not what somebody else put there since."""
    bench.category.mkdir()
    outside = bench.root / "outside"
    outside.mkdir()
    (bench.category / "link").symlink_to(outside)
    (bench.category / "somebodys").mkdir()
    (bench.category / "file").write_text("x")
    job = bench.job(state=JobState.REMOVED, remove_files=True)
    for path in (outside, bench.category, bench.category / "..", *bench.category.iterdir()):
        told = replace(job, publication=Publication(str(path), 1, 1, "size"))
        bench.shelf().discard(told, bench.stop)
    assert {path.name for path in bench.category.iterdir()} == {"link", "somebodys", "file"}
    assert outside.is_dir()


def test_discard_ends_with_the_program(bench: Bench) -> None:
    """A stop before the deletion leaves the job owed."""
    publication = bench.fetch(bench.put(("R/a", b"1")))
    bench.stop.set()
    job = bench.job(state=JobState.REMOVED, publication=publication, remove_files=True)
    with pytest.raises(Cancelled):
        bench.shelf().discard(job, bench.stop)
    assert bench.visible()


def test_a_discard_that_does_not_work_stops_no_lane(bench: Bench) -> None:
    """What cannot be deleted is tried again, and the fetching of others goes on."""
    bench.staging.write_text("in the way")
    with pytest.raises(Transient):
        bench.shelf().discard(bench.job(state=JobState.REMOVED), bench.stop)


def test_discard_where_the_output_directory_is_gone(bench: Bench) -> None:
    """A category that was deleted by hand holds nothing to delete."""
    publication = Publication(str(bench.category / "x"), 1, 1, "size")
    job = bench.job(state=JobState.REMOVED, publication=publication, remove_files=True)
    bench.shelf().discard(job, bench.stop)
    assert not bench.category.exists()


def test_sweep_keeps_what_is_owed(bench: Bench) -> None:
    """Only the present round of a job that is being fetched stays, and what is yet to be discarded."""
    jobs = {
        "fetching": bench.job(id="fetching", round=1),
        "done": bench.job(id="done", state=JobState.DONE),
        "failed": bench.job(id="failed", state=JobState.FAILED),
        "removed": bench.job(id="removed", state=JobState.REMOVED),
    }
    names = ["fetching-0", "fetching-1", "done-0", "failed-0", "removed-0", "unknown-3", "not ours"]
    for name in names:
        (bench.staging / name).mkdir(parents=True)
    bench.shelf().sweep(jobs)
    assert {path.name for path in bench.staging.iterdir()} == {"fetching-1", "removed-0", "not ours"}


def test_a_sweep_that_does_not_work_is_no_reason_not_to_start(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """Leftovers that cannot be deleted are said and left."""
    bench.staging.mkdir()
    (bench.staging / "c0ffee-0").write_text("a file where a directory should be")
    bench.shelf().sweep({})
    assert "to clear" in caplog.text


def test_sweep_where_nothing_is(bench: Bench) -> None:
    """A first start finds no staging and makes none."""
    bench.shelf().sweep({})
    assert not bench.staging.exists()


def test_probe_is_content_with_a_good_disk(bench: Bench) -> None:
    """Nothing is raised, and nothing is left behind."""
    bench.shelf().probe()
    assert not list(bench.root.iterdir())


def test_probe_tells_a_missing_directory(bench: Bench) -> None:
    """The output root must be there."""
    bench.root.rmdir()
    with pytest.raises(Blocked, match="mount or make it"):
        bench.shelf().probe()


def test_probe_tells_a_full_disk(bench: Bench) -> None:
    """Less free than must stay free."""
    with pytest.raises(Blocked, match="must stay free"):
        bench.shelf(min_free_bytes=1 << 60).probe()


def test_a_category_within_another_is_staged_where_all_are(bench: Bench) -> None:
    """Nothing unfinished lies in the outer category; directories on the way are made."""
    nested = bench.root / "a" / "b"
    job = bench.job()
    moved = replace(job.destination, directory=str(nested))
    publication = bench.fetch(bench.put(("R/a", b"1")), destination=moved, roots=(str(bench.root),))
    assert publication.path == str(nested / "Some.Release.2020")
    assert not (bench.root / "a" / ".offcloud-watchd").exists()
