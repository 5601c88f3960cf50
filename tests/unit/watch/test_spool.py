"""The bytes of accepted drops."""

import gzip
import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.links import MAX_DROP_BYTES, parse_torrent
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Link, LinkKind
from offcloud_watchd.watch.spool import SpooledTorrents, store, sweep_spool, sync_directory, write_durably
from tests.fakes.torrents import Content, torrent


def test_bytes_are_kept_under_their_hash(tmp_path: Path) -> None:
    """Storing makes the spool, names the bytes by their hash and is private; storing again is harmless."""
    spool = tmp_path / "state" / "spool"
    (name,) = store(spool, [b"data"])
    assert name == hashlib.sha256(b"data").hexdigest()
    assert store(spool, [b"data", b"data"]) == [name, name]
    assert [path.name for path in spool.iterdir()] == [name]
    assert (spool / name).read_bytes() == b"data"
    assert (spool / name).stat().st_mode & 0o777 == 0o600


def test_many_are_stored_in_their_order(tmp_path: Path) -> None:
    """Names come back in the order of the contents, and every one is there."""
    contents = [b"%d" % number for number in range(150)]
    names = store(tmp_path, contents)
    assert [(tmp_path / name).read_bytes() for name in names] == contents


def test_one_that_cannot_be_stored_fails_all(
    tmp_path: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    """Where one of many cannot be kept none is reported as safe, and nothing half is left."""
    with full_disk(), pytest.raises(OSError, match="too large"):
        store(tmp_path, [b"1", b"2", b"3"])
    assert list(tmp_path.iterdir()) == []


def test_a_name_proves_nothing(tmp_path: Path) -> None:
    """A power cut can leave a name with less than its bytes: it is written anew."""
    (name,) = store(tmp_path, [b"data"])
    (tmp_path / name).write_bytes(b"")
    assert store(tmp_path, [b"data"]) == [name]
    assert (tmp_path / name).read_bytes() == b"data"


def test_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """What cannot be put in its place is taken away again."""
    (tmp_path / "target").mkdir()
    with pytest.raises(IsADirectoryError):
        write_durably(tmp_path / "target", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_sync_needs_a_directory(tmp_path: Path) -> None:
    """A missing directory cannot be synced."""
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")


def test_sweep_keeps_what_is_needed(tmp_path: Path) -> None:
    """Needless bytes and half files go at the start; needed ones and foreign files stay."""
    kept, lost = store(tmp_path, [b"kept", b"lost"])
    (tmp_path / ".offcloud-watchd-0123").write_bytes(b"half")
    (tmp_path / "README").write_bytes(b"foreign")
    assert sweep_spool(tmp_path, {kept}) == 2
    assert {path.name for path in tmp_path.iterdir()} == {kept, "README"}
    assert not (tmp_path / lost).exists()


def test_sweep_of_no_spool(tmp_path: Path) -> None:
    """Before the first drop there is nothing to sweep."""
    assert sweep_spool(tmp_path / "none", set()) == 0


# --- torrents, given back ----------------------------------------------------------------------------------


def job_of(*contents: bytes, spool: Path, **link: str | None) -> Job:
    """Make a job that came of some drops, whose bytes are in the spool."""
    names = store(spool, contents)
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
