"""Debian's libtorrent as an oracle: one child of Debian's own Python that is asked torrent after torrent."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from offcloud_watchd.core.links import parse_torrent
from offcloud_watchd.errors import BadDrop

PYTHON = Path("/usr/bin/python3")
CHILD = Path(__file__).with_name("libtorrent_child.py")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a program makes of a torrent: why it is refused, else its hashes and its private flag."""

    refusal: str = ""
    v1: str | None = None
    v2: str | None = None
    private: bool = False


def why_absent() -> str:
    """Return why there is no libtorrent to ask; empty when there is."""
    if not PYTHON.exists():
        return f"there is no {PYTHON}"
    asked = subprocess.run([PYTHON, "-c", "import libtorrent"], capture_output=True, check=False)
    return "" if asked.returncode == 0 else f"{PYTHON} has no libtorrent: apt-get install python3-libtorrent"


class Libtorrent:
    """Asks the child; not for several threads."""

    def __init__(self, questions: IO[bytes], answers: IO[bytes]) -> None:
        """Take both ends."""
        self._questions = questions
        self._answers = answers

    def of(self, data: bytes) -> Verdict:
        """Return what libtorrent makes of a torrent."""
        self._questions.write(struct.pack(">I", len(data)) + data)
        self._questions.flush()
        mark, _, rest = self._answers.readline().decode("utf-8", "replace").strip().partition(" ")
        assert mark in ("+", "!"), "libtorrent's child has died"
        if mark == "!":
            return Verdict(rest)
        v1, v2, private = rest.split(" ")
        return Verdict("", *(None if one == "-" else one for one in (v1, v2)), private == "1")


@contextmanager
def libtorrent() -> Iterator[Libtorrent]:
    """Start the child and end it."""
    with subprocess.Popen([PYTHON, CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        yield Libtorrent(child.stdin, child.stdout)
        child.stdin.close()
        child.wait()


def ours(data: bytes) -> Verdict:
    """Return what our scanner makes of a torrent."""
    try:
        told = parse_torrent(data)
    except BadDrop as refusal:
        return Verdict(str(refusal))
    return Verdict("", told.info_hash_v1, told.info_hash_v2, told.private)
