"""``cached``: whether the service has torrents already, and so would give them at once.

``--json`` prints an array with one object a torrent: ``hash``, ``name`` (null where nothing tells it),
``cached``, and with ``--files`` also ``files``: ``[{path, size_bytes}]``, null where they are not told. The
exit code is 1 when a word meant no torrent; what could be asked was.
"""

from __future__ import annotations

import argparse
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from offcloud_watchd.cli import foresight, known, text
from offcloud_watchd.cli.exits import FAILED
from offcloud_watchd.cli.reaching import reached
from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Link
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.offcloud import Client

INFO_BATCH: Final = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "what", nargs="+", metavar="HASH_OR_LINK_OR_FILE", help="an info hash, a magnet, or a file with some"
    )
    parser.add_argument("--files", action="store_true", help="also the files of what is cached")
    parser.add_argument("--json", action="store_true", help="an array of objects")


def main(arguments: argparse.Namespace) -> int:
    """Print one line a torrent."""
    asked: dict[str, Link] = {}
    bad = False
    for word in arguments.what:
        try:
            links = _links(word)
        except BadDrop as error:
            text.complain(f"{known.short(word)}: {error}")
            bad = True
            continue
        for link in links:
            if link.info_hash_v1 is None:
                text.complain(f"{known.link_name(link)}: the service can only be asked for v1 info hashes")
                bad = True
            else:
                asked.setdefault(link.info_hash_v1, link)
    if asked:
        with reached(arguments) as client:
            told = _told(client, asked, with_files=arguments.files)
        _say(told, as_json=arguments.json)
    return FAILED if bad else 0


def _links(word: str) -> Sequence[Link]:
    """Return what a word means; raise ``BadDrop``. A file wins over a hash of the same name."""
    is_link = word[:8].lower().startswith(("magnet:", "http:", "https:"))
    if not is_link and _is_there(Path(word)):
        return foresight.read_drop(Path(word))[1].found
    try:
        return (parse_link(word),)
    except BadDrop as error:
        raise error if is_link else BadDrop(f"there is no such file, and {error}") from error


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a word that is too long for a name, or holds a NUL
        return False


def _told(client: Client, asked: Mapping[str, Link], *, with_files: bool) -> list[dict[str, Any]]:
    stop = threading.Event()
    hits = client.cached(asked, stop)
    told: list[dict[str, Any]] = [
        {"hash": one, "name": link.name, "cached": one in hits, **({"files": None} if with_files else {})}
        for one, link in asked.items()
    ]
    cached = [one for one in told if one["cached"]] if with_files else []
    for batch in (cached[at : at + INFO_BATCH] for at in range(0, len(cached), INFO_BATCH)):
        # A bare hash would silently count as not cached. Source: debrid-media-manager, measured 2026-09.
        magnets = [f"magnet:?xt=urn:btih:{one['hash']}" for one in batch]
        releases = client.service.cached_releases(magnets, stop)
        if releases is None:
            text.complain("this service does not tell the files of what is cached")
            break
        for one, release in zip(batch, releases, strict=True):
            one["files"] = [{"path": file.path, "size_bytes": file.size_bytes} for file in release.files]
    return told


def _say(told: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        text.say_json(told)
        return
    for one in told:
        for line in _lines(one):
            text.say(line)


def _lines(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"{'cached    ' if one['cached'] else 'not cached'} {one['hash']} {one['name'] or ''}".rstrip()
    for file in one.get("files") or ():
        size = "" if file["size_bytes"] is None else f" ({text.size(file['size_bytes'])})"
        yield f"  {file['path']}{size}"
