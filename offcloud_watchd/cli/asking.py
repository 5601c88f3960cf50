"""What ``retry``, ``cancel`` and ``forget`` share: some jobs, one verb, one command for the daemon."""

from __future__ import annotations

import argparse

from offcloud_watchd.cli import known, text
from offcloud_watchd.cli.handing import hand_over, say_when
from offcloud_watchd.core.model import Verb
from offcloud_watchd.core.orders import JobCommand
from offcloud_watchd.core.story import display_name


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """Declare the jobs that are meant."""
    parser.add_argument("jobs", nargs="+", metavar="JOB", help="id, how it begins, info hash, or name")


def ask(arguments: argparse.Namespace, verb: Verb, *, files: bool = False) -> int:
    """Hand the wish to the daemon; when one word means no job, or several, nothing is asked at all."""
    state_dir = known.settings(arguments).state_dir
    jobs = known.chosen(known.recorded_jobs(state_dir), arguments.jobs)
    hand_over(state_dir, JobCommand(verb, tuple(job.id for job in jobs), files=files))
    for job in jobs:
        text.say(f"{verb} {job.id} {display_name(job)}")
    say_when(state_dir)
    return 0
