"""A round of polls: together as far as the service can, a few of the rest alone, an answer for each job."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

from offcloud_watchd.core import rounds
from offcloud_watchd.core.effects import Poll
from offcloud_watchd.core.messages import Heard, Outcome
from offcloud_watchd.core.model import Lane, Phase
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.core.story import about
from offcloud_watchd.core.verdicts import in_words
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Transient, Untold
from offcloud_watchd.lanes.acts import Ports
from offcloud_watchd.lanes.noting import noted

log = logging.getLogger(__name__)

Told = Mapping[rounds.Key, Phase]


def ask_round(polls: Sequence[Poll], ports: Ports, stop: Stop) -> Iterator[Outcome]:
    """Ask about many jobs and answer for each. Safe to repeat.

    Raises nothing: an error is an answer. What blocks or ends one question does so for all that are left.
    """
    began = ports.clock.now()
    left: dict[rounds.Key, list[Poll]] = {}
    for poll in polls:  # two jobs may have one request
        left.setdefault(rounds.key_of(poll.job), []).append(poll)
    told, obstacle = _told_together(polls, began, ports, stop)
    chosen = [] if obstacle else rounds.alone(polls, told, began, ports.policy)
    alone = {rounds.key_of(poll.job): poll for poll in chosen}
    together = [key for key in left if key in told and key not in alone]
    # Of those that are ready at once whoever was handed in first is fetched first.
    for key in sorted(together, key=lambda one: left[one][0].job.changed_at):
        yield from (_heard(poll, told[key], Heard.TOGETHER, ports) for poll in left.pop(key))
    for key, poll in alone.items():
        answer = _told_alone(poll, began, ports, stop)
        if isinstance(answer, (Blocked, Cancelled)):
            obstacle = answer
            break
        vouched = told.get(key) if isinstance(answer, Exception) else None
        if vouched is not None and not rounds.may_be_stuck(poll, began, ports.policy):
            answer = vouched  # only its progress was asked for
        yield from (_heard(one, answer, Heard.ALONE, ports) for one in left.pop(key))
        if isinstance(answer, Transient):
            break
    yield from (Outcome(poll, error=obstacle, heard=Heard.NOT) for same in left.values() for poll in same)


def _told_together(
    polls: Sequence[Poll], began: float, ports: Ports, stop: Stop
) -> tuple[Told, Blocked | Cancelled | None]:
    told: dict[rounds.Key, Phase] = {}
    closely = rounds.closely(polls, began, ports.policy)
    for route, jobs in rounds.by_route(poll.job for poll in rounds.in_turn(polls)).items():
        requests = [rounds.request_of(job) for job in jobs]
        try:
            phases = ports.cloud.statuses(requests, stop, route, closely=closely)
        except (Blocked, Cancelled) as error:
            return told, error
        except Exception as error:  # noqa: BLE001 - the boundary of a lane: each can still be asked about alone
            what = f"asking about {len(jobs)} jobs together"
            answer = noted(error, what, {"lane": Lane.API})
            log.warning("%s: %s", what, in_words(answer), extra={"lane": Lane.API})
        else:
            told |= {(route, own_id): phase for own_id, phase in phases.items()}
    return told, None


def _told_alone(poll: Poll, began: float, ports: Ports, stop: Stop) -> Phase | Exception:
    try:
        return _status(poll, began, ports, stop)
    except Exception as error:  # noqa: BLE001 - the boundary of a lane: every error is an answer
        return noted(error, f"job {poll.job.id}: Poll", about(poll.job, Lane.API))


def _status(poll: Poll, began: float, ports: Ports, stop: Stop) -> Phase:
    job = poll.job
    request, route = rounds.request_of(job), job.destination.route
    try:
        return ports.cloud.status(request, stop, route)
    except Untold as error:
        # The classic service has no word for a request it does not hold.
        found, as_of = ports.cloud.find(job.link, began, stop, route)
        if rounds.is_missing(poll, found, as_of, ports.clock.now(), ports.policy):
            raise Gone(f"the account does not list request {request.request_id}") from error
        raise


def _heard(poll: Poll, answer: Phase | Exception, heard: Heard, ports: Ports) -> Outcome:
    if isinstance(answer, Exception):
        return Outcome(poll, error=answer, heard=heard)
    event = rounds.answered(poll.job, answer, ports.clock.now(), ports.policy)
    tells = answer.outcome == "waiting" and answer.detailed
    return Outcome(poll, event, answer.progress if tells else None, heard=heard)
