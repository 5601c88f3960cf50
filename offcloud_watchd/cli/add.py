"""``add``: links and files, as if they had been dropped.

What can be taken is taken; what cannot is named, and the exit code is then 1. With ``--wait`` the command
ends when every job has ended: 0 when all are published, now or since long, 1 when one failed, 69 when the
daemon is down.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from offcloud_watchd.cli import foresight, known, text
from offcloud_watchd.cli.exits import FAILED, UNREACHABLE, CommandFailed
from offcloud_watchd.cli.handing import Expected, follow, hand_over, say_when
from offcloud_watchd.config import Config
from offcloud_watchd.core.categories import checked_nested_category
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Job, JobState, Links
from offcloud_watchd.core.orders import AddFile, AddLink, add_drop_id
from offcloud_watchd.core.story import display_name, sent, whereto
from offcloud_watchd.errors import BadDrop

_WORDS = {
    foresight.NEW: "added",
    foresight.JOINS: "joins an open job",
    foresight.CHECKED: "is done already, fetched again only if it is gone",
    foresight.AGAIN: "starts again",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "what",
        nargs="+",
        metavar="LINK_OR_FILE",
        help="a magnet, an http(s) address, an info hash, or a file",
    )
    parser.add_argument("--category", help="default: the first folder's")
    parser.add_argument("--wait", action="store_true", help="stay until every job has ended")


@dataclass(slots=True)
class _Adding:
    """One run: what was handed over so far, and whether anything was refused."""

    config: Config
    category: str | None
    jobs: Mapping[str, Job]
    expected: list[Expected] = field(default_factory=list)
    refused: bool = False

    def take(self, word: str) -> None:
        """Hand one argument over, or say why not."""
        try:
            command, links, name = _understood(word, self.category)
        except BadDrop as error:
            self._refuse(f"{known.short(word)}: {error}")
            return
        for bad in links.bad:
            where = "the file" if bad.line is None else f"line {bad.line}"
            self._refuse(f"{known.short(word)}: {where}: {bad.reason}")
        self._hand_over(command, links, name)

    def _hand_over(self, command: AddFile | AddLink, links: Links, name: str) -> None:
        category = self.category or self.config.default_category
        command_id = hand_over(self.config.state_dir, command)
        destination = self.config.destination_for(category)
        for fate in foresight.foresee(links, name, add_drop_id(command_id), destination, self.jobs):
            shown = known.link_name(fate.link)
            text.say(f"{_WORDS[fate.how]}: {fate.job_id} {shown} -> {whereto(destination)}")
            self.expected.append(Expected(command_id, fate.link.key, shown))

    def _refuse(self, problem: str) -> None:
        self.refused = True
        text.complain(problem)


def main(arguments: argparse.Namespace) -> int:
    """Hand everything over, then wait if that was asked for."""
    config = known.settings(arguments)
    _check_category(config, arguments.category)
    adding = _Adding(config, arguments.category, known.recorded_jobs(config.state_dir))
    for word in arguments.what:
        adding.take(word)
    running = say_when(config.state_dir) if adding.expected else True
    if arguments.wait and adding.expected:
        if not running:
            raise CommandFailed("--wait: nothing can be waited for until the daemon runs", UNREACHABLE)
        if not _wait(config.state_dir, adding.expected, adding.jobs):
            return FAILED
    return FAILED if adding.refused else 0


def _check_category(config: Config, category: str | None) -> None:
    if category is None:
        return
    try:
        checked_nested_category(category)
    except ValueError as error:
        raise CommandFailed(f"--category: {error}") from error
    known_ones = sorted({folder.category for folder in config.folders})
    if category not in known_ones and all(folder.subfolders == "ignore" for folder in config.folders):
        text.complain(
            f"no drop folder has the category {category} (they have: {', '.join(known_ones)}); "
            f"it goes to {config.directory_for(category)}"
        )


def _understood(word: str, category: str | None) -> tuple[AddFile | AddLink, Links, str]:
    """Tell a file from a link; raise ``BadDrop`` when it is neither."""
    path = Path(word)
    is_link = word[:8].lower().startswith(("magnet:", "http:", "https:"))
    if not is_link and _exists(path):
        data, links = foresight.read_drop(path)
        return AddFile(path.name, data, category), links, path.name
    try:
        link = parse_link(word)
    except BadDrop as error:
        raise error if is_link else BadDrop(f"there is no such file, and {error}") from error
    return AddLink(word, category), Links((link,)), link.name or ""


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a word that is too long for a name, or holds a NUL
        return False


def _wait(state_dir: Path, expected: list[Expected], before: Mapping[str, Job]) -> bool:
    """Say how each job ends; return whether all are done. ``before``: the jobs before anything was added."""
    good = True
    sys.stdout.flush()  # whoever reads a pipe must hear what was handed in before the wait, not after it
    for one, job in follow(state_dir, expected):
        if job is not None and job.state is JobState.DONE and job.publication is not None:
            word = "is there already" if _was_done(before.get(job.id), job) else "published"
            text.say(f"{word}: {job.id} {display_name(job)} -> {job.publication.path}")
            sys.stdout.flush()
            continue
        if job is not None and job.state is JobState.DONE and job.delivery is not None:
            text.say(f"sent: {job.id} {sent(job.delivery)}")
            sys.stdout.flush()
            continue
        good = False
        if job is None:
            text.complain(f"{one.name}: the daemon did not take it, or it was forgotten; its log says more")
        else:
            text.complain(f"{job.id} {display_name(job)}: {job.state}: {job.reason}")
    return good


def _was_done(before: Job | None, job: Job) -> bool:
    """Tell whether a finished job had the same release before it was asked for again."""
    return before is not None and before.publication is not None and before.round == job.round
