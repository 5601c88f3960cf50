"""What ``retry``, ``cancel`` and ``forget`` share: some jobs, one verb, one command for the daemon."""

from __future__ import annotations

import argparse

from offcloud_watchd.cli import known, text
from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.cli.handing import hand_over, say_when
from offcloud_watchd.core.model import LinkKind, Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.core.story import display_name


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Declare the jobs that are meant."""
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="id, how it begins, info hash, or name")


def ask(arguments: argparse.Namespace, verb: Verb, *, files: bool = False) -> int:
    """Hand the wish to the daemon; when one word means no job, or several, nothing is asked at all.

    Nor when a drop is to be tried again in which there was nothing to submit.
    """
    state_dir = known.settings(arguments).state_dir
    jobs = known.chosen(known.recorded_jobs(state_dir), arguments.jobs)
    unusable = next((job for job in jobs if job.link.kind is LinkKind.FILE), None)
    if verb is Verb.RETRY and unusable is not None:
        name = display_name(unusable)
        reason = "there was nothing in that file to submit; mend the file in failed/ and drop it again"
        raise CommandFailed(f"{unusable.id} {name} cannot be tried again: {reason}")
    hand_over(state_dir, JobCommand(verb, tuple(job.id for job in jobs), files=files))
    for job in jobs:
        text.say(f"{verb} {job.id} {display_name(job)}")
    say_when(state_dir)
    return 0
