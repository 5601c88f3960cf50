"""The bytes of accepted drops."""

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from offcloud_watchd.watch.spool import name_of, store, sweep_spool, sync_directory, write_durably


def test_bytes_are_kept_under_their_hash(tmp_path: Path) -> None:
    """Storing makes the spool, names the bytes by their hash and is private; storing again is harmless."""
    spool = tmp_path / "state" / "spool"
    name = hashlib.sha256(b"data").hexdigest()
    assert name_of(b"data") == name
    for _ in range(2):
        store(spool, {name: b"data"})
    assert [path.name for path in spool.iterdir()] == [name]
    assert (spool / name).read_bytes() == b"data"
    assert (spool / name).stat().st_mode & 0o777 == 0o600


def test_many_are_stored(tmp_path: Path) -> None:
    """Every one is there, under its own name."""
    contents = {name_of(data): data for data in (b"%d" % number for number in range(150))}
    store(tmp_path, contents)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == contents


def test_one_that_cannot_be_stored_fails_all(
    tmp_path: Path, full_disk: Callable[[], AbstractContextManager[None]]
) -> None:
    """Where one of many cannot be kept none is reported as safe, and nothing half is left."""
    with full_disk(), pytest.raises(OSError, match="too large"):
        store(tmp_path, {name_of(data): data for data in (b"1", b"2", b"3")})
    assert list(tmp_path.iterdir()) == []


def test_a_name_proves_nothing(tmp_path: Path) -> None:
    """A power cut can leave a name with less than its bytes: it is written anew."""
    name = name_of(b"data")
    store(tmp_path, {name: b"data"})
    (tmp_path / name).write_bytes(b"")
    store(tmp_path, {name: b"data"})
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
    kept, lost = name_of(b"kept"), name_of(b"lost")
    store(tmp_path, {kept: b"kept", lost: b"lost"})
    (tmp_path / ".offcloud-watchd-0123").write_bytes(b"half")
    (tmp_path / "README").write_bytes(b"foreign")
    assert sweep_spool(tmp_path, {kept}) == 2
    assert {path.name for path in tmp_path.iterdir()} == {kept, "README"}
    assert not (tmp_path / lost).exists()


def test_sweep_of_no_spool(tmp_path: Path) -> None:
    """Before the first drop there is nothing to sweep."""
    assert sweep_spool(tmp_path / "none", set()) == 0
