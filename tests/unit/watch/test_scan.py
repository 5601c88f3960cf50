"""One look into a folder, where it is not seen through the watcher."""

from pathlib import Path

from offcloud_watchd.watch import scan
from offcloud_watchd.watch.reading import opened_directory


def test_entry_that_vanishes_during_the_listing(tmp_path: Path) -> None:
    """A file that goes between its listing and its stat is left out (fault 7)."""

    class Remover(set[str]):
        """Takes a file away at the moment it is looked at."""

        def __contains__(self, name: object) -> bool:
            (tmp_path / str(name)).unlink()
            return False

    for name in "abc":
        (tmp_path / name).touch()
    with opened_directory(tmp_path) as root:
        found = scan.scan(root, with_subfolders=False, limit=10, uncounted=Remover())
    assert (found.files, found.odd, found.is_whole) == ({}, {}, True)


def test_what_is_odd_is_bounded(tmp_path: Path) -> None:
    """Of very many links and pipes only some are noted."""
    for number in range(5):
        (tmp_path / f"{number}.magnet").symlink_to("/nowhere")
    with opened_directory(tmp_path) as root:
        found = scan.scan(root, with_subfolders=False, limit=2)
    assert len(found.odd) == 2


def test_a_cut_scan_says_so(tmp_path: Path) -> None:
    """Whoever compares two scans must know that one is not whole."""
    for name in "ab":
        (tmp_path / name).touch()
    with opened_directory(tmp_path) as root:
        assert scan.scan(root, with_subfolders=False, limit=2).is_whole
        assert not scan.scan(root, with_subfolders=False, limit=1).is_whole


def test_stuck_files_do_not_use_up_the_limit(tmp_path: Path) -> None:
    """Files that are stuck do not keep later ones from being seen."""
    for name in "abcd":
        (tmp_path / name).touch()
    with opened_directory(tmp_path) as root:
        found = scan.scan(root, with_subfolders=False, limit=2)
    assert len(found.files) == 2
    with opened_directory(tmp_path) as root:
        found = scan.scan(root, with_subfolders=False, limit=1, uncounted={"a", "b", "c"})
    assert found.files.keys() == {"a", "b", "c", "d"}
