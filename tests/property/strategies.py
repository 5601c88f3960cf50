"""Hypothesis strategies for all nouns and events of the core, made from the annotations of their classes."""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

from offcloud_watchd.core.events import Discarded, Event, Queued
from offcloud_watchd.core.lifecycle import TRANSITIONS, apply
from offcloud_watchd.core.model import Drop, Job, JobState

EVENT_CLASSES = typing.get_args(Event)

texts = st.text(max_size=12) | st.binary(max_size=12).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
"""Any text that can come from outside, names that are not UTF-8 among them."""

times = st.floats(min_value=0, max_value=1e11)


def of(annotation: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for a type as the core uses them."""
    if is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        members = {one.name: of(hints[one.name]) for one in fields(annotation)}
        return st.builds(annotation, **members)
    if typing.get_origin(annotation) is tuple:
        return st.lists(of(typing.get_args(annotation)[0]), max_size=3).map(tuple)
    if typing.get_origin(annotation) is types.UnionType:
        return st.one_of(*map(of, typing.get_args(annotation)))
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return st.sampled_from(annotation)
    simple = {
        str: texts,
        int: st.integers(min_value=-(2**63), max_value=2**63),
        float: times,
        bool: st.booleans(),
        types.NoneType: st.none(),
    }
    return simple[annotation]


events = st.one_of(*map(of, EVENT_CLASSES))
"""Any event at all, whether or not a job could have it."""

jobs = st.builds(
    lambda job, more: replace(job, drops=job.drops + more),
    of(Job),
    of(tuple[Drop, ...]).map(lambda drops: drops * 9),
)
"""Any job at all, reachable or not, some with many drops."""


@st.composite
def histories(draw: st.DrawFn, max_size: int = 12) -> list[Event]:
    """Draw events that fit each other, in order, for a few jobs."""
    present: dict[str, Job] = {}
    happened: list[Event] = []
    for _ in range(draw(st.integers(0, max_size))):
        job_id = draw(st.sampled_from("abc"))
        job = present.get(job_id)
        if job is None:
            possible = [Queued]
        else:
            may_go = job.state is JobState.REMOVED and not job.remembered
            possible = [*TRANSITIONS[job.state], *([Discarded] if may_go else [])]
        event = replace(draw(of(draw(st.sampled_from(possible)))), job_id=job_id)
        apply(present, event)
        happened.append(event)
    return happened
