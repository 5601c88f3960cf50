"""The files of a request, and where each stands in the release.

Rules of this file:

* The order is our own: the service's means nothing and may change.
* What the operator does not want is left out, but it keeps its place: what remains is named as if all came.
* Links are asked for anew when they look dead; a new list must be of the same files, else nothing is joined.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from offcloud_watchd.core.model import RemoteFile
from offcloud_watchd.core.names import arranged
from offcloud_watchd.errors import Permanent, Transient
from offcloud_watchd.fetch.choice import Choice
from offcloud_watchd.fetch.proof import Subject


@dataclass(frozen=True, slots=True)
class Item:
    """One file to bring home: its place in the release, and what it is fetched from.

    ``source`` identifies the remote file without its link. ``twin``: the service lists another file with the
    same path and size, so that only a validator can tell which one some bytes are of.
    """

    parts: tuple[str, ...]
    source: str
    size_bytes: int | None
    twin: bool = False

    @property
    def path(self) -> str:
        """Its place in the release, for notes and messages."""
        return "/".join(self.parts)


class Listing:
    """The files of a request, in a stable order, and their links of the moment: secrets with a short life.

    ``items`` are those that are wanted. ``edition`` counts how often the links were renewed. Raises
    ``Transient`` where there are no files, ``Permanent`` where none is wanted.
    """

    def __init__(self, ask: Callable[[], Sequence[RemoteFile]], choice: Choice) -> None:
        self.edition = 0
        self._ask = ask
        self._files = _sorted(ask())
        if not self._files:
            raise Transient("the service lists no files for this request yet")
        self._all = _planned(self._files)
        self._wanted = [number for number, item in enumerate(self._all) if choice.takes(item.parts)]
        self.items = tuple(self._all[number] for number in self._wanted)
        if not self.items:
            raise Permanent(
                f"fetch.include and fetch.exclude leave out every file of this request ({len(self._all)}): "
                "change them, then retry"
            )

    @property
    def remote_paths(self) -> tuple[str, ...]:
        """The service's own paths, unsafe as they came."""
        return tuple(_remote_path(file) for file in self._files)

    @property
    def subjects(self) -> list[Subject]:
        """What a torrent is held against, in the order of ``items``."""
        return [self._subject(number) for number in self._wanted]

    @property
    def left_out(self) -> list[Subject]:
        """What is there as well, and not wanted."""
        return [self._subject(number) for number in sorted({*range(len(self._all))} - {*self._wanted})]

    def _subject(self, number: int) -> Subject:
        item = self._all[number]
        return Subject(item.path, _remote_path(self._files[number]), item.size_bytes)

    def url(self, number: int) -> str:
        """Return the link of the file with this place in ``items``: a secret."""
        return self._files[self._wanted[number]].url

    def renew(self) -> None:
        """Ask for fresh links. Raises ``Transient`` when they are of other files than before."""
        files = _sorted(self._ask())
        if _planned(files) != self._all:
            raise Transient("the service lists other files than before for this request")
        self._files = files
        self.edition += 1

    def renew_since(self, edition: int) -> None:
        """Ask for fresh links, unless that was done since the links of ``edition`` were the newest."""
        if edition == self.edition:
            self.renew()


def _sorted(files: Sequence[RemoteFile]) -> list[RemoteFile]:
    """Put the files in an order of their own: the service's order means nothing and may change.

    What is told alike is put in the order of the links, where both generations number the files of a request.
    """
    return sorted(files, key=lambda file: (_remote_path(file), file.size_bytes or -1, file.url))


def _planned(files: Sequence[RemoteFile]) -> tuple[Item, ...]:
    known = [(_remote_path(file), file.size_bytes) for file in files]
    counts = Counter(known)
    seen: Counter[tuple[str, int | None]] = Counter()
    items = []
    for parts, one in zip(arranged([path for path, _ in known]), known, strict=True):
        seen[one] += 1
        identity = f"{one[0]}\0{one[1]}\0{seen[one]}".encode("utf-8", "surrogatepass")
        source = hashlib.sha256(identity).hexdigest()[:16]
        items.append(Item(parts, source, one[1], twin=counts[one] > 1))
    return tuple(items)


def _remote_path(file: RemoteFile) -> str:
    """Return the service's path of a file; a link list without paths has the name at the end of the link."""
    if file.path.strip("/"):
        return file.path
    try:
        return PurePosixPath(unquote(urlsplit(file.url).path)).name
    except ValueError:
        return ""
