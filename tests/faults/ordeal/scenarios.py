"""What a daemon has to do while it is struck: each way through it that touches a disk or the account."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from offcloud_watchd.core.events import Deferred, Queued
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Destination, Drop, Job, JobState, Verb, job_id
from offcloud_watchd.core.orders import AddFile, AddLink, JobCommand, NameCategory, Order, add_drop_id
from offcloud_watchd.journal import open_journal
from offcloud_watchd.journal.writing import COMPACT_FROM_BYTES
from offcloud_watchd.sandbox import Sandbox
from offcloud_watchd.sandbox.settings import Generation, SystemClock
from offcloud_watchd.watch.commands import write_command
from tests.e2e.process import Place
from tests.e2e.releases import assert_all_home, assert_visible
from tests.faults.ordeal.client import Client
from tests.faults.ordeal.place import ROOT, Ordeal

Enough = Callable[[], bool]

LONG: Final = 900_000  # a reason that fills a record


@dataclass(frozen=True)
class Scenario:
    """``begin`` leads to the moment before the daemon is struck, and tells when the daemon is to stop.

    ``settings`` are those of the place, ``generations`` those of the service that know such a way.
    """

    prepare: Callable[[Ordeal], Enough]
    about: str
    settings: Mapping[str, str] = field(default_factory=dict)
    generations: tuple[Generation, ...] = ("classic", "current")

    def begin(self, ordeal: Ordeal) -> Enough:
        """Prepare a place for it."""
        ordeal.adapt(self.settings)
        return self.prepare(ordeal)


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


def a_crowd(ordeal: Ordeal) -> Enough:
    """Much at once: lists, torrents, shortcuts, and what is refused between them."""
    number = ordeal.clear()
    assert ordeal.sandbox is not None
    several = [magnet(place * 10**9 + number, f"L{place}") for place in range(1, 5)]
    ordeal.drop("list.txt", b"\n".join([*several, b"magnet:?xt=urn:btih:123", b""]), len(several))
    ordeal.drop("film.torrent", ordeal.sandbox.torrent(f"A.Film.{number}"))
    ordeal.drop("tree.torrent", ordeal.sandbox.torrent(f"A.[tree].{number}"))
    ordeal.drop("page.url", f"[InternetShortcut]\r\nURL=https://example.org/{number}/b.iso\r\n".encode())
    ordeal.drop("page.webloc", WEBLOC.replace(b"NUMBER", str(number).encode()))
    ordeal.drop("html.torrent", b"<html>not found</html>", 0)
    ordeal.drop("none.txt", b"# no link\n", 0)
    return ordeal.settled


def for_two_categories(ordeal: Ordeal) -> Enough:
    """One content for two categories: one request, one transfer.

    Both are ordered: a drop settles first, and what is removed there might be home and gone by then.
    """
    link = magnet(ordeal.clear(), "One").decode()
    for category in ("tv", "film"):
        _ordered(ordeal, AddLink(link, category), jobs=1)
    return ordeal.settled


def removed_there(ordeal: Ordeal) -> Enough:
    """What is home is taken out of the account."""
    enough = for_two_categories(ordeal)
    ordeal.law = _all_home_and_cleared
    return enough


def _all_home_and_cleared(place: Place, sandbox: Sandbox, jobs: Mapping[str, Job]) -> None:
    assert_all_home(place, sandbox, jobs)
    assert [sandbox.books().of(job.link.key).live_items for job in jobs.values()] == [0] * len(jobs)


def given_at_once(ordeal: Ordeal) -> Enough:
    """Links to the bytes without a cloud between; a crash loses them, and new ones cost nothing."""
    number = ordeal.clear()
    links = [f"https://single.example/{number}/{name}.bin".encode() for name in ("one", "two")]
    ordeal.drop("two.txt", b"\n".join(links), len(links))
    ordeal.law = assert_visible
    return ordeal.settled


def sent_elsewhere(ordeal: Ordeal) -> Enough:
    """To a remote account; nothing is fetched."""
    number = ordeal.clear()
    ordeal.drop("two.txt", magnet(number, "One") + b"\n" + magnet(10**9 + number, "Two"), 2)
    ordeal.law = _sent_once
    return ordeal.settled


def _sent_once(place: Place, sandbox: Sandbox, jobs: Mapping[str, Job]) -> None:
    sent = [transfer.key for transfer in sandbox.transfers()]
    assert [sent.count(job.link.key) for job in jobs.values()] == [1] * len(jobs)
    assert not [path for path in place.output.rglob("*") if path.is_file()]


def failed_and_again(ordeal: Ordeal) -> Enough:
    """A request that the service gave up is dropped again and comes home under the same id."""
    number = ordeal.clear()
    content = magnet(number, "Twice", "[flaky]")
    ordeal.drop("first.magnet", content)
    assert ordeal.live() == 0
    assert {job.state for job in ordeal.jobs().values()} == {JobState.FAILED}
    ordeal.drop("second.magnet", content, 0)
    return ordeal.settled


def what_is_cached(ordeal: Ordeal) -> Enough:
    """Of two contents the service has one already, and the other is refused."""
    number = ordeal.clear()
    had = f"magnet:?xt=urn:btih:cac4ed00{number:032x}&dn=Had".encode()
    ordeal.drop("two.txt", had + b"\n" + magnet(number, "Lacking"), 2)
    ordeal.given_up = 1
    return ordeal.settled


def orders(ordeal: Ordeal) -> Enough:
    """Add a link and a file, put one into another category, cancel one, name a category: all wait at once."""
    number = ordeal.clear()
    assert ordeal.sandbox is not None
    one = _ordered(ordeal, AddLink(magnet(number, "One").decode()), jobs=1)
    unwanted = _ordered(ordeal, AddLink(magnet(10**9 + number, "Unwanted").decode()), jobs=1)
    torrent = ordeal.sandbox.torrent(f"Added.{number}")
    ordeal.spool(torrent)
    _ordered(ordeal, AddFile("added.torrent", torrent, "films"), jobs=1)
    _ordered(ordeal, NameCategory("made"))
    _ordered(ordeal, JobCommand(Verb.CATEGORIZE, (job_id(add_drop_id(one), key(number)),), category="films"))
    _ordered(ordeal, JobCommand(Verb.CANCEL, (job_id(add_drop_id(unwanted), key(10**9 + number)),)))
    ordeal.given_up = 1
    return ordeal.settled


def key(number: int) -> str:
    """Return the key of a content that ``magnet`` names."""
    return f"btih:{number:040x}"


def _ordered(ordeal: Ordeal, order: Order, jobs: int = 0) -> str:
    ordeal.wanted += jobs
    return write_command(ordeal.place.state, order)


def by_a_client(ordeal: Ordeal) -> Enough:
    """A download client of qBittorrent's API adds a magnet and a torrent; it repeats what nobody answered."""
    number = ordeal.clear()
    assert ordeal.sandbox is not None
    torrent = ordeal.sandbox.torrent(f"Sent.{number}")
    ordeal.spool(torrent)
    ordeal.wanted = 2
    client = Client(
        ordeal.place.root / SOCKET,
        [
            ("torrents/createCategory", {"category": "made"}, None),
            ("torrents/add", {"urls": magnet(number, "One").decode(), "category": "films"}, None),
            ("torrents/add", {"category": "made"}, torrent),
        ],
    )
    ordeal.insist = client.insist
    return ordeal.settled


def reload(ordeal: Ordeal) -> Enough:
    """Be told to take the configuration up anew while something is under way."""
    one_magnet(ordeal)
    told = 0

    def enough() -> bool:
        nonlocal told
        if told != ordeal.lives:
            told = ordeal.lives
            os.kill(ordeal.pid, signal.SIGHUP)
        return ordeal.readied() > 1 and ordeal.settled()

    return enough


SOCKET: Final = "web.sock"
WEBLOC: Final = (
    b'<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict><key>URL</key>'
    b"<string>https://example.org/NUMBER/c.iso</string></dict></plist>"
)
CLASSIC: Final[tuple[Generation, ...]] = ("classic",)

BASIC: Final = ("one magnet", "many kinds", "stop in a fetch", "new generation", "again and forget")
"""What the disk is broken for at every call: what the others add is no other way to it."""

SCENARIOS: Final[Mapping[str, Scenario]] = {
    "one magnet": Scenario(one_magnet, "start, take, submit, poll, fetch, publish, stop"),
    "many kinds": Scenario(many_kinds, "the same for every kind of drop, several at once, and a refused one"),
    "stop in a fetch": Scenario(stop_in_a_fetch, "stop"),
    "new generation": Scenario(new_generation, "compact"),
    "again and forget": Scenario(again_and_forget, "look at a release, discard one, commands"),
    "a crowd": Scenario(a_crowd, "lists, torrents, shortcuts and refusals in one look"),
    "two categories": Scenario(for_two_categories, "share a request, link a release"),
    "removed there": Scenario(removed_there, "clear the account", {"remove": "published"}),
    "given at once": Scenario(given_at_once, "the route without a cloud", {"route": "instant"}),
    "sent elsewhere": Scenario(
        sent_elsewhere,
        "the route to a remote account",
        {"route": "remote", "remote": "{account: googledrive, folder: folder-1}"},
        CLASSIC,
    ),
    "failed and again": Scenario(failed_and_again, "begin anew what has failed"),
    "what is cached": Scenario(what_is_cached, "ask what the service has already", {"cached": "only"}),
    "handed over": Scenario(many_kinds, "uploads in place of magnets", {"torrent_upload": "always"}, CLASSIC),
    "orders": Scenario(orders, "add, categorize, cancel, name a category"),
    "a client": Scenario(
        by_a_client,
        "the web: answer only what is durable",
        {"web": f"{{listen: 'unix:{ROOT}/{SOCKET}'}}"},
    ),
    "reload": Scenario(reload, "stop in order, and start again in the same process"),
}
