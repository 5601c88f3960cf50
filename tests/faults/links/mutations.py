"""Seeded changes to torrents: those a careless program makes, and those a hostile one would.

Half of them work on the bytes (bits, cuts, length fields, pieces of another file), half on the structure
(keys swapped, repeated, renamed or left out, values exchanged), so that they come past the outermost checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

_TOKEN = re.compile(rb"([0-9]{1,9}):|i(-?[0-9]+)e|([dle])")
_MAX_DEPTH = 200
_LENGTH = re.compile(rb"[0-9]+(?=:)")
_NUMBER = re.compile(rb"(?<=i)-?[0-9]+(?=e)")
_KEYS = (
    *(b"announce", b"announce-list", b"attr", b"file tree", b"files", b"httpseeds", b"info", b"length"),
    *(b"meta version", b"name", b"name.utf-8", b"path", b"path.utf-8", b"piece layers", b"piece length"),
    *(b"pieces", b"pieces root", b"private", b"symlink path", b"url-list", b"", b"comment", b"zz"),
)
_NUMBERS = (
    *(b"0", b"-0", b"00", b"007", b"-1", b"1", b"2", b"3", b"16384", b"16383", b"65536", b"1073741824"),
    *(b"2147483647", b"2147483648", b"4294967296", b"281474976710656", b"281474976710657"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616", b"9" * 20, b"9" * 21, b""),
)
_STRINGS = (b"", b"p", b"l", b"x", b"..", b"/", b"\0", b"\xff\xfe", b"a" * 20, b"a" * 32, b"1", b"_" * 300)


@dataclass(slots=True)
class Dictionary:
    """A bencoded dictionary in its own order, repeated keys included."""

    pairs: list[tuple[bytes, Any]]


@dataclass(slots=True)
class Number:
    """A bencoded integer as it is written."""

    digits: bytes


def decoded(data: bytes) -> Any:
    """Read sound bencoded bytes loosely; raise ``ValueError`` where they are not, or nested without end."""
    stack: list[list[Any]] = [[]]
    kinds: list[bytes] = []
    at = 0
    while True:
        token = _TOKEN.match(data, at)
        if token is None or len(kinds) > _MAX_DEPTH:
            raise ValueError(at)
        at = token.end()
        if token[1] is not None:
            stack[-1].append(data[at : at + int(token[1])])
            at += int(token[1])
        elif token[2] is not None:
            stack[-1].append(Number(token[2]))
        elif token[3] == b"e" and kinds:
            items = stack.pop()
            stack[-1].append(_closed(kinds.pop(), items))
        else:
            stack.append([])
            kinds.append(token[3])
        if not kinds:
            return stack[0][0]


def _closed(kind: bytes, items: list[Any]) -> Any:
    if kind == b"l":
        return items
    if len(items) % 2 or not all(isinstance(key, bytes) for key in items[::2]):
        raise ValueError(kind)
    return Dictionary(list(zip(items[::2], items[1::2], strict=True)))


def encoded(value: Any) -> bytes:
    """Write what ``decoded`` gave, as it is."""
    match value:
        case bytes():
            return b"%d:%s" % (len(value), value)
        case Number():
            return b"i%se" % value.digits
        case Dictionary():
            return b"d" + b"".join(encoded(key) + encoded(one) for key, one in value.pairs) + b"e"
        case _:
            return b"l" + b"".join(map(encoded, value)) + b"e"


class Mutator:
    """Makes torrents out of torrents; equal seeds give equal ones."""

    def __init__(self, torrents: Sequence[bytes], random: Random) -> None:
        """Take the torrents to begin with; those that cannot be taken apart are changed by bytes only."""
        self._torrents = torrents
        self._random = random
        self._whole = [data for data in torrents if _is_sound(data)]

    def made(self) -> bytes:
        """Return one more torrent, most often a broken one."""
        random = self._random
        if random.random() < 0.5:
            data = random.choice(self._torrents)
        else:
            data = self._rebuilt(random.choice(self._whole))
            if random.random() < 0.7:
                return data
        for _ in range(random.randint(1, 3)):
            data = self.changed(data)
        return data

    def changed(self, data: bytes) -> bytes:
        """Change a few bytes, whatever they are."""
        changes: tuple[Callable[[bytes], bytes], ...] = (
            *(self._bit, self._byte, self._cut, self._without, self._with, self._splice),
            *(self._length, self._length, self._number, self._number),
        )
        return self._random.choice(changes)(data)

    def _at(self, data: bytes) -> int:
        return self._random.randint(0, len(data))

    def _bit(self, data: bytes) -> bytes:
        at = self._at(data)
        return (
            data[:at]
            + bytes(byte ^ (1 << self._random.randrange(8)) for byte in data[at : at + 1])
            + data[at + 1 :]
        )

    def _byte(self, data: bytes) -> bytes:
        at = self._at(data)
        return (
            data[:at]
            + self._random.choice((b"d", b"l", b"e", b"i", b":", b"0", b"9", b"-", b"\0"))
            + data[at + 1 :]
        )

    def _cut(self, data: bytes) -> bytes:
        return data[: self._at(data)]

    def _without(self, data: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + data[at + self._random.choice((1, 1, 2, 8, 100)) :]

    def _with(self, data: bytes) -> bytes:
        at = self._at(data)
        more = self._random.choice((b"e", b"d", b"l", b"le", b"de", b"0:", b"i0e", b"\n", b"1:x", b"l" * 120))
        return data[:at] + more + data[at:]

    def _splice(self, data: bytes) -> bytes:
        other = self._random.choice(self._torrents)
        return data[: self._at(data)] + other[self._at(other) :]

    def _length(self, data: bytes) -> bytes:
        def other(digits: bytes) -> bytes:
            near = b"%d" % max(0, int(digits[:12]) + self._random.choice((-2, -1, 1, 2, 20)))
            return self._random.choice(
                (near, near, b"0" + digits, digits + b"0", b"10000000000000000000", b"-1")
            )

        return self._replaced(_LENGTH, data, other)

    def _number(self, data: bytes) -> bytes:
        return self._replaced(_NUMBER, data, lambda _: self._random.choice(_NUMBERS))

    def _replaced(self, pattern: re.Pattern[bytes], data: bytes, other: Callable[[bytes], bytes]) -> bytes:
        found = list(pattern.finditer(data[:20_000]))
        if not found:
            return self._byte(data)
        match = self._random.choice(found)
        return data[: match.start()] + other(match[0]) + data[match.end() :]

    def _rebuilt(self, data: bytes) -> bytes:
        """Change one or two places of the structure."""
        root = decoded(data)
        for _ in range(self._random.choice((1, 1, 1, 2))):
            inside = list(_containers(root))
            # What is higher up matters more, and there is less of it.
            place = self._random.choice(inside[: self._random.choice((2, 4, 12, len(inside)))])
            items = place.pairs if isinstance(place, Dictionary) else place
            self._disturb(items, isinstance(place, Dictionary))
        return encoded(root)

    def _disturb(self, items: list[Any], is_dictionary: bool) -> None:  # noqa: FBT001 - private, one caller
        random = self._random
        if not items or random.random() < 0.15:
            items.append((random.choice(_KEYS), self._value()) if is_dictionary else self._value())
            return
        at, other = random.randrange(len(items)), random.randrange(len(items))
        act = random.randrange(6)
        if act == 0:
            items[at], items[other] = items[other], items[at]
        elif act == 1:
            items.insert(other, items[at])
        elif act == 2:
            del items[at]
        elif not is_dictionary:
            items[at] = self._value()
        elif act == 3:
            items[at] = (random.choice(_KEYS), items[at][1])
        elif act == 4:
            items.insert(other, (items[at][0], self._value()))
        else:
            items[at] = (items[at][0], self._like(items[at][1]))

    def _like(self, value: Any) -> Any:
        """Return another value of the same kind, or of any."""
        random = self._random
        if random.random() < 0.3:
            return self._value()
        match value:
            case bytes():
                return random.choice((value + b"x", value[:-1], value * 2, value[:20], *_STRINGS))
            case Number():
                return Number(random.choice(_NUMBERS))
            case list():
                return value * 2 if len(value) < 100 else value[:1]
            case _:
                return Dictionary(value.pairs[::-1])

    def _value(self) -> Any:
        random = self._random
        if random.random() < 0.3:
            place = random.choice(list(_containers(decoded(random.choice(self._whole))))[:12])
            items = [one for _, one in place.pairs] if isinstance(place, Dictionary) else place
            if items:
                return random.choice(items)
        return random.choice(
            (
                random.choice(_STRINGS),
                Number(random.choice(_NUMBERS)),
                [],
                [b"a"],
                [b"a", b""],
                Dictionary([]),
            )
        )


def _containers(root: Any) -> list[Any]:
    """Return every dictionary and list, the outermost first."""
    found = [root] if isinstance(root, Dictionary | list) else []
    for place in found:
        values = [one for _, one in place.pairs] if isinstance(place, Dictionary) else place
        found.extend(one for one in values if isinstance(one, Dictionary | list))
    return found


def _is_sound(data: bytes) -> bool:
    try:
        return isinstance(decoded(data), Dictionary)
    except ValueError:
        return False
