"""Two shelves behind one port: the disk, and the remote that some output directories stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from offcloud_watchd.core.model import Job, Publication
from offcloud_watchd.core.ports import ListFiles, OnProgress, Stop
from offcloud_watchd.fetch.engines.remote_shelf import RemoteShelf
from offcloud_watchd.fetch.engines.settings import EngineChoice
from offcloud_watchd.fetch.shelf import DiskShelf


class Shelves:
    """Implements ``core.ports.Shelf``: each job by the shelf of its output directory."""

    def __init__(self, disk: DiskShelf, remote: RemoteShelf, engines: EngineChoice) -> None:
        self._disk = disk
        self._remote = remote
        self._engines = engines

    def fetch(self, job: Job, list_files: ListFiles, on_progress: OnProgress, stop: Stop) -> Publication:
        """Bring a finished request to its place and publish it."""
        return self._of(job.destination.directory).fetch(job, list_files, on_progress, stop)

    def link(self, job: Job, donors: Sequence[Job], stop: Stop) -> Publication | None:
        """Publish what another job has published, where both lie on the disk."""
        near = [one for one in donors if self._of(one.destination.directory) is self._disk]
        on_disk = self._of(job.destination.directory) is self._disk
        return self._disk.link(job, near, stop) if near and on_disk else None

    def holds(self, publication: Publication) -> bool:
        """Tell whether a release is whole; one of the time before the directory was a remote's counts too."""
        if self._is_remote(publication):
            return self._remote.holds(publication) or (
                Path(publication.path).is_dir() and self._disk.holds(publication)
            )
        return self._disk.holds(publication)

    def vanished(self, publication: Publication) -> bool:
        """Tell whether a release was taken away, all of it."""
        if self._is_remote(publication):
            return not Path(publication.path).exists() and self._remote.vanished(publication)
        return self._disk.vanished(publication)

    def tidy(self, job: Job) -> None:
        """Drop what staging holds of a round, and of earlier ones."""
        self._of(job.destination.directory).tidy(job)

    def discard(self, job: Job, stop: Stop) -> None:
        """Delete the job's staging, and its release when that was asked for."""
        self._of(job.destination.directory).discard(job, stop)

    def probe(self) -> None:
        """Raise ``Blocked`` while nothing can be fetched."""
        self._disk.probe()
        self._remote.probe()

    def recall(self, jobs: Mapping[str, Job], stop: Stop) -> None:
        """Clear what engines hold of rounds that no live job owns: once, after the start."""
        self._disk.recall(jobs, stop)
        self._remote.recall(jobs, stop)

    def _of(self, directory: str) -> DiskShelf | RemoteShelf:
        return self._remote if self._engines.of(directory) == "rclone" else self._disk

    def _is_remote(self, publication: Publication) -> bool:
        return self._of(str(Path(publication.path).parent)) is self._remote
