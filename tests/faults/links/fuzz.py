"""A fuzzer for everything that reads bytes or text from a drop; only ``BadDrop`` may come out of it.

Run it as ``python -m tests.faults.links.fuzz --runs 10000000``, or guided by coverage as ``guided`` says. It
ends with 1 and shows the input when something else was raised, when a law was broken, or when an input took
more than ``MAX_SECONDS``. The last line tells the slowest input and, of every hundredth, the most memory.

The first byte of an input says who reads it, so one corpus serves all.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from offcloud_watchd.core.links import info_hashes, parse, parse_link, parse_nzb, parse_torrent
from offcloud_watchd.core.model import Link
from offcloud_watchd.errors import BadDrop
from tests.faults.links.mutations import Mutator
from tests.faults.links.seeds import corpus_torrents, own_torrents, texts

MAX_SECONDS = 2.0
MAX_SEED_BYTES = 4_096
MEASURED = 100
"""Every so many inputs the memory is measured, which takes its time."""

_WORDS = (
    *(
        b"magnet:?",
        b"xt=urn:btih:",
        b"xt=urn:btmh:1220",
        b"&amp;",
        b"&dn=",
        b"%3A",
        b"%00",
        b"0" * 40,
        b"\r\n",
    ),
    *(
        b"https://",
        b"javascript:",
        b"[InternetShortcut]",
        b"URL=",
        b"[Desktop Entry]",
        b"Type=Link",
        b"<plist>",
    ),
    *(
        b"<!DOCTYPE ",
        b"<!ENTITY a ",
        b"&a;",
        b"<nzb>",
        b"<segment>",
        b"bplist00",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
    ),
    *(
        b"\xff\xfe\0\0",
        b"\0",
        b"\x1f\x8b\x08",
        b"[url=",
        b"[/url]",
        b"\xe2\x80\x8b",
        b"xn--",
        b"@",
        b"]",
        b"# ",
    ),
)


def _sound(link: Link) -> None:
    """Hold a link that was taken to its laws: it can be written, read again, and stays what it is."""
    assert link.url.isascii() or link.url.encode()
    assert not set(link.url) & set(" \r\n\t\0")
    assert parse_link(link.url).key == link.key
    if link.key.startswith("bt"):
        assert link.key in info_hashes(link.url)


def _drop(name: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        links = parse(name, data)
        for link in links.found:
            _sound(link)
        assert all(bad.reason for bad in links.bad)

    return read


def _typed(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    info_hashes(text)
    _sound(parse_link(text))


def _metainfo(data: bytes) -> None:
    told = parse_torrent(data)
    assert told.size_bytes > 0
    assert all(file.path for file in told.files)


def _nzb(data: bytes) -> None:
    told = parse_nzb(data)
    assert told.segments >= told.files > 0


READERS: tuple[Callable[[bytes], None], ...] = (
    *(
        _drop(f"x.{extension}")
        for extension in ("torrent", "magnet", "txt", "url", "desktop", "webloc", "link", "nzb")
    ),
    *(_typed, _metainfo, _nzb, _drop("x")),
)


@dataclass(slots=True)
class Figures:
    """What the inputs cost so far."""

    runs: int = 0
    taken: int = 0
    max_s: float = 0.0
    max_s_bytes: int = 0
    max_memory_bytes: int = 0
    max_memory_input_bytes: int = 0

    def __str__(self) -> str:
        """One line."""
        return (
            f"{self.runs} inputs, {self.taken} taken; "
            f"slowest {self.max_s * 1000:.1f} ms ({self.max_s_bytes} bytes); "
            f"most memory {self.max_memory_bytes} bytes ({self.max_memory_input_bytes} bytes of input)"
        )


def one_input(data: bytes, figures: Figures, readers: Sequence[Callable[[bytes], None]] = READERS) -> None:
    """Give an input to its reader; raise whatever is not a refusal."""
    figures.runs += 1
    reader, rest = readers[(data[0] if data else 0) % len(readers)], data[1:]
    if figures.runs % MEASURED == 0:
        _measured(reader, rest, figures)
        return
    began = time.process_time()  # of this process: a busy machine does not make an input slow
    figures.taken += _is_taken(reader, rest)
    took = time.process_time() - began
    if took > figures.max_s:
        figures.max_s, figures.max_s_bytes = took, len(rest)


def _is_taken(reader: Callable[[bytes], None], data: bytes) -> bool:
    try:
        reader(data)
    except BadDrop as refusal:
        assert str(refusal)
        return False
    return True


def _measured(reader: Callable[[bytes], None], data: bytes, figures: Figures) -> None:
    tracemalloc.start()
    try:
        figures.taken += _is_taken(reader, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if peak > figures.max_memory_bytes:
        figures.max_memory_bytes, figures.max_memory_input_bytes = peak, len(data)


class Inputs:
    """Makes inputs out of the seeds: torrents by their structure, texts by words, bytes and splices."""

    def __init__(self, random: Random) -> None:
        """Take the source of chance; equal seeds give equal inputs."""
        torrents = [*own_torrents(), *corpus_torrents().values()]
        small = [data for data in torrents if len(data) <= MAX_SEED_BYTES]
        self._random = random
        self._torrents = Mutator(small, random)
        self._texts = [data for data in texts() if len(data) <= MAX_SEED_BYTES]
        self._words = Mutator(self._texts + small, random)

    def seeds(self) -> list[bytes]:
        """Return every seed for every reader that may like it."""
        return [bytes([reader]) + data for data in self._texts for reader in range(len(READERS))] + [
            bytes([reader]) + data for data in own_torrents() for reader in (0, 9, 11)
        ]

    def made(self) -> bytes:
        """Return one more input."""
        random = self._random
        if random.random() < 0.3:
            return random.choice((b"\0", b"\x09", b"\x0b")) + self._torrents.made()
        return bytes([random.randrange(len(READERS))]) + self.changed(random.choice(self._texts))

    def changed(self, data: bytes) -> bytes:
        """Change a text a little."""
        random = self._random
        for _ in range(random.randint(1, 4)):
            at = random.randint(0, len(data))
            if random.random() < 0.5:
                data = data[:at] + random.choice(_WORDS) + data[at + random.choice((0, 0, 1, 8)) :]
            else:
                data = self._words.changed(data)
        return data[:MAX_SEED_BYTES]


def unguided(runs: int, seed: int) -> Figures:
    """Run so many inputs; raise what the first bad one raises, with the input in its notes."""
    inputs, figures = Inputs(Random(seed)), Figures()
    for data in inputs.seeds()[:runs]:
        noted(data, figures)
    while figures.runs < runs:
        noted(inputs.made(), figures)
    return figures


def noted(data: bytes, figures: Figures) -> None:
    """Run one input; whatever is raised tells the input."""
    try:
        one_input(data, figures)
    except BaseException as error:
        error.add_note(f"the input: {data!r}")
        raise


def main() -> None:
    """Fuzz as the command line says."""
    parser = argparse.ArgumentParser(description="fuzz the link parsers")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = unguided(arguments.runs, arguments.seed)
    print(figures)
    sys.exit(figures.max_s > MAX_SECONDS)


if __name__ == "__main__":
    main()
