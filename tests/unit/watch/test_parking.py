"""Calls that may never come back."""

import threading

import pytest

from offcloud_watchd.watch.parking import ParkedError, Parking
from tests.fakes.threads import no_more_threads


def test_answers_and_errors_come_back() -> None:
    """A call that ends is like any other call."""
    parking = Parking("test", 10.0)
    assert parking.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        parking.call(lambda: 1 // 0)
    assert parking.call(lambda: 8) == 8


def test_a_timeout_of_the_work_itself_is_an_ordinary_error() -> None:
    """ETIMEDOUT from a file system is told apart from a call that hangs."""

    def work() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        Parking("test", 10.0).call(work)


def test_nothing_new_is_begun_while_a_call_hangs() -> None:
    """A hanging call is left behind, and the next ones wait until it is back."""
    release, begun, back = threading.Event(), [], threading.Event()
    parking = Parking("test", 0.01, back.set)
    with pytest.raises(ParkedError):
        parking.call(lambda: release.wait(10))
    with pytest.raises(ParkedError):
        parking.call(lambda: begun.append(1))
    assert begun == []
    assert parking.is_out
    release.set()
    assert back.wait(10)
    assert not parking.is_out
    parking.call(lambda: begun.append(1))
    assert begun == [1]


def test_answer_that_comes_late_is_kept_for_once() -> None:
    """What was left behind and came back has an answer, or an error, that is handed out one time."""
    release, back = threading.Event(), threading.Event()
    parking = Parking("test", 0.01, back.set)
    assert parking.late() is None
    with pytest.raises(ParkedError):
        parking.call(lambda: release.wait(10))
    assert parking.late() is None
    release.set()
    assert back.wait(10)
    assert parking.late() is True
    assert parking.late() is None

    def work() -> None:
        release.wait(10)
        raise ValueError

    release.clear()
    back.clear()
    with pytest.raises(ParkedError):
        parking.call(work)
    release.set()
    assert back.wait(10)
    with pytest.raises(ValueError):
        parking.late()


def test_closed_place_has_no_thread() -> None:
    """After the end no thread is left; one that never called has none anyway."""
    Parking("unused", 1.0).close()
    parking = Parking("to be closed", 10.0)
    parking.call(lambda: None)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "to be closed"]
    parking.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_call_that_gets_no_thread_is_not_begun() -> None:
    """It says so, and the next one is carried out when there are threads again (fault 106)."""
    begun: list[int] = []
    parking = Parking("test", 10.0)
    with no_more_threads(), pytest.raises(OSError, match="no further thread"):
        parking.call(lambda: begun.append(1))
    parking.call(lambda: begun.append(2))
    assert begun == [2]
