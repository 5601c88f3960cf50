"""The files a service lists, called against those of a torrent: missing, strange, renamed, moved. Pure.

Rules of this file:

* Names agree when they are the same to a person: the torrent's own folder may be there or not, characters
  that no file may have do not count, nor does case, but between names that differ in nothing else. Source:
  public clients; the service cleans names.
* What no name matches is known by its size alone, where only one file on each side has it: the pieces will
  tell whether that was right.
* What the list leaves open is somebody else's to find out; ``RollCall.with_found`` takes it in.
* Padding, links and empty files are nobody's loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from offcloud_watchd.core.links.torrent import Metainfo
from offcloud_watchd.core.names import safe_component


@dataclass(frozen=True, slots=True)
class Listed:
    """One file as the service lists it; ``size_bytes`` None: it does not say."""

    path: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class RollCall:
    """The answer: for each listed file its place in ``Metainfo.files``, None where it is not of the torrent.

    ``missing`` are places of the torrent's files; ``strange``, ``renamed`` and ``moved`` are places in the
    list: a moved file has its name and another folder, as in a list that tells no folders.
    ``contradicted`` pairs a listed file with the one of its name when their sizes cannot be of one file.
    """

    places: tuple[int | None, ...]
    missing: tuple[int, ...]
    strange: tuple[int, ...]
    renamed: tuple[int, ...]
    contradicted: tuple[tuple[int, int], ...]
    moved: tuple[int, ...] = ()

    def of_first(self, count: int) -> RollCall:
        """Return the answer for the first files of the list alone; what the others are is not missing."""
        return RollCall(
            places=self.places[:count],
            missing=self.missing,
            strange=tuple(number for number in self.strange if number < count),
            renamed=tuple(number for number in self.renamed if number < count),
            contradicted=tuple(pair for pair in self.contradicted if pair[0] < count),
            moved=tuple(number for number in self.moved if number < count),
        )

    def with_found(self, found: Mapping[int, int], same_name: Collection[int]) -> RollCall:
        """Return the answer when more is known: ``found`` maps strange files to places that were missing.

        Those of them in ``same_name`` are only moved.
        """
        places = set(found.values())
        return replace(
            self,
            places=tuple(found.get(number, place) for number, place in enumerate(self.places)),
            missing=tuple(place for place in self.missing if place not in places),
            strange=tuple(number for number in self.strange if number not in found),
            renamed=tuple(sorted((*self.renamed, *(found.keys() - set(same_name))))),
            moved=tuple(sorted((*self.moved, *(found.keys() & set(same_name))))),
        )


def name_key(path: Sequence[str]) -> object:
    """Return what two files have in common that have the same name to a person; ``path`` is unsafe."""
    return _folded(_parts(path)[-1:])


def called(listed: Sequence[Listed], metainfo: Metainfo) -> RollCall:
    """Find each listed file among the torrent's; each of those answers once."""
    call = _Call(listed, metainfo)
    root = _parts([metainfo.name])
    call.match(lambda path, _: ("path", *root, *path), _path_alone)
    call.match(_path_alone, _path_alone)
    by_path = frozenset(call.places)
    call.match(_name_and_size, _name_and_size)
    call.match(_name_alone, lambda path, size: None if size else _name_alone(path, size))
    call.match(_size_alone, _size_alone)
    return call.answer(by_path)


Key = tuple[object, ...]
_Path = tuple[str, ...]
_Naming = Callable[[_Path, int | None], Key | None]


class _Call:
    """The call while it goes on: ``places`` maps listed files to files of the torrent."""

    def __init__(self, listed: Sequence[Listed], metainfo: Metainfo) -> None:
        self.places: dict[int, int] = {}
        self._listed = listed
        self._paths = [_parts(one.path.split("/")) for one in listed]
        self._files = metainfo.files
        self._wanted = {
            place: _parts(file.path)
            for place, file in enumerate(metainfo.files)
            if not file.pad and not file.symlink
        }

    def match(self, theirs: _Naming, ours: _Naming) -> None:
        """Join what has the same key in the torrent and in the list, of those that are not joined yet.

        First what is spelled alike, then what differs in case.
        """
        self._match(theirs, ours)
        self._match(lambda *file: _folded(theirs(*file)), lambda *file: _folded(ours(*file)))

    def _match(self, theirs: _Naming, ours: _Naming) -> None:
        taken = set(self.places.values())
        places = _grouped(
            (theirs(path, self._files[place].size_bytes), place)
            for place, path in self._wanted.items()
            if place not in taken
        )
        numbers = _grouped(
            (ours(self._paths[number], one.size_bytes), number)
            for number, one in enumerate(self._listed)
            if number not in self.places
        )
        for key, same in numbers.items():
            self._join(same, places.get(key, []))

    def _join(self, numbers: list[int], places: list[int]) -> None:
        """Pair files of one key: one with one whatever the sizes, more by a size that only one pair has."""
        if len(numbers) == len(places) == 1:
            self.places[numbers[0]] = places[0]
            return
        sizes = _grouped(((self._files[place].size_bytes,), place) for place in places)
        for size, same in _grouped(((self._listed[one].size_bytes,), one) for one in numbers).items():
            if len(same) == len(sizes.get(size, [])) == 1:
                self.places[same[0]] = sizes[size][0]

    def answer(self, by_path: Iterable[int]) -> RollCall:
        """Sum up; ``by_path`` were found by their whole path."""
        taken = set(self.places.values())
        told = {number: self._listed[number].size_bytes for number in self.places}
        others = sorted(self.places.keys() - set(by_path))
        moved = [
            one
            for one in others
            if _folded(self._paths[one][-1:]) == _folded(self._wanted[self.places[one]][-1:])
        ]
        return RollCall(
            places=tuple(self.places.get(number) for number in range(len(self._listed))),
            missing=tuple(
                place for place in self._wanted if place not in taken and self._files[place].size_bytes
            ),
            strange=tuple(number for number in range(len(self._listed)) if number not in self.places),
            renamed=tuple(number for number in others if number not in moved),
            moved=tuple(moved),
            contradicted=tuple(
                (number, place)
                for number, place in sorted(self.places.items())
                if told[number] and told[number] != self._files[place].size_bytes
            ),
        )


def _parts(path: Iterable[str]) -> _Path:
    return tuple(safe_component(part) for part in path if part.strip() not in ("", ".", ".."))


def _folded(key: Key | None) -> Key | None:
    """Return a key in which case does not count."""
    return None if key is None else tuple(map(_fold, key))


def _fold(part: object) -> object:
    return part.casefold() if isinstance(part, str) else _folded(part) if isinstance(part, tuple) else part


def _path_alone(path: _Path, _size_bytes: int | None) -> Key:
    return ("path", *path)


def _name_and_size(path: _Path, size_bytes: int | None) -> Key | None:
    return (path[-1:], size_bytes) if size_bytes else None


def _name_alone(path: _Path, _size_bytes: int | None) -> Key:
    return path[-1:]


def _size_alone(_path: _Path, size_bytes: int | None) -> Key | None:
    return (size_bytes,) if size_bytes else None


def _grouped(pairs: Iterable[tuple[Key | None, int]]) -> dict[Key, list[int]]:
    groups: defaultdict[Key, list[int]] = defaultdict(list)
    for key, member in pairs:
        if key is not None:
            groups[key].append(member)
    return groups
