"""What the API shows: each document beside the definition it must fit. Members are only ever added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from offcloud_watchd import __version__
from offcloud_watchd.core.model import (
    PAUSING,
    Account,
    Cached,
    Job,
    JobState,
    LinkKind,
    Progress,
    Route,
    Verb,
)
from offcloud_watchd.core.picture import Disk, Overview
from offcloud_watchd.core.views import described, folder_view, lane_view, progressed, without_links
from offcloud_watchd.web.api.schema import Anything, Flag, Many, Maybe, Number, Record, Schema, Text, Whole
from offcloud_watchd.web.clerk import Added, Commanded, allowed
from offcloud_watchd.web.desk import Happening
from offcloud_watchd.web.traffic import Sample, Traffic, left_s, speed
from offcloud_watchd.web.troubles import troubles

JOB_ID: Final = Text("the job's id", pattern="[0-9a-f]{12}")
STATE: Final = Text("where the job is in its life", choices=tuple(JobState))
# To put a job into another category is left to the clients that have categories.
VERB: Final = Text("what is asked of it", choices=tuple(verb for verb in Verb if verb is not Verb.CATEGORIZE))
_AT: Final = Number("UTC, seconds since the epoch")

# --- jobs --------------------------------------------------------------------------------------------------

_PROGRESS: Final = Record(
    {
        "done_bytes": Maybe(Whole()),
        "total_bytes": Maybe(Whole()),
        "fraction": Maybe(Number("between 0 and 1")),
        "bytes_per_s": Maybe(Number()),
        "left_s": Maybe(Number("seconds, at this speed")),
        "note": Text("what is being done"),
    },
    about="how far it is in its present state; null means that nobody says",
)
_CHECK: Final = Record(
    {
        "how": Text("pieces, pieces in part, size or unverified"),
        "files": Whole("how many"),
        "names": Many(Text(), "the first 100; empty where all files are what verified says first"),
    }
)
_SENT: Final = Record(
    {"account": Text(), "folder": Maybe(Text()), "name": Maybe(Text()), "size_bytes": Maybe(Whole())}
)
_DROP: Final = Record({"name": Text(), "folder": Text(), "line": Maybe(Whole("of a list"))})
_JOB_MEMBERS: Final[Mapping[str, Schema]] = {
    "id": JOB_ID,
    "name": Text("as it came from outside: escape it where you show it"),
    "category": Text(),
    "route": Text(choices=tuple(Route)),
    "cached": Text("what is done with what the service does not have already", choices=tuple(Cached)),
    "state": STATE,
    "kind": Text(choices=tuple(LinkKind)),
    "key": Text("the info hash as btih:HEX or btmh:HEX, or url: and the address up to its ?"),
    "size_bytes": Maybe(Whole("as the drop says")),
    "release": Maybe(Text()),
    "directory": Text("the category's output directory"),
    "queued_at": _AT,
    "changed_at": _AT,
    "attempts": Whole("failures in this state since the last success"),
    "retry_at": Number("when it goes on, UTC seconds since the epoch; 0: now"),
    "reason": Text("why it failed, or waits"),
    "request_id": Maybe(Text("the service's name for it")),
    "path": Maybe(Text("the release")),
    "files": Maybe(Whole()),
    "published_bytes": Maybe(Whole()),
    "verified": Maybe(Text("how the release was checked")),
    "checks": Many(_CHECK),
    "to_clear": Flag("the request is still to be removed from the account"),
    "to_import": Flag("request and entry stay until an *arr tool has imported it"),
    "to_report": Flag("an *arr tool is still to be told that it failed"),
    "remote": Maybe(Record({"account": Text(), "folder": Maybe(Text())})),
    "proxy": Maybe(Text("the service's server that gets what it gives at once")),
    "sent": Maybe(_SENT),
    "drops": Many(_DROP),
    "progress": Maybe(_PROGRESS),
    "can": Many(VERB, "what can be asked of it now"),
}
JOB: Final = Record(_JOB_MEMBERS)
HAPPENING: Final = Record(
    {
        "at": _AT,
        "event": Text("queued, submitting, submitted, …; carried_over sums up what an older journal held"),
        "text": Text("in words; empty for what only the machinery needs to know"),
        "data": Anything("the members of the record, without any link"),
    }
)
LIFE: Final = Record({**_JOB_MEMBERS, "history": Many(HAPPENING, "oldest first")})
JOBS: Final = Record(
    {"total": Whole("how many fit"), "offset": Whole(), "jobs": Many(JOB, "the oldest first")}
)


def job_document(job: Job, progress: Progress | None) -> dict[str, Any]:
    """Show a job."""
    shown = progressed(progress) if progress is not None else None
    return {**described(job), "progress": shown, "can": [str(verb) for verb in allowed(job)]}


def life_document(job: Job, progress: Progress | None, history: Iterable[Happening]) -> dict[str, Any]:
    """Show a job and everything that happened to it."""
    entries = [
        {"at": one.at, "event": one.event, "text": one.text, "data": without_links(one.data)}
        for one in history
    ]
    return {**job_document(job, progress), "history": entries}


def jobs_document(overview: Overview, jobs: Sequence[Job], *, total: int, offset: int) -> dict[str, Any]:
    """Show some of the jobs that were asked for."""
    shown = [job_document(job, overview.progress.get(job.id)) for job in jobs]
    return {"total": total, "offset": offset, "jobs": shown}


# --- how things are ----------------------------------------------------------------------------------------

_LANE: Final = Record(
    {
        "lane": Text(choices=PAUSING),
        "paused": Flag(),
        "reason": Text(),
        "since": _AT,
        "probe_at": Number("when it is tried again, UTC seconds since the epoch"),
        "key_refused": Flag(),
    },
    optional=("since", "probe_at", "key_refused"),
)
_FOLDER: Final = Record(
    {
        "path": Text(),
        "category": Text(),
        "watch": Text("events or poll"),
        "problem": Text("empty: none"),
        "waiting": Whole("files that were not taken yet"),
        "missed_by_events": Whole("drops a look found of which no event told"),
        "refused": Whole("drops that went to failed/ and are no job, since the start"),
        "hosts": Many(Text(), "the hosts that share it and live, this one first"),
    }
)
_ACCOUNT: Final = Record(
    {
        "email": Text(),
        "premium": Maybe(Flag()),
        "can_download": Maybe(Flag()),
        "expires": Text("as the service says it"),
        "generation": Text("which API the service speaks"),
    },
    about="what the service told when it was last asked; null: nothing yet",
)
_DISK: Final = Record(
    {
        "directories": Many(Text(), "the state and output directories on it"),
        "free_bytes": Whole("what may still be written"),
        "promised_bytes": Whole("what running fetches will need of that"),
        "size_bytes": Whole(),
    }
)
STATUS: Final = Record(
    {
        "version": Text(),
        "at": _AT,
        "well": Flag("nothing needs the operator"),
        "problems": Many(Text(), "what needs the operator"),
        "lanes": Many(_LANE),
        "folders": Many(_FOLDER),
        "counts": Record({str(state): Whole() for state in JobState}, about="all jobs, by state"),
        "bytes_per_s": Number("what comes home now"),
        "left_s": Maybe(Number("until all that is fetched now is here, at this speed")),
        "account": Maybe(_ACCOUNT),
        "disks": Maybe(Many(_DISK, "one file system each; one that does not answer is missing")),
    }
)
_SAMPLE: Final = Record(
    {
        "at": _AT,
        "bytes_per_s": Number("the mean since the sample before"),
        "waiting": Whole("jobs queued or in the cloud"),
        "fetching": Whole(),
    }
)
TRAFFIC: Final = Record(
    {"hour": Many(_SAMPLE, "every 10 s, oldest first"), "day": Many(_SAMPLE, "every 5 min, oldest first")}
)


def status_document(overview: Overview, disks: Sequence[Disk] | None) -> dict[str, Any]:
    """Show how things are."""
    picture = overview.picture
    found = troubles(picture)
    return {
        "version": __version__,
        "at": picture.at,
        "well": not found,
        "problems": found,
        "lanes": [lane_view(lane, picture) for lane in PAUSING],
        "folders": [folder_view(folder) for folder in picture.folders],
        "counts": {str(state): picture.counts.get(state, 0) for state in JobState},
        "bytes_per_s": speed(overview),
        "left_s": left_s(overview),
        "account": _account_document(picture.account),
        "disks": None if disks is None else [_disk_document(disk) for disk in disks],
    }


def _disk_document(disk: Disk) -> dict[str, Any]:
    return {
        "directories": list(disk.directories),
        "free_bytes": disk.free_bytes,
        "promised_bytes": disk.promised_bytes,
        "size_bytes": disk.size_bytes,
    }


def _account_document(account: Account | None) -> dict[str, Any] | None:
    if account is None:
        return None
    return {
        "email": account.email,
        "premium": account.premium,
        "can_download": account.can_download,
        "expires": account.expires,
        "generation": account.generation,
    }


def traffic_document(traffic: Traffic) -> dict[str, Any]:
    """Show what came home over time."""
    return {"hour": [_sample(one) for one in traffic.hour], "day": [_sample(one) for one in traffic.day]}


def _sample(one: Sample) -> dict[str, Any]:
    return {"at": one.at, "bytes_per_s": one.bytes_per_s, "waiting": one.waiting, "fetching": one.fetching}


# --- what was asked for ------------------------------------------------------------------------------------

_REFUSAL: Final = Record(
    {
        "number": Maybe(Whole("which link, or which line of the file, from 1 on; null: all of it")),
        "reason": Text(),
    }
)
ADDED: Final = Record(
    {
        "command": Maybe(Text("the order's id; it stands, also when no job shows it yet")),
        "jobs": Many(JOB, "new, or joined"),
        "refused": Many(_REFUSAL, "what could not be taken"),
    }
)
COMMANDED: Final = Record(
    {
        "command": Text("the order's id"),
        "jobs": Many(JOB, "those named that are still there, as they are now"),
    }
)


def added_document(added: Added) -> dict[str, Any]:
    """Show what came of adding."""
    return {
        "command": added.command,
        "jobs": [job_document(job, None) for job in added.jobs],
        "refused": [{"number": one.number, "reason": one.reason} for one in added.refused],
    }


def commanded_document(commanded: Commanded) -> dict[str, Any]:
    """Show what came of a command."""
    return {"command": commanded.command, "jobs": [job_document(job, None) for job in commanded.jobs]}
