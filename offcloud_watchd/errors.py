"""The taxonomy of failure: each class is named after who must act.

Rules of this file:

* It imports nothing of ours and everything may import it.
* Adapters turn foreign exceptions into these, in one place each; ``core.lifecycle.judge`` decides once.
* The text of an error is for a person: what was tried, on what, what came back, what to do next.
  It never holds a key, a password or a signed link.
"""

from typing import Final

NO_THREAD: Final = (
    "no further thread can be started; raise the limit of tasks (TasksMax=, ulimit -u) or that of memory"
)
"""What to say where ``Thread.start`` raised ``RuntimeError``: of that it tells nothing more."""


class OffcloudWatchdError(Exception):
    """The root, so that a boundary can tell our own errors from bugs."""


class Transient(OffcloudWatchdError):  # noqa: N818 - the word says who acts: time
    """Time will mend it: the job is charged one attempt and tried again.

    ``retry_after_s`` is what the other side asked for, unclamped. ``maybe_sent`` is true when a request
    that changes something may have taken effect although no usable answer came; only then must the account
    be searched before the request is sent again.
    """

    def __init__(self, reason: str, *, retry_after_s: float | None = None, maybe_sent: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.maybe_sent = maybe_sent


class Untold(Transient):
    """The service answered, and told nothing of the request it was asked about: it may not hold it."""


class Contradicted(Transient):
    """Two tell different sizes of one file: time may mend it, but not much of it, so a few attempts do."""


class Permanent(OffcloudWatchdError):  # noqa: N818 - the word says who acts: nobody can
    """No time will mend it: the job becomes FAILED and shows this reason."""


class Gone(Permanent):
    """The service no longer knows the request it gave us an id for."""


class Blocked(OffcloudWatchdError):  # noqa: N818 - the word says who acts: the operator
    """The operator must act: the lane pauses and probes, no job is charged, no drop is consumed.

    ``lane`` is the name of the lane that cannot work: ``api``, ``fetch`` or ``disk``.
    ``key_refused`` tells a refused key (exit code 77) from every other obstacle.
    """

    def __init__(self, lane: str, reason: str, *, key_refused: bool = False) -> None:
        super().__init__(reason)
        self.lane = lane
        self.key_refused = key_refused


class Waits(OffcloudWatchdError):  # noqa: N818 - what the job does
    """One job waits for what others do not need: nothing is charged, others go on.

    The text says nothing that changes while it waits, so that the same reason is recorded once.
    """


class NoRoom(Waits):
    """One release does not fit on its disk now."""


class EngineDown(Waits):
    """The program that moves the bytes of this job cannot: it does not answer, refuses us, or has no disk."""


class Astray(Waits):
    """The place of one job is in no setting any more, and it cannot be used: others have places of theirs."""


class Held(OffcloudWatchdError):  # noqa: N818 - the state of the job
    """Another host has the turn, or it cannot be told who has: the job waits ``wait_s``, nothing is charged.

    Of a submission it means that nothing was posted.
    """

    def __init__(self, reason: str, wait_s: float) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Cancelled(OffcloudWatchdError):  # noqa: N818 - it is not an error of anybody
    """The work was stopped on our own wish; nothing is charged and the work resumes or is dropped."""


class BadDrop(OffcloudWatchdError):  # noqa: N818 - the noun is the glossary's
    """What was dropped cannot be accepted: the drop goes to ``failed/`` with this text as its reason."""


class ConfigError(OffcloudWatchdError):
    """The configuration is wrong; ``problems`` holds every problem, one line each (exit code 78)."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class JournalDamaged(OffcloudWatchdError):  # noqa: N818 - the state of the thing says more than "Error"
    """The journal is damaged in its middle; nothing was touched (exit code 65)."""


class JournalUnwritable(OffcloudWatchdError):  # noqa: N818 - see above
    """A record could not be made durable; nothing that depends on it may be done."""


class StateLocked(OffcloudWatchdError):  # noqa: N818 - see above
    """Another daemon holds the state directory (exit code 75)."""
