"""A tool that answers whatever it likes, or nothing: bounded, and said in our words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from offcloud_watchd import inquiry
from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.arr.tool import Queued, Record, Tool
from offcloud_watchd.errors import ConfigError, Transient
from tests.fakes.clock import FakeClock
from tests.fakes.ports import free_port
from tests.fakes.wire_server import NO_ANSWERS, Turn, WireServer, says

KEY = "an-arr-key-0123456789abcdef"


def tool_at(url: str, clock: FakeClock | None = None, total_timeout_s: float = 5.0) -> Tool:
    """Return our side of a tool."""
    settings = ToolSettings(
        name="sonarr",
        url=url,
        api_key_file=Path("/key"),
        key_setting="c:1:1: arr",
        categories=("tv",),
        total_timeout_s=total_timeout_s,
    )
    return Tool(settings, lambda: KEY, clock or FakeClock())


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        *NO_ANSWERS,
        (Turn(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "hang"), "it did not end in time"),
        (says("<html>"), "was not answered with JSON; is `url` the tool's own?"),
        (says(b"[" * 100_000), "was not answered with JSON"),
        (says({}, 401), "the key was refused (401)"),
        (says({}, 403), "the key was refused (403)"),
        (says({}, 404), "not found (404)"),
        (says({}, 503), "answered 503"),
        (says(b"", 307, Location="http://127.0.0.1:1/"), "a redirect (307), which is not followed"),
    ],
)
def test_every_bad_answer_is_waited_out(turn: Turn, said: str) -> None:
    """Time, or whoever runs the tool, mends it; the key is in no text."""
    with WireServer(turn) as server:
        began = time.monotonic()
        with pytest.raises(Transient) as caught:
            list(tool_at(server.url, total_timeout_s=0.5).history())
        assert time.monotonic() - began < 20
    assert str(caught.value).startswith("sonarr (127.0.0.1): ")
    assert said in str(caught.value)
    assert KEY not in str(caught.value)


def test_an_answer_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer takes more memory than it may."""
    monkeypatch.setattr(inquiry, "MAX_ANSWER_BYTES", 1000)
    with WireServer(says(b"x" * 2000)) as server, pytest.raises(Transient, match="more than"):
        tool_at(server.url).about()


def test_nothing_that_is_told_is_believed() -> None:
    """Members that are not what they should be read as not told."""
    told = {
        "records": [
            3,
            {"id": "1", "eventType": ["grabbed"], "sourceTitle": None, "data": [], "downloadId": 7},
            {"id": 5, "eventType": "grabbed", "data": {"torrentInfoHash": "ab"}, "downloadId": "cd"},
        ]
    }
    nothing = Record(0, "", "", frozenset())
    with WireServer(says(told)) as server:
        tool = tool_at(server.url)
        known = Record(5, "grabbed", "", frozenset({"AB", "CD"}), has_client=True)
        assert list(tool.history()) == [nothing, nothing, known]
        assert list(tool.queue()) == [Queued(0, ""), Queued(0, ""), Queued(5, "CD")]
    with WireServer(says({"records": 3})) as server:
        assert list(tool_at(server.url).history()) == []
    with WireServer(says([])) as server:
        assert tool_at(server.url).about() == "a tool"


def test_a_tool_that_did_not_answer_is_left_alone_for_a_moment() -> None:
    """Ten failures do not wait ten times for it while another tool could be told."""
    clock = FakeClock()
    with WireServer(Turn(b"", "close"), says({"appName": "Sonarr"})) as server:
        tool = tool_at(server.url, clock)
        for _ in range(10):
            with pytest.raises(Transient, match="gave no answer"):
                tool.about()
        assert len(server.asked) == 1
        clock.advance(15)
        assert tool.about() == "Sonarr"


def test_nobody_there_and_no_such_host() -> None:
    """Said in a few words."""
    with pytest.raises(Transient, match="Connection refused"):
        tool_at(f"http://127.0.0.1:{free_port()}").refresh()
    with pytest.raises(Transient, match="there is no such host"):
        tool_at("http://no-such-host.invalid").refresh()
    with WireServer(says({})) as server, pytest.raises(Transient, match=r"speaks no TLS|broke off"):
        tool_at(server.url.replace("http:", "https:")).refresh()


def test_what_is_wrong_with_the_key_file_is_said() -> None:
    """It is read for each question, so mending it is enough."""

    def read_key() -> str:
        raise ConfigError(["c:1:1: arr: /key is empty"])

    settings = tool_at("http://127.0.0.1:9").settings
    with pytest.raises(Transient, match="/key is empty"):
        Tool(settings, read_key, FakeClock()).refresh()


def test_what_is_sent() -> None:
    """The key is in a header and nowhere else; the queue is asked for all it has."""
    with WireServer(says({}, 201)) as server:
        tool = tool_at(server.url + "/base")
        tool.refresh()
        list(tool.queue())
        tool.drop_failed(7)
    command, queue, drop = server.asked
    assert (command.method, command.path) == ("POST", "/base/api/v3/command")
    assert command.json() == {"name": "RefreshMonitoredDownloads"}
    headers = {name.lower(): value for name, value in command.headers.items()}
    assert headers["x-api-key"] == KEY
    assert queue.query["includeUnknownSeriesItems"] == ["true"]
    assert (drop.method, drop.path) == ("DELETE", "/base/api/v3/queue/7")
    assert drop.query == {"removeFromClient": ["true"], "blocklist": ["true"], "skipRedownload": ["false"]}
    assert not any(KEY in one.target for one in server.asked)
