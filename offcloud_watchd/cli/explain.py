"""``explain``: what would be done with a file, and why, without doing it.

``--json`` prints an array with one object a file: ``file``, ``accepted``, ``reason`` (why not), ``category``,
``directory``, ``to`` (the directory, or the remote account), ``links``: ``{kind, key, name, size_bytes,
line, private, remarks, becomes, job}`` where ``remarks`` are sentences about what may be in its way, and
``becomes`` is ``queued`` (a new job), ``joined`` (an open job), ``checked`` (a finished job, which begins
anew only if its release is gone) or ``requeued`` (a job that had failed), ``bad``: ``{line, reason}``, and
``duplicate_lines``. The exit code is 1 when a file would be refused.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from offcloud_watchd.cli import foresight, known, text
from offcloud_watchd.cli.exits import FAILED
from offcloud_watchd.config import Config
from offcloud_watchd.core.links import remarks
from offcloud_watchd.core.model import Destination, Job, Links
from offcloud_watchd.core.story import shown_key, whereto
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.watch.names import is_ignored

_WORDS = {
    foresight.NEW: "a new job would be queued",
    foresight.JOINS: "is on its way already: would join job",
    foresight.CHECKED: "is done already: would be fetched again only if it is gone, as job",
    foresight.AGAIN: "has ended before: would start again as job",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="a torrent, magnet, shortcut or list"
    )
    parser.add_argument("--json", action="store_true", help="an array of objects")


def main(arguments: argparse.Namespace) -> int:
    """Explain every file; 1 when one of them would be refused."""
    config = known.settings(arguments)
    jobs = known.recorded_jobs(config.state_dir)
    told = [_told(path, config, jobs) for path in arguments.files]
    if arguments.json:
        text.say_json(told)
    else:
        for one in told:
            for line in _lines(one):
                text.say(line)
    return 0 if all(one["accepted"] for one in told) else FAILED


def _told(path: Path, config: Config, jobs: Mapping[str, Job]) -> dict[str, Any]:
    destination = _destination(path, config)
    one: dict[str, Any] = {
        "file": str(path),
        "accepted": False,
        "reason": "",
        "category": destination.category,
        "directory": destination.directory,
        "to": whereto(destination),
        "links": [],
        "bad": [],
        "duplicate_lines": [],
    }
    try:
        links = _links(path, ftp=_takes_ftp(path, config))
    except BadDrop as error:
        return {**one, "reason": str(error)}
    fates = foresight.foresee(links, path.name, "", destination, jobs)
    return {
        **one,
        "accepted": True,
        "links": [_link(fate) for fate in fates],
        "bad": [{"line": bad.line, "reason": bad.reason} for bad in links.bad],
        "duplicate_lines": list(links.duplicate_lines),
    }


def _links(path: Path, *, ftp: bool) -> Links:
    if path.is_symlink():
        raise BadDrop("it is a symbolic link, and those are not followed")
    if is_ignored(path.name):
        raise BadDrop("its name is that of a hidden, unfinished or foreign file: it would be left alone")
    return foresight.read_drop(path, ftp=ftp)[1]


def _takes_ftp(path: Path, config: Config) -> bool:
    place = path.absolute().parent
    return any(folder.ftp for folder in config.folders if folder.path in (place, place.parent))


def _destination(path: Path, config: Config) -> Destination:
    """Return where a drop at this place goes; a file that lies elsewhere goes where ``add`` would take it."""
    place = path.absolute().parent
    for folder in config.folders:
        if place == folder.path:
            return config.destination_of(folder)
        if place.parent == folder.path and folder.subfolders == "category":
            return config.destination_of(folder, place.name)
    return config.destination_for(config.default_category)


def _link(fate: foresight.Fate) -> dict[str, Any]:
    link = fate.link
    return {
        "kind": str(link.kind),
        "key": shown_key(link.key),
        "name": link.name,
        "size_bytes": link.size_bytes,
        "line": link.line,
        "private": link.private,
        "remarks": list(remarks(link)),
        "becomes": fate.how,
        "job": fate.job_id if fate.how != foresight.NEW else None,
    }


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    why, *more = one["reason"].split("\n")
    yield f"{one['file']}: " + ("would be taken" if one["accepted"] else f"would be refused: {why}")
    yield from (f"  {line}" for line in more)
    if one["accepted"]:
        yield f"  category {one['category']} -> {one['to']}"
    for link in one["links"]:
        where = f"line {link['line']}: " if link["line"] is not None else ""
        size = f", {text.size(link['size_bytes'])}" if link["size_bytes"] is not None else ""
        yield f"  {where}{link['name'] or 'no name'} ({link['kind']}, {link['key']}{size})"
        yield f"    {_WORDS[link['becomes']]} {link['job'] or ''}".rstrip()
        yield from (f"    note: {remark}" for remark in link["remarks"])
    for bad in one["bad"]:
        yield f"  {'the file' if bad['line'] is None else 'line {}'.format(bad['line'])}: {bad['reason']}"
    if one["duplicate_lines"]:
        yield f"  lines that repeat an earlier link: {', '.join(map(str, one['duplicate_lines']))}"
