"""What the other threads say to the engine; the inbox carries nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from offcloud_watchd.core.effects import Act
from offcloud_watchd.core.events import Event
from offcloud_watchd.core.model import Account, Lane, Progress
from offcloud_watchd.core.picture import Overview
from offcloud_watchd.core.ports import Look


class Heard(StrEnum):
    """How an answer was had: for this job alone, together with others, or not at all in this round."""

    ALONE = "alone"
    TOGETHER = "together"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Outcome:
    """An effect ended: with an event, with nothing to record, or with an error.

    A poll that was not ``heard`` of leaves its job as due as it was. ``cached``: what a look into the cache
    told (None: nothing).
    """

    effect: Act
    event: Event | None = None
    progress: Progress | None = None
    error: BaseException | None = None
    heard: Heard = Heard.ALONE
    cached: bool | None = None


@dataclass(frozen=True, slots=True)
class Probed:
    """A lane was tried; ``error`` None means that it works. ``account``: what the service told of us."""

    lane: Lane
    error: BaseException | None = None
    account: Account | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """The drop folders and commands were looked at; ``look`` None means that it went wrong."""

    look: Look | None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class LookAgain:
    """A hint that something changed in a drop folder, or an operator's wish to look at once."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """A running effect got further."""

    job_id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Asked:
    """A reader wants to know how things are.

    ``answer`` is called once, on the engine's thread, when all that came before is recorded; it returns at
    once and raises nothing.
    """

    answer: Callable[[Overview], None]


@dataclass(frozen=True, slots=True)
class Stopping:
    """An orderly end is wanted: nothing new is begun, fetches are cancelled, a POST in flight may end."""


Message = Outcome | Probed | Looked | LookAgain | Advanced | Asked | Stopping
