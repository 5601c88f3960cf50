"""The man pages: complete, readable by man, the same each time."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from offcloud_watchd.cli import COMMANDS
from offcloud_watchd.config import json_schema

ROOT = Path(__file__).parents[2]


def make(directory: Path) -> dict[str, str]:
    """Make all pages and return them by name."""
    command = [sys.executable, str(ROOT / "packaging" / "man.py"), str(directory)]
    subprocess.run(command, check=True, timeout=60)
    return {path.name: path.read_text() for path in directory.iterdir()}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pages of this module's tests are."""
    return tmp_path_factory.mktemp("man")


@pytest.fixture(scope="module")
def pages(directory: Path) -> Mapping[str, str]:
    """All pages by name."""
    return make(directory)


def keys(schema: Mapping[str, Any], section: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every key of the configuration, with dots."""
    for name, setting in section["properties"].items():
        yield prefix + name
        below = setting.get("$ref") or setting.get("items", {}).get("$ref")
        if below is not None and name not in ("arr", "schedule"):
            yield from keys(schema, schema["$defs"][below.rpartition("/")[2]], f"{prefix}{name}.")


def test_there_is_a_page_for_every_command(pages):
    """One page for the program, one for each command, one for the configuration."""
    assert sorted(pages) == sorted(
        ["offcloud-watchd.1", "offcloud-watchd.5", *(f"offcloud-watchd-{name}.1" for name in COMMANDS)]
    )


def test_every_key_is_described(pages):
    """Section 5 names each key of the schema, also those inside sections and lists."""
    schema = json_schema()
    text = pages["offcloud-watchd.5"]
    missing = [key for key in keys(schema, schema) if f"\\fB{key}\\fP" not in text]
    assert not missing


def test_a_page_says_what_its_command_takes_and_prints(pages):
    """Options with their values and helps, inner commands, and the promise of ``--json``."""
    jobs, journal = pages["offcloud-watchd-jobs.1"], pages["offcloud-watchd-journal.1"]
    assert "\\fB\\-\\-state\\fP" in jobs
    assert "One of: queued, cloud," in jobs
    assert ".SS journal verify" in journal
    assert "\\fBtorn_bytes\\fP" in journal
    assert "\\fBoffcloud\\-watchd(1)\\fP describes it" in jobs
    assert "request_id" in pages["offcloud-watchd.1"]


def test_the_rules_for_developers_stay_out(pages):
    """Whoever reads a page wants to use the program, not to change it."""
    assert not [name for name, text in pages.items() if "Rules of this" in text or "noqa" in text]


def test_the_same_tree_gives_the_same_pages(pages, tmp_path):
    """Nothing of the machine or the hour is in a page, so a package can be built again."""
    assert make(tmp_path / "again") == pages


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not on this machine")
def test_groff_has_no_complaint(directory, pages):
    """Every macro and every escape is one that a terminal's man knows."""
    paths = [str(directory / name) for name in sorted(pages)]
    judged = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", *paths],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (judged.returncode, judged.stderr) == (0, "")
