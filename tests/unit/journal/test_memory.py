"""What a start holds of a job that is done: the daemon keeps every job, so it is little."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from offcloud_watchd.core.events import Event
from tests.bench.job_memory import KINDS, measure

COUNT = 2000
MOST_BYTES = 1300


@pytest.mark.parametrize("lives", KINDS.values(), ids=KINDS)
def test_a_job_takes_no_more_than_it_may(lives: Callable[[int], Iterator[Event]]) -> None:
    """Texts with their headers, objects, numbers, and its place by id."""
    assert measure(lives, COUNT).total() / COUNT <= MOST_BYTES
