"""One message for one trouble, whatever the storm: played through on a clock of numbers."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.notify.digest import GAP_MAX_S, GAP_MIN_S, GATHER_S, OVER_S, Digest
from offcloud_watchd.notify.message import MAX_FACTS, Fact, Message

ALL = frozenset({"published", "failed", "blocked"})
KEY = {"lane api": "the key is refused"}


def play(digest: Digest, now: float, until: float) -> list[tuple[float, Message]]:
    """Let time pass, waking as the digest says; return what came when."""
    said = []
    while (now := now + max(digest.wait_s(now), 0.001)) <= until:
        said += [(now, message) for message in digest.due(now)]
    return said


def test_one_release_is_one_message_soon() -> None:
    """A few seconds after it is here."""
    digest = Digest(ALL)
    digest.happened("published", Fact(name="Film"), 100.0)
    assert digest.due(100.0) == []
    ((at, message),) = play(digest, 100.0, 200.0)
    assert math.isclose(at, 100 + GATHER_S, abs_tol=0.01)
    assert (message.event, message.title, message.count) == ("published", "Film is here", 1)


def test_a_burst_is_one_message() -> None:
    """A list of a thousand links that all fail at once."""
    digest = Digest(ALL)
    for number in range(1000):
        digest.happened("failed", Fact(name=f"n{number}", reason="gone"), number / 1000)
    ((_, message),) = play(digest, 1.0, 10_000.0)
    assert (message.title, message.count, len(message.facts)) == ("1000 jobs failed", 1000, MAX_FACTS)
    assert message.text.splitlines()[0] == "n0: gone"
    assert message.text.splitlines()[-1] == "... and 995 more"


def test_what_goes_on_is_told_less_and_less_often() -> None:
    """One a second for a day: a hundred messages or so, none of the failures left out."""
    digest, said, day = Digest(ALL), [], 24 * 3600
    for second in range(day):
        said += digest.due(float(second))
        digest.happened("failed", Fact(name="x"), float(second))
    said += digest.due(math.inf)
    assert sum(message.count for message in said) == day
    assert len(said) <= day / GAP_MAX_S + 10


def test_after_a_calm_it_is_told_at_once_again() -> None:
    """Who gets one release an hour hears of each when it is here."""
    digest = Digest(ALL)
    for hour in range(3):
        now = hour * 3600.0
        digest.happened("published", Fact(name="x"), now)
        assert [round(at - now) for at, _ in play(digest, now, now + 3000)] == [round(GATHER_S)]


def test_two_in_a_row_are_held_back_a_little() -> None:
    """The second one waits for those that may follow it."""
    digest = Digest(ALL)
    digest.happened("published", Fact(name="a"), 0.0)
    play(digest, 0.0, 10.0)
    digest.happened("published", Fact(name="b"), 10.0)
    ((at, _),) = play(digest, 10.0, 1000.0)
    assert round(at) == round(GATHER_S + GAP_MIN_S)


def test_kinds_do_not_wait_for_each_other() -> None:
    """A failure is told though releases come all the time."""
    digest = Digest(ALL)
    for second in range(10):
        digest.happened("published", Fact(name="x"), float(second))
    digest.happened("failed", Fact(name="y"), 10.0)
    assert [message.event for message in digest.due(10.0 + GATHER_S)] == ["published", "failed"]


def test_a_trouble_is_told_when_it_begins_and_when_it_is_over() -> None:
    """And not while it lasts, whatever figures its reason shows."""
    digest = Digest(ALL)
    digest.troubled(KEY, 0.0)
    for minute in range(1, 60):
        digest.troubled({"lane api": f"still refused, try {minute}"}, minute * 60.0)
    digest.troubled({}, 3600.0)
    said = play(digest, 0.0, 10_000.0)
    assert [message.event for _, message in said] == ["blocked", "recovered"]
    assert said[0][1].title == "offcloud-watchd waits for you: lane api"
    assert said[0][1].text == "the key is refused"
    assert math.isclose(said[1][0], 3600 + OVER_S + GATHER_S, abs_tol=0.1)


def test_a_trouble_that_comes_and_goes_is_one() -> None:
    """A lane that works for half a minute at a time for a day: one message, and one at the end."""
    digest, said = Digest(ALL), []
    for minute in range(24 * 60):
        now = minute * 60.0
        digest.troubled(KEY, now)
        said += digest.due(now + 20.0)
        digest.troubled({}, now + 20.0)
        said += digest.due(now + 59.0)
    said += [message for _, message in play(digest, 86_400.0, 90_000.0)]
    assert [message.event for message in said] == ["blocked", "recovered"]


def test_what_is_not_wanted_is_not_told() -> None:
    """``on`` says what is worth a message; the end of a trouble goes with its beginning."""
    digest = Digest({"failed"})
    digest.troubled(KEY, 0.0)
    digest.happened("published", Fact(name="x"), 0.0)
    digest.troubled({}, 1.0)
    assert digest.wait_s(0.0) == math.inf
    assert digest.due(math.inf) == []


def test_at_the_end_all_of_it_is_told() -> None:
    """What is gathered goes out when the program ends."""
    digest = Digest(ALL)
    digest.happened("published", Fact(name="x"), 0.0)
    assert [message.count for message in digest.due(0.0, all_of_it=True)] == [1]
    assert digest.due(0.0, all_of_it=True) == []


@given(st.lists(st.tuples(st.sampled_from(["published", "failed", "t1", "t2", ""]), st.floats(0, 600))))
def test_nothing_is_lost_and_nothing_is_told_twice(news: list[tuple[str, float]]) -> None:
    """Whatever happens when: all counts add up, and troubles begin before they end."""
    digest, now, said = Digest(ALL), 0.0, []
    for what, wait_s in news:
        said += [message for _, message in play(digest, now, now + wait_s)]
        now += wait_s
        if what.startswith("t") or not what:
            digest.troubled({what: "x"} if what else {}, now)
        else:
            digest.happened(what, Fact(name="x"), now)
    digest.troubled({}, now)
    said += [message for _, message in play(digest, now, now + 10_000)]
    told = {event: sum(one.count for one in said if one.event == event) for event in ("published", "failed")}
    assert told == {event: sum(what == event for what, _ in news) for event in told}
    begun = sum(message.count for message in said if message.event == "blocked")
    assert begun == sum(message.count for message in said if message.event == "recovered")
    assert digest.wait_s(now + 20_000) == math.inf
