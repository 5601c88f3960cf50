"""The service manager's protocol, spoken to a real socket."""

import logging
import os
import socket
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Lane
from offcloud_watchd.core.picture import AtWork
from offcloud_watchd.systemd import (
    API_LIMIT_S,
    PATIENCE_EVERY_S,
    Busy,
    Notifier,
    Patience,
    Watchdog,
    limits_s,
)
from tests.fakes.clock import FakeClock


@pytest.fixture
def manager(tmp_path: Path):
    """A service manager's end of the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def _notifier(manager: socket.socket, **more: str) -> Notifier:
    return Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname(), **more}, os.getpid())


def test_ready_carries_the_status(manager):
    """READY and STATUS come in one datagram, and a status is one line whatever it held."""
    _notifier(manager).ready("2 open\njobs")
    assert manager.recv(1000) == b"READY=1\nSTATUS=2 open jobs"


@pytest.mark.parametrize(
    ("say", "heard"),
    [
        (lambda notifier: notifier.status("fine"), b"STATUS=fine"),
        (lambda notifier: notifier.alive(), b"WATCHDOG=1"),
        (lambda notifier: notifier.stopping(), b"STOPPING=1"),
        (lambda notifier: notifier.stopping(20.5), b"STOPPING=1\nEXTEND_TIMEOUT_USEC=20500000"),
        (lambda notifier: notifier.extend_timeout(600), b"EXTEND_TIMEOUT_USEC=600000000"),
    ],
)
def test_messages(manager, say, heard):
    """Each message is the word that sd_notify(3) gives it."""
    say(_notifier(manager))
    assert manager.recv(1000) == heard


def test_reloading_tells_the_monotonic_time(manager):
    """A reload carries the time it began, which newer managers want."""
    _notifier(manager).reloading()
    first, second = manager.recv(1000).split(b"\n")
    assert first == b"RELOADING=1"
    assert second.startswith(b"MONOTONIC_USEC=")
    assert int(second.split(b"=")[1]) > 0


def test_abstract_address_is_understood():
    """An address with @ lies in the abstract name space."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        name = f"offcloud-watchd-test-{os.getpid()}"
        listener.bind("\0" + name)
        listener.settimeout(5)
        Notifier("@" + name).alive()
        assert listener.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "@" + "x" * 500])
def test_nobody_listens(address):
    """A manager that does not listen is no reason to fail."""
    Notifier(address).ready("x")


@pytest.mark.parametrize(
    ("env", "expected_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "60000000"}, 60.0),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, None),
    ],
)
def test_watchdog_interval(env, expected_s):
    """The watchdog counts only when it is meant for this process."""
    assert Notifier.from_environment(env, 4711).watchdog_s == expected_s


class Signs:
    """A watchdog of 60 s over the workers in ``busy``; ``seen`` counts the signs of life that came."""

    def __init__(self, manager: socket.socket) -> None:
        self.busy: Busy = {}
        self._manager = manager
        manager.setblocking(False)
        self.dog = Watchdog(_notifier(manager, WATCHDOG_USEC="60000000"), lambda: self.busy)

    def seen(self) -> int:
        """Return how many signs of life came since the last time."""
        count = 0
        while True:
            try:
                assert self._manager.recv(100) == b"WATCHDOG=1"
            except BlockingIOError:
                return count
            count += 1


@pytest.fixture
def signs(manager: socket.socket) -> Signs:
    """A watchdog and what it says."""
    return Signs(manager)


def test_a_sign_of_life_three_times_in_the_time_given(signs):
    """The main loop may turn as often as it likes: a third of the manager's time is between two signs."""
    for now in (0.0, 1.0, 19.9, 20.0, 39.9, 41.0):
        signs.dog.turn(now)
    assert signs.seen() == 3
    assert signs.dog.wait_s(41.0) == 20.0
    assert signs.dog.wait_s(100.0) == 0.0


@pytest.mark.parametrize("lane", list(Lane))
def test_no_sign_of_life_while_a_lane_hangs(signs, lane, caplog):
    """One worker past its limit is enough; it is said once, and moving again is enough, too."""
    limit_s = limits_s(60.0)[lane]
    signs.busy = {"one": AtWork(lane, "Poll of job x", 0.0), "other": AtWork(lane, "a probe", limit_s)}
    signs.dog.turn(limit_s)
    assert signs.seen() == 1
    with caplog.at_level(logging.ERROR):
        signs.dog.turn(limit_s + 20)
        signs.dog.turn(limit_s + 40)
    assert signs.seen() == 0
    (record,) = caplog.records
    assert record.getMessage() == (
        f"no sign of life is given: one has not moved for {limit_s + 20:.0f} s: Poll of job x"
    )
    assert record.__dict__["lane"] == lane
    signs.busy = {}
    signs.dog.turn(limit_s + 60)
    assert signs.seen() == 1
    assert "every lane moves" in caplog.text


def test_each_worker_that_hangs_is_named(signs, caplog):
    """The second that hangs is said when it is found out, the first not again."""
    for hanging in (("fetch-1",), ("fetch-1", "disk")):
        signs.busy = {name: AtWork(Lane.DISK, "a task", 0.0) for name in hanging}
        signs.dog.turn(1000.0 + 20 * len(hanging))
    assert [record.args[0] for record in caplog.records] == ["fetch-1", "disk"]


def test_a_slow_disk_is_given_more_time_with_the_main_loop():
    """The time for a step on a disk grows with WatchdogSec, that for a call of the service does not."""
    assert limits_s(60.0) == {Lane.API: 180.0, Lane.DISK: 900.0, Lane.FETCH: 900.0, Lane.ARR: 180.0}
    assert limits_s(120.0) == {Lane.API: 180.0, Lane.DISK: 1800.0, Lane.FETCH: 1800.0, Lane.ARR: 180.0}


def test_a_wait_on_purpose_is_no_standstill(signs):
    """A worker that said how long it waits is given that time, and its lane's limit after it."""
    signs.busy = {"api": AtWork(Lane.API, "a probe", 3600.0)}
    signs.dog.turn(3600.0 + API_LIMIT_S)
    assert signs.seen() == 1
    signs.dog.turn(3620.1 + API_LIMIT_S)
    assert signs.seen() == 0


def test_nobody_waits_for_a_sign_of_life(manager):
    """Without a watchdog nothing is looked at, nothing is said, and the loop may wait."""
    dog = Watchdog(_notifier(manager), lambda: pytest.fail("nobody asked"))
    dog.turn(1.0)
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(100)
    assert dog.wait_s(1.0) == float("inf")


@pytest.mark.parametrize(("watchdog_s", "every_s"), [(None, PATIENCE_EVERY_S), (3.0, 1.0)])
def test_patience_is_asked_for_now_and_then(manager, watchdog_s, every_s):
    """However short the steps are, and often enough for a watchdog that counts through a reload."""
    clock = FakeClock()
    patience = Patience(Notifier(manager.getsockname(), watchdog_s), clock.monotonic)
    for _ in range(20):
        clock.advance(every_s / 10)
        patience.ask()
    manager.setblocking(False)
    heard = [manager.recv(100) for _ in range(4)]
    assert heard == [b"WATCHDOG=1", b"EXTEND_TIMEOUT_USEC=60000000"] * 2
    with pytest.raises(BlockingIOError):
        manager.recv(100)
