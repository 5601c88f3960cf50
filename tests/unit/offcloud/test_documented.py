"""docs/offcloud.md names every endpoint, and only tests that exist."""

import ast
import re
from pathlib import Path

import pytest

from offcloud_watchd.cli import COMMANDS
from offcloud_watchd.sandbox.api import ROUTES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "offcloud.md").read_text()


def _functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(tests/[\w/]+\.py)::", PAGE))))
def test_every_test_that_is_named_exists(path: str) -> None:
    """A table that names what is not there would prove nothing."""
    named = set(re.findall(rf"`{re.escape(path)}::(\w+)`", PAGE))
    assert named <= _functions(path)


def test_every_endpoint_is_named() -> None:
    """What the sandbox answers to programs stands in the table, by the path a client asks."""
    for route in ROUTES:
        if route.endpoint == "activate":  # for people
            continue
        name = route.path.removeprefix("/api/").removesuffix("/{id}")
        assert re.search(rf"[`/ ]{re.escape(name.lstrip('/'))}[`/]", PAGE), route


def test_every_fault_has_a_test() -> None:
    """From a death around a POST to two daemons."""
    rows = re.findall(r"^\| (\d+) \|.*\| (`tests/.*|the same.*) \|$", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(49, 73))


def test_every_command_that_asks_the_service_is_named() -> None:
    """And is a command."""
    named = {"login", "account", "accounts", "proxies", "history", "cached", "check"}
    assert named <= set(COMMANDS)
    assert all(re.search(rf"`{word}[` ]", PAGE) for word in named)


def test_settings_that_use_a_call_are_named() -> None:
    """The table says which key leads to a call."""
    users = [
        row.split(" | ")[2]
        for row in re.findall(r"^\| .*(?:GET|POST|`).* \|$", PAGE, re.MULTILINE)
        if row.count(" | ") == 3
    ]
    named = {(key, value) for cell in users for key, value in re.findall(r"`(\w+): (\w+)`", cell)}
    assert {("route", "remote"), ("auth", "login"), ("torrent_upload", "auto")} <= named
