"""A place with a configuration and a real journal, and the command line driven as a user does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from offcloud_watchd.cli import main
from offcloud_watchd.core.events import CloudReady, Event, Failed, Published, Queued, Submitted, Submitting
from offcloud_watchd.core.model import Destination, Drop, Link, LinkKind, Publication, Submission
from offcloud_watchd.journal import lock_state, open_journal
from tests.fakes.clock import FakeClock

HASH = "c0ffee" + "0" * 34
OTHER = "beef" + "0" * 36
NOW = 1_770_000_000.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Place:
    """A drop folder, an output, a state directory and their configuration."""

    root: Path
    capture: pytest.CaptureFixture[str]

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.root / "state"

    @property
    def config(self) -> Path:
        """The configuration."""
        return self.root / "config.yaml"

    def run(self, *words: str) -> Ended:
        """Run a command with this place's configuration."""
        self.capture.readouterr()
        code = main(["--config", str(self.config), *words])
        out, err = self.capture.readouterr()
        return Ended(code, out, err)

    def record(self, events: Sequence[Event]) -> None:
        """Write events as the daemon would."""
        lock = lock_state(self.state)
        journal, _ = open_journal(self.state, FakeClock())
        journal.append(events)
        journal.close()
        lock.release()

    def commands(self) -> list[Path]:
        """Return the commands that wait for the daemon."""
        return sorted((self.state / "commands").glob("*.json"))


def queued(job_id: str, key: str = f"btih:{HASH}", **more: object) -> Queued:
    """Return the first event of a job; ``more`` overrides name, release, category, kind, drop or at."""
    category = str(more.get("category", "tv"))
    url = "magnet:?xt=urn:btih:" + HASH + "&dn=SECRET" if key.startswith("btih") else key.removeprefix("url:")
    name = more.get("name", "A.Name")
    link = Link(
        LinkKind(str(more.get("kind", "torrent"))),
        key,
        url,
        name if name is None else str(name),
        size_bytes=3_000_000,
    )
    release = more.get("release")
    return Queued(
        job_id,
        float(str(more.get("at", NOW))),
        link,
        Drop(str(more.get("drop", f"drop-{job_id}")), f"{job_id}.magnet", "/srv/drop"),
        Destination(category, f"/srv/out/{category}"),
        None if release is None else str(release),
    )


def submitted(job_id: str) -> list[Event]:
    """Return the events that bring a queued job into the cloud."""
    submission = Submission(f"req-{job_id}", "created", "Service.Name", "https://host/SECRET")
    return [Submitting(job_id, NOW + 1), Submitted(job_id, NOW + 2, submission)]


def published(job_id: str, path: str = "/srv/out/tv/A.Name") -> list[Event]:
    """Return the events that bring a queued job to its end."""
    done = Submission(f"req-{job_id}", "downloaded", "Service.Name")
    return [
        *submitted(job_id),
        CloudReady(job_id, NOW + 3, done),
        Published(job_id, NOW + 4, Publication(path, 2, 3_000_000, "size")),
    ]


def failed(job_id: str, reason: str = "it is dead") -> list[Event]:
    """Return the event that ends a job."""
    return [Failed(job_id, NOW + 5, reason)]
