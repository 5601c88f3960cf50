"""``config hash-password``: what may stand in the password file."""

import io

import pytest

from offcloud_watchd.cli import main
from offcloud_watchd.web.password import matches


def test_a_line_is_hashed(monkeypatch, capsys):
    """One line of standard input becomes one line that opens with it."""
    monkeypatch.setattr("sys.stdin", io.StringIO("open sesame\n"))
    assert main(["config", "hash-password"]) == 0
    stored = capsys.readouterr().out
    assert stored.endswith("\n")
    assert matches(stored.strip(), "open sesame")


@pytest.mark.parametrize("line", ["", "\n", "x" * 2000])
def test_no_password(monkeypatch, capsys, line):
    """What is no password is refused, and none of it shown."""
    monkeypatch.setattr("sys.stdin", io.StringIO(line))
    assert main(["config", "hash-password"]) == 1
    ended = capsys.readouterr()
    assert ended.out == ""
    assert "xxx" not in ended.err
