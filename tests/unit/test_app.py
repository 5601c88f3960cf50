"""The composition root: which configuration may take the place of the one that runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from offcloud_watchd import blueprint
from offcloud_watchd.app import may_reload
from offcloud_watchd.blueprint import Blueprint


@pytest.fixture
def plan(tmp_path: Path) -> Blueprint:
    """A small configuration that is good."""
    (tmp_path / "drop").mkdir()
    key = tmp_path / "key"
    key.write_text("a-key-for-tests-0123456789\n")
    key.chmod(0o600)
    (tmp_path / "config.yaml").write_text(
        "offcloud: {api_key_file: key}\noutput_dir: out\nstate_dir: state\nfolders: [{path: drop}]\n"
    )
    return blueprint.read(tmp_path / "config.yaml", {})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("path: drop", "path: drop, settle: 9s", ""),
        ("state_dir: state", "state_dir: elsewhere", "config.yaml:3:12: state_dir: cannot change from"),
        ("path: drop", "path: drop, nonsense: 1", "nonsense"),
        ("path: drop", "path: out/drop", "the drop folder"),
        ("output_dir: out", "output_dir: [", "config.yaml"),
    ],
    ids=["good", "another state", "unknown key", "places that cannot be", "no YAML"],
)
def test_a_reload_is_checked_first(
    plan: Blueprint, tmp_path: Path, caplog: pytest.LogCaptureFixture, old: str, new: str, said: str
) -> None:
    """A configuration that cannot take over is refused with every problem, each on a line of its own."""
    path = tmp_path / "config.yaml"
    path.write_text(path.read_text().replace(old, new))
    assert may_reload(plan, path, {}) == (not said)
    assert said in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert all("the old configuration stays" in record.getMessage() for record in caplog.records)


def test_a_configuration_that_is_gone_is_no_reload(plan: Blueprint, tmp_path: Path) -> None:
    """The file may be missing while it is being replaced."""
    (tmp_path / "config.yaml").unlink()
    assert not may_reload(plan, tmp_path / "config.yaml", {})
