"""One release under fire: cuts, stalls, dead links, crowded hosts, orderly stops and kills, at random.

However it was interrupted, in the end every file is what was served, and hardly a byte came twice. Somebody
looks at the output every 5 ms, and sees the whole release or none. The host keeps a pace, so that what it has
sent is what was received.
"""

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from tests.fakes.file_host import GOOD, FileHost, Play
from tests.fakes.torrents import Content
from tests.fakes.torrents import torrent as torrent_of

KIB = 1024
MIB = 1024 * KIB
SPOILT_SIZES = (300 * KIB, 70 * KIB, 64 * KIB, 900 * KIB, 5, 200 * KIB)
STOPPED = 3
FAILED = 4

FETCHER = """
import json, signal, sys, threading, time

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())

from offcloud_watchd.core.links.torrent import parse_torrent
from offcloud_watchd.core.model import Destination, Job, JobState, Link, LinkKind, RemoteFile, Submission
from offcloud_watchd.errors import Cancelled, Transient
from offcloud_watchd.fetch import DiskShelf, ShelfSettings

root, sync_bytes, files = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])
torrent = open(sys.argv[4], "rb").read() if sys.argv[4:] else None
info_hash = parse_torrent(torrent).info_hash_v1 if torrent else None

class Clock:
    def now(self): return time.time()
    def monotonic(self): return time.monotonic()

settings = ShelfSettings(outputs=(root + "/tv",), min_free_bytes=0, allow_http=True, reconnect_wait_s=0.01,
                         sync_every_bytes=sync_bytes, chunk_bytes=min(sync_bytes // 4, 1 << 19),
                         rate_window_s=0.4, min_rate_bytes_per_s=1000.0, torrent_of=lambda job: torrent)
link = Link(LinkKind.URL, "url:x", "http://x", info_hash_v1=info_hash)
job = Job("c0ffee", link, (), Destination("tv", root + "/tv"), "Name",
          JobState.FETCHING, 0.0, 0.0, submission=Submission("R"))
links = [RemoteFile(path, url, size) for path, url, size in files]
try:
    DiskShelf(settings, Clock()).fetch(job, lambda *_: links, lambda _: None, stop)
except Cancelled:
    sys.exit(3)
except Transient as error:
    sys.exit(4)
"""


@dataclass
class Fire:
    """How much is shot at a release, and what was."""

    host: FileHost
    chance: random.Random
    events: int
    reach_bytes: int
    shot: dict[str, int] = field(default_factory=dict)

    def count(self, what: str) -> None:
        """Note an event."""
        self.events -= 1
        self.shot[what] = self.shot.get(what, 0) + 1

    def play(self, name: str) -> Play:
        """Decide how a request is answered."""
        if self.events <= 0 or self.chance.random() < 0.15:
            return GOOD
        what = self.chance.choice(["cut", "cut", "cut", "stall", "reset", "dead", "crowded"])
        self.count(what)
        at = self.chance.randrange(self.reach_bytes)
        match what:
            case "cut":
                return Play(cut_after=at)
            case "stall":
                return Play(stall_after=at)
            case "reset":
                return Play(reset_before=True)
            case "dead":
                return Play(status=403, body=b"")
            case _:
                return Play(status=503, body=b"")


class FiredAt(FileHost):
    """A host that a ``Fire`` answers for; ``to_spoil``: which byte of which file is wrong at first."""

    def __init__(self) -> None:
        super().__init__()
        self.fire: Fire | None = None
        self.to_spoil: dict[str, int] = {}

    def next_play(self, name: str) -> Play:
        """Spoil a byte where that is to be, else let the fire choose."""
        at = self.to_spoil.pop(name, None)
        if at is None:
            return self.fire.play(name) if self.fire else GOOD
        whole = self.contents[name]
        return Play(body=whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


class Observer:
    """Lists the output again and again: ``seen`` are all the ways a release has ever looked."""

    def __init__(self, release: Path) -> None:
        self.seen: set[frozenset[tuple[str, int]]] = set()
        self.looks = 0
        self._release = release
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._observe)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look()

    def _observe(self) -> None:
        while not self._over.wait(0.005):
            self._look()

    def _look(self) -> None:
        self.looks += 1
        if self._release.is_dir():
            listed = (path for path in self._release.rglob("*") if path.is_file())
            self.seen.add(frozenset((path.name, path.stat().st_size) for path in listed))


def fetch(
    fire: Fire,
    root: Path,
    sync_bytes: int,
    files: Sequence[tuple[str, str, int | None]],
    life_s: float,
    torrent: Path | None = None,
) -> None:
    """Fetch with one process after another; while there are events left, each is ended after a while."""
    command = [sys.executable, "-c", FETCHER, str(root), str(sync_bytes), json.dumps(files)]
    command += [str(torrent)] if torrent else []
    for _ in range(2_000):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_s = fire.chance.uniform(0.3, life_s) if fire.events > 0 else 600.0
        try:
            _, said = process.communicate(timeout=wait_s)
        except subprocess.TimeoutExpired:
            what = fire.chance.choice([signal.SIGKILL, signal.SIGTERM])
            fire.count(what.name)
            process.send_signal(what)
            _, said = process.communicate(timeout=60)
        assert process.returncode in (0, STOPPED, FAILED, -signal.SIGKILL, -signal.SIGTERM), said
        if process.returncode == 0:
            return
    raise AssertionError("the release never came")


def trial(
    root: Path,
    sizes: Sequence[int],
    generation: str,
    *,
    seed: int,
    events: int,
    sync_bytes: int,
    life_s: float,
) -> float:
    """Bring a release home under fire; return which part of its bytes came twice.

    The list is that of a ``generation`` of the service: the classic one tells neither folders nor sizes.
    """
    is_classic = generation == "classic"
    pool = memoryview(random.Random(seed).randbytes(max(sizes) + len(sizes) * KIB))
    with FiredAt() as host:
        contents = {f"f{number}": pool[number * KIB :][:size] for number, size in enumerate(sizes)}
        links = [(name, host.put(name, data), len(data)) for name, data in contents.items()]
        files = [(name, url, None) if is_classic else (f"R/{name}", url, size) for name, url, size in links]
        host.while_stalled = lambda: None
        host.block_pause_s = 0.001
        host.fire = fire = Fire(host, random.Random(seed), events, max(sizes) // 4)
        with Observer(root / "tv" / "Name") as observer:
            fetch(fire, root, sync_bytes, files, life_s)
    assert observer.seen == {frozenset((name, len(data)) for name, data in contents.items())}
    assert observer.looks > 10
    served = host.bytes_served  # now that the stalled ones have ended too
    assert sum(fire.shot.values()) >= 0.8 * events, fire.shot
    for name, data in contents.items():
        with (root / "tv" / "Name" / name).open("rb") as file:
            assert hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(data).digest(), name
    twice = served / sum(sizes) - 1
    print(f"{generation}: {events} events, {sum(sizes) >> 20} MiB: {twice:.2%} came twice; {fire.shot}")
    return twice


@pytest.mark.parametrize(("seed", "generation"), [(1, "current"), (2, "classic")])
def test_a_release_under_fire(tmp_path: Path, seed: int, generation: str) -> None:
    """A few dozen interruptions of one small release."""
    sizes = [*(300 * KIB + 7 * number for number in range(10)), 9 * MIB, 0, 1]
    trial(tmp_path, sizes, generation, seed=seed, events=20, sync_bytes=128 * KIB, life_s=1.2)


@pytest.mark.parametrize("seed", [3])
def test_corruption_under_fire(tmp_path: Path, seed: int) -> None:
    """Bytes that are wrong amid cuts and kills: found by the pieces, and every file is right in the end."""
    chance = random.Random(seed)
    contents = [Content(f"f{number}", chance.randbytes(size)) for number, size in enumerate(SPOILT_SIZES)]
    made = tmp_path / "it.torrent"
    made.write_bytes(torrent_of(contents, name="R", piece_bytes=64 * KIB))
    with FiredAt() as host:
        files = [(f"R/{one.path}", host.put(one.path, one.data), len(one.data)) for one in contents]
        host.while_stalled = lambda: None
        host.fire = fire = Fire(host, chance, 12, 200 * KIB)
        host.to_spoil = {one.path: chance.randrange(len(one.data)) for one in contents[:4]}
        fetch(fire, tmp_path, 128 * KIB, files, 1.2, made)
    assert not host.to_spoil
    for one in contents:
        assert (tmp_path / "tv" / "Name" / one.path).read_bytes() == one.data
    assert host.bytes_served <= 1.5 * sum(SPOILT_SIZES)


@pytest.mark.torture
@pytest.mark.parametrize("generation", ["current", "classic"])
def test_500_interruptions_of_4_gib(tmp_path: Path, generation: str) -> None:
    """40 files of 4 GiB together: every hash equal in the end, at most one byte in fifty came twice."""
    sizes = [4 * 1024 * MIB // 40 + 11 * number for number in range(40)]
    twice = trial(tmp_path, sizes, generation, seed=3, events=500, sync_bytes=MIB, life_s=4.0)
    assert twice <= 0.02
