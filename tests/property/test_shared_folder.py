"""Hosts on one folder, each of which may die before or after any rename: every drop is one host's, once.

What survives a death is what survives it in earnest: the folder, each host's state directory, and the ids of
the drops it has recorded.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from offcloud_watchd import kernel
from offcloud_watchd.core.model import Destination
from offcloud_watchd.watch.mooring import Mooring
from offcloud_watchd.watch.settings import FolderSettings, WatchMode, WatchSettings
from offcloud_watchd.watch.shared import SharedFolder
from tests.fakes.clock import FakeClock

LEASE_S = 60.0
HOSTS = 3
MOUNTS = "999999 1 8:1 / / rw - ext4 /dev/sda1 rw\n"


class Died(BaseException):
    """The process is gone; nobody catches that."""


@dataclass
class Deaths:
    """Renames as the kernel does them, until the process dies at one of them, before or after it."""

    at: int = -1
    after: bool = False

    def renamed_new(self, source: str, source_fd: int, target: str, target_fd: int) -> bool:
        """Rename like the kernel, or die."""
        self.at -= 1
        dies = self.at == 0
        if dies and not self.after:
            raise Died
        try:
            os.stat(target, dir_fd=target_fd, follow_symlinks=False)
        except FileNotFoundError:
            os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
        else:
            raise FileExistsError(target)
        if dies:
            raise Died
        return True


@contextmanager
def _mortal_renames(deaths: Deaths) -> Iterator[None]:
    honest = kernel.renamed_new
    kernel.renamed_new = deaths.renamed_new
    try:
        yield
    finally:
        kernel.renamed_new = honest


@dataclass
class Host:
    """One daemon: what it remembers, and what its journal holds (a drop's id and its link)."""

    state: Path
    drop: Path
    clock: FakeClock
    journal: dict[str, str] = field(default_factory=dict)
    folder: SharedFolder = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self.state.mkdir()
        self.begin()

    def begin(self) -> None:
        """Begin with nothing in memory."""
        place = Destination("tv", "/out/tv")
        folder = FolderSettings(self.drop, place, watch=WatchMode.POLL, settle_s=0.0, lease_s=LEASE_S)
        watch = WatchSettings((folder,), self.state / "spool", self.state, lambda _: place)
        mooring = Mooring(self.state, self.drop)
        self.folder = SharedFolder(folder, watch, self.clock, mooring, lambda: MOUNTS)

    def visit(self, *, records: bool = True, puts_away: bool = True) -> None:
        """Visit the folder; dying at what is not done."""
        visit = self.folder.visit(100)
        if not records:
            raise Died
        for one in visit.accepted:
            self.journal.setdefault(one.intake.drop.id, one.intake.links.found[0].key)
        if not puts_away:
            raise Died
        self.folder.put_away([one.departure for one in visit.accepted])


HOST = st.integers(0, HOSTS - 1)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 2)),
        st.tuples(st.sampled_from(["visit", "unrecorded", "kept"]), HOST),
        st.tuples(st.just("silence"), HOST),
        st.tuples(st.just("wait"), st.sampled_from([1.0, LEASE_S + 1])),
        st.tuples(st.just("die"), HOST, st.integers(1, 4), st.booleans()),
    ),
    min_size=10,
    max_size=40,
)


def _carry_out(step: tuple, hosts: list[Host], drop: Path, puts: list[int]) -> None:
    match step:
        case ("put", name):
            target = drop / f"{name}.magnet"
            if not target.exists():
                puts.append(len(puts))
                target.write_text(f"magnet:?xt=urn:btih:{puts[-1] + 1:040x}")
        case ("wait", seconds):
            hosts[0].clock.advance(seconds)
        case ("silence", number):
            for _ in range(5):
                hosts[0].clock.advance(LEASE_S / 3)
                for other in hosts[:number] + hosts[number + 1 :]:
                    other.visit()
        case (what, number, *more):
            host = hosts[number]
            deaths = Deaths(*more) if more else Deaths()
            try:
                with _mortal_renames(deaths):
                    host.visit(records=what != "unrecorded", puts_away=what != "kept")
            except Died:
                host.begin()


@settings(deadline=None, max_examples=100)
@given(steps=STEPS)
def test_every_drop_becomes_one_job_of_one_host(steps: list[tuple]) -> None:
    """Whoever dies at whatever rename, whoever stands still for longer than a lease."""
    with tempfile.TemporaryDirectory() as place:
        base, clock, puts = Path(place), FakeClock(), list[int]()
        drop = base / "drop"
        drop.mkdir()
        hosts = [Host(base / f"host-{number}", drop, clock) for number in range(HOSTS)]
        for step in steps:
            _carry_out(step, hosts, drop, puts)
        for _ in range(4 * len(puts) + 4):  # names in use wait for each other
            clock.advance(4.0)
            for host in hosts:
                with suppress(Died):
                    host.visit()
        told = Counter(key for host in hosts for key in host.journal.values())
        assert set(told.values()) <= {1}
        assert len(told) == len(puts)
        assert len(list((drop / "processed").iterdir()) if puts else []) == len(puts)
