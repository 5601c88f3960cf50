"""Calls that may never come back."""

import threading

import pytest

from offcloud_watchd.watch.parking import ParkedError, Parking


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
    release, begun = threading.Event(), []
    parking = Parking("test", 0.01)
    with pytest.raises(ParkedError):
        parking.call(lambda: release.wait(10))
    hung = next(thread for thread in threading.enumerate() if thread.name == "test")
    with pytest.raises(ParkedError):
        parking.call(lambda: begun.append(1))
    assert begun == []
    release.set()
    hung.join(10)
    assert Parking("test", 10.0).call(lambda: 1) == 1
    parking.call(lambda: begun.append(1))
    assert begun == [1]
