"""Fetching alone: a shelf in a process of its own beside the programs people fetch with, and their ratios.

Everything comes from one nginx on loopback. Ours is synced to the disk, the others are not. Wall and CPU
(user and system time) are of the whole program for the others and of the fetch for ours: a daemon runs
already.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.machine import certificate, nginx
from tests.fakes.torrents import bencoded

MIB = 1024**2
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
LARGE_BYTES = int(os.environ.get("BENCH_LARGE_MIB", "2048")) * MIB
LIMITED_BYTES = 512 * MIB
SMALL_FILES = 2_000
SMALL_BYTES = 100 * 1024
PIECE_BYTES = 4 * MIB

FETCHER = """
import json, sys, threading, time
from offcloud_watchd.core.links.torrent import parse_torrent
from offcloud_watchd.core.model import Destination, Job, JobState, Link, LinkKind, RemoteFile, Submission
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

root, files, torrent_path, trusted = sys.argv[1], json.loads(open(sys.argv[2]).read()), *sys.argv[3:]

class Clock:
    def now(self): return time.time()
    def monotonic(self): return time.monotonic()

torrent = open(torrent_path, "rb").read() if torrent_path else None
info_hash = parse_torrent(torrent).info_hash_v1 if torrent else None
settings = ShelfSettings(min_free_bytes=0, allow_http=True, torrent_of=lambda job: torrent)
link = Link(LinkKind.TORRENT, "x", "x", info_hash_v1=info_hash)
job = Job("c0ffee", link, (), Destination("tv", root + "/tv"), "Name", JobState.FETCHING, 0.0, 0.0,
          submission=Submission("R"))
links = [RemoteFile(path, url, size) for path, url, size in files]
shelf = DiskShelf(settings, Clock())
if trusted:
    shelf._traffic.pool.context.load_verify_locations(trusted)
idle = int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
began, before = time.monotonic(), time.process_time()
publication = shelf.fetch(job, lambda *_: links, lambda _: None, threading.Event())
most = int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
print(json.dumps({"wall_s": time.monotonic() - began, "cpu_s": time.process_time() - before,
                  "verified": publication.verified, "grown_mib": round((most - idle) / 1024, 1)}))
"""


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float
    said: str


@dataclass(frozen=True)
class Place:
    """Where is served from, and where is fetched to."""

    root: Path
    served: Path
    url: str
    limited_url: str
    secure_url: str
    certificate: Path

    @contextmanager
    def target(self) -> Iterator[Path]:
        """Give an empty directory; what was fetched into it goes."""
        target = self.root / "target"
        target.mkdir()
        os.sync()  # what is still on its way to the disk would be paid for by whoever comes next
        try:
            yield target
        finally:
            shutil.rmtree(target)


def cost(command: list[str], cwd: Path) -> Cost:
    """Run a program; raise when it fails."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    wall_s, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall_s, used_s, done.stdout)


def ours(place: Place, files: list[tuple[str, str, int]], torrent: Path | None = None) -> Cost:
    """Fetch with a shelf of our own."""
    listed = place.root / "files.json"
    listed.write_text(json.dumps(files))
    with place.target() as target:
        home = Path(__file__).parents[2]
        trusted = str(place.certificate) if files[0][1].startswith("https:") else ""
        command = [sys.executable, "-c", FETCHER, str(target), str(listed), str(torrent or ""), trusted]
        done = cost(command, home)
    said = json.loads(done.said)
    return Cost(said.pop("wall_s"), said.pop("cpu_s"), str(said))


def theirs(place: Place, command: list[str]) -> Cost:
    """Fetch with another program, into the directory it is started in."""
    with place.target() as target:
        return cost(command, target)


def compare(title: str, runs: Mapping[str, Callable[[], Cost]], aims: str) -> None:
    """Run all in turn, and print medians, and how ours stands to each of the others."""
    costs: dict[str, list[Cost]] = {name: [] for name in runs}
    for number in range(ROUNDS + 1):
        for name, run in runs.items():
            made = run()
            if number:  # the first round warms caches up
                costs[name].append(made)
    print(f"{title}, medians of {ROUNDS} (aim: {aims})")
    wall = {name: median(one.wall_s for one in made) for name, made in costs.items()}
    cpu = {name: median(one.cpu_s for one in made) for name, made in costs.items()}
    for name in runs:
        ratio = f"ours is {wall['ours'] / wall[name]:.2f} wall, {cpu['ours'] / cpu[name]:.2f} CPU of it"
        print(f"  {name:24} {wall[name]:7.2f} s wall {cpu[name]:7.2f} s CPU   {ratio}")
    print(f"  ours says: {costs['ours'][-1].said.strip()}")


def large(place: Place) -> None:
    """One large file, nothing limited."""
    url = f"{place.url}/large.bin"
    runs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: ours(place, [("large.bin", url, LARGE_BYTES)]),
        "curl": lambda: theirs(place, ["curl", "-s", "-o", "out", url]),
        "wget": lambda: theirs(place, ["wget", "-q", "-O", "out", url]),
        "aria2c": lambda: theirs(place, ["aria2c", "-q", "-x4", "-s4", "-o", "out", url]),
    }
    compare("one large file", runs, "<= 0.50 CPU of curl, <= 0.90 wall of the best")


def secure(place: Place) -> None:
    """One large file over TLS."""
    url, trusted = f"{place.secure_url}/large.bin", str(place.certificate)
    runs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: ours(place, [("large.bin", url, LARGE_BYTES)]),
        "curl": lambda: theirs(place, ["curl", "-s", "--cacert", trusted, "-o", "out", url]),
        "wget": lambda: theirs(place, ["wget", "-q", f"--ca-certificate={trusted}", "-O", "out", url]),
    }
    compare("one large file over TLS", runs, "<= 0.85 CPU of curl")


def limited(place: Place) -> None:
    """One file from a server that gives each connection 20 MB/s."""
    url = f"{place.limited_url}/limited.bin"
    runs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: ours(place, [("limited.bin", url, LIMITED_BYTES)]),
        "aria2c -x8 -s8": lambda: theirs(place, ["aria2c", "-q", "-x8", "-s8", "-o", "out", url]),
    }
    compare("512 MiB at 20 MB/s a connection", runs, "<= 1.05 wall of aria2c, <= 40 MiB more memory")


def small(place: Place) -> None:
    """Many small files."""
    names = [f"small/{number}" for number in range(SMALL_FILES)]
    urls = place.root / "urls"
    urls.write_text("".join(f"{place.url}/{name}\n" for name in names))
    config = place.root / "curl.conf"
    config.write_text("".join(f'url = "{place.url}/{name}"\nremote-name\n' for name in names))
    files = [(name, f"{place.url}/{name}", SMALL_BYTES) for name in names]
    curl = ["curl", "-s", "--parallel", "--parallel-max", "8", "-K", str(config)]
    runs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: ours(place, files),
        "aria2c -j8": lambda: theirs(place, ["aria2c", "-q", "-j8", "-i", str(urls)]),
        "curl --parallel": lambda: theirs(place, curl),
    }
    compare("2,000 files of 100 KiB", runs, "<= 0.60 wall of aria2c, <= 1.50 of curl")


def checked(place: Place) -> None:
    """One large file with the pieces of its torrent, beside the same without and sha1sum of the file."""
    url = f"{place.url}/large.bin"
    torrent = place.root / "large.torrent"
    torrent.write_bytes(_torrent_of(place.served / "large.bin"))
    files = [("large.bin", url, LARGE_BYTES)]
    kept = place.root / "kept.bin"

    def hashed() -> Cost:
        plain = ours(place, files)
        shutil.copyfile(place.served / "large.bin", kept)
        os.sync()
        summed = cost(["sha1sum", str(kept)], place.root)
        return Cost(plain.wall_s + summed.wall_s, plain.cpu_s + summed.cpu_s, plain.said)

    runs: dict[str, Callable[[], Cost]] = {
        "ours": lambda: ours(place, files, torrent),
        "ours, then sha1sum": hashed,
    }
    compare("one large file with its pieces", runs, "<= 0.95 CPU")


def _torrent_of(path: Path) -> bytes:
    hashes = []
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            hashes.append(hashlib.sha1(piece).digest())
    told = {"name": path.name, "piece length": PIECE_BYTES, "length": path.stat().st_size}
    return bencoded({"info": {**told, "pieces": b"".join(hashes)}})


@contextmanager
def arena() -> Iterator[Place]:
    """Make what is served, and serve it: at full speed, and so much for each connection."""
    with tempfile.TemporaryDirectory(prefix="offcloud-watchd-bench-") as name:
        root = Path(name)
        served = root / "www"
        (served / "small").mkdir(parents=True)
        block = os.urandom(MIB)
        _write(served / "large.bin", block, LARGE_BYTES)
        _write(served / "limited.bin", block, LIMITED_BYTES)
        for number in range(SMALL_FILES):
            _write(served / "small" / str(number), block[number : number + SMALL_BYTES], SMALL_BYTES)
        (root / "limited").mkdir()
        (root / "secure").mkdir()
        made = certificate(root)
        with (
            nginx(root, served) as url,
            nginx(root / "limited", served, limit_rate="20m") as limited_url,
            nginx(root / "secure", served, certificate=made) as secure_url,
        ):
            yield Place(root, served, url, limited_url, secure_url, made)


def _write(path: Path, block: bytes, size_bytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(size_bytes // len(block)):
            file.write(block)
        # As a server finds it: read from the disk once, not still in the pages it was written through.
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


BENCHES = {"large": large, "secure": secure, "limited": limited, "small": small, "checked": checked}


def main() -> None:
    """Print all comparisons, or those that are named on the command line."""
    wanted = [name for name in sys.argv[1:] if name in BENCHES] or list(BENCHES)
    with arena() as place:
        for name in wanted:
            BENCHES[name](place)


if __name__ == "__main__":
    main()
