"""The alerts, the dashboard and the page in the docs speak of figures that exist, and the alerts ring."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from offcloud_watchd.core.effects import Poll
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import JobState, Lane, Progress
from offcloud_watchd.core.picture import LanePause, Overview, Picture
from offcloud_watchd.errors import Transient
from offcloud_watchd.metrics.metrics import Metrics
from offcloud_watchd.metrics.room import Room
from offcloud_watchd.metrics.tally import Tally
from offcloud_watchd.watch.watcher import Health
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import a_job

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on this machine")


def page(tmp_path: Path) -> str:
    """Write a page on which every family has a figure."""
    (tmp_path / "journal.jsonl").write_text("{}\n")
    tally = Tally()
    tally.heard([Outcome(Poll(a_job()), error=Transient("x"))])
    tally.asked("cloud/status", 200)
    tally.sent("command", "failed")
    job = a_job(JobState.FETCHING)
    picture = Picture(
        at=1.0,
        pauses={Lane.API: LanePause("refused", 1.0, 2.0, key_refused=True)},
        folders=[Health("/drop", "tv", "events", "", 0)],
        active=[(job, Progress(bytes_per_s=1.5))],
        counts=dict.fromkeys(JobState, 1),
        journal_problem="",
    )
    overview = Overview(picture, (job,), {job.id: Progress(bytes_per_s=1.5)}, frozenset())
    room = Room(tmp_path / "journal.jsonl", (str(tmp_path),))
    return Metrics(tally, room, lambda: (1, 1), FakeClock())(overview).decode()


def families(text: str) -> set[str]:
    """Return the names of all families of a page."""
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def named(text: str) -> set[str]:
    """Return the names of ours in any text."""
    return set(re.findall(r"\boffcloud_watchd_\w+|\bprocess_\w+", text))


def test_the_dashboard_shows_what_there_is(tmp_path: Path) -> None:
    """Every name in it is on the page, every panel has a place of its own, and it names no data source."""
    text = (MONITORING / "dashboard.json").read_text()
    panels = json.loads(text)["panels"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert named(" ".join(expressions)) <= families(page(tmp_path))
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}


def test_the_alerts_speak_of_what_there_is(tmp_path: Path) -> None:
    """A rule about a name that is not there would never ring; each says what to do."""
    rules = yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"][0]["rules"]
    assert named(" ".join(rule["expr"] for rule in rules)) <= families(page(tmp_path))
    assert all({"summary", "description"} == rule["annotations"].keys() for rule in rules)


def test_the_docs_name_every_figure(tmp_path: Path) -> None:
    """Neither one that is not there nor one too few."""
    told = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE))
    assert told == families(page(tmp_path))


def test_no_family_comes_twice(tmp_path: Path) -> None:
    """Prometheus refuses such a page as a whole."""
    names = re.findall(r"^# TYPE (\w+)", page(tmp_path), re.MULTILINE)
    assert len(names) == len(set(names))


@needs_promtool
def test_promtool_likes_the_page(tmp_path: Path) -> None:
    """Names, units, help and types as Prometheus wants them."""
    command = [str(PROMTOOL), "check", "metrics"]
    ended = subprocess.run(
        command, input=page(tmp_path), capture_output=True, text=True, check=False, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@needs_promtool
def test_promtool_likes_the_alerts() -> None:
    """They are rules, and they ring when they should and not before."""
    for command in (
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "../../tests/packaging/alerts.yaml"],
    ):
        ended = subprocess.run(
            [str(PROMTOOL), *command],
            cwd=MONITORING,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
