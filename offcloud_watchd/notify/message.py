"""One message, in words and in facts. What comes from outside is made harmless here, once for all ways."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from offcloud_watchd.core.story import size

FORMAT: Final = 1
MAX_FACTS: Final = 50
MAX_NAMED: Final = 5
MAX_CHARS: Final = 1000
PREFIX: Final = "OFFCLOUD_WATCHD_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What happened to one job, or one trouble; what does not apply is empty.

    ``path`` is the release's directory as it is, so that a program can use it; so is ``folder``, the drop
    folder of a drop that was refused, which is no job. ``trouble`` names what waits for the operator:
    ``lane api``, ``journal``, ``folder PATH``.
    """

    job: str = ""
    name: str = ""
    category: str = ""
    path: str = ""
    files: int = 0
    size_bytes: int = 0
    verified: str = ""
    reason: str = ""
    trouble: str = ""
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. ``event`` is ``published``, ``failed``, ``blocked`` or ``recovered``.

    ``count`` is how many things it tells of; ``facts`` holds the first ``MAX_FACTS`` of them.
    """

    event: str
    title: str
    text: str
    count: int
    facts: tuple[Fact, ...]

    def document(self) -> bytes:
        """Return it as JSON, for a command's standard input and for a webhook."""
        return json.dumps({"format": FORMAT, **asdict(self)}).encode("ascii")

    def environment(self) -> Mapping[str, str]:
        """Return it as variables for a command; those of a single fact only where there is one."""
        told = {"EVENT": self.event, "TITLE": self.title, "TEXT": self.text, "COUNT": str(self.count)}
        if self.count == 1:
            told |= {name.upper(): str(value) for name, value in asdict(self.facts[0]).items() if value}
        return {PREFIX + name: value for name, value in told.items()}


def composed(event: str, facts: Sequence[Fact], count: int) -> Message:
    """Put some facts of one kind, one at the least, into one message. ``count`` may be more than are kept."""
    first = facts[0]
    if count == 1:
        return Message(event, _title(event, first), _text(event, first), 1, (first,))
    named = [_called(fact) for fact in facts[:MAX_NAMED]]
    more = f"\n... and {count - len(named)} more" if count > len(named) else ""
    return Message(event, f"{count} {_many(event, facts)}", "\n".join(named) + more, count, tuple(facts))


def harmless(text: str, at_most: int = MAX_CHARS) -> str:
    """Return a text without what would break an environment, a terminal or a line; cut to a length."""
    cut = text if len(text) <= at_most else f"{text[: at_most - 1]}…"
    return "".join("\N{REPLACEMENT CHARACTER}" if _breaks(sign) else sign for sign in cut)


_MANY: Final = {
    "published": "releases are here",
    "blocked": "troubles wait for you",
    "recovered": "troubles are over",
}


def _many(event: str, facts: Sequence[Fact]) -> str:
    if event != "failed":
        return _MANY[event]
    refused = sum(1 for fact in facts if fact.folder)
    if refused == len(facts):
        return "drops were refused"
    return "jobs and drops failed" if refused else "jobs failed"


def _breaks(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _called(fact: Fact) -> str:
    name = fact.name or fact.trouble
    return f"{name}: {fact.reason}" if fact.reason else name


def _title(event: str, fact: Fact) -> str:
    match event:
        case "published":
            return f"{fact.name} is here"
        case "failed":
            return f"{fact.name} {'was refused' if fact.folder else 'failed'}"
        case "blocked":
            return f"offcloud-watchd waits for you: {fact.trouble}"
        case _:
            return f"offcloud-watchd goes on: {fact.trouble}"


def _text(event: str, fact: Fact) -> str:
    match event:
        case "published":
            files = "1 file" if fact.files == 1 else f"{fact.files} files"
            return f"{harmless(fact.path)} ({files}, {size(fact.size_bytes)}, checked by {fact.verified})"
        case "failed" if fact.folder:
            return f"{fact.reason}\nIt lies in {harmless(fact.folder)}/failed, with the reason beside it."
        case "recovered":
            return "What was wrong is mended; nothing was lost."
        case _:
            return fact.reason
