"""The watch over a line, on a clock that tests own."""

import pytest

from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.watch import Watch
from tests.fakes.clock import FakeClock


class FakeLine:
    """A line that waits, and counts how often it was cut."""

    received_bytes = 0
    requests = 0
    waits = True
    stalled = False
    fast = False
    cuts = 0

    def cut(self) -> None:
        """Count."""
        self.cuts += 1


def watch_of(line: FakeLine, clock: FakeClock) -> Watch:
    """Make a watch that wants 10 bytes/s over 60 s."""
    return Watch(line, ShelfSettings(min_rate_bytes_per_s=10.0), clock)


@pytest.mark.parametrize(("bytes_per_s", "cuts"), [(0, 1), (9, 1), (10, 0), (1000, 0)])
def test_a_line_is_cut_when_it_is_too_slow_for_a_whole_window(bytes_per_s: int, cuts: int) -> None:
    """Fault 80: only what came in over the last minute counts, and a cut is made once."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    line.received_bytes = 1 << 30
    for _ in range(65):
        watch.look()
        clock.advance(1.0)
        line.received_bytes += bytes_per_s
    assert (line.cuts, line.stalled) == (cuts, bool(cuts))


def test_a_line_that_slows_down_is_cut_a_minute_later() -> None:
    """What came in earlier does not help for ever."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    for second in range(300):
        watch.look()
        assert line.cuts == (second > 100 + 59)
        if line.cuts:
            break
        clock.advance(1.0)
        line.received_bytes += 10_000 if second < 100 else 0


def test_a_fast_line_is_known() -> None:
    """More than 4 MiB/s since the last look."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    seen = []
    for received in (8 << 20, 1 << 20, 0):
        clock.advance(1.0)
        line.received_bytes += received
        watch.look()
        seen.append(line.fast)
    assert seen == [True, False, False]


@pytest.mark.parametrize("every", [2, 10])
def test_a_line_that_drips_is_cut_although_it_does_not_wait_all_the_time(every: int) -> None:
    """It is seen now and then while it takes up what little has come."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    for second in range(121):
        line.waits = second % every != every - 1
        watch.look()
        clock.advance(1.0)
        line.received_bytes += 4
    assert line.cuts == 1


def test_a_slow_disk_is_no_slow_line() -> None:
    """While the reader does not wait for the network, nothing is measured."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    for second in range(600):
        line.waits = second % 50 == 49
        watch.look()
        clock.advance(1.0)
        line.received_bytes += 1
    assert line.cuts == 0


def test_many_small_answers_are_no_slow_line() -> None:
    """Each is waited for, and comes; what is measured is one request."""
    line, clock = FakeLine(), FakeClock()
    watch = watch_of(line, clock)
    for second in range(200):
        line.requests = second // 5
        watch.look()
        clock.advance(1.0)
        line.received_bytes += 1
    assert line.cuts == 0
