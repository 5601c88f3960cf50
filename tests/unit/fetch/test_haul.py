"""What of a file is asked for next, also of one that is larger than any disk here."""

import os
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.fetch import disk
from offcloud_watchd.fetch.answer import understood
from offcloud_watchd.fetch.crew import Task
from offcloud_watchd.fetch.haul import Haul
from offcloud_watchd.fetch.listing import Item
from offcloud_watchd.fetch.part import Mark, Marks, Part
from offcloud_watchd.fetch.proof import Subject, proof_for

TIB = 1024**4
GIB = 1024**3


@pytest.mark.parametrize("held_bytes", [0, TIB - 10])
def test_a_terabyte(tmp_path: Path, held_bytes: int) -> None:
    """On paper: its marks, its questions and the answers to them count right, and cover it once."""
    here = disk.open_directory(str(tmp_path))
    held = ((0, held_bytes),) if held_bytes else ()
    first = Marks(here, 1)
    first.put([Mark("a", "x", held, total=TIB, validator='"one"')])
    first.close()
    marks = Marks(here, 1)
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, held_bytes)
    part = Part(fd, marks.get("a", "x"), marks)
    proof = proof_for(Link(LinkKind.URL, "x", "x"), None, [Subject("a", "a", TIB)])
    haul = Haul(0, Item(("a",), "x", TIB), part, proof, segment_bytes=1)
    spans = []
    while (asked := haul.next_asked(0.0, 8, 100 * GIB)) is not None:
        task = Task(0, fd, asked, "", 0, 1)
        haul.tasks.append(task)
        end = asked.end or TIB
        spans.append((asked.offset, end))
        headers = {"content-range": f"bytes {asked.offset}-{end - 1}/{TIB}", "etag": '"one"'}
        task.answer = understood(asked, 206 if asked.is_range else 200, headers, 0.0)
        assert task.answer is not None
        assert (task.answer.offset, task.answer.end or TIB) == (asked.offset, end)
        haul.hear(task.answer)
        task.position = end
    for task in list(haul.tasks):
        haul.end(task)
    assert haul.is_whole
    assert [start for start, _ in spans] == [held_bytes, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == TIB
    part.close(mark=False)
    marks.close()
    os.close(here)
