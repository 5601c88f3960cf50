"""docs/fetch.md names only tests that exist, and every fault of the file host."""

import re
from pathlib import Path

from offcloud_watchd.fetch import unpack

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "fetch.md").read_text()


def test_every_test_that_is_named_exists() -> None:
    """A table that names what is not there would prove nothing."""
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)
    paths = {path: ROOT / re.sub("^U/", "tests/unit/fetch/", path) for path, _ in named}
    missing = [f"{path}::{test}" for path, test in named if f"def {test}(" not in paths[path].read_text()]
    assert named
    assert not missing


def test_every_fault_has_a_test() -> None:
    """From the first cut to the importer that looks."""
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(73, 95))
    assert all("::test_" in row for row in rows)


def test_the_limits_of_archives_are_the_ones_told() -> None:
    """The page and the program say the same."""
    told = f"{unpack.MAX_FILES:,} files, or more than {unpack.MAX_RATIO} times its own size"
    assert told in PAGE.replace("\n", " ")
    assert f"(beyond {unpack.HARMLESS_BYTES >> 20} MiB)" in PAGE
