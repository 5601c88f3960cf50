"""The shelf on a disk: where releases are gathered, checked and published.

Rules of this file:

* Every step is safe to repeat, in the order of the safety rules: files complete and synced, directories
  sealed, note of the target durable, one rename, directory synced.
* Nothing inside a published release is touched. Nothing outside staging is deleted, but a release of our own
  when its job is to be forgotten with its files.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from offcloud_watchd.core.model import Job, JobState, Lane, Publication, RemoteFile
from offcloud_watchd.core.ports import Clock, ListFiles, OnProgress, Stop
from offcloud_watchd.core.story import about
from offcloud_watchd.errors import Astray, Blocked, Cancelled, EngineDown, NoRoom, Permanent, Transient
from offcloud_watchd.fetch import disk, kept, release, staging
from offcloud_watchd.fetch.agreed import agreed
from offcloud_watchd.fetch.disk import on_disk
from offcloud_watchd.fetch.download import Damaged, Gathering
from offcloud_watchd.fetch.mover import Around, Mover
from offcloud_watchd.fetch.naming import name_of
from offcloud_watchd.fetch.note import Note
from offcloud_watchd.fetch.owners import ownerless
from offcloud_watchd.fetch.room import Room
from offcloud_watchd.fetch.settings import STAGING_NAME, ShelfSettings
from offcloud_watchd.fetch.staging import Place, Rights, Round
from offcloud_watchd.fetch.sweep import Sweeps
from offcloud_watchd.fetch.traffic import Traffic
from offcloud_watchd.fetch.unpack import unpack

log = logging.getLogger(__name__)

_LINKED: Final = re.compile(r"linked from [^:]*: ")


class DiskShelf:
    """Implements ``core.ports.Shelf``. Its methods may be called from several threads, for different jobs.

    ``movers`` are the programs that move the bytes of some output directories, by the name of their engine.
    """

    def __init__(
        self, settings: ShelfSettings, clock: Clock, movers: Mapping[str, Mover] | None = None
    ) -> None:
        self._settings = settings
        self._movers = movers or {}
        self._clock = clock
        self._rights = Rights(settings.file_mode, settings.dir_mode, settings.group)
        self._room = Room(settings.min_free_bytes)
        self._traffic = Traffic(settings)
        self._seen: set[str] = set()
        self._sweeps = Sweeps(clock)
        roots = {str(Path(root, STAGING_NAME)) for root in settings.roots}
        self._set_up = roots.union(map(settings.staging_root, settings.outputs))

    @property
    def received(self) -> tuple[int, int]:
        """Bytes that came in and pieces that were bad, since the start. Any thread."""
        return self._traffic.meter.read()

    def promised_bytes(self, device: int) -> int:
        """Compute what running fetches are still going to write to a device. Any thread."""
        return self._room.promised_bytes(device)

    # --- core.ports.Shelf ---

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring a finished request home and publish it; resumes whatever an earlier call left."""
        if job.submission is None:
            raise Permanent("the job has no request id, so there is nothing to fetch; retry it")
        place = self._place(job)
        ask = partial(list_files, job.submission, stop)
        around = Around(self._settings, self._clock, self._room, self._traffic, on_progress, stop)
        try:
            with self._alone_if_astray(place.staging_root):
                self._check_mounted(place.staging_root)
                return self._fetch_in_room(job, place, ask, around)
        except NoRoom:
            # Where nothing fits at all it is the operator's affair.
            self._check_room()
            raise
        except EngineDown as error:
            # The same where every folder waits for it.
            if self._settings.engines.only:
                raise Blocked("fetch", str(error)) from error
            raise
        finally:
            self._room.release(place.name)

    def link(self, job: Job, donors: Sequence[Job], stop: Stop) -> Publication | None:
        """Publish what another job has published of the same request, as links to its files; safe to repeat.

        None where that cannot be done, or where a call before has got too far: then ``fetch`` goes on.
        """
        place = self._place(job)
        with self._alone_if_astray(place.staging_root):
            self._check_mounted(place.staging_root)
            publication = self._link(job, place, donors, stop)
        if publication is not None:
            self._let_go(place.staging_root, job.id)
        return publication

    def holds(self, publication: Publication) -> bool:
        """Tell whether a release still has at least the files and the bytes that were published.

        Where a place is not there any more and in no setting either, nothing is.
        """
        staging_root = self._settings.staging_root(str(Path(publication.path).parent))
        try:
            with self._alone_if_astray(staging_root):
                self._check_answers(staging_root)
                with on_disk(f"to look at {publication.path}"):
                    there = release.holds(publication)
                if not there and staging_root in self._set_up:
                    self._check_mounted(staging_root, was_here=True)
        except Blocked as error:
            # Only what is dropped again waits for it: what is new may go elsewhere.
            raise Blocked("disk", str(error)) from error
        return there

    def vanished(self, publication: Publication) -> bool:
        """Tell whether a release was taken away, all of it; False as long as that cannot be told."""
        directory = str(Path(publication.path).parent)
        try:
            self._check_mounted(self._settings.staging_root(directory), was_here=True)
            return release.vanished(publication)
        except (Blocked, OSError):
            return False

    def tidy(self, job: Job) -> None:
        """Drop what staging holds of this round of a job, and of earlier ones; repeating it is harmless."""
        place = self._place(job)
        self._room.forget(place.name)

        def is_over(owner: str, number: int) -> bool:
            return owner == job.id and number <= job.round

        try:
            self._recall(job, is_over)
        except EngineDown as error:
            log.warning("job %s: %s; what it still fetches is called back at the next start", job.id, error)
        if not self._sweeps.silent(place.staging_root):  # else the next start sweeps it
            staging.clear(place.staging_root, is_over)

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the job's staging, and its release when ``job.remove_files``; repeating it is harmless."""
        place = self._place(job)
        self._room.forget(place.name)
        try:
            self._check_answers(place.staging_root)
            if job.remove_files:
                for path in self._publications(job, place):
                    if stop.is_set():
                        raise Cancelled("stopped before everything was deleted")
                    self._withdraw(place, path)
            self._recall(job, lambda owner, _: owner == job.id)
            staging.clear(place.staging_root, lambda owner, _: owner == job.id)
            self._let_go(place.staging_root, job.id)
        except (Blocked, EngineDown) as error:
            # What cannot be deleted must not stop the fetching of others.
            raise Transient(str(error)) from error

    def probe(self) -> None:
        """Raise ``Blocked`` while an output directory is missing or read-only, or all are full."""
        for staging_root in self._places_set_up():
            self._check_mounted(staging_root)
            root = str(Path(staging_root).parent)
            with on_disk(f"to use the output directory {root}"):
                disk.check_writable(root)
        self._check_room()
        if mover := self._movers.get(self._settings.engines.only):
            try:
                mover.check(anew=True)
            except EngineDown as error:
                raise Blocked("fetch", str(error)) from error

    # --- at start ---

    def sweep(self, jobs: Mapping[str, Job], going_on: Callable[[], None] = lambda: None) -> None:
        """Clear the staging of rounds that no live job owns. Call it once, before the first fetch.

        The rounds of jobs that are to be discarded stay: they tell what was published. ``going_on`` is called
        now and then. A file system that does not answer is left to it; nothing is done there meanwhile.
        """
        kept_for = {job.id for job in jobs.values() if job.state not in (JobState.DONE, JobState.CHECKING)}

        def is_left_behind(owner: str) -> bool:
            return owner not in kept_for

        directories = {*self._settings.outputs, *(job.destination.directory for job in jobs.values())}
        staging_roots = sorted({self._settings.staging_root(directory) for directory in directories})
        self._seen.update(self._sweeps.run(staging_roots, ownerless(jobs), going_on, is_left_behind))
        published = {job.destination.directory for job in jobs.values() if job.publication is not None}
        self._seen.update(self._unmounted(published.intersection(self._settings.outputs)))

    def recall(self, jobs: Mapping[str, Job], _stop: Stop) -> None:
        """Have every mover forget the rounds that no live job owns: once, when it has started."""
        for name, mover in self._movers.items():
            try:
                mover.recall(self._staging_roots(), ownerless(jobs))
            except EngineDown as error:
                log.warning("engine %s: %s", name, error)

    # --- inside ---

    def _unmounted(self, published: Iterable[str]) -> Iterator[str]:
        """Give staging directories that are gone, together with the directory that was published into."""
        for directory in published:
            root = self._settings.staging_root(directory)
            if root not in self._seen and not self._sweeps.silent(root) and not Path(directory).is_dir():
                yield root

    def _recall(self, job: Job, is_over: Callable[[str, int], bool]) -> None:
        """Have a job's mover forget some of its rounds, so that nothing is written of them any more."""
        mover = self._mover_of(job)
        if mover is not None:
            mover.recall([self._settings.staging_root(job.destination.directory)], is_over)

    def _mover_of(self, job: Job) -> Mover | None:
        return self._movers.get(self._settings.engines.of(job.destination.directory))

    def _staging_roots(self) -> list[str]:
        return sorted({*map(self._settings.staging_root, self._settings.outputs), *self._seen})

    def _places_set_up(self) -> list[str]:
        """Return the staging directories that concern everybody: not those of settings of another life."""
        return [one for one in self._staging_roots() if one in self._set_up]

    @contextmanager
    def _alone_if_astray(self, staging_root: str) -> Iterator[None]:
        """Let a job wait alone whose place the settings do not name any more: a lane would wait for ever."""
        try:
            yield
        except Blocked as error:
            if error.lane != Lane.FETCH or staging_root in self._set_up:
                raise
            raise Astray(
                f"{error} (no setting leads to {Path(staging_root).parent} any more: what is dropped again "
                "after `offcloud-watchd forget` goes where it goes now)"
            ) from error

    def _check_room(self) -> None:
        with on_disk("to look for room on the output disk"):
            answering = [one for one in self._places_set_up() if not self._sweeps.silent(one)]
            outputs = [str(Path(one).parent) for one in answering]
            try:
                self._room.check(outputs)
            except Blocked:
                if not sum(self._let_go(one) for one in answering):
                    raise
                self._room.check(outputs)

    def _place(self, job: Job) -> Place:
        directory = job.destination.directory
        return Place(directory, self._settings.staging_root(directory), job.id, job.round)

    def _check_mounted(self, staging_root: str, *, was_here: bool = False) -> None:
        """Notice that a file system is gone: what was seen on it is not there, so nothing may be written.

        ``was_here``: a release was published from there, in this life or in another one. One that does not
        answer since the start is not asked.
        """
        self._check_answers(staging_root)
        if (was_here or staging_root in self._seen) and not Path(staging_root).is_dir():
            raise Blocked("fetch", staging.gone(staging_root))

    def _check_answers(self, staging_root: str) -> None:
        silence = self._sweeps.silent(staging_root)
        if silence:
            raise Blocked("fetch", silence)

    def _fetch_in_room(
        self, job: Job, place: Place, ask: Callable[[], Sequence[RemoteFile]], around: Around
    ) -> Publication:
        """Fetch; what is kept for a retry that may never come makes room before anything waits."""
        try:
            return self._fetch(job, place, ask, around)
        except NoRoom:
            if not self._let_go(place.staging_root):
                raise
        return self._fetch(job, place, ask, around)

    def _link(self, job: Job, place: Place, donors: Sequence[Job], stop: Stop) -> Publication | None:
        with staging.opened(place, self._rights) as staged:
            self._seen.add(place.staging_root)
            if staged.note() is not None:
                return None
            with on_disk(f"to link files in {place.staging_root}"):
                staged.check_same_disk()
                there = [one for one in donors if not self._sweeps.silent(self._place(one).staging_root)]
                note = next(filter(None, (_linked(job, donor, staged, stop) for donor in there)), None)
            if note is None:
                return None
            with on_disk(f"to publish {note.name} in {place.directory}"):
                return staged.publish(note)

    def _fetch(
        self, job: Job, place: Place, ask: Callable[[], Sequence[RemoteFile]], around: Around
    ) -> Publication:
        with on_disk(f"to go on in {place.staging_root}"):
            kept.adopt(place)
        with staging.opened(place, self._rights) as staged:
            self._seen.add(place.staging_root)
            published = staged.published()
            if published is not None:
                with on_disk(f"to publish {published.path}"):
                    staged.settle(published)
                return published
            note = staged.note()
            if note is None:
                self._room.claim_again(staged.name, staged.fd)
                if mover := self._mover_of(job):
                    mover.check()  # before anything is asked of the service
                note = self._gather(job, staged, ask, around)
            with on_disk(f"to publish {note.name} in {place.directory}"):
                return staged.publish(note)

    def _gather(
        self, job: Job, staged: Round, ask: Callable[[], Sequence[RemoteFile]], around: Around
    ) -> Note:
        """Bring all files into staging and seal the release; return the note to publish it by."""
        with on_disk(f"to write in {self._place(job).staging_root}"):
            staged.check_same_disk()
            settings = self._settings
            listing, proof = agreed(job, ask, settings, around.stop)
            mover = self._mover_of(job)
            try:
                if mover is None:
                    gathered = Gathering(staged, listing, proof, around).run()
                else:
                    gathered = mover.bring(staged, listing, proof, around)
            except Damaged:
                kept.keep(self._place(job))
                raise
            files = [item.parts for item in listing.items] if settings.extract else []
            unpacked = unpack(staged, files, settings, self._room, around.stop)
            staged.seal()
        name = name_of(job, listing.remote_paths)
        return Note(
            name,
            "",
            gathered.files + unpacked.files,
            gathered.size_bytes + unpacked.size_bytes,
            "; ".join((gathered.verified, *unpacked.words)),
            spent=tuple(map("/".join, unpacked.spent)),
            checks=gathered.checks,
        )

    @staticmethod
    def _let_go(staging_root: str, job_id: str | None = None) -> bool:
        """Delete what is kept for the retry of one job, or of all; tell whether there was anything."""
        with on_disk(f"to clear {staging_root}"):
            return kept.let_go(staging_root, lambda owner: job_id in (None, owner))

    def _publications(self, job: Job, place: Place) -> Iterator[str]:
        """Name the releases of a job as far as they are known: by the journal, or by notes that are left."""
        if job.publication is not None:
            yield job.publication.path
        for number in staging.rounds(place.staging_root, job.id):
            with staging.opened(replace(place, round=number), self._rights) as staged:
                published = staged.published()
            if published is not None:
                yield published.path

    def _withdraw(self, place: Place, path: str) -> None:
        """Delete one release, if it lies directly in the job's output directory."""
        target = PurePosixPath(path)
        if target.parent == PurePosixPath(place.directory) and target.name != "..":
            with staging.opened(place, self._rights) as staged, on_disk(f"to delete {path}"):
                staged.withdraw(target.name)


def _linked(job: Job, donor: Job, staged: Round, stop: Stop) -> Note | None:
    """Stage links to the release of another job; None when that cannot be done."""
    if stop.is_set():
        raise Cancelled("stopped before it was linked")
    published = donor.publication
    if published is None:
        return None
    published_at = donor.published_at or donor.changed_at
    paths = staged.link(partial(release.linked, published, published_at))
    if paths is None:
        text = "job %s: the files of job %s cannot be linked: fetching them"
        log.info(text, job.id, donor.id, extra=about(job, Lane.FETCH))
        return None
    name = name_of(job, paths, PurePosixPath(published.path).name)
    # Who has linked them before does not matter.
    how = _LINKED.sub("", published.verified)
    verified = f"linked from {donor.id}: {how}"
    return Note(
        name,
        "",
        published.files,
        published.size_bytes,
        verified,
        staging.LINKED_NAME,
        checks=published.checks,
    )
