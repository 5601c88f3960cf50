"""Words and facts, harmless wherever they are shown."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.notify.message import MAX_CHARS, Fact, composed, harmless

FILM = Fact(
    job="0123456789ab",
    name="Film",
    category="movies",
    path="/out/movies/Film",
    files=2,
    size_bytes=3 * 1024**3 // 2,
    verified="pieces",
)


def test_a_release() -> None:
    """What, where, how large, how it was checked."""
    message = composed("published", [FILM], 1)
    assert message.title == "Film is here"
    assert message.text == "/out/movies/Film (2 files, 1.5GiB, checked by pieces)"


@pytest.mark.parametrize(("size_bytes", "told"), [(0, "0B"), (1023, "1023B"), (2**62, "4194304.0TiB")])
def test_sizes(size_bytes: int, told: str) -> None:
    """From nothing to more than there is."""
    fact = Fact(name="x", files=1, size_bytes=size_bytes, verified="size")
    assert f"(1 file, {told}, " in composed("published", [fact], 1).text


def test_facts_for_programs() -> None:
    """The same as JSON and as variables; what does not apply is in no variable."""
    message = composed("published", [FILM], 1)
    document = json.loads(message.document())
    assert document["format"] == 1
    assert document["facts"][0]["path"] == "/out/movies/Film"
    assert message.environment() == {
        "OFFCLOUD_WATCHD_EVENT": "published",
        "OFFCLOUD_WATCHD_TITLE": "Film is here",
        "OFFCLOUD_WATCHD_TEXT": message.text,
        "OFFCLOUD_WATCHD_COUNT": "1",
        "OFFCLOUD_WATCHD_JOB": "0123456789ab",
        "OFFCLOUD_WATCHD_NAME": "Film",
        "OFFCLOUD_WATCHD_CATEGORY": "movies",
        "OFFCLOUD_WATCHD_PATH": "/out/movies/Film",
        "OFFCLOUD_WATCHD_FILES": "2",
        "OFFCLOUD_WATCHD_SIZE_BYTES": str(3 * 1024**3 // 2),
        "OFFCLOUD_WATCHD_VERIFIED": "pieces",
    }


def test_many_have_no_variables_of_one() -> None:
    """A program that looks at the path alone does not take the first for all."""
    message = composed("failed", [Fact(name="a", reason="x"), Fact(name="b", reason="y")], 2)
    assert (message.title, message.text) == ("2 jobs failed", "a: x\nb: y")
    names = {name.removeprefix("OFFCLOUD_WATCHD_") for name in message.environment()}
    assert names == {"EVENT", "TITLE", "TEXT", "COUNT"}


def test_jobs_and_drops() -> None:
    """What was refused is told from what failed."""
    drop, job = Fact(name="a.torrent", folder="/drop", reason="x"), Fact(name="b", reason="y")
    assert composed("failed", [drop, drop], 2).title == "2 drops were refused"
    assert composed("failed", [drop, job], 2).title == "2 jobs and drops failed"


def test_the_end_of_a_trouble() -> None:
    """It names what goes on."""
    assert composed("recovered", [Fact(trouble="lane api")], 1).title == "offcloud-watchd goes on: lane api"


@given(st.text(st.characters(), max_size=2000))
def test_whatever_it_is_called(name: str) -> None:
    """Any name fits a variable, JSON and one line; a direction override does not turn the words round."""
    shown = harmless(name)
    assert len(shown) <= MAX_CHARS
    assert shown.isprintable() or not any(sign in shown for sign in "\0\n\r\x1b\u202e\u2028")
    message = composed("failed", [Fact(name=shown, reason=shown)], 1)
    assert json.loads(message.document())["facts"][0]["name"] == shown
    for value in message.environment().values():
        assert b"\0" not in os.fsencode(value)
