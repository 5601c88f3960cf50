"""The service manager's protocol, spoken to a real socket."""

import os
import socket
from pathlib import Path

import pytest

from offcloud_watchd.systemd import Notifier


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
