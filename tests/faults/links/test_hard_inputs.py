"""Inputs made to cost much: they are taken or refused within a memory that is known beforehand."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from offcloud_watchd.core.links import parse
from offcloud_watchd.errors import BadDrop
from tests.faults.links.hard import HARD, MIB

MAX_PEAK_BYTES = 96 * MIB
"""What reading any drop may take beside its own bytes; the largest drop has 32 MiB, the largest text 16."""

QUICK = frozenset(
    {
        *("100,000 lists deep", "a million open lists", "a string of 10^19", "a string of 10^9"),
        *("a string of -1", "an integer of 100,000 digits", "a length of 100,000 digits"),
        *(
            "32 MiB of one string",
            "32 MiB of lists",
            "10,000 trackers",
            "a name of 8 MiB",
            "a magnet of 1 MiB",
        ),
        *("a magnet of 10,000 trackers", "16 MiB of line ends", "16 MiB of control codes", "a gzip bomb"),
        *("a property list 20,000 deep", "a property list that swells", "an NZB that swells"),
        *("an NZB 300,000 deep", "an NZB of one text"),
    }
)
TAKEN = frozenset(
    {
        *("a million empty lists", "32 MiB of one string", "100,000 files", "40,000 files 90 deep"),
        *("a path of 500,000 parts", "10,000 trackers", "a million web seeds", "a name of 8 MiB"),
        *("magnets of 64 KiB", "90,000 links", "90,000 bad lines"),
        *("16 MiB of letters in many bytes", "an NZB of 500,000 segments"),
    }
)


def hard(name: str) -> Any:
    """Make a case of an input; one that takes long runs with the long tests."""
    return pytest.param(
        *HARD[name], name in TAKEN, id=name, marks=() if name in QUICK else pytest.mark.torture
    )


@pytest.mark.parametrize(("extension", "make", "taken"), [*map(hard, HARD)])
def test_memory_is_bounded(extension: str, make: Callable[[], bytes], taken: bool) -> None:  # noqa: FBT001 - a case
    """Whatever the input, it ends in links or a refusal, and the peak of memory stays below the bound."""
    data = make()
    tracemalloc.start()
    try:
        assert bool(parse(f"x.{extension}", data).found) is taken
    except BadDrop as refusal:
        assert not taken, refusal
    finally:
        peak_bytes = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak_bytes < MAX_PEAK_BYTES
