"""The table of faults names tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHORT = {"F/": "tests/faults/", "W/": "tests/unit/watch/", "U/": "tests/unit/core/links/"}


def _named() -> list[tuple[Path, str]]:
    text = (ROOT / "docs" / "faults.md").read_text()
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", text)
    return [(ROOT / (SHORT.get(path[:2], path[:2]) + path[2:]), test) for path, test in named]


def test_every_test_in_the_table_is_there() -> None:
    """A test that was renamed or taken away is missed here."""
    named = _named()
    missing = [f"{path}::{test}" for path, test in named if f"def {test}(" not in path.read_text()]
    assert not missing


def test_every_fault_of_drops_has_a_test() -> None:
    """No row is without a test."""
    rows = re.findall(r"^\| (\d+) \|.*$", (ROOT / "docs" / "faults.md").read_text(), re.MULTILINE)
    lines = (ROOT / "docs" / "faults.md").read_text().splitlines()
    bare = [line for line in lines if re.match(r"\| ([1-9]|[1-4]\d) \|", line) and "test_" not in line]
    assert [int(row) for row in rows] == list(range(1, 49))
    assert not bare
