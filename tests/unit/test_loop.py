"""The main thread: what signals ask for, when readers and the service manager are told, how it ends."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from offcloud_watchd import status
from offcloud_watchd.core.effects import Act, Submit
from offcloud_watchd.core.events import Submitted, Submitting
from offcloud_watchd.core.messages import LookAgain, Looked, Message, Outcome, Probed
from offcloud_watchd.core.model import Job, JobState, Lane, Submission
from offcloud_watchd.core.picture import AtWork, LanePause, Picture
from offcloud_watchd.core.ports import Look, Stop
from offcloud_watchd.engine import Engine
from offcloud_watchd.errors import Blocked
from offcloud_watchd.journal import is_locked, lock_state
from offcloud_watchd.loop import (
    LOCK_EVERY_S,
    STOP_WITHIN_S,
    LockKeeper,
    Loop,
    StatusWriter,
    status_line,
)
from offcloud_watchd.signals import Signals
from offcloud_watchd.systemd import Busy, Notifier, Watchdog
from offcloud_watchd.watch.watcher import Health
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import a_job
from tests.fakes.journal_memory import MemoryJournal
from tests.unit.engine.desk import POLICY, RESCAN_S, OpenLanes

FIRST_LOOK = Looked(Look(()))


@dataclass
class HurriedClock(FakeClock):
    """A clock on which so much time passes between two looks at it."""

    step_s: float = 0.0

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        self.tick_s += self.step_s
        self.time_s += self.step_s
        return self.tick_s


@dataclass
class Bridge:
    """A loop with a real engine, a real inbox and a real socket of a service manager."""

    manager: socket.socket
    clock: HurriedClock = field(default_factory=HurriedClock)
    lanes: OpenLanes = field(default_factory=OpenLanes)
    signals: Signals = field(default_factory=Signals)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    pictures: list[Picture] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    reload_is_good: bool = True
    stop_after: int = 2
    busy: Callable[[], Busy] = dict

    def run(
        self,
        *messages: Message,
        jobs: tuple[Job, ...] = (),
        watchdog_s: float | None = None,
        publish: Callable[[Picture], None] | None = None,
    ) -> bool:
        """Run the loop over some messages to its end."""
        for message in messages:
            self.signals.inbox.put(message)
        self.journal.base = {job.id: job for job in jobs}
        notifier = Notifier(self.manager.getsockname(), watchdog_s)
        loop = Loop(
            engine=Engine(
                jobs=self.journal.fold(),
                journal=self.journal,
                lanes=self.lanes,
                clock=self.clock,
                policy=POLICY,
                capacity={Lane.API: 1, Lane.FETCH: 1, Lane.DISK: 1},
                rescan_s=RESCAN_S,
            ),
            signals=self.signals,
            clock=self.clock,
            notifier=notifier,
            watchdog=Watchdog(notifier, self.busy),
            publish=publish or self.publish,
            look_again=lambda: self.looks.append("asked"),
        )
        return loop.run(lambda: self.reload_is_good)

    def publish(self, picture: Picture) -> None:
        """Write down; the end of the run is asked for once there is something to see."""
        self.pictures.append(picture)
        if len(self.pictures) == self.stop_after:
            self.signals.on_stop(signal.SIGTERM, None)

    def heard(self) -> list[str]:
        """Return what the service manager heard: the first line of each message."""
        heard = []
        while True:
            try:
                heard.append(self.manager.recv(4096, socket.MSG_DONTWAIT).decode().partition("\n")[0])
            except BlockingIOError:
                return heard

    def words(self) -> list[str]:
        """Return what the service manager heard of the state, without what is for people."""
        return [line for line in self.heard() if not line.startswith("STATUS=")]


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Bridge]:
    """A loop whose service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        yield Bridge(manager)


def test_ready_is_said_after_the_first_look(bridge: Bridge) -> None:
    """Not when the engine turns first, but when the folders were seen; and then the end is announced once."""
    assert not bridge.run(FIRST_LOOK)
    assert bridge.words() == ["READY=1", "STOPPING=1"]
    assert len(bridge.pictures) == 2


def test_a_look_that_ends_in_a_stop_is_no_start(bridge: Bridge) -> None:
    """Who is told of the end is not told that it begins."""
    bridge.stop_after = 1
    bridge.signals.inbox.put(FIRST_LOOK)
    assert not bridge.run()
    assert bridge.words() == ["STOPPING=1"]


def test_a_stop_before_anything_else_ends_it(bridge: Bridge) -> None:
    """A signal that came during the start is obeyed, and nothing is begun."""
    bridge.signals.on_stop(signal.SIGTERM, None)
    assert not bridge.run(jobs=(a_job(),))
    assert bridge.lanes.flights == []
    assert bridge.words() == ["STOPPING=1"]


def test_a_stop_waits_for_a_post_in_flight(bridge: Bridge) -> None:
    """The answer to a POST that was made is taken in and recorded before the end."""
    bridge.stop_after = 1

    def answer(effect: Act, _stop: Stop) -> None:
        event = Submitted(effect.job.id, bridge.clock.now(), Submission("R1"))
        bridge.signals.inbox.put(Outcome(effect, event))

    bridge.lanes.dispatch = answer  # type: ignore[method-assign] # plays the lane
    assert not bridge.run(jobs=(a_job(),))
    assert [type(event) for event in bridge.journal.records] == [Submitting, Submitted]


def test_a_post_that_hangs_does_not_hold_up_the_end(bridge: Bridge) -> None:
    """When the time for a stop is over it ends all the same: the intent is in the journal."""
    bridge.clock.step_s = STOP_WITHIN_S
    bridge.stop_after = 1
    assert not bridge.run(jobs=(a_job(),))
    [(effect, stop)] = bridge.lanes.flights
    assert isinstance(effect, Submit)
    assert stop.is_set(), "it was asked to end"
    assert [type(event) for event in bridge.journal.records] == [Submitting]


def test_a_good_reload_ends_the_loop_without_a_word_of_stopping(bridge: Bridge) -> None:
    """A service manager that hears of stopping in a reload would kill what starts again."""
    bridge.signals.on_reload(signal.SIGHUP, None)
    assert bridge.run()
    assert bridge.words() == ["RELOADING=1"]


def test_a_refused_reload_changes_nothing(bridge: Bridge) -> None:
    """The loop goes on until it is told to stop."""
    bridge.reload_is_good = False
    bridge.signals.on_reload(signal.SIGHUP, None)
    assert not bridge.run(FIRST_LOOK)
    assert bridge.words() == ["RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_refused_reload_is_over_for_the_service_manager(bridge: Bridge) -> None:
    """Whoever waits for the end of the reload hears that the service is ready, as before."""
    bridge.reload_is_good = False
    bridge.stop_after = 4

    def publish(picture: Picture) -> None:
        bridge.publish(picture)
        if len(bridge.pictures) == 2:
            bridge.signals.on_reload(signal.SIGHUP, None)
        else:
            bridge.signals.inbox.put(LookAgain())

    bridge.clock.step_s = 0.2
    assert not bridge.run(FIRST_LOOK, publish=publish)
    assert bridge.words() == ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_a_stop_goes_before_a_reload(bridge: Bridge) -> None:
    """Whichever was asked for first."""
    bridge.signals.on_reload(signal.SIGHUP, None)
    bridge.signals.on_stop(signal.SIGTERM, None)
    assert not bridge.run()
    assert bridge.words() == ["STOPPING=1"]


def test_a_stop_in_the_middle_of_the_check_is_not_lost(bridge: Bridge) -> None:
    """A signal may come between any two steps, so also while the new configuration is read."""

    class Check:
        def __bool__(self) -> bool:
            bridge.signals.on_stop(signal.SIGTERM, None)
            return True

    bridge.reload_is_good = Check()  # type: ignore[assignment] # a check during which a signal comes
    bridge.signals.on_reload(signal.SIGHUP, None)
    assert not bridge.run()
    assert "STOPPING=1" in bridge.heard()


def test_a_wish_to_look_is_passed_on_once(bridge: Bridge) -> None:
    """SIGUSR1 asks every folder to be visited."""
    bridge.signals.on_look(signal.SIGUSR1, None)
    bridge.run(FIRST_LOOK)
    assert bridge.looks == ["asked"]


def test_the_service_manager_gets_signs_of_life_and_news(bridge: Bridge) -> None:
    """A sign of life at least three times as often as it is wanted, the status when it changes."""
    bridge.clock.step_s = 0.2
    bridge.stop_after = 4

    def publish(picture: Picture) -> None:
        bridge.publish(picture)
        if bridge.pictures[2:]:
            bridge.signals.inbox.put(Probed(Lane.API, Blocked("api", "no plan")))
        else:
            bridge.signals.inbox.put(FIRST_LOOK)

    assert not bridge.run(watchdog_s=0.9, publish=publish)
    heard = bridge.heard()
    assert heard.count("WATCHDOG=1") >= 3
    assert [line for line in heard if "api paused: no plan" in line] == [heard[heard.index("STOPPING=1") - 1]]


def test_no_sign_of_life_while_a_lane_hangs(bridge: Bridge, caplog: pytest.LogCaptureFixture) -> None:
    """The main loop turns, and says all the same that not everything does."""
    bridge.clock.step_s = 0.2
    bridge.stop_after = 6
    bridge.busy = lambda: {"disk": AtWork(Lane.DISK, "Inspect of job x", -1000.0)}

    def publish(picture: Picture) -> None:
        bridge.publish(picture)
        bridge.signals.inbox.put(LookAgain())

    assert not bridge.run(FIRST_LOOK, watchdog_s=0.9, publish=publish)
    assert "WATCHDOG=1" not in bridge.heard()
    assert caplog.text.count("disk has not moved for 20") == 1


def _picture(**changes: object) -> Picture:
    members = {
        "at": 1.0,
        "pauses": {},
        "folders": (),
        "active": (),
        "counts": {JobState.DONE: 2, JobState.QUEUED: 1},
        "journal_problem": "",
    }
    return Picture(**{**members, **changes})  # type: ignore[arg-type] # the test names members


def test_the_status_line_says_what_is_wrong() -> None:
    """Counts first, unless nothing can be recorded; then what pauses and which folder is hurt."""
    assert status_line(_picture()) == "1 queued, 0 in the cloud, 0 fetching, 2 done, 0 failed"
    line = status_line(
        _picture(
            pauses={Lane.FETCH: LanePause("the disk is full", 1, 2)},
            folders=(Health("/drop", "tv", "poll", "it is missing", 0), Health("/ok", "tv", "poll", "", 0)),
            journal_problem="no space",
        )
    )
    assert line.startswith("journal: no space, 1 queued")
    assert line.endswith("fetch paused: the disk is full, /drop: it is missing")


def test_live_progress_that_cannot_be_written_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing depends on it; when it goes wrong again after it worked, it is said again."""
    directory = tmp_path / "run"
    writer = StatusWriter(directory, FakeClock())
    for _ in range(2):
        writer(_picture())
    directory.mkdir()
    writer(_picture())
    written = status.read(directory)
    assert written is not None
    assert written["pid"] == os.getpid()
    (directory / status.FILE_NAME).unlink()
    directory.rmdir()
    writer(_picture())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert str(directory) in caplog.text


def test_a_deleted_lock_file_is_made_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks is told again that a daemon runs; where another one was faster that is said once."""
    clock, lock = FakeClock(), lock_state(tmp_path)
    keeper = LockKeeper(lock, clock)
    keeper(_picture())
    (tmp_path / "lock").unlink()
    rival = lock_state(tmp_path)
    for _ in range(2):
        clock.advance(LOCK_EVERY_S)
        keeper(_picture())
    rival.release()
    keeper(_picture())
    assert not is_locked(tmp_path), "it is not time yet"
    clock.advance(LOCK_EVERY_S)
    keeper(_picture())
    assert is_locked(tmp_path)
    lock.release()
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
