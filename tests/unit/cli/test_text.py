"""What is printed steers no terminal and is the same for every eye."""

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd.cli.text import complain, moment, printable, say, say_json, say_table, size

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain Ünï ☃ 日本", "plain Ünï ☃ 日本"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\r\x00\x7f", "a\\x0ab\\x09c\\x0d\\x00\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\u2028\u200b", "\\u2028\\u200b"),
        ("\udcff", "\\udcff"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_steers_a_terminal_is_escaped(text: str, shown: str) -> None:
    """Controls, directions, invisible signs and broken bytes are shown as escapes; the rest stays."""
    assert printable(text) == shown


def test_everything_goes_through_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Results, remarks, tables and JSON: none lets a control character through."""
    say("a\x1bb")
    complain("a\x1bb\nc")
    say_table(("A", "B"), [("x\ty\x1b", "z\n")])
    say_json({"name": "\x1b\x9b\x7f\u202e\udcff"})
    out, err = capsys.readouterr()
    assert out.splitlines()[:2] == ["a\\x1bb", "x\\x09y\\x1b\tz\\x0a"]
    assert err == "offcloud-watchd: a\\x1bb\noffcloud-watchd: c\n"
    last = out.splitlines()[2]
    assert last.isascii()
    assert last.isprintable()
    assert json.loads(last) == {"name": "\x1b\x9b\x7f\u202e\udcff"}


@pytest.mark.parametrize(
    ("size_bytes", "shown"),
    [(0, "0B"), (1023, "1023B"), (1024, "1.0KiB"), (1_500_000_000, "1.4GiB"), (2**50, "1024.0TiB")],
)
def test_sizes_carry_their_unit(size_bytes: int, shown: str) -> None:
    """Sizes are printed the way the configuration writes them."""
    assert size(size_bytes) == shown


def test_a_moment_no_calendar_holds() -> None:
    """A journal written under a clock gone mad can still be shown."""
    assert moment(1e300) == f"{1e300:.0f} s"
    assert moment(0.0).startswith("19")


_TABLE = """
from offcloud_watchd.cli.text import say_json, say_table
say_table(("ID", "NAME"), [("1", "[bold]x[/] \\x1b[31m"), ("2", "y")])
say_json([1])
"""


def terminal(env: dict[str, str]) -> str:
    """Run the table program on a terminal and return what reached it."""
    leader, follower = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", _TABLE],
        check=True,
        cwd=ROOT,
        stdout=follower,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", **env},
    )
    os.close(follower)
    shown = io.BytesIO()
    try:
        while part := os.read(leader, 4096):
            shown.write(part)
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    return shown.getvalue().decode()


def test_a_terminal_gets_a_table() -> None:
    """Headings and columns for people; markup and escapes in a name stay text; JSON is indented."""
    shown = terminal({})
    assert "ID" in shown
    assert "NAME" in shown
    assert "[bold]x[/] \\x1b[31m" in shown
    assert "[\r\n  1\r\n]" in shown


def test_no_color_is_honoured() -> None:
    """With NO_COLOR no colour reaches the terminal."""
    assert "\x1b" not in terminal({"NO_COLOR": "1"})


def test_a_narrow_terminal_cuts_nothing() -> None:
    """What does not fit goes on in the next line, so that it can be copied."""
    assert "…" not in terminal({"COLUMNS": "20", "NO_COLOR": "1"})
