"""The threads of a fetch where the system gives no more of them (fault 106)."""

from __future__ import annotations

import pytest

from offcloud_watchd.errors import Blocked
from offcloud_watchd.fetch import ShelfSettings
from offcloud_watchd.fetch.crew import Crew
from offcloud_watchd.fetch.pool import Pool
from tests.fakes.clock import FakeClock
from tests.fakes.threads import no_more_threads


def a_crew() -> Crew:
    """Return a crew that nobody works for yet."""
    return Crew(ShelfSettings(), Pool(), FakeClock())


def test_without_any_thread_the_lane_pauses() -> None:
    """No job is charged for it; with threads again it goes on."""
    crew = a_crew()
    with no_more_threads(), pytest.raises(Blocked, match="TasksMax=") as raised:
        crew.grow(1)
    assert raised.value.lane == "fetch"
    crew.grow(1)
    assert len(crew.lines) == 1
    crew.close()


def test_those_that_are_there_do_it_all() -> None:
    """A fetch that has one thread does not need the second."""
    crew = a_crew()
    crew.grow(1)
    with no_more_threads():
        crew.grow(3)
    assert len(crew.lines) == 1
    crew.grow(3)
    assert len(crew.lines) == 3
    crew.close()
