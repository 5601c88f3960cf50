"""A shelf on a temporary output directory, a file host on loopback and a clock that tests own."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.file_host import FileHost
from tests.unit.fetch.bench import Bench


@pytest.fixture
def host() -> Iterator[FileHost]:
    """Run a file host for the time of the test."""
    with FileHost() as running:
        yield running


@pytest.fixture
def quick(tmp_path: Path) -> Iterator[Path]:
    """Give a place where a sync costs nothing, if there is one, for what is about the order of steps."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as place:
        yield Path(place)


@pytest.fixture
def bench(tmp_path: Path, host: FileHost) -> Bench:
    """Set up a place to fetch in."""
    clock = FakeClock()
    host.while_stalled = lambda: clock.advance(20.0)
    return Bench(tmp_path / "downloads", host, clock)
