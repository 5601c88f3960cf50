"""The bytes of a drop, of whatever kind -> links; and a single link as an operator types it.

Rules of this file:

* The extension says what a file should be, its bytes say what it is: a magnet saved as .torrent is taken, a
  login page saved as .torrent is named as such.
* A torrent or magnet is known by its info hash, a web link by its mended spelling, an NZB by its articles;
  equal things, equal keys.
* The text of a ``BadDrop`` is for a person and never repeats a link: it may be a secret.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from offcloud_watchd.core.links.charset import decode, looks_binary
from offcloud_watchd.core.links.infohash import bare_hash
from offcloud_watchd.core.links.linkfile import (
    has_shortcut,
    is_settings,
    is_webloc,
    shortcut_target,
    webloc_target,
)
from offcloud_watchd.core.links.magnet import MAX_MAGNET_CHARS, is_magnet, named_hashes
from offcloud_watchd.core.links.nzb import nzb_link, parse_nzb
from offcloud_watchd.core.links.textlist import parse_one, parse_text
from offcloud_watchd.core.links.torrent import GZIP, MAX_DROP_BYTES, inflate, parse_torrent, torrent_link
from offcloud_watchd.core.model import Link, Links
from offcloud_watchd.errors import BadDrop

MAX_TEXT_BYTES: Final = 16 * 1024 * 1024
"""No list of links of more bytes is read; one link has at most 64 KiB."""

_LISTS = frozenset({"txt", "text", "list", "lst"})
_SHORTCUTS = frozenset({"url", "desktop"})
_TORRENT = re.compile(rb"d[0-9]{1,10}:")
# What may stand before the first element of a document; possessive, so hostile comments cost nothing.
_DECLARATION = re.compile(r"\s*(?:<\?xml[^>]*>)?", re.IGNORECASE)
_SPACE = re.compile(r"\s*")
_HTML = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
# What a page begins with that was written by hand or by a failing script. A list may hold such a line.
_HTML_PART = re.compile(
    r"<(?:a|b|body|br|center|div|font|form|h[1-6]|i|img|link|meta|p|pre|script|span|strong|style|table|title)\b",
    re.IGNORECASE,
)
_WEB_LINK = re.compile(r"\s*https?://", re.IGNORECASE)
_NZB = re.compile(r"<(?:!doctype\s+)?nzb\b", re.IGNORECASE)
_NZB_ENDING = re.compile(r"(?:\.nzb)?(?:\.gz)?\Z", re.IGNORECASE)
_ROOT_CHARS: Final = 256
_KINDS: Final = (
    (b"PK\x03\x04", "a ZIP archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd); unpack it first"),
    (b"%PDF", "a PDF document"),
    (b"{", "JSON text, which is how many sites report an error; download the torrent again"),
    (b"<", "XML text, which is how indexers report an error; download the torrent again"),
)
_PAGE = (
    "it is a web page (HTML), probably the site's login or error page. "
    "Download the file again while logged in, and look at what the site says"
)


def parse(name: str, data: bytes, *, ftp: bool = False) -> Links:
    """Read a drop: ``name`` is the file's name, ``data`` all its bytes. Safe to repeat.

    ``ftp`` lets web links of that kind through too.

    Raise ``BadDrop``, with a text for a person, when nothing in it can be taken. A text list of nothing but
    comments gives no links and no error.
    """
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    if len(data) > MAX_DROP_BYTES:
        raise BadDrop(f"the file is larger than {MAX_DROP_BYTES // 2**20}MiB; no link file is")
    if not data.strip(b"\0 \t\r\n"):
        raise BadDrop("the file is empty; if it is still being written, drop it again when it is complete")
    if extension == "nzb":
        return _nzb(name, data)
    if extension == "torrent" or data.startswith(GZIP) or _TORRENT.match(data):
        return _torrent(name, data)
    if is_webloc(data):
        return Links((parse_link(webloc_target(data), ftp=ftp),))
    return _text(name, data, extension, ftp=ftp)


def parse_link(text: str, *, ftp: bool = False) -> Link:
    """Read one link as an operator types it: a magnet, an http(s) address or a bare info hash.

    Raise ``BadDrop`` when it is none of these; ``ftp`` lets such an address through too.
    """
    return parse_one(_sound(text), ftp=ftp)


def info_hashes(text: str) -> frozenset[str]:
    """Return every key (``btih:HEX``, ``btmh:HEX``) that a text names. Never raises.

    The text is a magnet, a bare hash, or a name or address that ends in ``<hash>.torrent``; the service's
    history shows any of these for a torrent that was submitted as a magnet.
    """
    text = _sound(text[: MAX_MAGNET_CHARS + 1]).strip()
    if is_magnet(text):
        return frozenset(key for hashes in named_hashes(text) for key in hashes.keys)
    file_name = re.split(r"[?#]", text, maxsplit=1)[0].rpartition("/")[2]
    stem = file_name[:-8] if file_name[-8:].lower() == ".torrent" else text
    hashes = bare_hash(stem)
    return frozenset() if hashes is None else hashes.keys


def _torrent(name: str, data: bytes) -> Links:
    data = inflate(data)
    if not _TORRENT.match(data):
        text = decode(data[: MAX_MAGNET_CHARS + 4])
        if is_magnet(text.lstrip()):  # what indexers answer when they redirect to a magnet
            return Links((parse_link(text),))
        if _NZB.match(_root(text)):
            return _nzb(name, data)
        raise BadDrop(f"this is no torrent: {_kind(data, text)}")
    return Links((torrent_link(parse_torrent(data)),), holds_more=True)


def _root(text: str) -> str:
    """Return the beginning of a document's root element: past its declaration and comments.

    A loop, because one pattern with nested possessive groups fails to match on Python 3.11.2 (Debian 12).
    """
    at = _end_of(_DECLARATION, text, 0)
    while True:
        at = _end_of(_SPACE, text, at)
        if not text.startswith("<!--", at) or (end := text.find("-->", at)) < 0:
            return text[at : at + _ROOT_CHARS]
        at = end + len("-->")


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _kind(data: bytes, text: str) -> str:
    """Say what a file is that is not what its name says; ``text`` is how it begins."""
    root = _root(text)
    if _HTML.match(root) or _HTML_PART.match(root):
        return _PAGE
    if _WEB_LINK.match(text):
        return "it holds a web link; save that as .txt or .url, or download what it leads to"
    for magic, words in _KINDS:
        if data.lstrip().startswith(magic):
            return f"it is {words}"
    if looks_binary(text):
        return "it is no bencoded data"
    return "it is plain text and no bencoded data, perhaps the site's error message: open it and look"


def _text(name: str, data: bytes, extension: str, *, ftp: bool) -> Links:
    if len(data) > MAX_TEXT_BYTES:
        raise BadDrop(f"the list is larger than {MAX_TEXT_BYTES // 2**20}MiB; split it into smaller files")
    text = decode(data)
    if looks_binary(text):
        raise BadDrop("the file is no text: it holds binary data, and it is no torrent either")
    root = _root(text)
    if _NZB.match(root):
        return _nzb(name, data)
    if _HTML.match(root):
        raise BadDrop(f"this is no list of links: {_PAGE}")
    if text.lstrip().startswith("<?xml"):  # its name spaces look like links
        raise BadDrop("this is no list of links: it is an XML document, perhaps an indexer's error")
    if has_shortcut(text) or (extension in _SHORTCUTS and is_settings(text)):
        return Links((_shortcut(text, ftp=ftp),))
    links = parse_text(text, ftp=ftp)
    # Only a list need not name one release; a magnet in a file of its own is named by that file.
    return replace(links, is_list=extension in _LISTS or len(links.found) > 1)


def _shortcut(text: str, *, ftp: bool) -> Link:
    address, line = shortcut_target(text)
    try:
        return parse_link(address, ftp=ftp)
    except BadDrop as error:
        raise BadDrop(f"line {line}: {error}") from None


def _nzb(name: str, data: bytes) -> Links:
    """Check an NZB: whoever gets it cannot tell a damaged one from one whose articles are gone."""
    data = inflate(data)
    text = decode(data[:MAX_MAGNET_CHARS])
    if not _NZB.match(_root(text)):
        raise BadDrop(f"this is no NZB file (Usenet): {_kind(data, text)}")
    try:
        nzb = parse_nzb(data)
    except BadDrop as error:
        raise BadDrop(f"this is an NZB file (Usenet) that is damaged: {error}") from None
    return Links((nzb_link(nzb, _sound(_NZB_ENDING.sub("", name))),), holds_more=True)


def _sound(text: str) -> str:
    """Replace lone surrogates: they come in with arguments that are not UTF-8 and cannot be written."""
    return text.encode("utf-8", "replace").decode()
