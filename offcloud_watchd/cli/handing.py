"""Handing commands to the daemon, which may be down, and waiting for what comes of them.

Rules of this file:

* A command is a file; it is durable before anything is said about it.
* Root gives a command as the owner of the state directory: the daemon must be able to read it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.cli.exits import UNREACHABLE, CommandFailed
from offcloud_watchd.cli.text import complain
from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.core.orders import Order, add_drop_id
from offcloud_watchd.journal import Follower, is_locked
from offcloud_watchd.watch.commands import SUFFIX, commands_dir, write_command

LOOK_EVERY_S: Final = 0.5
GONE_AFTER_S: Final = 10.0  # a reload lets go of the lock for a moment
ENDED: Final = (JobState.DONE, JobState.FAILED, JobState.REMOVED)


@dataclass(frozen=True, slots=True)
class Expected:
    """A link that was handed over: where its job will be found, and what to call it."""

    command_id: str
    key: str
    name: str


def hand_over(state_dir: Path, command: Order) -> str:
    """Give the daemon a command; return its id. Raise ``OSError``."""
    state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _as_owner(state_dir):
        return write_command(state_dir, command)


@contextmanager
def _as_owner(state_dir: Path) -> Iterator[None]:
    owner = state_dir.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        yield
        return
    group = os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def say_when(state_dir: Path) -> bool:
    """Say so when the daemon is down; return whether it runs."""
    running = is_locked(state_dir)
    if not running:
        complain("the daemon is not running; this takes effect at its next start")
    return running


def follow(
    state_dir: Path,
    expected: list[Expected],
    *,
    look_every_s: float = LOOK_EVERY_S,
    gone_after_s: float = GONE_AFTER_S,
) -> Iterator[tuple[Expected, Job | None]]:
    """Yield each link with its job when that has ended (None: it was refused or forgotten).

    Raise ``CommandFailed`` when the daemon goes away meanwhile.
    """
    follower, pause = Follower(state_dir), threading.Event()
    waiting, gone_s = list(expected), 0.0
    while True:
        # First: the daemon records a command before it deletes it, so a job that is not there will never be.
        taken = {one for one in waiting if not _waits(state_dir, one)}
        jobs = follower.jobs()
        for one in list(waiting):
            job = _job_of(one, jobs)
            if (job.state in ENDED) if job is not None else one in taken:
                waiting.remove(one)
                yield one, job
        if not waiting:
            return
        gone_s = 0.0 if is_locked(state_dir) else gone_s + look_every_s
        if gone_s >= gone_after_s:
            raise CommandFailed("the daemon has stopped; it goes on at its next start", UNREACHABLE)
        pause.wait(look_every_s)


def _waits(state_dir: Path, expected: Expected) -> bool:
    return (commands_dir(state_dir) / f"{expected.command_id}{SUFFIX}").exists()


def _job_of(expected: Expected, jobs: Mapping[str, Job]) -> Job | None:
    drop_id = add_drop_id(expected.command_id)
    for job in jobs.values():
        if job.link.key == expected.key and any(drop.id == drop_id for drop in job.drops):
            return job
    return None
