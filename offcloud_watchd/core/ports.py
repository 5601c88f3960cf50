"""What the engine needs of the outside world, as Protocols. Each has one contract suite in tests/contract.

Every method may raise ``Transient``, ``Permanent``, ``Blocked`` or ``Cancelled`` and nothing else of its own,
``Shelf.fetch`` also ``Waits``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from offcloud_watchd.core.effects import Consult, Poll, Solo, Trace
from offcloud_watchd.core.events import Event, Recorded
from offcloud_watchd.core.model import (
    Account,
    Command,
    Intake,
    Job,
    Lane,
    Link,
    Naming,
    Phase,
    Progress,
    Publication,
    RemoteFile,
    RemoteTarget,
    Route,
    Sought,
    Submission,
)


class Clock(Protocol):
    """The time of day; injected so that tests own it."""

    def now(self) -> float:
        """Return UTC seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, for intervals."""
        ...


class Stop(Protocol):
    """A flag another thread can raise; ``threading.Event`` is one."""

    def is_set(self) -> bool:
        """Tell whether the work should end."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is raised or the time is over; return whether it is raised."""
        ...


class Journal(Protocol):
    """The only memory. One thread."""

    def append(self, events: Sequence[Recorded]) -> None:
        """Make the events durable, in order, all with one sync. Raise ``JournalUnwritable`` otherwise."""
        ...

    def renew(self, jobs: Mapping[str, Job]) -> None:
        """Write the jobs as a new generation: after a failed append, or when compaction is wanted.

        The categories that were recorded are carried over by themselves.

        Raise ``JournalUnwritable`` when that cannot be done either; it may be tried again.
        """
        ...

    def check(self, event: Event) -> None:
        """Raise ``ValueError`` for an event that no record can hold; changes nothing."""
        ...

    def strain(self) -> str:
        """Say why nothing new should be begun although records are still taken; nothing when all is well."""
        ...

    @property
    def categories(self) -> frozenset[str]:
        """The categories that were named, as recorded."""
        ...

    @property
    def wants_compaction(self) -> bool:
        """Tell whether a new generation would be much smaller."""
        ...


class Cloud(Protocol):
    """An Offcloud account. One thread at a time.

    Only ``submit`` and ``send`` make an item, only ``remove`` takes one away.
    """

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Hand the link in, once. ``Transient.maybe_sent`` tells whether it may have been taken.

        ``file``, the torrent the link is of, is handed over in its place where the service takes files.

        ``Blocked`` and ``Cancelled`` mean that it was not: a ``stop`` that comes too late is not obeyed.
        """
        ...

    def send(self, link: Link, target: RemoteTarget, stop: Stop, file: bytes | None = None) -> Submission:
        """Have what is behind a link sent to a remote account, once; errors and ``file`` as of ``submit``.

        ``Permanent`` when there is no such account, or the service has none at all.
        """
        ...

    def retry(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> bool:
        """Let a request that the service gave up begin anew; safe to repeat. ``Gone`` when it is not there.

        False when the service has no such call: then it is to be handed in again.
        """
        ...

    def remove(self, submission: Submission, stop: Stop) -> None:
        """Remove a request from the account's cloud, with its files. Safe to repeat: what is gone is removed.

        No search that begins afterwards finds it.
        """
        ...

    def grant(self, link: Link, stop: Stop, proxy: str | None = None) -> Submission:
        """Have links to what is behind a link given at once. Safe to repeat: it makes nothing but links.

        They are kept for the ``granted`` that follows, and stand in no answer. ``proxy`` is the server of the
        service that is to get it, by id, name or region. ``Permanent`` when the service gives none for such a
        link, or has no such server.
        """
        ...

    def granted(self, link: Link, stop: Stop, proxy: str | None = None) -> Sequence[RemoteFile]:
        """Return the links that were given by this proxy, once; if that is done, or long ago, new ones."""
        ...

    def find(
        self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
    ) -> tuple[Sequence[Sought], float]:
        """Return the account's live entries for this link, and when the listing was taken (UTC seconds).

        Entries that failed or were cancelled are left out; the oldest comes first. A listing that was taken
        at or after ``not_before`` may be used again, unless the clock was set since (``now`` and
        ``monotonic`` went apart): then nobody can tell which came first.
        """
        ...

    def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
        """Return how far a request is; raise ``Gone`` when the service does not know it.

        ``Untold`` when it answers and tells nothing of the request: it may not hold it.
        """
        ...

    def statuses(
        self,
        submissions: Sequence[Submission],
        stop: Stop,
        route: Route = Route.CLOUD,
        *,
        closely: bool = False,
    ) -> Mapping[str, Phase]:
        """Return how far many requests are, by id, with few questions; never that one failed.

        What it does not mention is to be asked for alone; for a few it mentions none. ``closely``: it may
        take one question more to tell the progress of the first of them, where one can tell that of many.
        """
        ...

    def cached(self, info_hashes: Collection[str], stop: Stop) -> frozenset[str]:
        """Return which v1 info hashes (40 hex digits) the service has already, in small letters.

        A thousand are one question. ``Permanent`` when the service has no such call.
        """
        ...

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Mint the links of a finished request; the links are secrets with a short life."""
        ...

    def account(self, stop: Stop) -> Account:
        """Ask who we are: the cheapest call that proves the key. ``Blocked`` when it is refused."""
        ...


ListFiles = Callable[[Submission, Stop], Sequence[RemoteFile]]
OnProgress = Callable[[Progress], None]


class Shelf(Protocol):
    """Where releases are gathered, checked and published."""

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring a finished request home and publish it; resumes whatever an earlier call left.

        What one round of a job published before a crash is found again and not published twice. ``Waits``
        when this release cannot come now and others may: it does not fit, or who moves its bytes is away.
        Asked again, that costs a look and nothing of the service.
        """
        ...

    def link(self, job: Job, donors: Sequence[Job], stop: Stop) -> Publication | None:
        """Publish what another job has published of the same request, as links to its files; safe to repeat.

        None, and nothing is lost, where the file system cannot link or no donor still holds exactly what it
        published: then the files are to be fetched.
        """
        ...

    def holds(self, publication: Publication) -> bool:
        """Tell whether a release still has at least the files and the bytes that were published.

        ``Blocked`` when it cannot be told, because its file system is not there or fails.
        """
        ...

    def vanished(self, publication: Publication) -> bool:
        """Tell whether a release was taken away, all of it; False as long as that cannot be told.

        A release of which a part is left is just being taken. Raises nothing.
        """
        ...

    def tidy(self, job: Job) -> None:
        """Drop what staging holds of this round of a job, and of earlier ones; repeating it is harmless."""
        ...

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the job's staging, and its release when ``job.remove_files``; repeating it is harmless."""
        ...

    def probe(self) -> None:
        """Raise ``Blocked`` while an output directory is missing or read-only, or all are full."""
        ...


class Tools(Protocol):
    """The *arr tools that are told of failures, and asked what they have imported. One thread at a time."""

    def report(self, job: Job, stop: Stop) -> str:
        """Let each tool of a failed job's category know it, so that it looks for another release.

        Safe to repeat, and after a crash at any point: what a tool has marked already is not marked again.
        Return why there was nothing to tell, empty where a tool was told. ``Transient`` while one of them
        cannot be told.
        """
        ...

    def imported(self, job: Job, stop: Stop) -> str:
        """Return the tools that have imported a job's release, empty while there are none or not all have.

        Those of its category that have grabbed it are meant, and their newest grab. ``Transient`` while one
        of them cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """Whether this host, of several with one account, may hand a content in.

    ``holder`` is the host that has the turn, empty where it is this one: then a POST may begin until
    ``until_s`` (monotonic). Before that the account's history is looked at, and only a look that was taken
    at ``counts_from`` (UTC seconds) or later proves that nobody has posted it.
    """

    holder: str
    until_s: float
    counts_from: float


@dataclass(frozen=True, slots=True)
class Wish:
    """Something a user asks for, with the act that takes the asking away once it is recorded.

    ``settled`` moves the drop out of its folder, or deletes the command's file; repeating it is harmless.
    """

    what: Intake | Command | Naming
    settled: Callable[[], None]


class FolderHealth(Protocol):
    """How a drop folder is: read-only facts for ``status``."""

    @property
    def path(self) -> str:
        """The folder."""
        ...

    @property
    def category(self) -> str:
        """Its category."""
        ...

    @property
    def watch(self) -> str:
        """``events`` or ``poll``."""
        ...

    @property
    def problem(self) -> str:
        """What is wrong with it; empty when nothing is."""
        ...

    @property
    def waiting(self) -> int:
        """How many files are there that were not taken yet."""
        ...

    @property
    def missed(self) -> int:
        """How many drops a look found of which no event told, since the start."""
        ...

    @property
    def refused(self) -> int:
        """How many drops went to ``failed/`` and are no job, since the start."""
        ...

    @property
    def hosts(self) -> tuple[str, ...]:
        """Which hosts share the folder and live, this one first; empty where nobody else is to be minded."""
        ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A drop that was not taken: its name, its folder and category, and what is wrong with it."""

    name: str
    folder: str
    category: str
    reason: str


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the drop folders and the commands gave.

    ``next_look_s`` is when a file may have settled (None: no file is waiting); ``more`` asks for another look
    at once because this one was cut short. ``refused`` are the drops that went to ``failed/``, each once.
    """

    wishes: tuple[Wish, ...]
    next_look_s: float | None = None
    more: bool = False
    folders: tuple[FolderHealth, ...] = ()
    refused: tuple[Refusal, ...] = ()


class Subscriber(Protocol):
    """Hears what has happened, on the engine's thread: it returns at once."""

    def recorded(self, event: Event, job: Job) -> None:
        """Take in that an event has become durable.

        ``job`` is as it is when all that was recorded with it counts; as it was, where it is gone then. What
        happened while nobody listened is not told again.
        """
        ...


class Lanes(Protocol):
    """The hands of the engine: every call returns at once; the answer comes back through the inbox."""

    def dispatch(self, effect: Solo, stop: Stop) -> None:
        """Carry out an effect of a job; answered by ``Outcome``."""
        ...

    def poll(self, polls: Sequence[Poll], stop: Stop) -> None:
        """Ask about many jobs in one round; each is answered by an ``Outcome`` of its own."""
        ...

    def consult(self, consults: Sequence[Consult], stop: Stop) -> None:
        """Ask in one look which jobs are cached; each is answered by an ``Outcome`` of its own."""
        ...

    def trace(self, traces: Sequence[Trace], stop: Stop) -> None:
        """See in one round, all of one lane, what was imported; each is answered by an ``Outcome``."""
        ...

    def probe(self, lane: Lane) -> None:
        """Try whether a paused lane can work again; answered by ``Probed``."""
        ...

    def look(self) -> None:
        """Look at the drop folders and the commands; answered by ``Looked``."""
        ...

    def settle(self, wishes: Sequence[Wish]) -> None:
        """Take the asking away, now that it is recorded; not answered."""
        ...

    def tidy(self, job: Job) -> None:
        """Clear the staging of a round that is published or was given up; not answered."""
        ...
