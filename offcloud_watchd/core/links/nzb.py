"""NZB files, which name the articles of a post on Usenet: what they ask for, and whether they are sound.

Rules of this file:

* Read by expat as a stream: no tree is built, and depth is bounded.
* A document that declares entities is refused at its declaration, so none ever swells up. The public DOCTYPE,
  which nearly every indexer writes, declares nothing by itself and names a file that nobody here opens.
* The bytes are handed on as they are; nothing is written again.

Source: the NZB specification 1.1 (files, segments, head/meta), as SABnzbd and NZBGet read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.errors import BadDrop

MAX_DEPTH: Final = 16
MAX_ARTICLE_DIGITS: Final = 12
_ROOT: Final = ("nzb",)
_FILE: Final = ("nzb", "file")
_SEGMENT: Final = ("nzb", "file", "segments", "segment")


@dataclass(frozen=True, slots=True)
class Nzb:
    """What an NZB asks for: ``files`` in ``segments`` articles; ``size_bytes`` is what it claims, encoded."""

    files: int
    segments: int
    size_bytes: int


class _Reader:
    """Follows the parser through one document and counts; lives for one call."""

    def __init__(self) -> None:
        self.path: tuple[str, ...] = ()
        self.files = self.segments = self.size_bytes = 0
        self._in_file = 0
        self._named = False

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
            self._named = False
            size = attributes.get("bytes", "")
            self.size_bytes += int(size) if size.isdecimal() and len(size) <= MAX_ARTICLE_DIGITS else 0

    def text(self, text: str) -> None:
        """Note that a segment names its article."""
        self._named = self._named or bool(text.strip())

    def closes(self, _name: str) -> None:
        """Leave an element; a file must have had segments, a segment its article."""
        if self.path == _SEGMENT:
            if not self._named:
                raise BadDrop("a segment in it names no article")
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
    return Nzb(reader.files, reader.segments, reader.size_bytes)
