"""Items and their timeline."""

from __future__ import annotations

from typing import Any

import pytest

from offcloud_watchd.sandbox.account import Account, TooManyItems
from offcloud_watchd.sandbox.books import Tally
from offcloud_watchd.sandbox.settings import SandboxSettings
from offcloud_watchd.sandbox.source import read_source
from tests.fakes.clock import FakeClock
from tests.unit.sandbox.driver import HASH, KEY, MAGNET, magnet


def account(**settings: Any) -> tuple[Account, FakeClock, Tally]:
    """An account with a clock of its own: 10 s queued, then 100 s of downloading."""
    clock, tally = FakeClock(), Tally()
    chosen = {"clock": clock, "queued_s": 10.0, "download_s": 100.0, "release_bytes": 1000, **settings}
    return Account(SandboxSettings(**chosen), tally), clock, tally


def course(name: str, *moments: float, **settings: Any) -> list[tuple[str, float]]:
    """Return the status word and the fraction of one item at some moments after its submission."""
    desk, clock, _ = account(**settings)
    item = desk.submit(read_source(magnet(name)))
    stages = [desk.stage(item, clock.now() + moment) for moment in moments]
    return [(stage.word, stage.fraction) for stage in stages]


def test_timeline() -> None:
    """An item is created, then downloading with progress, then downloaded."""
    assert course("A", 0, 9.9, 10, 60, 110) == [
        ("created", 0.0),
        ("created", 0.0),
        ("downloading", 0.0),
        ("downloading", 0.5),
        ("downloaded", 1.0),
    ]


def test_a_clock_set_back_does_not_undo_an_item() -> None:
    """Before its own beginning an item is merely created."""
    assert course("A", -500) == [("created", 0.0)]


def test_no_time_at_all() -> None:
    """With both times at zero an item is finished at once."""
    assert course("A", 0, queued_s=0.0, download_s=0.0) == [("downloaded", 1.0)]


def test_special_courses() -> None:
    """Markers change where an item goes."""
    assert course("[cached]", 0) == [("downloaded", 1.0)]
    assert course("[zombie]", 1e9) == [("created", 0.0)]
    assert course("[stuck]", 20, 1e9) == [("downloading", 0.1), ("downloading", 0.37)]
    assert course("[slow]", 99, 600, 1100) == [("created", 0), ("downloading", 0.5), ("downloaded", 1)]
    assert course("[fail]", 69, 70, 1e9) == [("downloading", 0.59), ("error", 0.6), ("error", 0.6)]


def test_flaky_works_the_second_time() -> None:
    """A flaky item fails once and works when it is tried again."""
    desk, clock, _ = account()
    item = desk.submit(read_source(magnet("[flaky]")))
    clock.advance(500)
    assert desk.stage(item).word == "error"
    again = desk.retry(item.id)
    assert again is not None
    assert again.id == item.id
    assert desk.stage(again).word == "created"
    clock.advance(500)
    assert desk.stage(again).finished


def test_retry_leaves_a_sound_item_alone() -> None:
    """Only a failed item begins anew, and an unknown one is none."""
    desk, clock, _ = account()
    item = desk.submit(read_source(MAGNET))
    clock.advance(60)
    assert desk.retry(item.id) == item
    assert desk.retry("unknown") is None


@pytest.mark.parametrize(("generation", "items"), [("classic", 2), ("current", 1), ("both", 1)])
def test_the_same_magnet_again(generation: str, items: int) -> None:
    """The current service keeps one item for each magnet, the classic one makes twins."""
    desk, _, tally = account(generation=generation)
    ids = {desk.submit(read_source(MAGNET)).id for _ in range(2)}
    assert len(ids) == items == tally.books().of(KEY).items_created


def test_the_same_magnet_after_it_failed() -> None:
    """The current service tries a failed magnet again under its id."""
    desk, clock, tally = account(generation="current")
    first = desk.submit(read_source(magnet("[flaky]")))
    clock.advance(500)
    again = desk.submit(read_source(magnet("[flaky]")))
    assert (again.id, desk.stage(again).word) == (first.id, "created")
    assert tally.books().of(KEY).items_created == 1


def test_the_same_magnet_after_removal() -> None:
    """A removed item is not given again; its content is cached once it was finished."""
    desk, clock, tally = account(generation="current")
    first = desk.submit(read_source(MAGNET))
    assert desk.remove([first.id, first.id, "unknown"]) == 1
    second = desk.submit(read_source(MAGNET))
    assert second.id != first.id
    assert desk.stage(second).word == "created"
    clock.advance(500)
    desk.remove([second.id])
    assert desk.stage(desk.submit(read_source(MAGNET))).finished
    assert tally.books().of(KEY).live_items == 1


def test_http_links_are_always_new_items() -> None:
    """No generation is known to keep one item for each http link, so none does here."""
    desk, _, tally = account(generation="current")
    for _ in range(2):
        desk.submit(read_source("http://x.org/a"))
    assert tally.books().twins == ("url:http://x.org/a",)


def test_content_is_what_was_first_submitted_under_a_key() -> None:
    """Another name for the same hash does not change its content."""
    desk, _, _ = account(generation="classic")
    first = desk.submit(read_source(magnet("First[single]")))
    second = desk.submit(read_source(magnet("Second[tree]")))
    assert first.release == second.release == desk.release(read_source(f"magnet:?xt=urn:btih:{HASH}"))


def test_finding() -> None:
    """A removed item is found only where removed ones count."""
    desk, _, _ = account()
    item = desk.submit(read_source(MAGNET))
    assert desk.find(item.id) == item
    desk.remove([item.id])
    assert desk.find(item.id) is None
    assert desk.find_any(item.id) is not None


def test_history_is_newest_first_and_late() -> None:
    """The history shows live items as they were a while ago."""
    desk, clock, _ = account(history_lag_s=30.0, generation="classic")
    first = desk.submit(read_source(MAGNET))
    clock.advance(15)
    second = desk.submit(read_source(MAGNET))
    gone = desk.submit(read_source(MAGNET))
    desk.remove([gone.id])
    assert not desk.history()
    clock.advance(20)
    assert [(item.id, stage.word) for item, stage in desk.history()] == [(first.id, "created")]
    clock.advance(15)
    assert [(item.id, stage.word) for item, stage in desk.history()] == [
        (second.id, "created"),
        (first.id, "downloading"),
    ]


def test_cached() -> None:
    """Content is cached by marker, by hash, or because it was finished here."""
    desk, clock, _ = account()
    assert desk.is_cached(f"btih:cac4ed00{HASH[8:]}")
    assert desk.is_cached(KEY, {"cached"})
    assert not desk.is_cached(KEY)
    desk.submit(read_source(MAGNET))
    assert not desk.is_cached(KEY)
    clock.advance(500)
    assert desk.is_cached(KEY)


def test_the_account_is_bounded() -> None:
    """At the cap nothing more is taken."""
    desk, _, tally = account(max_items=1)
    desk.submit(read_source(MAGNET))
    with pytest.raises(TooManyItems):
        desk.submit(read_source("http://x.org/a"))
    assert tally.books().of("url:http://x.org/a").items_created == 0


def test_ids_are_repeatable_and_follow_the_seed() -> None:
    """Equal seeds give equal ids of 24 hex digits."""
    ids = [account(seed=seed)[0].submit(read_source(MAGNET)).id for seed in (1, 1, 2)]
    assert ids[0] == ids[1] != ids[2]
    assert len(bytes.fromhex(ids[0])) == 12
