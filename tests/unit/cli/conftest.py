"""The fixtures of the command line's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offcloud_watchd.journal import lock_state
from tests.unit.cli.place import Place


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Place:
    """Make a place whose daemon has never run."""
    place = Place(tmp_path, capsys)
    (tmp_path / "drop").mkdir()
    place.config.write_text(
        "offcloud: {api_key_env: KEY}\noutput_dir: out\nstate_dir: state\n"
        "folders: [{path: drop, category: tv}, {path: films, subfolders: category}]\n"
    )
    return place


@pytest.fixture
def held(place: Place) -> Iterator[None]:
    """Hold the state as a running daemon does."""
    lock = lock_state(place.state)
    yield
    lock.release()
