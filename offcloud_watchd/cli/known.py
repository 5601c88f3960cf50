"""What the commands know: the settings, the jobs in the journal, and which job a person means.

A job as JSON is one object, in ``jobs --json`` and ``show --json`` alike: ``core.views`` names its members.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.cli.text import complain, printable
from offcloud_watchd.config import Config, find_path, load
from offcloud_watchd.core.links import info_hashes, parse_link
from offcloud_watchd.core.model import Job, Link
from offcloud_watchd.core.story import display_name, shown_key
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.journal import read_jobs

MAX_LISTED: Final = 20
"""So many jobs are named when a word means several."""


def settings(arguments: argparse.Namespace) -> Config:
    """Read the configuration the command was given; raise ``ConfigError``."""
    return load(find_path(arguments.config, os.environ), os.environ)


def recorded_jobs(state_dir: Path) -> dict[str, Job]:
    """Return the jobs of the journal; say so when there is no journal at all."""
    jobs = read_jobs(state_dir)
    if not jobs and not (state_dir / "journal.jsonl").exists():
        complain(f"no journal in {state_dir}: no daemon has run with this configuration (state_dir) yet")
    return jobs


def chosen(jobs: Mapping[str, Job], words: Sequence[str]) -> list[Job]:
    """Return the job each word means, each once; raise ``CommandFailed`` when one means none or several."""
    found: dict[str, Job] = {}
    problems: list[str] = []
    for word in words:
        meant = _meant(jobs.values(), word)
        if len(meant) == 1:
            found[meant[0].id] = meant[0]
        elif meant:
            problems += [
                f"{short(word)} means {len(meant)} jobs; name one by its id:",
                *(
                    f"  {job.id}  {job.state:8}  {job.destination.category}  {printable(display_name(job))}"
                    for job in meant[:MAX_LISTED]
                ),
                *([f"  and {len(meant) - MAX_LISTED} more"] if len(meant) > MAX_LISTED else []),
            ]
        else:
            problems.append(
                f"{short(word) or 'an empty word'} means no job; name one by its id, how that begins, its "
                "info hash or its name: offcloud-watchd jobs lists them"
            )
    if problems:
        raise CommandFailed("\n".join(problems))
    return list(found.values())


def short(word: str) -> str:
    """Shorten a word to one line, without what a link may hide behind ``?`` or ``#``, or before ``@``."""
    scheme, mark, rest = shown_key(word).partition("://")
    host, slash, path = rest.partition("/")
    shown = f"{scheme}://{host.rpartition('@')[2]}{slash}{path}" if mark else scheme
    return " ".join(shown[:200].split("\n"))


def _meant(jobs: Iterable[Job], word: str) -> list[Job]:
    jobs = list(jobs)
    exact = [job for job in jobs if job.id == word]
    if exact or not word:
        return exact
    keys = _keys(word)
    return [
        job for job in jobs if job.link.key in keys or job.id.startswith(word.lower()) or word in _names(job)
    ]


def _keys(word: str) -> frozenset[str]:
    keys = info_hashes(word)
    if not keys:
        try:
            keys = frozenset({parse_link(word, ftp=True).key})
        except BadDrop:
            return frozenset()
    return keys


def _names(job: Job) -> set[str | None]:
    names = {display_name(job), job.release, job.link.name, *(drop.name for drop in job.drops)}
    if job.submission is not None:
        names.add(job.submission.name)
    return names


def link_name(link: Link) -> str:
    """Name a link for people: never the link itself."""
    return link.name or shown_key(link.key)
