"""What is remembered of the mount a folder lies on."""

from __future__ import annotations

from pathlib import Path

import pytest

from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.mounts import Mount

DROP = "/mnt/nas/drop"
NAS = Mount("/mnt/nas", "ext4")
ROOT = Mount("/", "ext4")


def mooring(tmp_path: Path) -> Mooring:
    """Give the memory of the folder, as after a restart."""
    return Mooring(tmp_path, Path("/srv/drop"))


def test_folder_waits_for_its_mount_over_restarts(tmp_path: Path) -> None:
    """A folder that lay on a mount is not used while only what is below it is there (fault 26)."""
    assert mooring(tmp_path).problem(DROP, NAS) == ""
    problem = mooring(tmp_path).problem(DROP, ROOT)
    assert "/mnt/nas is not there" in problem
    assert mooring(tmp_path).problem(DROP, NAS) == ""


def test_operator_has_the_last_word(tmp_path: Path) -> None:
    """Deleting the file that is named lets the folder be used as it is, without a restart."""
    kept = mooring(tmp_path)
    kept.problem(DROP, NAS)
    (file,) = (tmp_path / "mounts").iterdir()
    assert str(file) in kept.problem(DROP, ROOT)
    file.unlink()
    assert kept.problem(DROP, ROOT) == ""


def test_folder_on_the_root_writes_nothing(tmp_path: Path) -> None:
    """Where nothing can be unmounted nothing is remembered, nor where nothing is known."""
    assert mooring(tmp_path).problem(DROP, ROOT) == ""
    assert mooring(tmp_path).problem(DROP, Mount()) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("real_path", "mount"),
    [
        ("/mnt/nas/drop", Mount("/mnt/nas/drop", "ext4")),
        ("/srv/elsewhere", ROOT),
        ("/mnt/other/drop", Mount("/mnt/other", "xfs")),
        ("/mnt/nas/drop", Mount()),
    ],
)
def test_a_nearer_mount_or_another_place_is_no_loss(tmp_path: Path, real_path: str, mount: Mount) -> None:
    """A further mount, a folder that leads elsewhere now, and an unknown one are used."""
    mooring(tmp_path).problem(DROP, NAS)
    assert mooring(tmp_path).problem(real_path, mount) == ""


def test_memory_that_cannot_be_kept_stops_nothing(tmp_path: Path) -> None:
    """Without a writable state directory the folder is used all the same."""
    (tmp_path / "mounts").write_text("in the way")
    assert mooring(tmp_path).problem(DROP, NAS) == ""
