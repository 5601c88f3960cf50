"""NZB files, which name the articles of a post on Usenet: what they ask for, and whether they are sound.

Rules of this file:

* Read by expat as a stream: no tree is built, and depth is bounded.
* A document that declares entities is refused at its declaration, so none ever swells up. The public DOCTYPE,
  which nearly every indexer writes, declares nothing by itself and names a file that nobody here opens.
* The bytes are handed on as they are; nothing is written again.

Source: the NZB specification 1.1 (files, segments, head/meta), as SABnzbd and NZBGet read it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.errors import BadDrop

MAX_DEPTH: Final = 16
MAX_ARTICLE_CHARS: Final = 1024  # RFC 3977 allows a message id 250
MAX_ARTICLE_DIGITS: Final = 12
_ROOT: Final = ("nzb",)
_FILE: Final = ("nzb", "file")
_SEGMENT: Final = ("nzb", "file", "segments", "segment")


@dataclass(frozen=True, slots=True)
class Nzb:
    """What an NZB asks for: ``files`` in ``segments`` articles; ``size_bytes`` is what it claims, encoded.

    ``digest`` is the SHA-256 of the articles' names in their order: indexers write the same post in many
    ways, with remarks of their own.
    """

    files: int
    segments: int
    size_bytes: int
    digest: str = ""


class _Reader:
    """Follows the parser through one document and counts; lives for one call."""

    def __init__(self) -> None:
        self.path: tuple[str, ...] = ()
        self.files = self.segments = self.size_bytes = 0
        self.articles = hashlib.sha256()
        self._in_file = 0
        self._article = ""

    def declares(self, *_: object) -> None:
        """Refuse an entity or a DOCTYPE of its own making."""
        raise BadDrop("it declares entities of its own, which no NZB needs")

    def doctype(self, _name: str, _system: str | None, _public: str | None, has_declarations: int) -> None:
        """Let the public DOCTYPE pass, not one that brings declarations along."""
        if has_declarations:
            self.declares()

    def opens(self, name: str, attributes: Mapping[str, str]) -> None:
        """Enter an element."""
        self.path = (*self.path, name.rpartition(":")[2].lower())
        if len(self.path) > MAX_DEPTH:
            raise BadDrop(f"it is nested deeper than {MAX_DEPTH} levels")
        if self.path[:1] != _ROOT:
            raise BadDrop("its outermost element is not <nzb>")
        if self.path == _FILE:
            self._in_file = 0
        elif self.path == _SEGMENT:
            self._article = ""
            size = attributes.get("bytes", "")
            self.size_bytes += int(size) if size.isdecimal() and len(size) <= MAX_ARTICLE_DIGITS else 0

    def text(self, text: str) -> None:
        """Note which article a segment names."""
        if self.path == _SEGMENT:
            self._article += text
            if len(self._article) > MAX_ARTICLE_CHARS:
                raise BadDrop("the name of an article in it is too long")

    def closes(self, _name: str) -> None:
        """Leave an element; a file must have had segments, a segment its article."""
        if self.path == _SEGMENT:
            if not self._article.strip():
                raise BadDrop("a segment in it names no article")
            self.articles.update(self._article.strip().encode() + b"\n")
            self._in_file += 1
            self.segments += 1
        elif self.path == _FILE:
            if not self._in_file:
                raise BadDrop("a file in it has no segments")
            self.files += 1
        self.path = self.path[:-1]


def parse_nzb(data: bytes) -> Nzb:
    """Read an NZB. Raise ``BadDrop``, with what is wrong and where, when it is not sound. Safe to repeat."""
    # Imported when the first NZB comes, as few ever do.
    from xml.parsers import expat  # noqa: PLC0415 - see above

    reader, parser = _Reader(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.EntityDeclHandler = reader.declares
    parser.StartElementHandler = reader.opens
    parser.EndElementHandler = reader.closes
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "it is damaged")
        raise BadDrop(f"line {error.lineno} is not well-formed XML ({what})") from None
    except (LookupError, ValueError):
        raise BadDrop("it claims an encoding that cannot be read") from None
    except BadDrop as error:
        raise BadDrop(f"line {parser.CurrentLineNumber}: {error}") from None
    if not reader.files:
        raise BadDrop("it names no files")
    return Nzb(reader.files, reader.segments, reader.size_bytes, reader.articles.hexdigest())


def nzb_link(nzb: Nzb, name: str) -> Link:
    """Return the link of an NZB; ``name`` is what the drop calls it, for the NZB itself names nothing."""
    key = f"nzb:{nzb.digest}"
    return Link(LinkKind.NZB, key, key, name or None)


def is_nzb_of(link: Link, data: bytes) -> bool:
    """Tell whether bytes, unpacked, are an NZB of the same articles as a link."""
    try:
        return link.kind is LinkKind.NZB and nzb_link(parse_nzb(data), "").key == link.key
    except BadDrop:
        return False
