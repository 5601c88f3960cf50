"""How texts that follow from others are held: only as far as they do not follow. See ``frozen.slim``.

Rules of this file:

* What is shown is what was given, letter for letter; what does not follow is held whole.
* Equal texts that come shortly after each other are held once: names, directories, lists of trackers.
"""

from __future__ import annotations

import functools
from typing import Final, Literal, Protocol

from offcloud_watchd.core.frozen import Packed

_MAGNETS: Final = {"btih:": "magnet:?xt=urn:btih:", "btmh:": "magnet:?xt=urn:btmh:1220"}
_WORD_CHARS: Final = len("btih:")

_LONG_CHARS: Final = 4096
"""What is longer nobody else has; it is not kept for being found again."""


class _Link(Protocol):
    """A link: the members that the others follow from, and the places of those."""

    key: str
    name: str | None
    rest_: str | tuple[str, str]
    hash_: str | Literal[True] | None


class _Publication(Protocol):
    """A publication: the places of its path."""

    directory_: str | None
    name_: str


@functools.lru_cache(maxsize=1024)
def once(text: str) -> str:
    """Return an equal text that came shortly before, or this one: what is kept of both is kept once."""
    return text


# --- the address of a link ----------------------------------------------------------------------------------
#
# Where ``begin`` is the address as far as the key tells it, what is held is one of
#
#   "" or "&tr=..."        begin, &dn= and the name, and this: nearly every torrent
#   ("&dn=...", "&tr=...")  begin and both: the name is spelled otherwise; the second part others have, too
#   "+"                    begin alone: nearly every web link
#   "-ADDRESS"             it does not follow from the key

_AS_ITS_KEY: Final = "+"
_WHOLE: Final = "-"


def _begin(key: str) -> tuple[str, bool]:
    """Return the address as far as a key tells it, and whether that is the beginning of a magnet."""
    head = _MAGNETS.get(key[:_WORD_CHARS])
    return (key.removeprefix("url:"), False) if head is None else (head + key[_WORD_CHARS:], True)


def _pack_url(link: _Link, url: str) -> None:
    begin, is_magnet = _begin(link.key)
    if is_magnet and link.name:
        named = f"{begin}&dn={link.name}"
        if url.startswith(named):
            rest = url[len(named) :]
            if not rest or rest[0] == "&":
                link.rest_ = once(rest) if len(rest) < _LONG_CHARS else rest
                return
    if url == begin:
        link.rest_ = _AS_ITS_KEY
    elif is_magnet and url.startswith(f"{begin}&"):
        first, ampersand, others = url[len(begin) + 1 :].partition("&")
        others = ampersand + others
        link.rest_ = (f"&{first}", once(others) if len(others) < _LONG_CHARS else others)
    else:
        link.rest_ = _WHOLE + url


def _url(link: _Link) -> str:
    rest = link.rest_
    begin, _ = _begin(link.key)
    if isinstance(rest, tuple):
        return begin + rest[0] + rest[1]
    if rest.startswith(_WHOLE):
        return rest[1:]
    return begin if rest == _AS_ITS_KEY else f"{begin}&dn={link.name}{rest}"


URL: Final = Packed(("rest_",), _pack_url, _url)


# --- its info hash: where it is that of its key, True is held ----------------------------------------------


def _pack_info_hash(link: _Link, info_hash: str | None) -> None:
    link.hash_ = True if info_hash and link.key == f"btih:{info_hash}" else info_hash


def _info_hash(link: _Link) -> str | None:
    return link.key[_WORD_CHARS:] if link.hash_ is True else link.hash_


INFO_HASH_V1: Final = Packed(("hash_",), _pack_info_hash, _info_hash)


# --- the path of a release: its directory is that of many others, its name that of its link -----------------


def _pack_path(publication: _Publication, path: str) -> None:
    directory, slash, name = path.rpartition("/")
    publication.directory_ = once(directory) if slash else None
    publication.name_ = once(name)


def _path(publication: _Publication) -> str:
    directory, name = publication.directory_, publication.name_
    return name if directory is None else f"{directory}/{name}"


PATH: Final = Packed(("directory_", "name_"), _pack_path, _path)
