"""Houses that end with their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.house import House


@pytest.fixture
def open_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Start houses."""
    running: list[House] = []

    def start(**web: object) -> House:
        running.append(House(tmp_path, **web).start())
        return running[-1]

    yield start
    for house in running:
        house.close()


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """Make a file with the password ``open sesame``."""
    path = tmp_path / "password"
    path.write_text("open sesame\n")
    path.chmod(0o600)
    return path
