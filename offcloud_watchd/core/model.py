"""The nouns of the program: links, drops, jobs, commands. Everything is frozen.

Glossary
--------
drop folder     a directory that is watched; *arr tools call it a blackhole
drop            one file put there, or one ``add`` command; it may hold many links
link            one thing to fetch: a magnet (or a torrent turned into one), an http(s) URL, or the articles
                of an NZB
key             what makes two links the same thing: ``btih:HEX``, ``btmh:HEX``, ``url:URL`` or ``nzb:HEX``;
                of a drop that cannot be used ``file:HEX``
category        free text that groups releases; each has its own output directory
job             one link for one category; its whole life is in the journal
request         the service's own word for an item in the account, named by its request id
route           where the service puts the bytes: its cloud, a remote account, or nowhere (instant: it gives
                links to the bytes at once)
cached          what the service has already, and so gives at once
intent          the record that a POST is about to be made; until an answer is recorded the job is unsure
clear           to take a finished request of ours out of the account, with its files there
imported        taken over by an *arr tool: its release was taken away, or the tool's history says so
staging         the hidden directory in which a release is gathered and checked
release         the finished directory; it becomes visible by one rename ("published")
lane            the workers of one resource: ``api``, ``fetch``, ``disk`` or ``arr``
*arr tool       Sonarr, Radarr or the like; it is told when a release of its categories fails ("reported")
effect          work owed to the outside world; always safe to repeat

Times are UTC seconds since the epoch (``_at``), sizes are bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from offcloud_watchd.core import held
from offcloud_watchd.core.frozen import slim


class LinkKind(StrEnum):
    """What a link points at; ``FILE`` is no link at all, but a drop in which there was none to be used."""

    TORRENT = "torrent"
    URL = "url"
    NZB = "nzb"
    FILE = "file"


class Route(StrEnum):
    """Where the service is asked to put the bytes."""

    CLOUD = "cloud"
    INSTANT = "instant"
    REMOTE = "remote"

    __hash__ = str.__hash__  # that of an enumeration is a function of Python's, and this is a key everywhere

    @property
    def makes_items(self) -> bool:
        """Whether a submission makes what must not be made twice; links that are given are nothing."""
        return self is not Route.INSTANT


class Cached(StrEnum):
    """What is done with what the service does not have already: nothing, it comes later, it is refused."""

    ANY = "any"
    FIRST = "first"
    ONLY = "only"

    __hash__ = str.__hash__  # that of an enumeration is a function of Python's, and this is a key everywhere


class Removal(StrEnum):
    """When a finished request of ours is taken out of the account.

    Never, once it is published here, or once an *arr tool has imported it; then our own entry goes, too.
    """

    NEVER = "never"
    PUBLISHED = "published"
    IMPORTED = "imported"


class JobState(StrEnum):
    """Each open state owes exactly one effect; DONE and FAILED owe nothing.

    CHECKING is a finished job that was dropped again: it owes a look at its release.
    """

    QUEUED = "queued"
    CLOUD = "cloud"
    FETCHING = "fetching"
    DONE = "done"
    CHECKING = "checking"
    FAILED = "failed"
    REMOVED = "removed"

    __hash__ = str.__hash__  # that of an enumeration is a function of Python's, and this is a key everywhere


class Lane(StrEnum):
    """The workers of one resource; a lane can be paused as a whole, all but ``arr``.

    Several tools share that one: one that does not answer must not keep the others waiting.
    """

    API = "api"
    FETCH = "fetch"
    DISK = "disk"
    ARR = "arr"


PAUSING: Final = (Lane.API, Lane.FETCH, Lane.DISK)
"""The lanes that can be paused, in the order in which they are shown."""


@final
@slim(url=held.URL, info_hash_v1=held.INFO_HASH_V1)
@dataclass(frozen=True)
class Link:
    """One thing to fetch, as it will be submitted.

    ``url`` is the magnet or http(s) address to send, of an NZB its key, as only its file can be sent, empty
    where there is nothing to send; ``key`` identifies the content and is equal for every
    spelling of the same thing. ``name`` is what the drop itself calls it, unsafe as it came. ``line`` is the
    1-based line of a list. ``private`` is BEP 27's flag.
    """

    kind: LinkKind
    key: str
    url: str
    name: str | None = None
    info_hash_v1: str | None = None
    info_hash_v2: str | None = None
    size_bytes: int | None = None
    line: int | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class BadLine:
    """A part of a drop that could not be taken; ``line`` is None when it is about the drop as a whole."""

    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Links:
    """What the bytes of a drop hold: good links in order, bad lines, and lines that repeat an earlier link.

    ``is_list`` tells whether the format can hold many links, so that the file's name need not name one.
    ``holds_more`` tells that the bytes hold more than the links say: a torrent's pieces, an NZB's articles.
    """

    found: tuple[Link, ...]
    bad: tuple[BadLine, ...] = ()
    duplicate_lines: tuple[int, ...] = ()
    is_list: bool = False
    holds_more: bool = False


@dataclass(frozen=True, slots=True)
class Drop:
    """Where a job came from.

    ``id`` is the identity of this very drop (not only of its content), so that a drop which was recorded but
    not yet moved away is known again. ``name`` is the file's name, ``folder`` the drop folder's path (empty
    for the ``add`` command). ``sha256`` names the bytes in the spool; empty where nothing was spooled.
    ``line`` is the 1-based line of the job's link where the drop is a list.
    """

    id: str
    name: str
    folder: str
    sha256: str = ""
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """A remote account as the operator names it (an id, user name or type), and the id of a folder there."""

    account: str
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Where the jobs of a drop go: ``directory`` is the category's output directory, an absolute path.

    ``remote`` is where the service sends them on the remote route, on which nothing comes into the directory.
    ``cached`` tells what is done with what the service does not have already. ``proxy`` is the service's own
    server through which it has to get what it gives at once, as the operator names it: an id, name or region.
    """

    category: str
    directory: str
    route: Route = Route.CLOUD
    remote: RemoteTarget | None = None
    cached: Cached = Cached.ANY
    proxy: str | None = None

    @property
    def way(self) -> tuple[Route, RemoteTarget | None]:
        """What the service is asked to do; jobs for one content that agree in it share one request."""
        return (self.route, self.remote)


@dataclass(frozen=True, slots=True)
class Submission:
    """What the service answered to a submission, or what its history shows of one.

    ``request_id`` is empty where the service gave links without keeping a request. ``status`` is the
    service's own word. ``url`` is the classic service's direct link, without a file name; it is not a secret
    but may die, so it is only a hint. ``server`` is the classic service's host label.
    """

    request_id: str
    status: str = ""
    name: str | None = None
    url: str | None = None
    server: str | None = None


@dataclass(frozen=True, slots=True)
class Sought(Submission):
    """One entry of the account's history that matches a link; ``created_at`` is None where unknown."""

    created_at: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is; lives in memory only. ``None`` means the other side does not say."""

    done_bytes: int | None = None
    total_bytes: int | None = None
    fraction: float | None = None
    bytes_per_s: float | None = None
    note: str = ""

    @property
    def part(self) -> float | None:
        """How far it is between 0 and 1; None when the other side does not say."""
        if self.fraction is not None:
            return min(max(self.fraction, 0.0), 1.0)
        if self.total_bytes and self.done_bytes is not None:
            return min(self.done_bytes / self.total_bytes, 1.0)
        return None

    @property
    def left_s(self) -> float | None:
        """How long it will take at this speed; None when nobody can tell."""
        if not self.bytes_per_s or self.total_bytes is None or self.done_bytes is None:
            return None
        return max(0.0, (self.total_bytes - self.done_bytes) / self.bytes_per_s)


@dataclass(frozen=True, slots=True)
class Phase:
    """The one meaning of the service's many status words: ``waiting``, ``ready`` or ``failed``.

    ``detailed`` is false where a list told the word alone, and nothing of the progress there may be.
    """

    word: str
    outcome: str
    submission: Submission
    progress: Progress = Progress()
    reason: str = ""
    detailed: bool = True


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a finished request. ``url`` is a secret with a short life: never recorded, never logged.

    ``path`` is the service's relative path, unsafe as it came; ``size_bytes`` is None when it is not told.
    """

    path: str
    url: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """What the service tells of the account behind the key."""

    email: str = ""
    premium: bool | None = None
    can_download: bool | None = None
    expires: str = ""
    generation: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """How some files of a release were verified: ``pieces``, ``pieces in part``, ``size`` or ``unverified``.

    ``files`` is how many there are, ``names`` the first of their paths in the release.
    """

    how: str
    files: int
    names: tuple[str, ...] = ()


@final
@slim(path=held.PATH)
@dataclass(frozen=True)
class Publication:
    """The proof that a release is in its place: directory, number of files, bytes, how it was checked.

    ``verified`` says it for people. It begins with what holds for the best verified files (see ``Check``),
    after ``linked from JOB: `` where nothing was transferred. ``checks`` is empty where that holds for all.
    """

    path: str
    files: int
    size_bytes: int
    verified: str
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the service sent where: the account as the operator names it, the folder, its name and size."""

    account: str
    folder: str | None = None
    name: str | None = None
    size_bytes: int | None = None


@final
@slim(
    seldom=(
        "attempts",
        "retry_at",
        "reason",
        "commands",
        "remove_files",
        "round",
        "delivery",
        "failed_request",
        "spent",
        "to_clear",
        "mark",
        "stirred_at",
        "vanished",
        "to_report",
        "to_import",
        "leaves_at",
        "sent",
        "remembered",
        "moves_to",
    )
)
@dataclass(frozen=True)
class Job:
    """One link for one category: the fold of its events and nothing else.

    ``posted_at`` names the latest POST for this content that the job knows of, its own or another's: the time
    it was recorded, moved up if needed, so that a later POST has a later name though the clock was set back.
    ``unsure`` means that the account must be searched before anything is posted again, and ``doubted_at`` is
    from when on the lag of the account's history is counted then. ``retry_at`` is when the owed effect is due
    (0: now). ``attempts`` counts failures in the present state since the last success. ``commands`` are the
    ids of the newest operator commands that were applied, so that one repeated after a crash changes nothing.
    ``round`` counts how often the job began anew; what one round staged or published is never taken for
    another's. ``drops`` holds the first and the newest. ``published_at`` says when ``publication`` came about
    (0: not known). ``delivery`` is what was sent to a remote account. ``failed_request`` is the id of a
    request that the service gave up: it is asked to try that again. ``spent`` are the ids of the newest
    requests of earlier rounds that did what they were for: they are never taken for the present one's.
    ``to_clear``: the job is done, and its request is still to be taken out of the account; that is owed also
    when the job is removed. ``mark`` names
    what the request had come to in the cloud when that was last recorded, at ``stirred_at`` (0: never).
    ``vanished`` is the request the account lost, for which there was another one.
    ``to_import``: the job is done, and its request and its entry stay until an *arr tool has imported it.
    ``leaves_at`` is when the entry of one that was imported goes (0: it stays).
    ``to_report``: the job has failed, and the *arr tools of its category are still to be told. That is owed
    also when it is removed: a tool that has it removed may not have made a note of the failure yet.
    ``sent`` are the ids of the newest transfers it had made to a remote account: they are no other job's.
    ``moves_to`` is where it goes if what was dropped again is gone (None: where it went).
    ``remembered``: it is gone for everybody but those who search the account for the same content, where what
    it had sent still stands.
    """

    id: str
    link: Link
    drops: tuple[Drop, ...]
    destination: Destination
    release: str | None
    state: JobState
    queued_at: float
    changed_at: float
    attempts: int = 0
    retry_at: float = 0.0
    reason: str = ""
    posted_at: float | None = None
    unsure: bool = False
    doubted_at: float = 0.0
    submission: Submission | None = None
    publication: Publication | None = None
    published_at: float = 0.0
    commands: tuple[str, ...] = ()
    remove_files: bool = False
    round: int = 0
    delivery: Delivery | None = None
    failed_request: str = ""
    spent: tuple[str, ...] = ()
    to_clear: bool = False
    mark: str = ""
    stirred_at: float = 0.0
    vanished: str = ""
    to_report: bool = False
    to_import: bool = False
    leaves_at: float = 0.0
    sent: tuple[str, ...] = ()
    remembered: bool = False
    moves_to: Destination | None = None

    @property
    def doubtful(self) -> bool:
        """Whether it has ended with a POST of which nobody knows yet whether it was taken.

        Whoever cancels may begin anew, so that is found out. Who forgets does not care what is left in the
        cloud; but what is sent elsewhere must be known, or another job would take it for its own.
        """
        if self.state is JobState.REMOVED:
            return self.unsure and self.destination.route is Route.REMOTE
        return self.unsure and self.state is JobState.FAILED


class Verb(StrEnum):
    """What an operator can ask of a job."""

    RETRY = "retry"
    CANCEL = "cancel"
    FORGET = "forget"
    CATEGORIZE = "categorize"


@dataclass(frozen=True, slots=True)
class Command:
    """An operator's wish for some jobs; ``id`` makes it safe to repeat.

    ``files``: forget what was published, too. ``destination`` is where ``CATEGORIZE`` puts the jobs.
    """

    id: str
    verb: Verb
    job_ids: tuple[str, ...]
    files: bool = False
    destination: Destination | None = None


@dataclass(frozen=True, slots=True)
class Naming:
    """A client's wish that a category be known, or (``drop``) not any more. Safe to repeat."""

    category: str
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Intake:
    """One drop that was read, and of which is safe what no record holds: what is in it and where it goes.

    ``unusable`` is what a refused drop is known by, where an *arr tool may wait for it: there are no good
    links then, and the first bad one says why.
    """

    drop: Drop
    links: Links
    destination: Destination
    stem: str
    unusable: Link | None = None


def job_id(drop_id: str, key: str) -> str:
    """Name the job of one link of one drop; equal input gives an equal id, so recording twice is harmless."""
    return hashlib.sha256(f"{drop_id}\0{key}".encode("utf-8", "surrogateescape")).hexdigest()[:12]
