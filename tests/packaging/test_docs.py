"""The pages for people are true: made from the schema, quoting real lines, linking to what is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from offcloud_watchd.cli import COMMANDS
from offcloud_watchd.config import json_schema, load
from offcloud_watchd.errors import ConfigError
from tests.packaging.test_man_pages import keys

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
_PLACEHOLDER = re.compile(r"%[-+.0-9]*[a-z]")


@cache
def said() -> str:
    """Return every piece of text in the program, as it stands in the source, whatever is put between."""
    pieces: list[str] = []
    for path in (ROOT / "offcloud_watchd").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                pieces += _PLACEHOLDER.split(node.value)
    return "\0".join(pieces)


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, the way a forge makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_is_the_schema(tmp_path: Path) -> None:
    """docs/configuration.md is what `make reference` makes."""
    made = tmp_path / "configuration.md"
    command = [sys.executable, "-B", str(ROOT / "packaging" / "reference.py"), str(made)]
    subprocess.run(command, check=True, timeout=60)
    assert (ROOT / "docs" / "configuration.md").read_text() == made.read_text(), "run `make reference`"


def test_the_reference_names_every_key() -> None:
    """Each that a person can write, with its place."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    schema = json_schema()
    sections = {"offcloud", "offcloud.poll", "folders", "fetch", "web", "engines", "arr", "notify", "log"}
    wanted = {key.replace("folders.", "folders[].") for key in keys(schema, schema)} - sections
    told = set(re.findall(r"^\| `([\w.\[\]]+)`", text, re.MULTILINE))
    assert {key for key in wanted - told if not key.startswith("folders[].remote.")} == set()


def test_the_refusals_it_shows_are_real(tmp_path: Path) -> None:
    """The two lines of the reference, by a file that has these two mistakes."""
    path = tmp_path / "config.yaml"
    path.write_text("output_dir: /x\nfolders:\n  - path: /y\n    watches: auto\nfetch:\n  min_free: 5\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {"HOME": "/home/me"})
    shown = (ROOT / "docs" / "configuration.md").read_text().split("```")[1].strip().splitlines()
    assert shown == caught.value.problems


def test_every_line_that_is_quoted_is_one_the_program_says() -> None:
    """Troubleshooting by what the log says: each piece between the dots stands in the source."""
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    quoted = re.findall(r"^> `(.+)`$", text, re.MULTILINE)
    assert len(quoted) > 20
    pieces = [piece.strip() for line in quoted for piece in line.split("...") if piece.strip()]
    assert [piece for piece in pieces if piece not in said()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading that is there."""
    broken = []
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        path = page.parent / name if name else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(target)
    assert broken == []


def test_every_test_that_a_page_names_is_there() -> None:
    """What *arr tools need: a test that was renamed or taken away is missed here."""
    short = {"C/": "tests/contract/web/", "W/": "tests/unit/web/", "E/": "tests/e2e/"}
    named = re.findall(r"`([\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "testing.md").read_text())
    paths = [(ROOT / (short.get(path[:2], path[:2]) + path[2:]), test) for path, test in named]
    assert named
    assert [test for path, test in paths if f"def {test}(" not in path.read_text()] == []


def test_every_page_is_in_the_list() -> None:
    """Who comes to docs/ finds each page."""
    listed = set(re.findall(r"\]\(([\w.-]+\.md)", (ROOT / "docs" / "index.md").read_text()))
    assert listed >= {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}


def test_the_readme_names_real_commands() -> None:
    """Each word after the program's name is one of its commands."""
    code = " ".join(re.findall(r"```.*?```|`[^`]+`", (ROOT / "README.md").read_text(), re.DOTALL))
    words = set(re.findall(r"offcloud-watchd ([a-z]+)", code))
    assert words <= set(COMMANDS), words - set(COMMANDS)
