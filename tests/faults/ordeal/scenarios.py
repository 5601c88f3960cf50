"""What a daemon has to do while it is struck: each way through it that touches a disk or the account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.events import Deferred, Queued
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Destination, Drop, JobState, job_id
from offcloud_watchd.journal import open_journal
from offcloud_watchd.journal.writing import COMPACT_FROM_BYTES
from offcloud_watchd.sandbox.settings import SystemClock
from tests.faults.ordeal.place import Ordeal

Enough = Callable[[], bool]

LONG: Final = 900_000  # a reason that fills a record


@dataclass(frozen=True)
class Scenario:
    """``prepare`` leads to the moment before the daemon is struck, and tells when the daemon is to stop."""

    prepare: Callable[[Ordeal], Enough]
    about: str


def magnet(number: int, name: str, shape: str = "") -> bytes:
    """Return a magnet for a content of its own."""
    return f"magnet:?xt=urn:btih:{number:040x}&dn={shape}{name}".encode()


def one_magnet(ordeal: Ordeal) -> Enough:
    """Begin with nothing but one magnet."""
    ordeal.drop("one.magnet", magnet(ordeal.clear(), "One"))
    return ordeal.settled


def many_kinds(ordeal: Ordeal) -> Enough:
    """A torrent, a list of two, a shortcut and something that is nothing."""
    number = ordeal.clear()
    assert ordeal.sandbox is not None
    ordeal.drop("series.torrent", ordeal.sandbox.torrent(f"A.Series.S01E{number}"))
    ordeal.drop("list.txt", magnet(10**9 + number, "A") + b"\n" + magnet(2 * 10**9 + number, "B") + b"\n", 2)
    ordeal.drop("page.url", f"[InternetShortcut]\r\nURL=https://example.org/{number}/b.iso\r\n".encode())
    ordeal.drop("bad.torrent", b"<html>not found</html>", 0)
    return ordeal.settled


def stop_in_a_fetch(ordeal: Ordeal) -> Enough:
    """Be told to stop while a fetch is under way."""
    one_magnet(ordeal)
    late = (JobState.FETCHING, JobState.DONE)
    return lambda: any(job.state in late for job in ordeal.jobs().values())


def new_generation(ordeal: Ordeal) -> Enough:
    """Begin with a journal that has grown, as many failures would have made it, and with a further magnet."""
    number = ordeal.clear()
    place, clock = ordeal.place, SystemClock()
    link = parse_link(magnet(10**9 + number, "Two").decode())
    drop = Drop(f"drop-{number}", "two.magnet", str(place.drop))
    one, now = job_id(drop.id, link.key), clock.now()
    journal, _ = open_journal(place.state, clock)
    journal.append([Queued(one, now, link, drop, Destination("tv", str(place.output / "tv")), "two")])
    for _ in range(COMPACT_FROM_BYTES // LONG + 1):
        journal.append([Deferred(one, now, "x" * LONG, 0.0, charged=False)])
    journal.close()
    ordeal.drop("one.magnet", magnet(number, "One"))
    ordeal.wanted += 1
    return ordeal.settled


def again_and_forget(ordeal: Ordeal) -> Enough:
    """Drop again what is there, and forget another job with its files."""
    number = ordeal.clear()
    ordeal.drop("one.magnet", magnet(number, "One"))
    ordeal.drop("two.magnet", magnet(10**9 + number, "Two"))
    ordeal.live()
    ordeal.drop("three.magnet", magnet(number, "One"), 0)
    unwanted = next(job for job in ordeal.jobs().values() if job.drops[0].name == "two.magnet")
    ordeal.command("forget", "--files", unwanted.id)
    ordeal.wanted = 1
    return ordeal.settled


SCENARIOS: Final[Mapping[str, Scenario]] = {
    "one magnet": Scenario(one_magnet, "start, take, submit, poll, fetch, publish, stop"),
    "many kinds": Scenario(many_kinds, "the same for every kind of drop, several at once, and a refused one"),
    "stop in a fetch": Scenario(stop_in_a_fetch, "stop"),
    "new generation": Scenario(new_generation, "compact"),
    "again and forget": Scenario(again_and_forget, "look at a release, discard one, commands"),
}
