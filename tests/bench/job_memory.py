"""What a finished job is in memory: text, headers, objects, numbers; for three kinds of drops.

Each object that a fold leaves is counted once, with its size as Python tells it, and its members as they are
held (``core.frozen``): what jobs share counts for the first one only. The sum is what ``journal_fold``
measures from outside.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from offcloud_watchd.core.events import Event, Queued
from offcloud_watchd.core.model import Drop, Job, Link, LinkKind
from offcloud_watchd.journal import open_journal, read_jobs
from tests.bench.journal_fold import life
from tests.fakes.clock import FakeClock

COUNT = 10_000
LINKS_IN_A_LIST = 500


def magnet(number: int) -> tuple[Link, Drop]:
    """Give a magnet without trackers, in a file of its own."""
    info_hash, name = f"{number:040x}", f"Some.Show.S{number % 40:02}E{number:06}.1080p.WEB-DL.x264-GROUP"
    url = f"magnet:?xt=urn:btih:{info_hash}&dn={name}"
    link = Link(LinkKind.TORRENT, f"btih:{info_hash}", url, name, info_hash)
    return link, Drop(f"{number:032x}", f"{name}.magnet", "/srv/drop/sonarr")


def line_of_a_list(number: int) -> tuple[Link, Drop]:
    """Give one line of a list of many."""
    of, line = divmod(number, LINKS_IN_A_LIST)
    name = f"Some.Show.S{number % 40:02}E{number:06}.1080p.WEB-DL.x264-GROUP.mkv"
    url = f"https://files.example.com/releases/{name}"
    link = Link(LinkKind.URL, f"url:{url}", url, name, line=line + 1)
    return link, Drop(f"{of:032x}", f"list{of}.txt", "/srv/drop/sonarr", line=line + 1)


def with_link(made: Callable[[int], tuple[Link, Drop]]) -> Callable[[int], Iterator[Event]]:
    """Return what gives the events of a job of such a link."""

    def lives(number: int) -> Iterator[Event]:
        queued, *later = life(number)
        assert isinstance(queued, Queued)
        link, drop = made(number)
        yield Queued(queued.job_id, queued.at, link, drop, queued.destination, queued.release)
        yield from later

    return lives


KINDS = {
    "a torrent with a tracker": life,
    "a magnet in a file of its own": with_link(magnet),
    "a line of a .txt": with_link(line_of_a_list),
}


def weigh(one: object, sizes: Counter[str], seen: set[int]) -> None:
    """Add the sizes of an object and all that it holds."""
    if one is None or isinstance(one, bool) or id(one) in seen:
        return
    seen.add(id(one))
    size_bytes = sys.getsizeof(one)
    if isinstance(one, str):
        sizes["text"] += len(one)
        sizes["headers of texts"] += size_bytes - len(one)
    elif isinstance(one, (int, float)):
        sizes["numbers"] += size_bytes
    else:
        sizes["objects"] += size_bytes
        inner = (
            one
            if isinstance(one, tuple)
            else [getattr(one, place) for place in getattr(one, "__slots__", ())]
        )
        for member in inner:
            weigh(member, sizes, seen)


def weighed(jobs: dict[str, Job]) -> Counter[str]:
    """Return the bytes of all jobs by what they are for."""
    sizes: Counter[str] = Counter({"the place by id": sys.getsizeof(jobs)})
    seen: set[int] = set()
    for job in jobs.values():
        weigh(job, sizes, seen)
    return sizes


def measure(lives: Callable[[int], Iterator[Event]], count: int) -> Counter[str]:
    """Return the bytes of so many jobs, as a start holds them, by what they are for."""
    with tempfile.TemporaryDirectory() as name:
        journal, _ = open_journal(Path(name), FakeClock())
        for start in range(0, count, 1000):
            journal.append([event for number in range(start, start + 1000) for event in lives(number)])
        journal.close()
        return weighed(read_jobs(Path(name)))


def main() -> None:
    """Print the bytes a job, each kind in a journal of its own."""
    for title, lives in KINDS.items():
        sizes = measure(lives, COUNT)
        parts = ", ".join(f"{part} {size_bytes / COUNT:.0f}" for part, size_bytes in sizes.items())
        print(f"{title}: {sizes.total() / COUNT:.0f} bytes a job ({parts})")


if __name__ == "__main__":
    main()
