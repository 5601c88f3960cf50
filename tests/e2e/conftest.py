"""A sandbox, a place and daemons that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from offcloud_watchd.sandbox import Sandbox, SandboxSettings
from tests.e2e.process import KEY, Daemon, Place
from tests.e2e.secrecy import assert_no_secret


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., Sandbox]]:
    """Start sandboxes with the key of the tests; all end with the test."""
    running: list[Sandbox] = []

    def start(**settings) -> Sandbox:
        settings = {"key": KEY, "queued_s": 0.5, "download_s": 0.5, "release_bytes": 300_000, **settings}
        running.append(Sandbox(SandboxSettings(**settings)).start())
        return running[-1]

    yield start
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    """Make a place below the test's own directory; at the end it is searched for secrets."""
    made: list[Place] = []

    def make(base_url: str, **settings: str) -> Place:
        made.append(Place(tmp_path / "place", base_url, settings))
        return made[-1]

    yield make
    for place in made:
        assert_no_secret(place)


@pytest.fixture
def run_daemon() -> Iterator[Callable[..., Daemon]]:
    """Start daemons; whatever still lives at the end is killed."""
    running: list[Daemon] = []

    def run(place: Place, **environment: str) -> Daemon:
        running.append(Daemon(place, environment))
        running[-1].start()
        return running[-1]

    yield run
    for daemon in running:
        daemon.look(web=True)
        daemon.kill()
