"""The table of faults names tests that are there, and leaves no fault of its own out."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text()
SHORT = {
    "F/": "tests/faults/",
    "W/": "tests/unit/watch/",
    "U/": "tests/unit/core/links/",
    "J/": "tests/unit/journal/",
    "P/": "tests/unit/web/",
}
NUMBERS = [*range(1, 49), *range(95, 121)]
"""Those between stand in the pages of the service and of the fetch, which have such a test too."""


def test_every_test_in_the_table_is_there() -> None:
    """A test that was renamed or taken away is missed here."""
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)
    paths = [(ROOT / (SHORT.get(path[:2], path[:2]) + path[2:]), test) for path, test in named]
    missing = [f"{path}::{test}" for path, test in paths if f"def {test}(" not in path.read_text()]
    assert named
    assert not missing


def test_every_fault_has_its_row() -> None:
    """In order, once, and with a test."""
    rows = re.findall(r"^\| (\d+) \|(.*)$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == NUMBERS
    assert not [row for _, row in rows if "test_" not in row]
