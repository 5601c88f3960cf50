"""What was dropped, given back out of the spool."""

import gzip
import os
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.links import MAX_DROP_BYTES, parse, parse_torrent
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Link, LinkKind
from offcloud_watchd.watch.spool import name_of, store
from offcloud_watchd.watch.spooled import SpooledFiles, SpooledTorrents, Uploading
from tests.fakes.torrents import Content, torrent


def job_of(*contents: bytes, spool: Path, **link: str | None) -> Job:
    """Make a job that came of some drops, whose bytes are in the spool."""
    names = [name_of(data) for data in contents]
    store(spool, dict(zip(names, contents, strict=True)))
    drops = tuple(Drop(f"d{number}", "x", "/drop", name) for number, name in enumerate(names))
    known = {"info_hash_v1": None, "info_hash_v2": None, **link}
    made = Link(LinkKind.TORRENT, "btih:x", "magnet:?x", **known)
    return Job("c0ffee", made, drops, Destination("tv", "/out/tv"), None, JobState.FETCHING, 0.0, 0.0)


TORRENT = torrent([Content("a", b"1234")], v2=True)
OTHER = torrent([Content("b", b"1234")])
HASHES = {
    "info_hash_v1": parse_torrent(TORRENT).info_hash_v1,
    "info_hash_v2": parse_torrent(TORRENT).info_hash_v2,
}


@pytest.mark.parametrize("known", ["info_hash_v1", "info_hash_v2"])
@pytest.mark.parametrize("data", [TORRENT, gzip.compress(TORRENT)])
def test_the_torrent_of_a_job_is_found_among_its_drops(tmp_path: Path, known: str, data: bytes) -> None:
    """It is known by either hash, whatever else was dropped for the same content, packed or not."""
    job = job_of(b"magnet:?x", OTHER, data, OTHER, spool=tmp_path, **{known: HASHES[known]})
    assert SpooledTorrents(tmp_path)(job) == data


def test_a_job_without_a_torrent_has_none(tmp_path: Path) -> None:
    """Magnets, links, commands that were spooled nowhere, and other torrents."""
    job = job_of(b"magnet:?x", OTHER, spool=tmp_path, **HASHES)
    assert SpooledTorrents(tmp_path)(job) is None
    bare = replace(job, drops=(Drop("d", "", ""),))
    assert SpooledTorrents(tmp_path)(bare) is None
    page = job_of(TORRENT, spool=tmp_path)
    assert SpooledTorrents(tmp_path)(replace(page, link=Link(LinkKind.URL, "url:x", "https://x"))) is None


@pytest.mark.parametrize("what", ["changed", "gone", "a link", "a pipe", "too large"])
def test_what_is_not_what_was_stored_is_not_used(
    tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told, nothing hangs, and nothing raises."""
    spool = tmp_path / "spool"
    job = job_of(TORRENT, spool=spool, **HASHES)
    path = spool / job.drops[0].sha256
    path.rename(tmp_path / "moved")
    match what:
        case "changed":
            path.write_bytes(TORRENT[:-1] + b"x")
        case "a link":
            path.symlink_to(tmp_path / "moved")
        case "a pipe":
            os.mkfifo(path)
        case "too large":
            with path.open("wb") as file:
                file.write(TORRENT)
                file.truncate(MAX_DROP_BYTES + 1)
    assert SpooledTorrents(spool)(job) is None
    assert str(path) in caplog.text


# --- what is handed over ---


def rewritten(*, private: bool, tracker: bool) -> bytes:
    """Return a torrent of these manners."""
    info = b"d6:lengthi4e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaa"
    info += b"7:privatei1ee" if private else b"e"
    return b"d" + (b"8:announce17:http://tr.invalid" if tracker else b"") + b"4:info" + info + b"e"


@pytest.mark.parametrize(
    ("private", "tracker", "wanted"),
    [(False, True, False), (True, True, True), (False, False, True), (True, False, True)],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_a_magnet_may_not_bring_is_handed_over(
    tmp_path: Path, *, private: bool, tracker: bool, wanted: bool, packed: bool
) -> None:
    """A private torrent, and one without a tracker; all, or none, where that is asked for. Never packed."""
    data = rewritten(private=private, tracker=tracker)
    stored = gzip.compress(data) if packed else data
    job = job_of(stored, spool=tmp_path, info_hash_v1=parse_torrent(data).info_hash_v1)
    given = {mode: SpooledFiles(tmp_path, mode)(job) for mode in Uploading}
    assert given == {
        Uploading.NEVER: None,
        Uploading.AUTO: data if wanted else None,
        Uploading.ALWAYS: data,
    }


def test_what_came_as_a_magnet_goes_as_one(tmp_path: Path) -> None:
    """There is no file to hand over, or it is lost."""
    job = job_of(b"magnet:?x", OTHER, spool=tmp_path, **HASHES)
    assert SpooledFiles(tmp_path, Uploading.ALWAYS)(job) is None


def test_an_nzb_is_given_back_among_its_drops(tmp_path: Path) -> None:
    """Unpacked, whatever else was dropped for it; whatever is said of torrents."""
    data = b"<nzb><file><segments><segment>a@b</segment></segments></file></nzb>"
    (link,) = parse("x.nzb", data).found
    broken = gzip.compress(data)[:-9]
    job = replace(job_of(b"magnet:?x", broken, gzip.compress(data), spool=tmp_path), link=link)
    assert SpooledFiles(tmp_path)(job) == data
    assert SpooledTorrents(tmp_path)(job) is None
    lost = replace(job_of(OTHER, spool=tmp_path), link=link)
    assert SpooledFiles(tmp_path)(lost) is None
