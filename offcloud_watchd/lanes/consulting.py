"""One look into what the service has already: one question for many jobs."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from offcloud_watchd.core import cachelooks
from offcloud_watchd.core.effects import Consult
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Lane
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.core.verdicts import in_words
from offcloud_watchd.errors import Blocked, Cancelled, Permanent
from offcloud_watchd.lanes.acts import Ports
from offcloud_watchd.lanes.noting import noted

log = logging.getLogger(__name__)


def consult(consults: Sequence[Consult], ports: Ports, stop: Stop) -> Iterator[Outcome]:
    """Ask which jobs are cached and answer for each. Safe to repeat.

    Raises nothing: an error is an answer.
    """
    try:
        hits = _hits(consults, ports, stop)
    except (Blocked, Cancelled) as error:
        yield from (Outcome(one, error=error, heard=Heard.NOT) for one in consults)
    except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
        yield from _in_vain(consults, error, ports)
    else:
        # The hits first: the engine acts on each answer as it comes, and a hit is to go before the others.
        for one in sorted(consults, key=lambda one: cachelooks.info_hash(one.job) not in hits):
            cached, event = cachelooks.answered(one.job, hits, ports.clock.now())
            yield Outcome(one, event, heard=Heard.TOGETHER, cached=cached)


def _hits(consults: Sequence[Consult], ports: Ports, stop: Stop) -> frozenset[str]:
    hashes = {cachelooks.info_hash(one.job) for one in consults} - {""}
    return ports.cloud.cached(hashes, stop) if hashes else frozenset()


def _in_vain(consults: Sequence[Consult], error: Exception, ports: Ports) -> Iterator[Outcome]:
    what, fields = f"asking which of {len(consults)} jobs are cached", {"lane": Lane.API}
    answer = noted(error, what, fields)
    log.warning("%s: %s", what, in_words(answer), extra=fields)
    final = isinstance(answer, Permanent)  # there is no such call: nothing is to be had by asking again soon
    heard, cached = (Heard.TOGETHER, False) if final else (Heard.NOT, None)
    for one in consults:
        event = cachelooks.unanswered(one.job, answer, ports.clock.now())
        yield Outcome(one, event, heard=heard, cached=cached)
