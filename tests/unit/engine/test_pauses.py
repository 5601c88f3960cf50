"""Pauses: no lane is probed in a loop, and each comes back by itself."""

from __future__ import annotations

import math

import pytest

from offcloud_watchd.core.model import Lane
from offcloud_watchd.engine.pauses import PROBE_MAX_S, PROBE_MIN_S, PROBE_NEAR_MAX_S, Pauses, lane_of
from offcloud_watchd.errors import Blocked, Transient
from tests.fakes.jobs import NOW

FULL = Blocked("fetch", "disk full")


def paused(lane: Lane = Lane.FETCH, error: Blocked = FULL) -> Pauses:
    """Return pauses with one lane that was blocked now."""
    pauses = Pauses()
    pauses.block(lane, error, NOW)
    return pauses


def test_a_pause_says_why_and_since_when() -> None:
    """A lane that is blocked again keeps the time of the first."""
    pauses = paused()
    pauses.block(Lane.FETCH, Blocked("fetch", "still full", key_refused=True), NOW + 7)
    pause = pauses.view[Lane.FETCH]
    assert (pause.reason, pause.since, pause.probe_at, pause.key_refused) == (
        "still full",
        NOW,
        NOW + 7 + PROBE_MIN_S,
        True,
    )
    assert Lane.FETCH in pauses
    assert Lane.API not in pauses


def test_a_refused_key_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever call meets it: one trouble is one line; another reason is told."""
    pauses = paused(Lane.API, Blocked("api", "the submission was answered 401", key_refused=True))
    pauses.block(Lane.API, Blocked("api", "the probe was answered 401", key_refused=True), NOW + 1)
    pauses.block(Lane.API, Blocked("api", "the plan has lapsed"), NOW + 2)
    assert [record.getMessage() for record in caplog.records] == [
        "lane api paused: the submission was answered 401",
        "lane api paused: the plan has lapsed",
    ]


def test_a_lane_is_probed_once_at_a_time() -> None:
    """While a probe is under way no other is due."""
    pauses = paused()
    assert pauses.next_probe_at() == NOW + PROBE_MIN_S
    assert pauses.due(NOW) == []
    assert pauses.due(NOW + PROBE_MIN_S) == [Lane.FETCH]
    pauses.probe(Lane.FETCH)
    assert pauses.due(NOW + 999) == []
    assert pauses.next_probe_at() == math.inf


@pytest.mark.parametrize("error", [FULL, Blocked("api", "no key"), Transient("timeout"), ValueError("bug")])
def test_every_bad_answer_sets_the_next_probe(error: Exception) -> None:
    """Also one that blames another lane, or is a bug."""
    pauses = paused()
    pauses.probe(Lane.FETCH)
    pauses.answered(Lane.FETCH, error, NOW + 40)
    assert pauses.view[Lane.FETCH].probe_at == NOW + 40 + PROBE_MIN_S
    assert (Lane.API in pauses) is (isinstance(error, Blocked) and error.lane == "api")


def test_a_good_answer_ends_the_pause() -> None:
    """The lane works again."""
    pauses = paused()
    pauses.probe(Lane.FETCH)
    pauses.answered(Lane.FETCH, None, NOW + 40)
    assert Lane.FETCH not in pauses
    assert pauses.due(NOW + 999) == []


def test_an_answer_for_a_lane_that_does_not_pause() -> None:
    """The first probe of a start changes nothing when it goes well, or is only said when it does not."""
    pauses = Pauses()
    for error in (None, Transient("timeout")):
        pauses.probe(Lane.API)
        pauses.answered(Lane.API, error, NOW)
    assert not pauses.view


def test_a_lane_that_falls_back_is_probed_less_often() -> None:
    """A probe that succeeds although the work does not is no reason to try for ever twice a minute."""
    assert waits_of(Lane.API) == [30.0, 60.0, 120.0, 240.0, PROBE_MAX_S, PROBE_MAX_S, PROBE_MAX_S]


def test_a_disk_is_tried_every_minute_however_often_it_was_full() -> None:
    """Found by an hour of trouble: room was made, and the fetches waited eight minutes for the next try."""
    assert waits_of(Lane.FETCH) == [30.0, *[PROBE_NEAR_MAX_S] * 6]


def waits_of(lane: Lane) -> list[float]:
    """Return how long a lane waits for its next try, time after time, when each fails right after it."""
    pauses, waits = Pauses(), []
    for _ in range(7):
        pauses.block(lane, FULL, NOW)
        waits.append(pauses.view[lane].probe_at - NOW)
        pauses.answered(lane, None, NOW)
    return waits


def test_a_lane_that_worked_begins_anew() -> None:
    """What it met before is over; while it pauses nothing proves that."""
    pauses = paused()
    pauses.answered(Lane.FETCH, None, NOW)
    pauses.worked(Lane.FETCH)
    pauses.worked(Lane.DISK)
    pauses.block(Lane.FETCH, FULL, NOW)
    assert pauses.view[Lane.FETCH].probe_at == NOW + PROBE_MIN_S
    pauses.answered(Lane.FETCH, None, NOW)
    pauses.block(Lane.FETCH, FULL, NOW)
    pauses.worked(Lane.FETCH)
    pauses.block(Lane.FETCH, FULL, NOW)
    assert pauses.view[Lane.FETCH].probe_at == NOW + 2 * PROBE_MIN_S


def test_the_operator_can_hurry() -> None:
    """All paused lanes are due now, and begin anew with their patience."""
    pauses = paused()
    pauses.answered(Lane.FETCH, None, NOW)
    pauses.block(Lane.FETCH, FULL, NOW)
    pauses.try_at(NOW + 1)
    assert pauses.due(NOW + 1) == [Lane.FETCH]
    pauses.answered(Lane.FETCH, FULL, NOW + 1)
    assert pauses.view[Lane.FETCH].probe_at == NOW + 1 + PROBE_MIN_S


def test_an_error_that_names_no_lane_is_its_own_lanes() -> None:
    """Nothing an adapter says makes the engine raise."""
    assert lane_of(Blocked("api", "x"), Lane.DISK) is Lane.API
    assert lane_of(Blocked("kitchen", "x"), Lane.DISK) is Lane.DISK


def test_what_is_said_of_a_lane_can_be_filtered_by_it(caplog: pytest.LogCaptureFixture) -> None:
    """From its pause to its end."""
    pauses = paused()
    pauses.answered(Lane.FETCH, Transient("timeout"), NOW)
    pauses.answered(Lane.FETCH, None, NOW)
    assert [record.__dict__["lane"] for record in caplog.records] == ["fetch"] * 3
