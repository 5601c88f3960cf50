"""Which file of a torrent each listed file is, also where the list alone does not tell.

Rules of this file:

* The classic service lists neither folders nor sizes, so that files of one name look alike. The host tells
  their sizes; where those are alike too, the pieces tell, once the bytes are here.
* A size alone places a file only where as many of its name are listed as the torrent has: else a stranger
  could stand in the place of another. A hash that agrees is a proof, whatever the name.
* Finding out is bounded. What stays open proves nothing and breaks nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

from offcloud_watchd.core.links.torrent import Metainfo
from offcloud_watchd.core.pieces import Pieces, pieces_of_file
from offcloud_watchd.core.rollcall import Listed, RollCall, called, name_key

_MAX_TRIED_BYTES: Final = 8 * 1024**3
_LEAST_TRIED_BYTES: Final = 64 * 1024  # a trial costs as much as hashing so many, at the least
_MAX_OPEN_IN_PIECE: Final = 6
_MAX_PIECES_TRIED: Final = 8  # of one file: one that is not damaged is enough

Guess = Mapping[int, int]
"""For places in the torrent the listed files that may belong there."""

_Candidates = Mapping[int, Sequence[int]]


class Placing:
    """Which listed file is which of the torrent, as far as it is known by now. One thread.

    ``places`` holds the place of each wanted file, None where it is not known or where there is none;
    ``numbers`` is the same the other way round. The first ``wanted`` of the listed files are fetched.
    """

    def __init__(self, metainfo: Metainfo, listed: Sequence[Listed], wanted: int) -> None:
        self._call = called(listed, metainfo)
        self._wanted = wanted
        self._sizes = [file.size_bytes for file in metainfo.files]
        taken = set(self._call.places)
        self._their_names = {
            place: name_key(file.path)
            for place, file in enumerate(metainfo.files)
            if place not in taken and not file.pad and not file.symlink
        }
        self._names = {number: name_key(listed[number].path.split("/")) for number in self._call.strange}
        self._free, self._open = dict.fromkeys(self._their_names), dict.fromkeys(self._names)
        self._found: dict[int, int] = {}
        self._alike: dict[int, int] = {}
        self._places_of = self._told_by_size()
        self._left_bytes = _MAX_TRIED_BYTES
        self.places = list(self._call.places[:wanted])
        self.numbers = {place: number for number, place in enumerate(self.places) if place is not None}

    @property
    def contradicted(self) -> tuple[tuple[int, int], ...]:
        """Wanted files and places of one name whose told sizes cannot be of one file."""
        return self._call.of_first(self._wanted).contradicted

    @property
    def is_open(self) -> bool:
        """Tell whether more may become known."""
        return bool(self._open and self._free)

    def outlook(self) -> dict[int, int]:
        """Return sizes for the wanted files that are open: right all together, of one alone only a guess.

        None where there are more or fewer files than places.
        """
        wanted = [number for number in self._open if number < self._wanted]
        sizes = [self._sizes[place] for place in self._free]
        return dict(zip(wanted, sizes, strict=True)) if len(wanted) == len(sizes) else {}

    def answer(self) -> RollCall:
        """Sum up what is known of the wanted files."""
        found = {**self._found, **self._alike}
        same = [one for one, place in found.items() if self._names[one] == self._their_names[place]]
        return self._call.with_found(found, same).of_first(self._wanted)

    def sized(self, number: int, size_bytes: int) -> None:
        """Take note of how large a file is; that may tell which one it is."""
        if number in self._open:
            places = self._places_of.get((self._names[number], size_bytes), ())
            if len(places) == 1 and places[0] in self._free:
                self._join(number, places[0])

    def forget(self, number: int) -> None:
        """Forget which one a file is unless the list has told it: other bytes come in its place."""
        if number in self._found:
            place = self._found.pop(number)
            self._open[number] = self._free[place] = None
            self.places[number] = None
            del self.numbers[place]

    def decide(self, sizes: Sequence[int], pieces: Pieces, is_good: Callable[[int, Guess], bool]) -> None:
        """Find out the rest, now that all bytes are here; ``sizes`` are those of the wanted files.

        ``is_good`` tells whether a piece is what it must be if a guess is right.
        """
        goes_on = self.is_open
        while goes_on:
            candidates = self._candidates(sizes)
            promising = sorted(self._promising(candidates, pieces), key=lambda one: len(one[1]))
            goes_on = False
            for piece, places in promising:
                left = [place for place in places if place in self._free]
                cost_bytes = sum(one.end - one.start for one in pieces.stretches(piece)) if left else 0
                found = self._agreeing(self._guesses(left, candidates), piece, cost_bytes, is_good)
                for place, number in found.items():
                    self._join(number, place)
                    goes_on = True
        self._pair(sizes)

    # --- inside ---

    def _told_by_size(self) -> dict[tuple[object, int], list[int]]:
        """Group the free places by name and size, where as many of the name are listed."""
        listed, theirs = Counter(self._names.values()), Counter(self._their_names.values())
        groups: defaultdict[tuple[object, int], list[int]] = defaultdict(list)
        for place, name in self._their_names.items():
            if listed[name] == theirs[name]:
                groups[name, self._sizes[place]].append(place)
        return groups

    def _join(self, number: int, place: int) -> None:
        del self._open[number], self._free[place]
        self._found[number] = place
        self.places[number] = place
        self.numbers[place] = number

    def _candidates(self, sizes: Sequence[int]) -> dict[int, list[int]]:
        """Return for each free place the files of its size, first those of its name."""
        by_size: defaultdict[int, list[int]] = defaultdict(list)
        for number in self._open:
            if number < self._wanted and sizes[number]:
                by_size[sizes[number]].append(number)
        alike = {
            (self._their_names[one], self._sizes[one]) for one in self._free if self._sizes[one] in by_size
        }
        ordered = {key: self._namesakes_first(key[0], by_size[key[1]]) for key in alike}
        keys = ((place, (self._their_names[place], self._sizes[place])) for place in self._free)
        return {place: ordered[key] for place, key in keys if key in ordered}

    def _namesakes_first(self, name: object, numbers: Sequence[int]) -> list[int]:
        return sorted(numbers, key=lambda number: self._names[number] != name)

    def _promising(self, candidates: _Candidates, pieces: Pieces) -> Iterator[tuple[int, list[int]]]:
        """Give pieces of which all bytes are here, with the places in them that are open."""
        tried = (
            islice(pieces_of_file(pieces, place, self._sizes[place]), _MAX_PIECES_TRIED)
            for place in candidates
        )
        for piece in dict.fromkeys(piece for some in tried for piece in some):
            files = [one.file for one in pieces.stretches(piece) if one.file is not None]
            places = [file for file in files if file not in self.numbers]
            if len(places) <= _MAX_OPEN_IN_PIECE and all(place in candidates for place in places):
                yield piece, places

    def _guesses(
        self, places: Sequence[int], candidates: _Candidates, taken: frozenset[int] = frozenset()
    ) -> Iterator[dict[int, int]]:
        """Give every way to fill some places with files that are open and not ``taken``."""
        if not places:
            yield {}
            return
        first, *others = places
        for number in candidates[first]:
            if number in self._open and number not in taken:
                for guess in self._guesses(others, candidates, taken | {number}):
                    yield {first: number, **guess}

    def _agreeing(
        self,
        guesses: Iterable[dict[int, int]],
        piece: int,
        cost_bytes: int,
        is_good: Callable[[int, Guess], bool],
    ) -> dict[int, int]:
        """Return the first guess that the piece agrees with; an empty one where none does."""
        for guess in guesses:
            self._left_bytes -= max(cost_bytes, _LEAST_TRIED_BYTES)
            if not guess or self._left_bytes < 0:
                break
            if is_good(piece, guess):
                return guess
        return {}

    def _pair(self, sizes: Sequence[int]) -> None:
        """Join what is left where there is no choice: one of its name and size, or empty ones.

        More that are alike prove nothing, but none is missing. What is not wanted has no size to tell.
        """
        self._alike = {}
        groups: defaultdict[tuple[object, int | None], tuple[list[int], list[int]]]
        groups = defaultdict(lambda: ([], []))
        for number in self._open:
            size_bytes = sizes[number] if number < self._wanted else None
            groups[self._names[number], size_bytes][0].append(number)
        for place in self._free:
            groups[self._their_names[place], self._sizes[place]][1].append(place)
        for (_, size_bytes), (numbers, places) in groups.items():
            if len(numbers) == len(places) == 1 or size_bytes == 0:
                self._join_each(numbers, places)
            elif len(numbers) == len(places):
                self._alike.update(zip(numbers, places, strict=True))
        left = defaultdict(list)
        for place in self._free:
            left[self._their_names[place]].append(place)
        for (name, size_bytes), (numbers, _) in groups.items():
            if size_bytes is None and len(numbers) == len(left[name]):
                self._alike.update(zip(numbers, left[name], strict=True))

    def _join_each(self, numbers: Iterable[int], places: Iterable[int]) -> None:
        for number, place in zip(numbers, places, strict=False):
            self._join(number, place)
