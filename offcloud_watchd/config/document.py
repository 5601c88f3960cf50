"""One YAML file as plain values, each with the place it was written at, and every problem of the text itself.

Rules of this file:

* Nothing is guessed. What YAML 1.1 and people understand differently (``on``, ``0755``, ``1:30``, dates) is
  a problem, not a value; aliases, merge keys, tags and second documents are refused.
  Source: https://yaml.org/type/ (the YAML 1.1 types) and PyYAML's ``resolver.py``.
* Keys are text, always: ``on:`` is the key "on".
* A problem does not end the reading where it need not: the value becomes None, its key path is *spoilt*, and
  whoever checks the values later says nothing more about it.
* The size and the depth are capped before anything is built. No problem repeats a value: it may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

MAX_DEPTH: Final = 12
MAX_PROBLEMS: Final = 200
MAX_NAME: Final = 80

KeyPath = tuple[str | int, ...]
"""Where a value stands: ``("folders", 0, "path")``."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong: ``line`` and ``column`` count from 1."""

    line: int
    column: int
    key_path: KeyPath
    text: str


@dataclass(slots=True)
class Document:
    """What was read. ``complete`` is false when the text could not be read to its end."""

    value: object = None
    complete: bool = True
    problems: list[Problem] = field(default_factory=list)
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    key_positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    spoilt: set[KeyPath] = field(default_factory=set)

    def position(self, key_path: KeyPath) -> tuple[int, int]:
        """Return line and column of a value, or of the nearest thing around it that was written."""
        for length in range(len(key_path), -1, -1):
            found = self.positions.get(key_path[:length])
            if found is not None:
                return found
        return (1, 1)

    def is_spoilt(self, key_path: KeyPath) -> bool:
        """Tell whether something was already said about this value or about one around it."""
        return any(key_path[:length] in self.spoilt for length in range(len(key_path) + 1))


def read_document(text: str) -> Document:
    """Read a text; never raises. A tab does not hide what else is wrong: it is named and read as a space."""
    document = _build(text)
    tabs = [] if document.complete else list(_tabs(text))
    if not tabs:
        return document
    retold = _build(text.replace("\t", " "))
    if not retold.complete:
        # Past the first tab nothing can be trusted: say what is sure, the rest comes out next time.
        retold = Document(complete=False)
    retold.problems = sorted([*tabs[:MAX_PROBLEMS], *retold.problems])
    return retold


def _tabs(text: str) -> Iterator[Problem]:
    for number, line in enumerate(text.split("\n"), 1):
        content = line.split(" #", maxsplit=1)[0]
        if "\t" in content and not content.lstrip().startswith("#"):
            yield Problem(
                number, content.index("\t") + 1, (), "a tab; YAML is indented and spaced with spaces only"
            )


def _build(text: str) -> Document:
    builder = _Builder()
    try:
        builder.read(text)
    except _StopReadingError as error:
        builder.refuse(error.place, (), "nested too deeply")
        builder.document.complete = False
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        builder.refuse(
            (mark.line + 1, mark.column + 1) if mark else (1, 1), (), _explain(error.problem or "")
        )
        builder.document.complete = False
    except yaml.reader.ReaderError as error:
        before = text[: int(error.position)]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        builder.refuse(place, (), "a control character; the file must be plain text in UTF-8")
        builder.document.complete = False
    return builder.document


_SYNTAX: Final = (
    ("'\\t'", "a tab; YAML is indented and spaced with spaces only"),
    (
        "mapping values are not allowed",
        "a ':' where no key can stand: check the indentation, or quote the value",
    ),
    ("could not find expected ':'", "a key without its ':'"),
    ("expected <block end>", "this line is not indented like the ones it belongs to"),
    ("expected ',' or", "a ',' or a closing bracket is missing"),
    ("undefined tag handle", "tags (!name) are not used here: put the text in quotes"),
    ("unexpected end of stream", "a quote or a bracket is opened and never closed"),
    ("but found '<stream end>'", "a quote or a bracket is opened and never closed"),
    ("that cannot start any token", "this character cannot begin a value: put the text in quotes"),
    ("unknown escape", "an unknown escape in double quotes: use single quotes"),
)


def _explain(problem: str) -> str:
    for symptom, explanation in _SYNTAX:
        if symptom in problem:
            return explanation
    return f"not YAML: {problem}" if problem else "not YAML"


class _StopReadingError(Exception):
    """The text goes beyond a limit; nothing after this point is looked at."""

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.place = _start(event)


class _Builder:
    """Turns the parser's events into plain values; recursion ends at MAX_DEPTH."""

    def __init__(self) -> None:
        self.document = Document()
        self._events: Iterator[Event] = iter(())

    def read(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=yaml.SafeLoader)
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), StreamEndEvent):
            return
        self.document.value = self._node(next(self._events), ())
        next(self._events)  # the end of the document, written or not
        event = next(self._events)
        if not isinstance(event, StreamEndEvent):
            self.refuse(_start(event), (), "a second document begins here; the file holds one")

    def refuse(self, place: tuple[int, int], key_path: KeyPath, text: str, *, spoil: bool = False) -> None:
        problems = self.document.problems
        if len(problems) < MAX_PROBLEMS:
            problems.append(Problem(*place, key_path, text))
        if spoil:
            self.document.spoilt.add(key_path)

    def _node(self, event: Event, key_path: KeyPath) -> object:
        if len(key_path) > MAX_DEPTH:
            raise _StopReadingError(event)
        self.document.positions.setdefault(key_path, _start(event))
        self._refuse_ornaments(event, key_path)
        match event:
            case MappingStartEvent():
                return self._mapping(key_path)
            case SequenceStartEvent():
                return self._sequence(key_path)
            case ScalarEvent():
                return self._scalar(event, key_path)
            case _:
                self.refuse(
                    _start(event),
                    key_path,
                    "aliases (*name) are not used here: write the value out",
                    spoil=True,
                )
                return None

    def _refuse_ornaments(self, event: Event, key_path: KeyPath) -> None:
        if isinstance(event, AliasEvent) or not isinstance(event, NodeEvent):
            return
        if event.anchor is not None:
            self.refuse(_start(event), key_path, "anchors (&name) are not used here: write the value out")
        if getattr(event, "tag", None) is not None:
            self.refuse(
                _start(event), key_path, "tags (!name) are not used here: put the text in quotes", spoil=True
            )

    def _sequence(self, key_path: KeyPath) -> list[object]:
        items: list[object] = []
        while not isinstance(event := next(self._events), CollectionEndEvent):
            items.append(self._node(event, (*key_path, len(items))))
        return items

    def _mapping(self, key_path: KeyPath) -> dict[str, object]:
        items: dict[str, object] = {}
        while not isinstance(event := next(self._events), CollectionEndEvent):
            if not isinstance(event, ScalarEvent):
                self._skip_pair(event, key_path)
                continue
            self._pair(event, items, key_path)
        return items

    def _pair(self, event: ScalarEvent, items: dict[str, object], key_path: KeyPath) -> None:
        key = event.value
        shown = (*key_path, key[:MAX_NAME])
        if key == "<<" and event.implicit[0]:
            self.refuse(_start(event), shown, "merge keys (<<) are not used here: write the values out")
            self._discard((*key_path, key))
        elif key in items:
            first = self.document.key_positions[*key_path, key][0]
            self.refuse(_start(event), shown, f"given twice; the first one is on line {first}")
            self._discard((*key_path, key))
        else:
            self.document.key_positions[*key_path, key] = _start(event)
            items[key] = self._node(next(self._events), (*key_path, key))

    def _skip_pair(self, event: Event, key_path: KeyPath) -> None:
        self.refuse(_start(event), key_path, "a key must be one word of text")
        self._discard(key_path, event)
        self._discard(key_path)

    def _discard(self, key_path: KeyPath, event: Event | None = None) -> None:
        """Read a value that nobody wants: its own problems would only confuse."""
        kept, self.document = self.document, Document()
        try:
            self._node(event or next(self._events), key_path)
        finally:
            self.document = kept

    def _scalar(self, event: ScalarEvent, key_path: KeyPath) -> object:
        if not event.implicit[0]:
            return event.value
        for pattern, why in _SURPRISES:
            if pattern.fullmatch(event.value):
                self.refuse(_start(event), key_path, why, spoil=True)
                return None
        return _plain(event.value)


def _start(event: Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FRACTION: Final = re.compile(r"[-+]?[0-9]{1,17}\.[0-9]{1,17}")
_WORDS: Final = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def _plain(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FRACTION.fullmatch(text):
        return float(text)
    return text


_SURPRISES: Final = tuple(
    (re.compile(pattern), f"{meaning}; {remedy}")
    for pattern, meaning, remedy in (
        (
            r"(?i:yes|no|on|off)",
            "some YAML readers take this word for true or false",
            "write true or false, or put it in quotes",
        ),
        (r"[-+]?0[0-9_]+", "YAML takes a leading zero for base 8", 'put it in quotes, such as "0664"'),
        (r"[-+]?0[xXoObB][0-9a-fA-F_]+", "YAML takes this for a number", "put it in quotes"),
        (
            r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?",
            "YAML takes this for base 60",
            "put it in quotes",
        ),
        (r"[-+]?[0-9]+_[0-9_]*", "YAML takes this for a number", "leave the _ out, or put it in quotes"),
        (r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?", "YAML takes this for a date", "put it in quotes"),
        (
            r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
            "this is not a number to count with",
            "put it in quotes",
        ),
        (r"[-+]?[0-9.]+[eE][-+]?[0-9]+", "some YAML readers take this for a number", "put it in quotes"),
        (r"=", "YAML gives this sign a meaning of its own", "put it in quotes"),
    )
)
