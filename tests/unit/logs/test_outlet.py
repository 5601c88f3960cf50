"""A log that takes nothing holds nobody up; what repeats itself is counted."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd.logs.outlet import (
    LIKE_A_WINDOW,
    QUEUE_LINES,
    SAME_A_WINDOW,
    WINDOW_S,
    DescriptorHandler,
    Outlet,
    Storms,
)
from tests.fakes.threads import no_more_threads


class Sink(logging.Handler):
    """Keeps what it is given; hangs while ``open`` is not set."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line, when it is open."""
        self.reached.set()
        self.open.wait()
        try:
            self.lines.append(record.getMessage())
        except TypeError:
            self.lines.append("no message")


@pytest.fixture
def sink() -> Sink:
    """Give a sink."""
    return Sink()


def record(text: str, *arguments: object) -> logging.LogRecord:
    """Return a record."""
    return logging.LogRecord("room", logging.WARNING, __file__, 1, text, arguments, None)


def test_what_is_logged_is_written_in_order(sink: Sink) -> None:
    """By the time a flush returns."""
    outlet = Outlet(sink)
    for number in range(100):
        outlet.handle(record("line %d", number))
    outlet.flush()
    assert sink.lines == [f"line {number}" for number in range(100)]


def test_a_log_that_hangs_holds_nobody_up(sink: Sink) -> None:
    """What finds no place is counted, the count is told when lines are taken again, and memory is bounded."""
    outlet = Outlet(sink)
    sink.open.clear()
    outlet.handle(record("first"))
    assert sink.reached.wait(10)
    for number in range(QUEUE_LINES + 500):
        outlet.handle(record("line %d", number))
    outlet.flush()  # gives up by itself
    assert sink.lines == []
    sink.open.set()
    outlet.flush()
    assert sink.lines[0] == "first"
    assert sink.lines[1].startswith("500 messages before this one were lost")
    assert len(sink.lines) == QUEUE_LINES + 2


def test_arguments_that_do_not_fit_end_nothing(sink: Sink) -> None:
    """The handler says so in its own way; the next line is written."""
    outlet = Outlet(sink)
    outlet.handle(record("%d", "no number"))
    outlet.handle(record("fine"))
    outlet.flush()
    assert sink.lines == ["no message", "fine"]


def test_the_writer_takes_no_signal(sink: Sink) -> None:
    """A signal that it took would not wake the main thread."""
    outlet = Outlet(sink)
    outlet.flush()
    status = Path(f"/proc/self/task/{outlet.thread.native_id}/status").read_text()
    [blocked] = [line.split()[1] for line in status.splitlines() if line.startswith("SigBlk:")]
    for number in (1, 2, 10, 15):
        assert int(blocked, 16) >> (number - 1) & 1


def passed(storms: Storms, times: int, make: Callable[[int], logging.LogRecord]) -> int:
    """Return how many of so many records are admitted."""
    made = [make(number) for number in range(times)]
    return sum(storms.admits(one, one.getMessage()) for one in made)


def test_the_same_text_is_written_a_few_times() -> None:
    """Then it is counted until the window ends, and begins anew."""
    storms = Storms()
    assert list(storms.ended(0.0)) == []
    assert storms.wait_s(1.0) is None
    assert passed(storms, 1000, lambda _number: record("again %s", "x")) == SAME_A_WINDOW
    assert passed(storms, 1, lambda _number: record("something else")) == 1
    assert storms.wait_s(100.0) == WINDOW_S - 100
    assert list(storms.ended(100.0)) == []
    [told] = storms.ended(WINDOW_S)
    assert told.getMessage() == f"{1000 - SAME_A_WINDOW} more like this in ten minutes: again x"
    assert (told.levelno, told.name) == (logging.WARNING, "room")
    assert passed(storms, 1, lambda _number: record("again %s", "x")) == 1


def test_thousands_of_one_kind_are_counted() -> None:
    """Each says something else, but nobody reads that many."""
    storms = Storms()
    list(storms.ended(0.0))
    assert passed(storms, LIKE_A_WINDOW + 7, lambda number: record("job %d failed", number)) == LIKE_A_WINDOW
    [told] = storms.ended(WINDOW_S)
    assert told.getMessage().startswith("7 more like this in ten minutes: job ")


def test_what_was_held_back_is_told_though_nobody_logs_any_more(sink: Sink) -> None:
    """The writer waits for the end of the window by itself."""
    now_s = 0.0
    outlet = Outlet(sink, lambda: now_s)
    for _ in range(SAME_A_WINDOW + 1):
        outlet.handle(record("again"))
    outlet.flush()
    assert len(sink.lines) == SAME_A_WINDOW
    now_s = WINDOW_S
    outlet.flush()
    assert sink.lines[-1] == "1 more like this in ten minutes: again"


def test_without_a_thread_lines_are_written_at_once(sink: Sink) -> None:
    """Better wait for the log than have none (fault 106)."""
    with no_more_threads():
        outlet = Outlet(sink)
    outlet.handle(record("line"))
    assert sink.lines == ["line"]
    outlet.flush()


def test_lines_go_to_a_descriptor_as_they_are() -> None:
    """Whole, in an encoding that takes every name; a bad line, or a log that is gone, raises nothing."""
    reader, writer = os.pipe()
    handler = DescriptorHandler(writer)
    for one in (record("na\udcefve"), record("%d", "no number"), record("x" * 1000)):
        handler.handle(one)
    os.close(writer)
    with os.fdopen(reader, "rb") as log:
        assert log.read() == b"na\\udcefve\n" + b"x" * 1000 + b"\n"
    handler.handle(record("gone"))
