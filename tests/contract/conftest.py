"""What the promises of several rooms are held against."""

from collections.abc import Iterator

import pytest

from tests.fakes.file_host import FileHost


@pytest.fixture
def host() -> Iterator[FileHost]:
    """Run a file host for the time of the test."""
    with FileHost() as running:
        yield running
