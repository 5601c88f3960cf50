"""How long a journal takes to fold, against what its JSON alone takes to be parsed.

What is compared: the fold as a start makes it, with all jobs kept at its end, and ``json.loads`` over the
lines of the same file, once with nothing kept (``parsed``) and once with all that it made (``parsed and
kept``). The fold does more than either: it checks the chain, types and transitions. All of them hold the
cyclic collector off, as the daemon does for its fold. They are timed by the processor's clock, by turns, and
the best of five counts: the machine may be shared. ``parsed`` touches no new memory, the other two do.

The budget is twice ``parsed``, and 1.3 KB of memory for each job; what the memory is, ``job_memory`` tells.
"""

import gc
import json
import resource
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

from offcloud_watchd.core.events import CloudReady, Event, Published, Queued, Submitted, Submitting
from offcloud_watchd.core.model import Destination, Drop, Job, Link, LinkKind, Publication, Submission, job_id
from offcloud_watchd.journal import Follower, open_journal, read_jobs
from tests.fakes.clock import FakeClock

SIZES = (1_000, 10_000, 100_000)


def life(number: int) -> Iterator[Event]:
    """Give the events of a job that went well."""
    info_hash = f"{number:040x}"
    name = f"Some.Show.S{number % 40:02}E{number:06}.1080p.WEB-DL.x264-GROUP"
    drop = Drop(f"{number:032x}", f"{name}.torrent", "/srv/drop/sonarr", f"{number:064x}")
    key = f"btih:{info_hash}"
    magnet = f"magnet:?xt=urn:btih:{info_hash}&dn={name}&tr=udp%3A%2F%2Ftracker.example%3A1337%2Fannounce"
    link = Link(LinkKind.TORRENT, key, magnet, name, info_hash, size_bytes=1_500_000_000 + number)
    destination = Destination("sonarr", "/srv/downloads/sonarr")
    submission = Submission(f"{number:024x}", "created", name)
    one, at = job_id(drop.id, key), 1_800_000_000.25 + number
    yield Queued(one, at, link, drop, destination, name)
    yield Submitting(one, at + 1)
    yield Submitted(one, at + 2, submission)
    yield CloudReady(one, at + 300, submission)
    published = Publication(f"/srv/downloads/sonarr/{name}", 3, 1_500_000_000 + number, "size")
    yield Published(one, at + 900, published)


def seconds(*acts: Callable[[], object]) -> list[float]:
    """Time each of some acts: the best of five runs, of which each is one of all acts."""
    best = [float("inf")] * len(acts)
    for _ in range(5):
        for number, act in enumerate(acts):
            gc.collect()
            gc.disable()
            began = time.process_time()
            kept = act()
            best[number] = min(best[number], time.process_time() - began)
            gc.enable()
            del kept  # after a start nobody takes down again what it has built
    return best


def parsed(path: Path) -> Iterator[object]:
    """Do what any reader of the file has to do at the least."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def parse(path: Path) -> None:
    """Read all and keep nothing."""
    for _ in parsed(path):
        pass


def kilobytes_per_job(state_dir: Path) -> float:
    """Measure what the fold keeps in memory."""
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    jobs = read_jobs(state_dir)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(jobs) / 1024


def report(title: str, state_dir: Path) -> None:
    """Print the figures of one file."""
    path = state_dir / "journal.jsonl"
    parsing_s, keeping_s, folding_s = seconds(
        lambda: parse(path), lambda: list(parsed(path)), lambda: Follower(state_dir).jobs()
    )
    size_mb = path.stat().st_size / 1e6
    print(f"{title}: {size_mb:.0f} MB, fold {folding_s:.2f} s")
    for what, peer_s in (("parsed", parsing_s), ("parsed and kept", keeping_s)):
        print(f"  {what}: {peer_s:.2f} s, the fold takes x{folding_s / peer_s:.2f}")


def main(*counts: int) -> None:
    """Print the figures for so many jobs; by default for three sizes, as all should grow with the number."""
    for count in counts or SIZES:
        measure(count)


def measure(count: int) -> None:
    """Print the ratio for a file of events, and for the generation that replaces it."""
    with tempfile.TemporaryDirectory() as name:
        state_dir = Path(name)
        journal, _ = open_journal(state_dir, FakeClock())
        for start in range(0, count, 1000):
            numbers = range(start, min(start + 1000, count))
            journal.append([event for number in numbers for event in life(number)])
        report(f"{count} jobs as 5 events each", state_dir)
        jobs: dict[str, Job] = read_jobs(state_dir)
        began = time.process_time()
        journal.renew(jobs)
        print(f"new generation: {time.process_time() - began:.2f} s")
        journal.close()
        del jobs
        report(f"{count} jobs as a new generation", state_dir)
        print(f"memory: {kilobytes_per_job(state_dir):.2f} KiB a job")
        print(f"peak of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
