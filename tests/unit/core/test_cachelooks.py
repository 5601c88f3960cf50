"""Looks into the cache: who is asked about, who goes first, who is refused, and what a failed look means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from offcloud_watchd.core.cachelooks import (
    FRESH_S,
    NOT_CACHED,
    NOT_TOLD,
    WAITING,
    Finding,
    Knowledge,
    answered,
    in_order,
    rest_s,
    unanswered,
    wanting,
)
from offcloud_watchd.core.events import Deferred, Failed
from offcloud_watchd.core.lifecycle import Policy, evolve
from offcloud_watchd.core.model import Job
from offcloud_watchd.errors import Permanent, Transient
from tests.fakes.jobs import NOW, a_job, hash_of

POLICY = Policy()
YES, NO = Finding(cached=True, at=NOW), Finding(cached=False, at=NOW)


def choosy(name: str, cached: str = "only", **changes: object) -> Job:
    """Return a job that waits in a folder for which it matters what is cached."""
    return a_job(id=name, key=name, cached=cached, **changes)


def untellable(name: str, cached: str = "only") -> Job:
    """Return one whose link has no v1 info hash."""
    job = choosy(name, cached)
    return replace(job, link=replace(job.link, info_hash_v1=None))


def wanted(*jobs: Job, **findings: Finding) -> list[str]:
    """Return who is asked about."""
    return [job.id for job in wanting(jobs, Knowledge(findings), NOW)]


def ordered(*jobs: Job, ahead: tuple[str, ...] = (), **findings: Finding) -> list[str]:
    """Return who may be handed in, in their order."""
    line = {job.id: job for job in jobs}
    return [job.id for job in in_order(line, Knowledge(findings, ahead), NOW)]


# --- who ---


def test_each_is_asked_about_once() -> None:
    """Whoever was answered for is not asked about again."""
    assert wanted(choosy("a"), choosy("b", "first"), choosy("c"), c=YES) == ["a", "b"]


@pytest.mark.parametrize("at", [NOW - FRESH_S, NOW + 1])
def test_what_is_old_is_asked_again(at: float) -> None:
    """Also what seems to be from the future: the clock was set back. And it lets nobody through."""
    finding = Finding(cached=True, at=at)
    assert wanted(choosy("a"), a=finding) == ["a"]
    assert ordered(choosy("a"), a=finding) == []


def test_who_may_have_been_taken_already_is_searched_for_instead() -> None:
    """An open intent is not refused because the content is not cached: it may be on its way."""
    unsure = choosy("a", unsure=True, posted_at=NOW)
    assert wanted(unsure) == []
    assert ordered(unsure) == ["a"]


def test_a_link_that_cannot_be_asked_about_keeps_its_place_or_is_refused() -> None:
    """``first`` is a wish; ``only`` wants an answer, even if it is a refusal."""
    assert wanted(untellable("a", "first"), untellable("b")) == ["b"]
    assert ordered(untellable("a", "first"), untellable("b")) == ["a"]


def test_what_is_cached_jumps_the_queue() -> None:
    """Only where that was asked for; the others keep their order."""
    jobs = [a_job(id="a"), choosy("b", "first"), choosy("c"), choosy("d", "first"), choosy("e", "first")]
    assert ordered(*jobs, ahead=("e", "d", "gone"), b=NO, c=YES, d=YES, e=YES) == ["e", "d", "a", "b", "c"]


def test_only_what_is_known_to_be_cached_is_let_through() -> None:
    """Nobody who has not been answered for; a wish holds nobody back."""
    jobs = [choosy("a"), choosy("b"), choosy("c", "first"), choosy("d")]
    assert ordered(*jobs, b=NO, d=YES) == ["c", "d"]


@pytest.mark.parametrize(("failures", "wait_s"), [(0, 3.0), (1, 10.0), (3, 40.0), (50, 300.0)])
def test_looks_keep_apart(failures: int, wait_s: float) -> None:
    """A sixth of the budget; a service that does not answer is asked less and less often."""
    assert rest_s(failures, POLICY) == wait_s


# --- what an answer means ---


def test_only_what_is_cached_stays() -> None:
    """The reason says what to do."""
    hits = {hash_of("a")}
    assert answered(choosy("a"), hits, NOW) == (True, None)
    assert answered(choosy("b"), hits, NOW) == (False, Failed("b", NOW, NOT_CACHED))
    assert answered(untellable("a"), hits, NOW) == (False, Failed("a", NOW, NOT_TOLD))
    assert "retry" in NOT_CACHED


def test_a_hash_is_compared_in_any_spelling() -> None:
    """Magnets come with capital letters, too."""
    job = choosy("a")
    loud = replace(job, link=replace(job.link, info_hash_v1=hash_of("a").upper()))
    assert answered(loud, {hash_of("a")}, NOW) == (True, None)


def test_a_wish_refuses_nobody() -> None:
    """Whatever the answer is."""
    assert answered(choosy("a", "first"), {hash_of("a")}, NOW) == (True, None)
    assert answered(choosy("b", "first"), set(), NOW) == (False, None)
    for error in (Transient("x"), Permanent("x"), ValueError("x")):
        assert unanswered(choosy("a", "first"), error, NOW) is None


def test_a_failed_look_charges_nobody_and_is_told_once() -> None:
    """However long the service does not answer, and whatever it says each time."""
    job = choosy("a", attempts=2)
    event = unanswered(job, Transient("POST cache: no answer within 30 s"), NOW)
    assert isinstance(event, Deferred)
    assert (event.charged, event.retry_at) == (False, 0.0)
    assert event.reason == f"{WAITING}: POST cache: no answer within 30 s"
    waits = evolve(job, event)
    assert waits is not None
    assert waits.attempts == 2
    assert unanswered(waits, Transient("POST cache: 502"), NOW + 60) is None


def test_the_text_of_a_bug_is_not_recorded() -> None:
    """It may hold what only the log knows how to hide."""
    event = unanswered(choosy("a"), ValueError("https://secret.invalid/"), NOW)
    assert isinstance(event, Deferred)
    assert "secret" not in event.reason


def test_a_service_that_cannot_tell_lets_nothing_through() -> None:
    """Nothing is to be had by waiting."""
    event = unanswered(choosy("a"), Permanent("this service has no cache to look into"), NOW)
    assert isinstance(event, Failed)
    assert "this service has no cache to look into" in event.reason
