"""What is kept in mind of jobs: who rests, until when, and what ends it."""

from __future__ import annotations

import math

import pytest

from offcloud_watchd.core.effects import Fetch
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.messages import Outcome
from offcloud_watchd.core.model import JobState
from offcloud_watchd.engine.standing import TRIES_A_S, Standing
from offcloud_watchd.errors import Blocked, NoRoom
from tests.fakes.jobs import NOW, a_job


def tried(standing: Standing, job_id: str, error: Exception, now: float = NOW) -> None:
    """Say what came of a fetch."""
    fetch = Fetch(a_job(JobState.FETCHING, id=job_id, changed_at=NOW))
    standing.tried(fetch, Outcome(fetch, error=error), now, is_paused=False)


def test_who_waits_for_room_rests_and_wakes() -> None:
    """In the order of their times; who is tried in vain again rests anew."""
    standing = Standing(Policy())
    assert standing.wake(NOW) == math.inf
    tried(standing, "a", NoRoom("needs 5GiB"))
    tried(standing, "b", NoRoom("needs 5GiB"), NOW + 60)
    assert standing.resting == {"a", "b"}
    assert standing.wake(NOW) == standing.not_before["a"]
    assert standing.wake(standing.not_before["a"]) == standing.not_before["b"]
    assert standing.resting == {"b"}
    tried(standing, "b", NoRoom("needs 5GiB"), NOW + 120)
    assert standing.wake(NOW + 120) == standing.not_before["b"]
    assert standing.resting == {"b"}


@pytest.mark.parametrize(
    "ends",
    [
        lambda standing: standing.let_go("a"),
        lambda standing: standing.forget("a"),
        lambda standing: standing.clock_was_set(),
        lambda standing: standing.is_unrecordable("a", NOW),
        lambda standing: tried(standing, "a", Blocked("the disk is full", "fetch")),
    ],
)
def test_what_else_happens_to_a_job_ends_its_rest(ends) -> None:
    """Else it would be passed over although it may be turned to."""
    standing = Standing(Policy())
    tried(standing, "a", NoRoom("needs 5GiB"))
    ends(standing)
    assert not standing.resting
    assert standing.wake(NOW) == math.inf


def test_very_many_that_wait_are_tried_a_few_a_second() -> None:
    """Where a program that moves bytes is away, all its jobs wait for that."""
    standing = Standing(Policy())
    for number in range(4000):
        tried(standing, f"j{number}", NoRoom("needs 5GiB"))
    assert standing.not_before["j3999"] == NOW + 4000 / TRIES_A_S
    assert standing.not_before["j0"] < NOW + 10
