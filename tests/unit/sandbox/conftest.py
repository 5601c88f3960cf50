"""Started sandboxes, one for each generation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sandbox.driver import Driver, driving


@pytest.fixture
def classic() -> Iterator[Driver]:
    """A client of the classic service."""
    with driving(generation="classic") as driver:
        yield driver


@pytest.fixture
def current() -> Iterator[Driver]:
    """A client of the current service."""
    with driving(generation="current") as driver:
        yield driver


@pytest.fixture
def both() -> Iterator[Driver]:
    """A client of both at once."""
    with driving(generation="both") as driver:
        yield driver


@pytest.fixture(params=["classic", "current", "both"])
def each(request: pytest.FixtureRequest) -> Iterator[Driver]:
    """A client of each generation in turn."""
    with driving(generation=request.param) as driver:
        yield driver
