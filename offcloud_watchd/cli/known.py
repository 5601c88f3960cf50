"""What the commands know: the settings, the jobs in the journal, and which job a person means.

A job as JSON is one object, in ``jobs --json`` and ``show --json`` alike. Members are only ever added::

    id, name, category, route (cloud | instant | remote), state, kind (torrent | url), key, size_bytes,
    release, directory, queued_at, changed_at, attempts, retry_at, reason, request_id,
    path, files, published_bytes, verified      (null until published)
    checks: [{how, files, names}]               (how: pieces, pieces in part, size or unverified; names: the
                                                first 100; empty where all files are what verified says first)
    to_clear                                    (true while the request is to be removed from the account)
    remote: {account, folder}                   (null but on the remote route)
    sent: {account, folder, name, size_bytes}   (null until the remote account has it)
    drops: [{name, folder, line}]               (line: of a list, else null)

Times are UTC seconds since the epoch. ``key`` is the info hash as ``btih:HEX`` or ``btmh:HEX``, or ``url:``
and the address up to its ``?``: a query may hold a secret, so links are never shown whole.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from offcloud_watchd.cli.exits import CommandFailed
from offcloud_watchd.cli.text import complain, printable
from offcloud_watchd.config import Config, find_path, load
from offcloud_watchd.core.links import info_hashes, parse_link
from offcloud_watchd.core.model import Drop, Job, Link
from offcloud_watchd.core.story import display_name
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


def shown_key(key: str) -> str:
    """Return a link's key without what may be secret in it."""
    return key.partition("?")[0]


def described(job: Job) -> dict[str, Any]:
    """Return a job as JSON; the module's docstring names the members."""
    publication, submission = job.publication, job.submission
    return {
        "id": job.id,
        "name": display_name(job),
        "category": job.destination.category,
        "route": str(job.destination.route),
        "state": str(job.state),
        "kind": str(job.link.kind),
        "key": shown_key(job.link.key),
        "size_bytes": job.link.size_bytes,
        "release": job.release,
        "directory": job.destination.directory,
        "queued_at": job.queued_at,
        "changed_at": job.changed_at,
        "attempts": job.attempts,
        "retry_at": job.retry_at,
        "reason": job.reason,
        "request_id": (submission.request_id or None) if submission else None,
        "path": publication.path if publication else None,
        "files": publication.files if publication else None,
        "published_bytes": publication.size_bytes if publication else None,
        "verified": publication.verified if publication else None,
        "checks": [asdict(check) for check in publication.checks] if publication else [],
        "to_clear": job.to_clear,
        "remote": None if job.destination.remote is None else asdict(job.destination.remote),
        "sent": None if job.delivery is None else asdict(job.delivery),
        "drops": [
            {"name": drop.name, "folder": drop.folder, "line": drop_line(job, drop)} for drop in job.drops
        ],
    }


def drop_line(job: Job, drop: Drop) -> int | None:
    """Return the line of a drop that holds the job's link; older journals tell it of the first drop only."""
    return job.link.line if drop.line is None and drop == job.drops[0] else drop.line


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
    """Shorten a word to one line, without what a link may hide behind its ``?`` or before its ``@``."""
    scheme, mark, rest = word.partition("?")[0].partition("://")
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
            keys = frozenset({parse_link(word).key})
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
