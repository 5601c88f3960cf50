"""What signals ask for, and who takes them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue

import pytest

from offcloud_watchd.core.messages import LookAgain
from offcloud_watchd.signals import HEEDED, Signals, hold_back


@pytest.fixture
def listening() -> Iterator[Signals]:
    """Signals that listen, in this process; everything is as before afterwards."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in numbers}
    signals = Signals()
    signals.listen()
    yield signals
    for number, handler in before.items():
        signal.signal(number, handler)


def _asked(signals: Signals) -> tuple[bool, bool, bool]:
    return signals.stop, signals.reload, signals.look


@pytest.mark.parametrize(
    ("number", "asked"),
    [
        (signal.SIGTERM, (True, False, False)),
        (signal.SIGINT, (True, False, False)),
        (signal.SIGHUP, (False, True, False)),
        (signal.SIGUSR1, (False, False, True)),
    ],
)
def test_each_signal_raises_its_flag_and_wakes(
    listening: Signals, number: signal.Signals, asked: tuple[bool, bool, bool]
) -> None:
    """The handler does nothing else; the main thread is woken."""
    signal.raise_signal(number)
    assert _asked(listening) == asked
    assert listening.inbox.get_nowait() == LookAgain()
    assert listening.inbox.empty()


def test_a_stop_that_is_asked_for_again_is_the_same_stop(listening: Signals) -> None:
    """A service manager may repeat itself."""
    for _ in range(3):
        signal.raise_signal(signal.SIGTERM)
    assert _asked(listening) == (True, False, False)


def test_a_stop_that_was_held_back_is_heard(listening: Signals) -> None:
    """What the kernel kept over a reload arrives as soon as somebody listens."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    # Not to the process: a thread that another test left behind in a system call would take it.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    assert _asked(listening) == (False, False, False)
    listening.listen()
    assert _asked(listening) == (True, False, False)


def test_what_comes_before_there_are_handlers_is_kept(listening: Signals) -> None:
    """While the program is being loaded nothing may end it, and a reload is one of what comes after it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        hold_back()
        for number in HEEDED:
            signal.pthread_kill(threading.get_ident(), number)
        assert _asked(listening) == (False, False, False)
        listening.listen()
        assert _asked(listening) == (True, True, True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_no_thread_of_the_daemon_takes_a_signal(listening: Signals) -> None:
    """A stop that another thread took while the main one holds it back would not outlive ``exec``."""
    masks: list[set[int]] = []

    def note() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    with listening.for_the_main_thread():
        thread = threading.Thread(target=lambda: _in_a_further_thread(note))
        thread.start()
    thread.join()
    assert masks[0] >= {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1}
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def _in_a_further_thread(act: Callable[[], None]) -> None:
    """Do it in a thread that a thread started, as the fetch lanes do."""
    thread = threading.Thread(target=act)
    thread.start()
    thread.join()


def test_a_queue_of_ones_own() -> None:
    """Two sets of signals do not wake each other."""
    assert isinstance(Signals().inbox, SimpleQueue)
    assert Signals().inbox is not Signals().inbox
