"""Spans of a file: which bytes are here and which are not. Pure.

Rules of this file:

* A span is ``(start, end)``, the end not in it. What is held is sorted, and its spans neither touch nor
  overlap, so two ways to the same bytes give the same value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Span = tuple[int, int]
Held = tuple[Span, ...]


def joined(held: Held, spans: Iterable[Span]) -> Held:
    """Return what is held with more spans; empty ones add nothing."""
    together: list[Span] = []
    for start, end in sorted((*held, *spans)):
        if end <= start:
            continue
        if together and start <= together[-1][1]:
            together[-1] = (together[-1][0], max(together[-1][1], end))
        else:
            together.append((start, end))
    return tuple(together)


def without(held: Held, gone: Span) -> Held:
    """Return what is held but a span."""
    cut = ((start, min(end, gone[0])) for start, end in held)
    rest = ((max(start, gone[1]), end) for start, end in held)
    return joined((), (*cut, *rest))


def gaps(held: Held, end: int) -> Iterator[Span]:
    """Give what is missing below ``end``, in order."""
    at = 0
    for start, stop in held:
        if min(start, end) > at:
            yield at, min(start, end)
        at = max(at, stop)
    if at < end:
        yield at, end


def size_bytes(held: Held) -> int:
    """Return how many bytes are held."""
    return sum(end - start for start, end in held)
