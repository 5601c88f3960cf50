"""The fuzzer in short, and the inputs that once found something."""

import os

import pytest

from offcloud_watchd.core.links import parse_torrent
from offcloud_watchd.errors import BadDrop
from tests.faults.links.fuzz import MAX_SEED_BYTES, MEASURED, READERS, Figures, one_input, unguided

MAX_BYTES_PER_BYTE = 64
FIXED_BYTES = 1024 * 1024


def _fuzz(runs: int, seed: int) -> None:
    figures = unguided(runs, seed)
    print(figures)
    assert figures.runs >= runs
    assert figures.taken > runs // 20, "most inputs are refused at the door: the seeds are no good"
    assert figures.max_memory_bytes < MAX_BYTES_PER_BYTE * MAX_SEED_BYTES + FIXED_BYTES


def test_ten_thousand_inputs_raise_nothing_but_refusals() -> None:
    """Every reader, every law, memory bounded by the size of the input."""
    _fuzz(10_000, seed=1)


@pytest.mark.torture
def test_millions_of_inputs_raise_nothing_but_refusals() -> None:
    """As many as OFFCLOUD_WATCHD_FUZZ_RUNS says, a million if it says nothing."""
    _fuzz(int(os.environ.get("OFFCLOUD_WATCHD_FUZZ_RUNS", "1000000")), seed=2)


_PADDING = (
    b"d4:infod5:filesld6:lengthi0e4:pathl1:a5:b.mkveed6:lengthi5e4:pathl1:ce4:attr1:pee"
    b"6:pieces20:xxxxxxxxxxxxxxxxxxxx12:piece lengthi40000e4:name3:diree"
)
FOUND = {"padding alone has bytes": (9, _PADDING)}
"""What the fuzzer found: which reader, and what it was given."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_stays_mended(name: str) -> None:
    """Nothing but a refusal comes of it, and the laws hold."""
    reader, data = FOUND[name]
    one_input(bytes([reader]) + data, Figures())


def test_a_torrent_of_padding_alone_is_refused() -> None:
    """Found by the fuzzer: such a torrent was taken although there is nothing to fetch."""
    with pytest.raises(BadDrop, match="empty or padding"):
        parse_torrent(_PADDING)


def test_the_fuzzer_sees_what_it_looks_for() -> None:
    """A refusal is one of two good ends; anything else comes through, measured or not."""
    figures = Figures()
    for reader in range(len(READERS)):
        one_input(bytes([reader]), figures)
    assert (figures.runs, figures.taken) == (len(READERS), 0)
    for _ in range(MEASURED):
        with pytest.raises(ZeroDivisionError):
            one_input(b"\0x", figures, readers=[lambda data: print(1 // (len(data) - 1))])
