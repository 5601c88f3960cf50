"""Text with links, one a line or amid prose -> links, bad lines, repeated lines.

Rules of this file:

* LF, CRLF and CR each end a line, nothing else does; lines count from 1, blank ones and comments too.
* A bad line never spoils its neighbours. Every line that is neither empty, a comment nor a link is reported.
* A link that is alone on its line is taken whole; out of prose, markup or brackets it is cut with care.
* A reason tells what is wrong and never repeats the text of the line: it may hold a password.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from offcloud_watchd.core.links.infohash import bare_hash, near_miss
from offcloud_watchd.core.links.magnet import MAX_MAGNET_CHARS, is_magnet, parse_magnet, write_magnet
from offcloud_watchd.core.links.urls import is_opaque, parse_url
from offcloud_watchd.core.model import BadLine, Link, LinkKind, Links
from offcloud_watchd.errors import BadDrop

MAX_LINES: Final = 100_000
MAX_LINKS: Final = 100_000
MAX_TOLD: Final = 100
MAX_WRAPS: Final = 16
MAX_SURPLUS_CHARS: Final = 256

# Characters that cannot be seen and come along when a link is copied from a page.
_UNSEEN = (
    "\u00ad\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
_BLANK = (
    _UNSEEN + "\0\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005"
    "\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
_BETWEEN = re.compile(rf"[\s{_UNSEEN},;|]+")
_LINE_END = re.compile(r"\r\n|\r|\n")
_COMMENT = ("#", ";", "//")
# A link within a line: up to white space, to what never stands in a link, or to a comma and the next link.
_LINK = re.compile(
    rf"(?<![a-z0-9])(?:magnet:\?|[a-z][a-z0-9]{{1,15}}://)"
    rf"(?:(?![,;|](?:(?:https?|ftp)://|magnet:\?))[^\s<>\"`{_UNSEEN}])*",
    re.IGNORECASE,
)
_LATER_LINK = re.compile(r"[\s\"<>,;|](?:(?:https?|ftp)://|magnet:\?)", re.IGNORECASE)
# A magnet's topic with a remark behind it.
_REMARK = re.compile(r"(\bxt(?:\.\d+)?=urn:bt[im]h:\w+)\s+[^\s&]", re.IGNORECASE)
_OPENERS: Final = {"(": ")", "[": "]", "{": "}", "'": "'", "<": ">", '"': '"', "`": "`"}
_CLOSERS: Final = {")": "(", "]": "[", "}": "{"}
_TRAILING = (
    ".,;:!?*'\"`>\u201d\u2019\u2026\u3001\u3002\u300b\u300d\u300f\u3011\uff01\uff09\uff0c\uff1a\uff1b\uff1f"
)
_BBCODE = re.compile(r"\[\w{1,16}=\Z")
_BEFORE_CHARS: Final = 20  # enough to see what opened in front of a link
_BBCODE_END = re.compile(r"\[/\w{1,16}\]")
# What a line of a list may begin with: a dash, a number, a box to tick, the mark of a quoted mail.
_BULLET = re.compile(r"(?:(?:[-*+>\u2022\u00b7\u2013]|\[[ xX]?\]|[0-9]{1,6}[.)])\s+)+")
_COMMENT_BEHIND = re.compile(r"\s(?:#|;|//)")
_NO_LINK = "it holds no link; a magnet link, an http or https link or an info hash is needed"


@dataclass(slots=True)
class _Gathering:
    """What was read so far; lives for one call."""

    ftp: bool
    found: list[Link] = field(default_factory=list)
    bad: list[BadLine] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    candidates: int = 0

    def read(self, number: int, line: str) -> None:
        """Take what a line holds; of several faults in one line the first is told.

        Raise ``BadDrop`` when there are too many links: they take more room than the file they stand in.
        """
        try:
            candidates = _candidates(line)
        except BadDrop as error:
            self.bad.append(BadLine(number, str(error)))
            return
        self.candidates += len(candidates)
        if self.candidates > MAX_LINKS:
            raise BadDrop(f"the list has more than {MAX_LINKS} links; split it into smaller files")
        faults: list[str] = []
        for candidate in candidates:
            try:
                self._take(number, replace(parse_one(candidate, ftp=self.ftp), line=number))
            except BadDrop as error:
                faults.append(str(error))
        if faults:
            self.bad.append(BadLine(number, faults[0]))

    def _take(self, number: int, link: Link) -> None:
        """Keep a link, or note its line when its address or any of its hashes was seen before."""
        named = {link.key, *([f"btmh:{link.info_hash_v2}"] if link.info_hash_v2 else [])}
        if self.keys.isdisjoint(named):
            self.found.append(link)
        elif number not in self.repeated[-1:]:
            self.repeated.append(number)
        self.keys |= named


def parse_text(text: str, *, ftp: bool = False) -> Links:
    """Read a list. Raise ``BadDrop`` when none of its lines is good, or when there are too many.

    A list of nothing but comments gives nothing and is no error. ``ftp`` lets such links through too.
    """
    # Counted before they are cut: millions of line ends would be millions of strings.
    if text.count("\n") + text.count("\r") - text.count("\r\n") >= MAX_LINES:
        raise BadDrop(f"the list has more than {MAX_LINES} lines; split it into smaller files")
    gathering = _Gathering(ftp)
    for number, line in enumerate(_LINE_END.split(text), 1):
        gathering.read(number, _bare(line))
    if gathering.bad and not gathering.found:
        raise BadDrop(_all_bad(gathering.bad))
    return Links(tuple(gathering.found), tuple(gathering.bad), tuple(gathering.repeated), is_list=True)


def parse_one(text: str, *, ftp: bool = False) -> Link:
    """Read the one link a text consists of, quotes or brackets around it aside. Raise ``BadDrop``."""
    whole = _unwrapped(_bare(text))
    if _LINE_END.search(whole):
        raise BadDrop("there is more than one line; one link is needed")
    if whole[:6].lower() == "magnet":
        return parse_magnet(whole)
    hashes = bare_hash(whole)
    if hashes is not None:
        return Link(
            kind=LinkKind.TORRENT,
            key=hashes.key,
            url=write_magnet(hashes),
            info_hash_v1=hashes.v1,
            info_hash_v2=hashes.v2,
        )
    fault = near_miss(whole)
    if fault is not None:
        raise BadDrop(fault)
    return parse_url(whole, ftp=ftp)


def _candidates(line: str) -> list[str]:
    """Cut a line into what stands for a link, good or bad. Raise ``BadDrop`` when there is no such thing."""
    if not line or line.startswith(_COMMENT):
        return []
    if len(line) > MAX_MAGNET_CHARS:
        raise BadDrop(f"it has {len(line)} characters; no link of more than {MAX_MAGNET_CHARS} is taken")
    bullet = _BULLET.match(line)
    line = line[bullet.end() :] if bullet else line
    if is_opaque(line):  # never searched for links inside
        return [line]
    whole = _unwrapped(line)
    if is_magnet(whole) and not _LATER_LINK.search(whole):
        # Names in magnets may hold raw spaces; words that follow the hash itself do not belong to it.
        remark = _REMARK.search(whole)
        return [whole if remark is None else whole[: remark.end(1)]]
    links = [_cut(match[0], _before(line, match.start())) for match in _LINK.finditer(line)]
    if links:
        return links
    plain = _COMMENT_BEHIND.split(line, maxsplit=1)[0]
    words = [_unwrapped(word).strip(_TRAILING) for word in _BETWEEN.split(plain) if word]
    if len(words) == 1 or all(bare_hash(word) for word in words):
        return words
    raise BadDrop(_NO_LINK)


def _before(line: str, at: int) -> str:
    return line[max(0, at - _BEFORE_CHARS) : at]


def _cut(link: str, before: str) -> str:
    """Take off a link what belongs to the text around it: closing brackets, markup, punctuation."""
    opener = "[" if _BBCODE.search(before) else before[-1:]
    if opener in _OPENERS:
        link = link[: _closing(link, opener, _OPENERS[opener])]
    if opener == "]":
        link = _BBCODE_END.split(link, maxsplit=1)[0]
    if before.endswith(('="', "='")):  # an attribute of HTML
        link = link.replace("&amp;", "&")
    surplus = {closer: link.count(closer) - link.count(pair) for closer, pair in _CLOSERS.items()}
    end, least = len(link), max(0, len(link) - MAX_SURPLUS_CHARS)
    while end > least and (link[end - 1] in _TRAILING or surplus.get(link[end - 1], 0) > 0):
        end -= 1
        if link[end] in surplus:
            surplus[link[end]] -= 1
    return link[:end]


def _closing(text: str, opener: str, closer: str) -> int:
    """Return where the bracket that was opened before the text is closed; the text's length if never."""
    depth = 0
    for at, letter in enumerate(text):
        if letter == closer:
            if depth == 0:
                return at
            depth -= 1
        elif letter == opener:
            depth += 1
    return len(text)


def _bare(text: str) -> str:
    return text.strip(_BLANK)


def _unwrapped(text: str) -> str:
    """Take matching quotes or brackets, and commas after them, off a text that is one link.

    A few of them only: thousands are no wrapping, and each costs a copy of the text.
    """
    text = text.rstrip(",;")
    for _ in range(MAX_WRAPS):
        if len(text) <= 2 or _OPENERS.get(text[0]) != text[-1]:
            break
        text = _bare(text[1:-1]).rstrip(",;")
    return text


def _all_bad(bad: Iterable[BadLine]) -> str:
    told = [f"line {entry.line}: {entry.reason}" for entry in islice(bad, MAX_TOLD + 1)]
    if len(told) > MAX_TOLD:
        told[MAX_TOLD:] = ["and more lines like these"]
    return "no line of the file holds a link that can be taken.\n" + "\n".join(told)
