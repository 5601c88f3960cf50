"""One round of looks at releases: which of them were imported by an *arr tool."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from offcloud_watchd.core.effects import Trace
from offcloud_watchd.core.events import Imported
from offcloud_watchd.core.imports import ENTRY_STAYS_S
from offcloud_watchd.core.lifecycle import bounded
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Lane
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.core.story import about
from offcloud_watchd.core.verdicts import in_words
from offcloud_watchd.errors import Cancelled
from offcloud_watchd.lanes.acts import Ports
from offcloud_watchd.lanes.noting import noted

log = logging.getLogger(__name__)


def trace(traces: Sequence[Trace], ports: Ports, stop: Stop) -> Iterator[Outcome]:
    """Look at each release and answer for each. Safe to repeat.

    Raises nothing: what cannot be told now is looked at again.
    """
    said: set[str] = set()
    for one in traces:
        try:
            event = _imported(one, ports, stop)
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
            answer = noted(error, f"job {one.job.id}: Trace", about(one.job, one.lane))
            _say(answer, said)
            yield Outcome(one, error=answer, heard=Heard.NOT)
        else:
            yield Outcome(one, event, heard=Heard.NOT)


def _imported(one: Trace, ports: Ports, stop: Stop) -> Imported | None:
    job, publication = one.job, one.job.publication
    if stop.is_set():
        raise Cancelled("stopped before it was looked at")
    if one.lane is Lane.DISK:
        if publication is None or not ports.shelf.vanished(publication):
            return None
        now = ports.clock.now()
        return Imported(job.id, now, "its release was taken away", leaves_at=now)
    name = "" if ports.tools is None else ports.tools.imported(job, stop)
    now = ports.clock.now()
    return Imported(job.id, now, bounded(f"{name} says so"), now + ENTRY_STAYS_S) if name else None


def _say(error: Exception, said: set[str]) -> None:
    """Say once in a round what is in the way; a tool that is down is no news for each of its releases."""
    words = in_words(error)
    if words not in said and not isinstance(error, Cancelled):
        said.add(words)
        log.warning("not seen whether releases were imported: %s", words)
