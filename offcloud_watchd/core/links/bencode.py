"""A strict, iterative scan of bencoded bytes into a tape of tokens. Source: BEP 3.

Rules of this file:

* No recursion and no object per value: two integers per token, so hostile input costs little memory.
* Everything is bounded before it is read: depth, tokens, digits of a length and of an integer.
* Values are found, never re-encoded: a hash is taken over the raw bytes of ``span``.
* Unsorted and repeated keys are let pass, as other programs hash such torrents; the first of a repeat counts.
  Whoever cannot bear a repeated key asks ``count``. Bytes after the value are let pass too.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import Final, NewType

from offcloud_watchd.errors import BadDrop

MAX_DEPTH: Final = 100
MAX_TOKENS: Final = 3_000_000

Node = NewType("Node", int)
"""The place of a value on the tape."""

ROOT: Final = Node(0)

# A length has at most 10 digits, an integer at most 20.
_TOKEN = re.compile(rb"([0-9]{1,10}):|(i-?[0-9]{1,20}e)|(d)|(l)|(e)")
_STRING, _INTEGER, _DICT, _LIST, _END = range(1, 6)
_NO_KEYS, _AWAITS_KEY, _AWAITS_VALUE = range(3)


class Document:
    """Bencoded bytes that were found sound; ``ROOT`` is the outermost value. Immutable after the scan."""

    __slots__ = ("_afters", "_bytes", "_starts")

    def __init__(self, data: bytes, *, max_tokens: int = MAX_TOKENS) -> None:
        """Scan; raise ``BadDrop`` when the bytes are not bencoded, end too early or are out of bounds."""
        self._bytes = data
        self._starts, self._afters = _scan(data, max_tokens)

    def is_dict(self, node: Node) -> bool:
        """Tell whether the value is a dictionary."""
        return self._first_byte(node) == b"d"

    def is_list(self, node: Node | None) -> bool:
        """Tell whether the value is a list."""
        return node is not None and self._first_byte(node) == b"l"

    def items(self, node: Node) -> Iterator[tuple[bytes, Node]]:
        """Walk over a dictionary in its own order, repeated keys included; anything else has no items."""
        if not self.is_dict(node):
            return
        key, end = node + 1, self._afters[node] - 1
        while key < end:
            yield self._payload(key), Node(key + 1)
            key = self._afters[key + 1]

    def fields(self, node: Node, wanted: frozenset[bytes]) -> dict[bytes, Node]:
        """Find the wanted keys of a dictionary in one walk; the first of a repeated key counts."""
        found: dict[bytes, Node] = {}
        for key, value in self.items(node):
            if key in wanted:
                found.setdefault(key, value)
        return found

    def count(self, node: Node, key: bytes) -> int:
        """Tell how often a key stands in a dictionary."""
        return sum(1 for found, _ in self.items(node) if found == key)

    def elements(self, node: Node | None) -> Iterator[Node]:
        """Walk over a list; anything else, also None, has no elements."""
        if node is None or not self.is_list(node):
            return
        at, end = node + 1, self._afters[node] - 1
        while at < end:
            yield Node(at)
            at = self._afters[at]

    def string(self, node: Node | None) -> bytes | None:
        """Return the bytes of a string; None when it is something else."""
        if node is None or not self._first_byte(node).isdigit():
            return None
        return self._payload(node)

    def integer(self, node: Node | None) -> int | None:
        """Return the value of an integer of 64 bits; None when it is something else or larger."""
        if node is None or self._first_byte(node) != b"i":
            return None
        value = int(self._bytes[self._starts[node] + 1 : self._starts[node + 1] - 1])
        return value if -(2**63) <= value < 2**63 else None

    def span(self, node: Node) -> bytes:
        """Return the raw bytes of a value, exactly as they stand in the file."""
        return self._bytes[self._starts[node] : self._starts[self._afters[node]]]

    def _first_byte(self, node: int) -> bytes:
        start = self._starts[node]
        return self._bytes[start : start + 1]

    def _payload(self, node: int) -> bytes:
        start = self._bytes.index(b":", self._starts[node]) + 1
        return self._bytes[start : self._starts[node + 1]]


def _scan(data: bytes, max_tokens: int) -> tuple[array[int], array[int]]:
    """Return where each token starts (and, last, where the value ends), and which token follows its value."""
    starts, afters = array("I"), array("I")
    opened: list[int] = []
    awaits: list[int] = []
    at = 0
    while True:
        token = _TOKEN.match(data, at)
        if token is None:
            raise BadDrop(_broken(data, at))
        kind, index = token.lastindex, len(starts)
        starts.append(at)
        afters.append(index + 1)
        at = token.end()
        if awaits and awaits[-1]:
            awaits[-1] = _next(awaits[-1], kind, index)
        if kind == _STRING:
            at += int(token[1])
        elif kind in (_DICT, _LIST):
            opened.append(index)
            awaits.append(_AWAITS_KEY if kind == _DICT else _NO_KEYS)
        elif kind == _END:
            if not opened:
                raise BadDrop("the torrent is damaged: it is no bencoded data")
            awaits.pop()
            afters[opened.pop()] = index + 1
        if at > len(data) or len(opened) > MAX_DEPTH or index >= max_tokens:
            raise BadDrop(_out_of_bounds(at > len(data)))
        if not opened:
            starts.append(at)
            return starts, afters


def _next(awaited: int, kind: int | None, index: int) -> int:
    if awaited == _AWAITS_KEY:
        if kind not in (_STRING, _END):
            raise BadDrop(f"the torrent is damaged: a key of a dictionary is no string (token {index})")
        return _AWAITS_VALUE
    if kind == _END:
        raise BadDrop(f"the torrent is damaged: a key has no value (token {index})")
    return _AWAITS_KEY


def _broken(data: bytes, at: int) -> str:
    if at >= len(data):
        return _out_of_bounds(ends_early=True)
    return f"the torrent is damaged: byte {at} is not bencoded. Download it again"


def _out_of_bounds(ends_early: bool) -> str:  # noqa: FBT001 - private, called with one meaning
    if ends_early:
        return "the torrent ends too early: the copy is not complete. Drop it again when it is"
    return f"the torrent is nested deeper than {MAX_DEPTH} levels or has too many parts"
