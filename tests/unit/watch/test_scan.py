"""One look into a folder, where it is not seen through the watcher."""

from pathlib import Path

from offcloud_watchd.watch import scan
from offcloud_watchd.watch.reading import opened_directory


def test_entry_that_vanishes_during_the_listing(tmp_path: Path) -> None:
    """A file that goes between its listing and its stat is left out (fault 7)."""
    for name in "abc":
        (tmp_path / name).touch()
    seen = []
    with opened_directory(tmp_path) as root:
        for name, _ in scan._entries(root):
            seen.append(name)
            for other in set("abc") - {name}:
                (tmp_path / other).unlink(missing_ok=True)
    assert len(seen) == 1


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
