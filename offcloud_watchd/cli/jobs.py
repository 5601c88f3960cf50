"""``jobs``: the jobs in the journal, oldest first.

``--json`` prints an array of jobs, each as ``offcloud_watchd.core.views`` describes it. Otherwise the fields
are id, state, category, name and a remark.
"""

from __future__ import annotations

import argparse
import time

from offcloud_watchd.cli import known, text
from offcloud_watchd.core.lifecycle import OWES
from offcloud_watchd.core.model import Job, JobState
from offcloud_watchd.core.story import display_name
from offcloud_watchd.core.views import described


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--state", choices=[str(state) for state in JobState], help="only the jobs in this state"
    )
    parser.add_argument("--category", help="only the jobs of this category")
    parser.add_argument("--json", action="store_true", help="an array of objects")


def main(arguments: argparse.Namespace) -> int:
    """Print the jobs that were asked for; none is no error."""
    config = known.settings(arguments)
    jobs = sorted(known.recorded_jobs(config.state_dir).values(), key=lambda job: (job.queued_at, job.id))
    jobs = [job for job in jobs if arguments.state in (None, job.state)]
    jobs = [job for job in jobs if arguments.category in (None, job.destination.category)]
    if arguments.json:
        text.say_json([described(job) for job in jobs])
        return 0
    now = time.time()
    text.say_table(
        ("ID", "STATE", "CATEGORY", "NAME", ""),
        ((job.id, job.state, job.destination.category, display_name(job), remark(job, now)) for job in jobs),
        unbroken=3,
    )
    return 0


def remark(job: Job, now: float) -> str:
    """Say in a few words what there is to know about a job beside its state."""
    if job.state is JobState.DONE and job.publication is not None:
        return job.publication.path
    if job.state is JobState.CHECKING and not job.reason:
        return "dropped again: looking whether it is still there"
    if job.state in OWES and job.retry_at > now:
        return f"again in {round(job.retry_at - now)}s: {job.reason}" if job.reason else ""
    return job.reason
