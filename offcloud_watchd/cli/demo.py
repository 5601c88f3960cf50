"""``demo``: the whole way in a minute, on a sandbox, in a temporary place; nothing else is touched.

What is shown is real: an Offcloud of one's own over HTTP, the daemon as a process of its own, files put into
a drop folder, and every byte of the releases compared with what the sandbox holds.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from offcloud_watchd import status
from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.core.story import display_name
from offcloud_watchd.journal import read_jobs
from offcloud_watchd.sandbox import Sandbox, SandboxSettings

DEADLINE_S: Final = 60.0
RELEASE_BYTES: Final = 24 * 1024 * 1024
FILE_RATE_BYTES_PER_S: Final = 12 * 1024 * 1024
LOOK_EVERY_S: Final = 0.2
SERIES: Final = "Big.Sample.Series.S01E01.1080p"
DONE_AT: Final = {JobState.QUEUED: 0, JobState.CLOUD: 5, JobState.FETCHING: 50, JobState.DONE: 100}
WORDS: Final = {
    JobState.QUEUED: "to be submitted",
    JobState.CLOUD: "in the cloud",
    JobState.FETCHING: "coming home",
    JobState.DONE: "published",
    JobState.CHECKING: "looked at again",
    JobState.FAILED: "failed",
    JobState.REMOVED: "removed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--keep", action="store_true", help="leave the place as it is at the end, to look around in it"
    )


def main(arguments: argparse.Namespace) -> int:
    """Run the demo; return 0 when every release was published bit for bit as the sandbox holds it."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    root = Path(tempfile.mkdtemp(prefix="offcloud-watchd-demo-"))
    place = Place(root)
    settings = SandboxSettings(
        release_bytes=RELEASE_BYTES, file_rate_bytes_per_s=FILE_RATE_BYTES_PER_S, queued_s=1.0, download_s=5.0
    )
    try:
        with Sandbox(settings) as sandbox:
            console.print(
                f"An Offcloud of your own listens at {sandbox.url}, its file host at {sandbox.file_url}."
            )
            place.prepare(sandbox.url, settings.key)
            console.print(f"Drop folder {place.drop}\nOutput      {place.output}")
            with _daemon(place):
                dropped = place.drop_samples(sandbox.torrent(SERIES))
                console.print(f"Dropped: {', '.join(sorted(dropped))}\n")
                finished = _follow(console, place, expected=sum(dropped.values()))
            return _report(console, place, sandbox, finished)
    finally:
        if arguments.keep:
            console.print(f"\nEverything is still in {root}.")
        else:
            _remove(root)


def _remove(root: Path) -> None:
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    root.rmdir()


# --- the place ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """A drop folder, an output directory, a state directory and a configuration below one root."""

    root: Path

    @property
    def drop(self) -> Path:
        """The drop folder."""
        return self.root / "drop"

    @property
    def output(self) -> Path:
        """The output directory."""
        return self.root / "downloads"

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.root / "state"

    def prepare(self, base_url: str, key: str) -> None:
        """Make the directories, the key file and the configuration."""
        for directory in (self.drop, self.output, self.state):
            directory.mkdir()
        self.state.chmod(0o700)
        key_file = self.root / "api-key"
        key_file.touch(mode=0o600)
        key_file.write_text(key + "\n")
        (self.root / "config.yaml").write_text(_CONFIG.format(base_url=base_url))

    def drop_samples(self, torrent: bytes) -> dict[str, int]:
        """Drop one file of each common kind; return how many links each holds."""
        film = f"magnet:?xt=urn:btih:{'5a' * 20}&dn=Some.Film.2026.[tree]"
        base32 = base64.b32encode(b"\x33" * 20).decode()
        pages = ["https://files.example.org/manual.pdf", f"magnet:?xt=urn:btih:{base32}&dn=An.Album.[single]"]
        (self.drop / f"{SERIES}.torrent").write_bytes(torrent)
        (self.drop / "Some.Film.2026.magnet").write_text(film + "\n")
        listed = ["# a list: one link a line", *pages, "this line holds no link"]
        (self.drop / "wanted.txt").write_text("\n".join(listed) + "\n")
        page = "https://mirror.example.org/distribution.iso"
        (self.drop / "Distribution.url").write_text(f"[InternetShortcut]\r\nURL={page}\r\n")
        return {f"{SERIES}.torrent": 1, "Some.Film.2026.magnet": 1, "wanted.txt": 2, "Distribution.url": 1}


_CONFIG: Final = """\
offcloud:
  api_key_file: api-key
  base_url: {base_url}
  poll: {{min: 1s, max: 2s}}
  requests_per_minute: 1200
output_dir: downloads
state_dir: state
folders:
  - path: drop
    category: demo
    settle: 1s
fetch:
  min_free: 1MiB
web:
  listen: null
log:
  level: info
"""


@contextmanager
def _daemon(place: Place) -> Iterator[None]:
    """Run the daemon as a process of its own; its log goes to a file in the place."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("NOTIFY_", "RUNTIME_", "WATCHDOG_"))
    }
    with (place.root / "daemon.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments, no shell
            [sys.executable, "-m", "offcloud_watchd", "run", "--config", str(place.root / "config.yaml")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=kept,
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


# --- watching it -------------------------------------------------------------------------------------------


def _follow(console: Console, place: Place, *, expected: int) -> Mapping[str, Job]:
    """Show how far each job is until all have ended or time is over; return the jobs."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[word]}"))
    jobs: Mapping[str, Job] = {}
    told: dict[str, str] = {}
    drawn = console.is_terminal and not console.is_dumb_terminal
    with Progress(*columns, console=console, disable=not drawn) as bars:
        rows: dict[str, TaskID] = {}
        while time.monotonic() < deadline:
            jobs = read_jobs(place.state) if (place.state / "journal.jsonl").exists() else {}
            progress = {job["id"]: job for job in (status.read(place.state) or {}).get("active", [])}
            for job in jobs.values():
                name = display_name(job)
                if job.id not in rows:
                    rows[job.id] = bars.add_task(f"{escape(name[:40]):40}", total=100, word="")
                bars.update(rows[job.id], completed=_completed(job, progress), word=WORDS[job.state])
                if not drawn and told.get(job.id) != job.state:
                    told[job.id] = job.state
                    console.print(f"{name}: {WORDS[job.state]}")
            if len(jobs) >= expected and all(
                job.state in (JobState.DONE, JobState.FAILED) for job in jobs.values()
            ):
                break
            pause.wait(LOOK_EVERY_S)
    return jobs


def _completed(job: Job, progress: Mapping[str, Mapping[str, object]]) -> float:
    """Place a job on one bar for both ways: the first half is the service's, the second half is ours."""
    fraction = progress.get(job.id, {}).get("fraction")
    done = float(fraction) if isinstance(fraction, (int, float)) else 0.0
    width = {JobState.CLOUD: 45, JobState.FETCHING: 50}.get(job.state, 0)
    return DONE_AT.get(job.state, 0) + width * done


def _report(console: Console, place: Place, sandbox: Sandbox, jobs: Mapping[str, Job]) -> int:
    """Compare what was published with what the sandbox holds, and say so."""
    good = 0
    console.print()
    for job in jobs.values():
        verdict = _verdict(job, sandbox)
        good += verdict is None
        how = job.publication.verified if job.publication is not None else ""
        praise = f"every byte as the sandbox holds it; verified: {how}"
        word, text = ("ok ", praise) if verdict is None else ("BAD", verdict)
        console.print(f"{word} {display_name(job)}: {text}")
    refused = sorted(path.name for path in (place.drop / "failed").glob("*"))
    archived = sorted(path.name for path in (place.drop / "processed").glob("*"))
    console.print(f"\nprocessed/: {', '.join(archived)}\nfailed/:    {', '.join(refused)}")
    twins = sandbox.books().twins
    console.print(f"{good} of {len(jobs)} releases published; submitted twice: {len(twins)}")
    if good == len(jobs) > 0 and not twins:
        return 0
    console.print(
        f"Something went wrong; the daemon's log:\n{(place.root / 'daemon.log').read_text(errors='replace')}"
    )
    return 1


def _verdict(job: Job, sandbox: Sandbox) -> str | None:
    """Return what is wrong with a release, None when every file is there with every byte."""
    if job.state is not JobState.DONE or job.publication is None:
        return job.reason or f"not finished: {WORDS[job.state]}"
    release = Path(job.publication.path)
    found = sorted(
        hashlib.sha256(path.read_bytes()).hexdigest() for path in release.rglob("*") if path.is_file()
    )
    files = sandbox.expected_files(job.link.key)
    wanted = sorted(sandbox.expected_sha256(job.link.key, path) for path, _ in files)
    return (
        None
        if found == wanted
        else f"{len(found)} files found, {len(wanted)} expected, or their bytes differ"
    )
