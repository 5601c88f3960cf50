"""All figures of the program, put together for one answer.

Rules of this file:

* Names after https://prometheus.io/docs/practices/naming/: a prefix, the unit, ``_total`` on what only grows.
* No job has a name here. The only label that comes from the configuration is a directory.
* What the dashboard and the alerts in ``packaging/`` use is never renamed lightly; a test holds them equal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal

from offcloud_watchd import __version__
from offcloud_watchd.core.model import PAUSING, Job, JobState
from offcloud_watchd.core.picture import Disk, Overview, Picture
from offcloud_watchd.core.ports import Clock, FolderHealth
from offcloud_watchd.metrics.exposition import Family, Sample, exposed
from offcloud_watchd.metrics.process import process
from offcloud_watchd.metrics.room import Measured, Room
from offcloud_watchd.metrics.tally import Tally

_PREFIX: Final = "offcloud_watchd_"
_OPEN: Final = (JobState.QUEUED, JobState.CLOUD, JobState.FETCHING)

Kind = Literal["counter", "gauge"]
Labelled = Iterable[tuple[float, Mapping[str, str]]]


class Metrics:
    """Writes the page. ``received`` tells the bytes that came in so far, and the pieces that were bad.

    For one thread; it may block for half a second.
    """

    def __init__(
        self,
        tally: Tally,
        room: Room,
        received: Callable[[], tuple[int, int]],
        clock: Clock,
    ) -> None:
        self._tally = tally
        self._room = room
        self._received = received
        self._started_at = clock.now()

    def __call__(self, overview: Overview) -> bytes:
        """Return the page, in the text format."""
        return exposed(self._families(overview))

    def disks(self) -> Sequence[Disk]:
        """Return the room on each file system that answers."""
        return self._room.measure().disks

    def _families(self, overview: Overview) -> Iterator[Family]:
        picture = overview.picture
        build = {"version": __version__, "python": sys.version.partition(" ")[0]}
        yield _one("build_info", "gauge", "Which program this is.", 1, build)
        yield from _jobs(picture, overview.jobs)
        yield from self._counted()
        yield from self._fetched(overview)
        yield from _lanes(picture)
        yield from _folders(picture.folders)
        yield from _disks(picture, self._room.measure())
        yield from process(self._started_at)

    def _counted(self) -> Iterator[Family]:
        tally = self._tally
        events = ((count, {"event": name}) for name, count in tally.events.items())
        yield _family("job_events_total", "counter", "Events of jobs that were recorded.", events)
        retries = ((count, {"state": state}) for state, count in tally.retries.items())
        yield _family("retries_total", "counter", "Failures after which a job is tried again.", retries)
        errors = ((count, {"effect": name, "kind": kind}) for (name, kind), count in tally.errors.items())
        what = "What went wrong, by what was tried and who must act: time, nobody, the operator, us."
        yield _family("errors_total", "counter", what, errors)
        calls = ((count, {"call": call, "answer": answer}) for (call, answer), count in tally.calls.items())
        yield _family("api_requests_total", "counter", "Questions to the service, by the answer.", calls)
        verified = (
            (count, {"verified": degree, "origin": origin})
            for (degree, origin), count in tally.verified.items()
        )
        what = "Releases that were published, by how they were checked."
        yield _family("releases_published_total", "counter", what, verified)
        messages = (
            (count, {"way": way, "outcome": became}) for (way, became), count in tally.messages.items()
        )
        yield _family("messages_total", "counter", "Messages to people, by what became of them.", messages)
        files, size_bytes = tally.published
        yield _one("published_files_total", "counter", "Files that were published.", files)
        yield _one("published_bytes_total", "counter", "Bytes of what was published.", size_bytes)

    def _fetched(self, overview: Overview) -> Iterator[Family]:
        received_bytes, bad_pieces = self._received()
        what = "Bytes that came in from file hosts, also those that came twice."
        yield _one("fetch_received_bytes_total", "counter", what, received_bytes)
        what = "Pieces that were not what their torrent says, each time they came."
        yield _one("fetch_bad_pieces_total", "counter", what, bad_pieces)
        fetching = {job.id for job, _ in overview.picture.active if job.state is JobState.FETCHING}
        rates = [one.bytes_per_s or 0.0 for job_id, one in overview.progress.items() if job_id in fetching]
        yield _one("fetch_speed_bytes_per_second", "gauge", "How fast bytes come in.", sum(rates))
        yield _one("fetches_running", "gauge", "Jobs whose bytes come in.", len(rates))


def _jobs(picture: Picture, jobs: Sequence[Job]) -> Iterator[Family]:
    counts = ((count, {"state": state}) for state, count in picture.counts.items())
    yield _family("jobs", "gauge", "Jobs there are, by state.", counts)
    oldest: dict[str, float] = {}
    for job in jobs:
        if job.state in _OPEN:
            oldest[job.state] = min(oldest.get(job.state, job.changed_at), job.changed_at)
    since = ((at, {"state": state}) for state, at in oldest.items())
    what = "Since when the job that is longest in a state is in it."
    yield _family("oldest_job_since_timestamp_seconds", "gauge", what, since)


def _lanes(picture: Picture) -> Iterator[Family]:
    pauses = picture.pauses
    paused = ((lane in pauses, {"lane": lane}) for lane in PAUSING)
    yield _family("lane_paused", "gauge", "Whether a lane waits for the operator.", paused)
    since = ((pause.since, {"lane": lane}) for lane, pause in pauses.items())
    yield _family("lane_paused_since_timestamp_seconds", "gauge", "Since when it waits.", since)
    refused = any(pause.key_refused for pause in pauses.values())
    yield _one("api_key_refused", "gauge", "Whether the service refuses the key.", refused)


def _folders(folders: Sequence[FolderHealth]) -> Iterator[Family]:
    named = [({"folder": folder.path}, folder) for folder in folders]
    up = ((not folder.problem, labels) for labels, folder in named)
    yield _family("folder_up", "gauge", "Whether a drop folder is watched.", up)
    events = ((folder.watch == "events", labels) for labels, folder in named)
    yield _family("folder_has_events", "gauge", "Whether the kernel tells of what is dropped.", events)
    waiting = ((folder.waiting, labels) for labels, folder in named)
    yield _family("folder_waiting_files", "gauge", "Files that were not taken yet.", waiting)
    refused = ((folder.refused, labels) for labels, folder in named)
    what = "Drops that were refused and are no job."
    yield _family("folder_refused_drops_total", "counter", what, refused)
    missed = ((folder.missed, labels) for labels, folder in named)
    what = "Drops that a look found and no event told of."
    yield _family("folder_missed_events_total", "counter", what, missed)


def _disks(picture: Picture, measured: Measured) -> Iterator[Family]:
    free = ((space.free_bytes, {"directory": space.directory}) for space in measured.spaces)
    yield _family("disk_free_bytes", "gauge", "Room that we may use; missing while a disk hangs.", free)
    size = ((space.size_bytes, {"directory": space.directory}) for space in measured.spaces)
    yield _family("disk_size_bytes", "gauge", "How large the file system is.", size)
    promised = ((space.promised_bytes, {"directory": space.directory}) for space in measured.spaces)
    what = "Room that running fetches will need of what is free."
    yield _family("disk_promised_bytes", "gauge", what, promised)
    writable = not picture.journal_problem
    yield _one("journal_writable", "gauge", "Whether the journal takes records.", writable)
    if measured.journal_bytes is not None:
        yield _one("journal_size_bytes", "gauge", "How large the journal is.", measured.journal_bytes)


def _family(name: str, kind: Kind, what: str, samples: Labelled) -> Family:
    return Family(_PREFIX + name, kind, what, tuple(Sample(value, labels) for value, labels in samples))


def _one(name: str, kind: Kind, what: str, value: float, labels: Mapping[str, str] | None = None) -> Family:
    return _family(name, kind, what, [(value, labels or {})])
