"""Spans of a file, held against sets of single bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.fetch.spans import Held, gaps, joined, size_bytes, without

SPANS = st.tuples(st.integers(0, 40), st.integers(0, 40))


def members(spans: Held) -> set[int]:
    """Return every byte of some spans."""
    return {at for start, end in spans for at in range(start, end)}


@given(st.lists(SPANS), SPANS, st.integers(0, 50))
def test_spans_are_sets_of_bytes(spans: list[tuple[int, int]], gone: tuple[int, int], end: int) -> None:
    """Joining, taking out, gaps and sizes are those of the sets; what is held is in its one form."""
    held = joined((), spans)
    assert members(held) == members(tuple(spans))
    assert all(one[1] < other[0] for one, other in pairwise(held))
    assert size_bytes(held) == len(members(held))
    assert set(gaps(held, end)) == set(joined((), gaps(held, end)))
    assert members(tuple(gaps(held, end))) == set(range(end)) - members(held)
    assert members(without(held, gone)) == members(held) - members((gone,))
