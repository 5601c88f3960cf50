"""Another program that is asked in JSON: what it is sent, when it is left alone, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from offcloud_watchd.errors import Transient
from offcloud_watchd.peer import Peer, entries, mapping, objects, parsed, text
from tests.fakes.clock import FakeClock
from tests.fakes.wire_server import Turn, WireServer, says


@dataclass(frozen=True)
class Settings:
    """Where it is asked, and how patiently."""

    url: str
    user_agent: str = "us/1"
    total_timeout_s: float = 5.0
    rest_s: float = 10.0


def test_what_it_is_sent() -> None:
    """A document as JSON, nothing where there is none; headers of the caller's own beside ours."""
    with WireServer(says({}), says({})) as server:
        peer = Peer("tool", Settings(f"{server.url}/base"), FakeClock())
        peer.ask("POST", f"{peer.path}/add", headers={"X-Key": "k"}, document={"ä": 1})
        peer.ask("GET", "/look", headers={})
        added, looked = server.asked
    assert (added.method, added.target, added.body) == ("POST", "/base/add", b'{"\\u00e4": 1}')
    assert (added.headers["user-agent"], added.headers["x-key"]) == ("us/1", "k")
    assert added.headers["content-type"] == "application/json"
    assert (looked.method, looked.body, "content-type" in looked.headers) == ("GET", b"", False)


def test_who_does_not_answer_rests() -> None:
    """It is named, how long it rests is told, and somebody who has mended it need not wait."""
    clock = FakeClock()
    with WireServer(Turn(b"", "close"), says({}), says({})) as server:
        peer = Peer("tool", Settings(server.url), clock)
        with pytest.raises(Transient, match=r"tool \(127.0.0.1\): gave no answer") as first:
            peer.ask("GET", "/", headers={})
        clock.advance(4)
        with pytest.raises(Transient, match=r"tool \(127.0.0.1\): gave no answer") as second:
            peer.ask("GET", "/", headers={})
        assert (first.value.retry_after_s, second.value.retry_after_s) == (None, 6.0)
        assert len(server.asked) == 1
        peer.forget_trouble()
        peer.ask("GET", "/", headers={})
        peer.ask("GET", "/", headers={})


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(ValueError):
        parsed(body)


def test_what_is_not_what_it_should_be_is_not_told() -> None:
    """Neither an object, nor a list, nor a text."""
    mixed = [1, {"a": 2}, "b"]
    assert [mapping(value) for value in (mixed[1], mixed, "b", None)] == [{"a": 2}, {}, {}, {}]
    assert [list(entries(value)) for value in (mixed, mixed[1], "b", 7)] == [mixed, [], [], []]
    assert [list(objects(value)) for value in (mixed, mixed[1], None)] == [[{"a": 2}], [], []]
    assert [text(value) for value in ("b", b"b", 7, None)] == ["b", "", "", ""]
