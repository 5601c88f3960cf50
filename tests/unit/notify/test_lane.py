"""The lane: never in the way, and nothing a way does ends it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from offcloud_watchd.app import SystemClock
from offcloud_watchd.core.events import Deferred, Failed, Published
from offcloud_watchd.core.messages import LookAgain, Looked
from offcloud_watchd.core.model import JobState, Lane, Publication
from offcloud_watchd.core.picture import LanePause, Picture
from offcloud_watchd.core.ports import Look, Refusal, Stop
from offcloud_watchd.notify import digest, lane
from offcloud_watchd.notify.lane import Messages
from offcloud_watchd.notify.message import Message
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.notify.ways import NotSent
from offcloud_watchd.watch.watcher import Health
from tests.fakes.house import wait_until
from tests.fakes.jobs import a_job
from tests.fakes.threads import no_more_threads

PUBLISHED = Published("job", 1.0, Publication("/out/tv/Show", 1, 10, "size"))


@dataclass
class Paper:
    """A way that writes down; ``errors`` are raised first, ``hold`` keeps it until it is set."""

    name: str = "paper"
    errors: list[Exception] = field(default_factory=list)
    came: list[Message] = field(default_factory=list)
    tried: int = 0
    hold: threading.Event | None = None

    def send(self, message: Message, stop: Stop) -> None:
        """Send."""
        self.tried += 1
        if self.hold is not None:
            self.hold.wait(10)
        if self.errors:
            raise self.errors.pop(0)
        self.came.append(message)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digest, "GATHER_S", 0.05)
    monkeypatch.setattr(digest, "OVER_S", 0.1)


@pytest.fixture
def counts() -> Counter[tuple[str, str]]:
    """What became of messages."""
    return Counter()


@pytest.fixture
def start(counts: Counter[tuple[str, str]]):
    """Start lanes."""
    running: list[Messages] = []

    def begin(*ways: Paper, **settings: object) -> Messages:
        def count(way: str, outcome: str, number: int = 1) -> None:
            counts[way, outcome] += number

        chosen = NotifySettings(**{"again_after_s": 0.01, **settings})
        running.append(Messages(chosen, ways, SystemClock(), count))
        running[-1].start()
        return running[-1]

    yield begin
    for one in running:
        one.close(10)


def picture(**changes: object) -> Picture:
    """Make a picture of a daemon at rest."""
    usual = {"at": 1.0, "pauses": {}, "folders": (), "active": (), "counts": {}, "journal_problem": ""}
    return Picture(**{**usual, **changes})


def test_a_release_and_a_failure(start: Callable[..., Messages], counts) -> None:
    """Each is told in words; what is no news is not."""
    paper = Paper()
    messages = start(paper)
    job = a_job(JobState.DONE, release="Show")
    messages.recorded(PUBLISHED, job)
    messages.recorded(Failed("job", 1.0, "nobody has it"), job)
    messages.recorded(Failed("job", 1.0, "cancelled", command="c1"), job)
    messages.recorded(Deferred("job", 1.0, "later", 2.0), job)
    wait_until(lambda: len(paper.came) == 2)
    assert [one.title for one in paper.came] == ["Show is here", "Show failed"]
    assert paper.came[1].text == "nobody has it"
    assert paper.came[0].facts[0].category == "tv"
    wait_until(lambda: counts == {("paper", "sent"): 2, ("paper", "failed"): 0, ("none", "dropped"): 0})


def test_a_refused_drop(start: Callable[..., Messages]) -> None:
    """It is no job, and its sender waits for it all the same; many of them are one message."""
    paper = Paper()
    messages = start(paper)
    one = Refusal("a.torrent", "/drop/tv", "tv", "it is a web page\nand more")
    messages.heard([Looked(Look((), refused=(one,))), Looked(None), LookAgain()])
    wait_until(lambda: bool(paper.came))
    assert paper.came[0].title == "a.torrent was refused"
    assert paper.came[0].text == "it is a web page\nIt lies in /drop/tv/failed, with the reason beside it."
    assert paper.came[0].facts[0].folder == "/drop/tv"
    messages.heard([Looked(Look((), refused=(one,) * 5))] * 20)
    messages.close(10)
    assert [(message.title, message.count) for message in paper.came[1:]] == [("100 drops were refused", 100)]


def test_troubles(start: Callable[..., Messages]) -> None:
    """Lanes, folders and the journal; told once, and once that they are over."""
    paper = Paper()
    messages = start(paper)
    pause = LanePause("the key is refused", 1.0, 2.0, key_refused=True)
    for _ in range(3):
        messages.look(picture(pauses={Lane.API: pause}))
    wait_until(lambda: bool(paper.came))
    assert paper.came[0].title == "offcloud-watchd waits for you: lane api"
    folders = (Health("/drop", "tv", "poll", "it is missing", 0), Health("/ok", "tv", "events", "", 0))
    messages.look(picture(pauses={Lane.API: pause}, folders=folders, journal_problem="disk full"))
    messages.close(10)
    assert [one.title for one in paper.came[1:]] == ["2 troubles wait for you"]
    assert paper.came[1].text == "journal: disk full\nfolder /drop: it is missing"


def test_what_time_may_mend_is_tried_again(start: Callable[..., Messages], counts, caplog) -> None:
    """Three times in all; the other way has its message meanwhile."""
    flaky = Paper("flaky", [NotSent("x", may_pass=True)] * 2)
    dead = Paper("dead", [NotSent("no such place", may_pass=False)])
    gone = Paper("gone", [NotSent("no answer", may_pass=True)] * 3)
    buggy = Paper("buggy", [ValueError("a bug")])
    start(flaky, dead, gone, buggy).recorded(PUBLISHED, a_job())
    wait_until(lambda: sum(counts.values()) == 4)
    assert [one.tried for one in (flaky, dead, gone, buggy)] == [3, 1, 3, 1]
    assert +counts == {
        ("flaky", "sent"): 1,
        ("dead", "failed"): 1,
        ("gone", "failed"): 1,
        ("buggy", "failed"): 1,
    }
    assert "messages: dead: 'release is here' was not sent: no such place" in caplog.text


def test_nobody_waits_for_it(start: Callable[..., Messages], counts, monkeypatch, caplog) -> None:
    """A way that hangs costs messages and nothing else; it is said once how many wait."""
    monkeypatch.setattr(lane, "MAX_WAITING", 10)
    paper = Paper(hold=threading.Event())
    messages = start(paper)
    messages.recorded(PUBLISHED, a_job())
    wait_until(lambda: paper.tried == 1)
    began = time.monotonic()
    for _ in range(50):
        messages.recorded(PUBLISHED, a_job())
    messages.look(picture(journal_problem="disk full"))
    assert time.monotonic() - began < 5
    assert counts["none", "dropped"] == 41
    assert caplog.text.count("wait to be sent") == 1
    paper.hold.set()
    wait_until(messages._queue.empty)
    messages.look(picture(journal_problem="disk full"))  # seen again, as it was not told
    messages.close(10)
    assert sum(one.count for one in paper.came) == 12


def test_without_a_thread_nobody_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The daemon goes on, says so, and ends like any other (fault 106)."""
    messages = Messages(NotifySettings(), (Paper(),), SystemClock(), lambda _way, _outcome, _number=1: None)
    with no_more_threads():
        messages.start()
    assert "nothing is sent: no further thread" in caplog.text
    messages.recorded(PUBLISHED, a_job())
    messages.close(1)


def test_the_end_sends_what_was_gathered(start: Callable[..., Messages], monkeypatch) -> None:
    """Without waiting for more, and without patience."""
    monkeypatch.setattr(digest, "GATHER_S", 3600.0)
    paper = Paper(errors=[])
    lost = Paper("lost", [NotSent("x", may_pass=True)] * 3)
    messages = start(paper, lost, again_after_s=3600.0)
    messages.recorded(PUBLISHED, a_job())
    messages.close(10)
    assert not messages._thread.is_alive()
    assert (len(paper.came), lost.tried) == (1, 1)
