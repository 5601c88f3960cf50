"""Prometheus' text format, written by hand: it is a page of rules, and its library costs 2 MiB and has locks.

Source: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Sample:
    """One figure, and the labels it is told from the others of its family by."""

    value: float
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """All figures of one name. A counter's name ends in ``_total`` and its figures only grow."""

    name: str
    kind: Literal["counter", "gauge"]
    what: str
    samples: tuple[Sample, ...]


def exposed(families: Iterable[Family]) -> bytes:
    """Write families down; one without figures is left out."""
    lines = (line for family in families if family.samples for line in _lines(family))
    # A path may hold bytes that are no text; a page that is not UTF-8 would be refused as a whole.
    return "".join(lines).encode("utf-8", "replace")


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.what.translate(_IN_HELP)}\n"
    yield f"# TYPE {family.name} {family.kind}\n"
    for sample in family.samples:
        labels = ",".join(f'{name}="{value.translate(_IN_LABEL)}"' for name, value in sample.labels.items())
        yield f"{family.name}{f'{{{labels}}}' if labels else ''} {_figure(sample.value)}\n"


def _figure(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


_IN_HELP: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})
_IN_LABEL: Final = _IN_HELP | str.maketrans({'"': r"\""})
