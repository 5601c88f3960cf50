"""A yard on real mounts, for the faults of folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import make_place, run_daemon, start_sandbox
from tests.unit.watch.conftest import Yard

__all__ = ["make_place", "run_daemon", "start_sandbox"]


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    """Give a drop folder that is seen where it is really mounted."""
    made = Yard(tmp_path)
    made.mountinfo = None
    yield made
    made.close()
