"""An rclone that answers whatever it likes, or nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd.errors import ConfigError, EngineDown
from offcloud_watchd.fetch.engines.rclone import Failure, Rclone, Task
from offcloud_watchd.fetch.engines.settings import RcloneSettings
from tests.fakes.clock import FakeClock
from tests.fakes.wire_server import NO_ANSWERS, Turn, WireServer, says

PASSWORD = "an-rc-password-0123456789"


def rclone_at(
    url: str, clock: FakeClock | None = None, read: Callable[[], str] = lambda: PASSWORD, **changes: object
) -> Rclone:
    """Return our side of an rclone."""
    usual: dict[str, object] = {
        "url": url,
        "remote": "gdrive:media",
        "output_dir": "/out",
        "notes_dir": Path("/notes"),
        "user": "u",
        "password_file": Path("/password"),
        "total_timeout_s": 0.5,
    }
    return Rclone(RcloneSettings(**{**usual, **changes}), read, clock or FakeClock())


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        *NO_ANSWERS,
        (says("<html>"), "answered 200 with something else: is engines.rclone.url its rcd?"),
        (says(b"[" * 100_000), "answered 200 with something else"),
        (says([1]), "answered 200 with something else"),
        (says("Unauthorized", 401), "user and password were refused: put its --rc-pass into /password"),
        (says({"error": "authentication must be set up on the rc server"}, 403), "put its --rc-pass into"),
        (says({"error": "x", "status": 500}, 500), "refused core/version: is engines.rclone.remote right?"),
        (says(b"", 307, Location="http://127.0.0.1:1/"), "answered 307 with something else"),
    ],
)
def test_every_bad_answer_is_waited_out(turn: Turn, said: str) -> None:
    """Whoever runs it mends it; the password is in no text."""
    with WireServer(turn) as server, pytest.raises(EngineDown) as caught:
        rclone_at(server.url).version()
    assert str(caught.value).startswith("rclone (127.0.0.1): ")
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "told", [{}, {"list": 7, "item": 7, "free": "x", "version": 7, "Features": 7, "bytes": "x", "groups": {}}]
)
def test_nothing_that_it_tells_is_believed(told: dict[str, object]) -> None:
    """What is not what it should be reads as not told."""
    with WireServer(says(told)) as server:
        rclone = rclone_at(server.url)
        assert rclone.version() == "of an unknown version"
        assert not rclone.is_one_step()
        assert rclone.free_bytes() is None
        assert (rclone.files("a"), rclone.directories("a"), rclone.size_of("a")) == ({}, [], None)
        assert rclone.running("x") == {}
        assert rclone.progress("x") == (0, 0.0)
        assert rclone.look(Task(1, finished=False)) == Task(1, finished=False)


def test_files_that_are_nowhere_are_not_believed() -> None:
    """Only what lies in the directory that was asked for, with a size that is one."""
    entries = [{"Path": "a/b/c", "Size": 5}, {"Path": "elsewhere/c", "Size": 5}, {"Path": 7}, "x",
               {"Path": "a/b/d", "Size": True}]  # fmt: skip
    with WireServer(says({"list": entries})) as server:
        assert rclone_at(server.url).files("a/b") == {"c": 5, "d": -1}


def test_what_it_is_asked() -> None:
    """Who asks stands in a header; the remote is put together as rclone reads it."""
    with WireServer(says({"jobid": 7})) as server:
        task = rclone_at(server.url).move("a", "b", "group")
        (asked,) = server.asked
    pair = base64.b64encode(f"u:{PASSWORD}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {pair}"
    assert (task, asked.path) == (Task(7, finished=False), "/sync/move")
    assert json.loads(asked.body) == {
        "srcFs": "gdrive:media/a",
        "dstFs": "gdrive:media/b",
        "deleteEmptySrcDirs": True,
        "_async": True,
        "_group": "group",
    }
    with WireServer(says({"jobid": 7})) as server:
        rclone_at(f"{server.url}/below", remote="gdrive:", password_file=None).move("a", "b", "group")
        (asked,) = server.asked
    assert "authorization" not in asked.headers
    assert (asked.path, json.loads(asked.body)["dstFs"]) == ("/below/sync/move", "gdrive:b")


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("CopyURL failed: 403 Forbidden", Failure(403)),
        ("write /x: no space left on device", Failure(is_full=True)),
        ("googleapi: Error 403: The quota has been exceeded., storageQuotaExceeded", Failure(is_full=True)),
        ("dial tcp 10.0.0.1:443: connect: refused", Failure()),
    ],
)  # fmt: skip
def test_why_a_copy_failed(words: str, failure: Failure) -> None:
    """The host's status or a full remote; its words, which may hold a link, go no further."""
    with WireServer(says({"finished": True, "success": False, "error": words})) as server:
        assert rclone_at(server.url).look(Task(1, finished=False)) == Task(1, finished=True, failure=failure)


def test_who_does_not_answer_is_left_alone_for_a_moment() -> None:
    """So that a hundred jobs do not wait for it one after the other; a probe asks all the same."""
    clock = FakeClock()
    with WireServer(Turn(b"", "close"), says({"version": "1"})) as server:
        rclone = rclone_at(server.url, clock)
        for _ in range(2):
            with pytest.raises(EngineDown, match="gave no answer"):
                rclone.version()
        assert len(server.asked) == 1
        rclone.forget_trouble()
        assert rclone.version() == "1"


def test_a_password_that_cannot_be_read_is_said() -> None:
    """With where it should lie."""

    def unreadable() -> str:
        raise ConfigError(["c.yaml:9:9: engines.rclone.password_file: cannot be read"])

    with pytest.raises(EngineDown, match=r"c\.yaml:9:9: engines\.rclone\.password_file: cannot be read"):
        rclone_at("http://127.0.0.1:1", read=unreadable).version()


def test_what_is_not_deleted_is_said() -> None:
    """Nobody may believe that a release is gone which is not."""
    refused = says({"error": "permission denied", "status": 500}, 500)
    listed = says({"list": [{"Path": "a/b", "Size": 1}]})
    with WireServer(refused, listed) as server, pytest.raises(EngineDown, match="did not delete a"):
        rclone_at(server.url).purge("a")
    there = says({"item": {"IsDir": True}})
    with WireServer(refused, there) as server, pytest.raises(EngineDown, match="cannot list a"):
        rclone_at(server.url).files("a")
