"""``status`` and ``check``: what they say of a daemon that runs or does not, and of a place that is wrong."""

import json
import shutil
from pathlib import Path

import pytest

from offcloud_watchd.cli import main
from offcloud_watchd.cli.status import plain
from offcloud_watchd.journal import lock_state
from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.e2e.process import KEY, Place

RUNNING = {
    "version": 1,
    "at": 100.0,
    "pid": 7,
    "journal_problem": "",
    "lanes": [
        {"lane": "api", "paused": True, "reason": "the key was\x1b[2J refused"},
        {"lane": "disk", "paused": False},
    ],
    "folders": [
        {"path": "/drop", "category": "tv", "watch": "events", "waiting": 2, "problem": "is not there"},
        {"path": "/more", "category": "film", "watch": "poll", "waiting": 0, "problem": ""},
    ],
    "counts": {"queued": 1, "fetching": 2},
    "active": [
        {
            "id": "a1",
            "state": "fetching",
            "name": "A \u202ename",
            "fraction": 0.5,
            "bytes_per_s": 3_000_000.0,
            "left_s": 3725.0,
            "reason": "",
        },
        {
            "id": "b2",
            "state": "queued",
            "name": "B",
            "fraction": None,
            "bytes_per_s": None,
            "left_s": None,
            "reason": "no answer",
        },
    ],
    "active_total": 5,
}


@pytest.fixture
def sandbox():
    """A sandbox with the key of the tests."""
    with Sandbox(SandboxSettings(key=KEY)) as running:
        yield running


@pytest.fixture
def place(tmp_path: Path, sandbox) -> Place:
    """A place that is in order."""
    return Place(tmp_path, sandbox.url)


def _run(place: Place, *words: str) -> int:
    return main([*words, "--config", str(place.config)])


def test_plain_lines_tell_everything_and_nothing_raw():
    """Pauses, folders and jobs each have their line; control characters are escaped."""
    lines = plain({"running": True, **RUNNING})
    text = "\n".join(lines)
    assert lines[0] == "running (pid 7): 1 queued, 0 cloud, 2 fetching, 0 done, 0 failed"
    assert "lane api is paused: the key was\\x1b[2J refused" in lines
    assert "folder /drop (tv, events): 2 waiting, is not there" in lines
    assert "folder /more (film, poll): 0 waiting" in lines
    assert "50% 2.9MiB/s 1:02:05 left" in text
    assert "b2 queued   B (no answer)" in lines
    assert lines[-1] == "and 3 more"
    assert "\u202e" not in text
    assert "lane disk" not in text


def test_a_journal_that_takes_nothing_is_said_first():
    """The worst news stand in the first line."""
    lines = plain({"running": True, **RUNNING, "journal_problem": "no space left"})
    assert lines[0].endswith("the journal takes nothing: no space left")


def test_down_is_told_from_the_journal(place, capsys):
    """Without a daemon the counts come from the journal, and that is no error."""
    assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith("not running: 0 queued")
    assert _run(place, "status", "--json") == 0
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_a_status_file_counts_only_while_somebody_holds_the_state(place, capsys):
    """What a dead daemon left behind is not shown as alive."""
    place.state.mkdir(mode=0o700)
    (place.state / "status.json").write_text(json.dumps(RUNNING))
    assert _run(place, "status") == 0
    assert capsys.readouterr().out.startswith("not running")
    lock = lock_state(place.state)
    try:
        assert _run(place, "status") == 0
    finally:
        lock.release()
    assert capsys.readouterr().out.startswith("running (pid 7)")


def test_check_of_a_good_place(place, capsys):
    """Each thing has its line; the account's plan is told."""
    assert _run(place, "check") == 0
    out = capsys.readouterr().out
    assert "BAD" not in out
    for what in ("config", "key", "plan", f"folder {place.drop}", f"output {place.output}", "clock"):
        assert f"ok  {what}: " in out
    assert KEY not in out


def test_check_offline_asks_nobody(place, sandbox, capsys):
    """--offline leaves the service alone."""
    sandbox.stop()
    assert _run(place, "check", "--offline") == 0
    assert "was not asked" in capsys.readouterr().out


def test_check_of_a_refused_key_ends_with_77(place, capsys):
    """The key's own exit code, and what to do."""
    (place.root / "api-key").write_text("another-key-00000000000000000000\n")
    assert _run(place, "check") == 77
    assert "BAD key" in capsys.readouterr().out


def test_check_of_a_service_that_does_not_answer(place, sandbox, capsys):
    """An outage is neither a wrong key nor a wrong configuration."""
    sandbox.stop()
    assert _run(place, "check") == 1
    assert "BAD service" in capsys.readouterr().out


def test_check_of_a_lapsed_plan(tmp_path, capsys):
    """A free account is told before the first drop is."""
    with Sandbox(SandboxSettings(key=KEY, premium=False)) as lapsed:
        assert _run(Place(tmp_path, lapsed.url), "check", "--json") == 1
    found = {one["what"]: one["ok"] for one in json.loads(capsys.readouterr().out)}
    assert found["key"]
    assert not found["plan"]


def test_check_names_places_that_are_not_there(place, capsys):
    """A missing drop folder or output directory is named with what to do."""
    shutil.rmtree(place.output)
    shutil.rmtree(place.drop)
    assert _run(place, "check", "--offline") == 1
    out = capsys.readouterr().out
    assert f"BAD folder {place.drop}: is not there" in out
    assert f"BAD output {place.output}: is not there" in out


def test_check_of_a_full_disk(place, capsys):
    """Room that must stay free and is not there is told in numbers."""
    place.write_config(min_free="1000000GiB")
    assert _run(place, "check", "--offline") == 1
    assert "must stay free" in capsys.readouterr().out


def test_check_of_a_wrong_configuration(place, capsys):
    """A wrong configuration ends with 78 and names the line."""
    place.config.write_text(place.config.read_text() + "nonsense: 1\n")
    assert _run(place, "check", "--offline") == 78
    assert "nonsense" in capsys.readouterr().err
