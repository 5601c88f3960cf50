"""``show``: one job, and everything that happened to it.

``--json`` prints the job as ``offcloud_watchd.core.views`` describes it, with one more member, ``history``:
an array of ``{at, event, data}``, oldest first. ``event`` is the kind of the record (``queued``,
``submitting``, ``submitted``, ...; ``carried_over`` sums up what an older journal held); ``data`` are its
members, without any link.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from offcloud_watchd.cli import known, text
from offcloud_watchd.core.links import remarks
from offcloud_watchd.core.model import Cached, Check, Job, Route
from offcloud_watchd.core.story import display_name, sent, shown_key, whereto
from offcloud_watchd.core.views import described, drop_line, without_links
from offcloud_watchd.journal import HistoryEntry, read_history


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("job", metavar="JOB", help="id, how it begins, info hash, or name")
    parser.add_argument("--json", action="store_true", help="one object")


def main(arguments: argparse.Namespace) -> int:
    """Print one job."""
    config = known.settings(arguments)
    (job,) = known.chosen(known.recorded_jobs(config.state_dir), [arguments.job])
    history = read_history(config.state_dir, job.id)
    if arguments.json:
        entries = [
            {"at": entry.at, "event": entry.event, "data": without_links(entry.data)} for entry in history
        ]
        text.say_json({**described(job), "history": entries})
        return 0
    for line in _head(job):
        text.say(line)
    print()
    for entry in history:
        text.say(f"{text.moment(entry.at)}  {entry.event:13} {_details(entry)}".rstrip())
    return 0


def _head(job: Job) -> Iterator[str]:
    yield f"{job.id}  {display_name(job)}"
    yield f"state:     {job.state}" + (f", {job.attempts} failed attempts" if job.attempts else "")
    if job.retry_at:
        yield f"again:     {text.moment(job.retry_at)}"
    if job.reason:
        yield f"reason:    {job.reason}"
    yield f"category:  {job.destination.category} -> {whereto(job.destination)}"
    size = f", {text.size(job.link.size_bytes)}" if job.link.size_bytes is not None else ""
    yield f"link:      {job.link.kind}, {shown_key(job.link.key)}{size}"
    if job.destination.route is not Route.CLOUD:
        proxy = f", proxy {job.destination.proxy}" if job.destination.proxy is not None else ""
        yield f"route:     {job.destination.route}{proxy}"
    if job.destination.cached is not Cached.ANY:
        yield f"cached:    {job.destination.cached}"
    if job.submission is not None:
        word = job.submission.status or "no word yet"
        yield f"request:   {job.submission.request_id or 'none was needed'} ({word})"
    if job.publication is not None:
        done = job.publication
        files = "1 file" if done.files == 1 else f"{done.files} files"
        yield f"published: {done.path} ({files}, {text.size(done.size_bytes)}, {done.verified})"
        yield from map(_checked, done.checks)
    yield from _elsewhere(job)
    for drop in job.drops:
        line = drop_line(job, drop)
        where = f", line {line}" if line is not None else ""
        yield f"drop:      {drop.name or 'a link'} from {drop.folder or 'the add command'}{where}"
    yield from (f"note:      {remark}" for remark in remarks(job.link))


def _elsewhere(job: Job) -> Iterator[str]:
    """Say what else there is to do, or was done, at the service and at other tools."""
    if job.to_clear:
        yield "account:   the request is still to be removed from it"
    if job.to_import:
        yield "arr:       request and entry stay until it is imported"
    if job.to_report:
        yield "arr:       the tool is still to be told that it failed"
    if job.delivery is not None:
        yield f"sent:      {sent(job.delivery)}"


def _checked(check: Check) -> str:
    files = "1 file" if check.files == 1 else f"{check.files} files"
    more = f" and {check.files - len(check.names)} more" if check.files > len(check.names) else ""
    return f"checked:   {check.how}, {files}: {', '.join(check.names)}{more}"


def _details(entry: HistoryEntry) -> str:
    """Write the members of a record that say something to a person."""
    if entry.event == "kept" and entry.data.get("path"):
        return f"dropped again; it is still there: {entry.data['path']}"
    return ", ".join(_flat(without_links(entry.data), ""))


def _flat(value: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{name}.")
        elif inner not in (None, "", [], ()):
            yield f"{prefix}{name}={inner if not isinstance(inner, list) else len(inner)}"
