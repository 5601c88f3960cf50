"""Room on disks, also on some that are not there or do not answer."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from offcloud_watchd.metrics import room
from offcloud_watchd.metrics.room import Room
from tests.fakes.threads import no_more_threads


def test_room(tmp_path: Path):
    """The figures of the file system; a directory that is still to be made counts with its parent."""
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(b"x" * 77)
    measured = Room(journal, (str(tmp_path), str(tmp_path / "tv" / "shows"))).measure()
    assert measured.journal_bytes == 77
    assert [space.directory for space in measured.spaces] == [str(tmp_path), str(tmp_path / "tv" / "shows")]
    assert {space.size_bytes for space in measured.spaces} == {shutil.disk_usage(tmp_path).total}


def test_directories_of_one_file_system_are_one_disk(tmp_path: Path):
    """What is promised on it is asked for by its device."""
    device = tmp_path.stat().st_dev
    promised = {device: 7}
    directories = (str(tmp_path), "/proc", str(tmp_path / "tv"))
    here, proc = Room(tmp_path / "j", directories, lambda one: promised.get(one, 0)).measure().disks
    assert here.directories == (str(tmp_path), str(tmp_path / "tv"))
    assert (here.promised_bytes, proc.promised_bytes) == (7, 0)
    assert proc.directories == ("/proc",)


def test_what_cannot_be_measured_is_left_out(tmp_path: Path):
    """A journal that is not there and a file where a directory should be."""
    (tmp_path / "file").write_text("")
    measured = Room(tmp_path / "journal.jsonl", (str(tmp_path / "file" / "below"), str(tmp_path))).measure()
    assert measured.journal_bytes is None
    assert [space.directory for space in measured.spaces] == [str(tmp_path)]


def test_no_further_thread(tmp_path: Path):
    """The page comes without these figures, and with them when there is a thread again (fault 106)."""
    measured = Room(tmp_path / "journal.jsonl", (str(tmp_path),))
    with no_more_threads():
        assert measured.measure().spaces == ()
    assert len(measured.measure().spaces) == 1


def test_a_disk_that_hangs(tmp_path: Path, monkeypatch):
    """It costs half a second once, and one thread; it hides nothing that answered before it."""
    going_on, asked = threading.Event(), []

    def hanging(path: Path) -> os.statvfs_result:
        asked.append(str(path))
        if "hung" in str(path):
            going_on.wait(10)
        return statvfs(tmp_path)

    statvfs = os.statvfs
    monkeypatch.setattr(room.os, "statvfs", hanging)
    monkeypatch.setattr(room, "WITHIN_S", 0.05)
    measured = Room(tmp_path / "journal.jsonl", (str(tmp_path), "/hung", "/after"))
    for _ in range(3):
        assert [space.directory for space in measured.measure().spaces] == [str(tmp_path)]
    assert asked == [str(tmp_path), "/hung"]
    going_on.set()
    measured._thread.join(10)
    monkeypatch.setattr(room, "WITHIN_S", 10)
    assert [space.directory for space in measured.measure().spaces] == [str(tmp_path), "/hung", "/after"]
