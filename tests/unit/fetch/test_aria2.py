"""An aria2 that answers whatever it likes, or nothing; and what its exit statuses mean."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from offcloud_watchd.errors import ConfigError, EngineDown
from offcloud_watchd.fetch import ShelfSettings
from offcloud_watchd.fetch.engines import terms
from offcloud_watchd.fetch.engines.aria2 import Aria2, Download
from offcloud_watchd.fetch.engines.settings import Aria2Settings, EngineChoice
from tests.fakes.clock import FakeClock
from tests.fakes.wire_server import NO_ANSWERS, Turn, WireServer, says

SECRET = "an-rpc-secret-0123456789"
GID = "0123456789abcdef"


def aria_at(url: str, clock: FakeClock | None = None, **changes: object) -> Aria2:
    """Return our side of an aria2."""
    settings = Aria2Settings(
        **{"url": url, "secret_file": Path("/secret"), "total_timeout_s": 0.5, **changes}
    )
    return Aria2(settings, lambda: SECRET, clock or FakeClock())


@pytest.mark.parametrize(
    ("turn", "said"),
    [
        *NO_ANSWERS,
        (says("<html>"), "answered 200 with something else: is engines.aria2.url its JSON-RPC?"),
        (says(b"[" * 100_000), "answered 200 with something else"),
        (says([1]), "answered 200 with something else"),
        (says({"error": {"code": 1, "message": "Unauthorized"}}, 400), "put its rpc-secret into /secret"),
        (says({"error": {"code": 1, "message": "No such method"}}, 400), "refused aria2.getVersion"),
        (says(b"", 307, Location="http://127.0.0.1:1/"), "answered 307 with something else"),
    ],
)
def test_every_bad_answer_is_waited_out(turn: Turn, said: str) -> None:
    """Whoever runs it mends it; the secret is in no text."""
    with WireServer(turn) as server, pytest.raises(EngineDown) as caught:
        aria_at(server.url).version()
    assert str(caught.value).startswith("aria2 (127.0.0.1): ")
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "result", [None, 7, [], "x", {"totalLength": -1}, {"totalLength": "1" * 40, "gid": 7}]
)
def test_nothing_that_it_tells_is_believed(result: object) -> None:
    """What is not what it should be reads as not told."""
    with WireServer(says({"result": result})) as server:
        assert aria_at(server.url).find(GID) == Download("", "", "", 0, 0, 0, 0, 0)
    with WireServer(says({"result": result})) as server:
        assert aria_at(server.url).version() == "of an unknown version"
    with WireServer(says({"result": result})) as server:
        assert list(aria_at(server.url).all()) == []


def test_what_it_is_asked() -> None:
    """The secret goes first, in the body and nowhere else; without one it is left out."""
    told = {"gid": GID, "status": "error", "dir": "/d", "totalLength": "9", "completedLength": "8",
            "downloadSpeed": "7", "errorCode": "22", "errorMessage": "The response status=403"}  # fmt: skip
    with WireServer(says({"result": told})) as server:
        found = aria_at(server.url).find(GID)
        (asked,) = server.asked
    assert found == Download(GID, "error", "/d", 9, 8, 7, 22, 403)
    assert SECRET not in asked.target + str(asked.headers)
    assert json.loads(asked.body)["params"][:2] == [f"token:{SECRET}", GID]
    with WireServer(says({"result": told})) as server:
        aria_at(server.url, secret_file=None).find(GID)
        (asked,) = server.asked
    assert json.loads(asked.body)["params"][0] == GID


def test_who_does_not_answer_is_left_alone_for_a_moment() -> None:
    """So that a hundred jobs do not wait for it one after the other."""
    clock = FakeClock()
    with WireServer(Turn(b"", "close"), says({"result": {"version": "1"}})) as server:
        aria = aria_at(server.url, clock)
        for _ in range(2):
            with pytest.raises(EngineDown, match="gave no answer"):
                aria.version()
        assert len(server.asked) == 1
        clock.advance(aria.settings.rest_s)
        assert aria.version() == "1"


def test_a_secret_that_cannot_be_read_is_said() -> None:
    """With where it should lie."""

    def unreadable() -> str:
        raise ConfigError(["config.yaml:9:9: engines.aria2.secret_file: cannot be read"])

    settings = Aria2Settings(url="http://127.0.0.1:1/jsonrpc", secret_file=Path("/secret"))
    with pytest.raises(EngineDown, match=r"config\.yaml:9:9: engines\.aria2\.secret_file: cannot be read"):
        Aria2(settings, unreadable, FakeClock()).version()


def test_what_it_does_not_take_is_said() -> None:
    """Without its own words, which hold the link."""
    refused = says({"error": {"code": 1, "message": "Cannot take https://host/secret-link"}}, 400)
    with WireServer(refused) as server, pytest.raises(EngineDown) as caught:
        aria_at(server.url).add(GID, "https://host/secret-link", {})
    assert "secret-link" not in str(caught.value)


def test_a_download_that_does_not_end_is_said() -> None:
    """It may still write: nobody may believe that it does not. A stop ends the wait."""
    going = says({"result": {"gid": GID, "status": "active"}})
    with WireServer(going) as server:
        stop = threading.Event()
        stop.set()
        aria_at(server.url).drop(GID, stop)
    with WireServer(going) as server, pytest.raises(EngineDown, match="did not end a download"):
        aria_at(server.url).drop(GID, _Impatient())


class _Impatient(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:
        """Wait no time at all."""
        return False


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("/srv/out/.offcloud-watchd", "/mnt/out/.offcloud-watchd"),
        ("/srv/out", "/mnt/out"),
        ("/srv/output/x", "/srv/output/x"),
        ("/srv/out/films/x", "/films/x"),
        ("/elsewhere", "/elsewhere"),
    ],
)
def test_how_it_calls_our_directories(path: str, theirs: str) -> None:
    """The longest directory that is named counts, and only whole names."""
    paths = (("/srv/out", "/mnt/out/"), ("/srv/out/films/", "/films"))
    assert aria_at("http://127.0.0.1:1", paths=paths).theirs(path) == theirs


@pytest.mark.parametrize(
    ("error", "http_status", "stale", "anew", "disk"),
    [
        (3, 0, True, False, False),
        (22, 502, True, False, False),
        (24, 0, True, False, False),
        (29, 503, True, False, False),
        (2, 0, False, False, False),
        (8, 0, False, True, False),
        (9, 0, False, False, True),
        (17, 0, False, False, True),
        (1, 0, False, True, False),
    ],
)
def test_what_an_exit_status_means(
    *, error: int, http_status: int, stale: bool, anew: bool, disk: bool
) -> None:
    """Who must act, and whether what is there is of use."""
    ended = Download(GID, "error", "/d", 9, 8, 0, error, http_status)
    assert terms.is_stale(ended) is stale
    assert terms.must_begin_anew(ended, 1) is anew
    assert bool(terms.disk_trouble(ended)) is disk
    assert str(http_status or error) in terms.words(ended)


def test_what_is_passed_on() -> None:
    """The operator's own numbers, within what aria2 takes; nothing that would look into a file."""
    given = terms.options(ShelfSettings(segment_bytes=1 << 40, min_rate_bytes_per_s=2048.0), 7)
    assert (given["split"], given["max-connection-per-server"]) == ("7", "7")
    assert (given["min-split-size"], given["lowest-speed-limit"]) == (str(1 << 30), "2048")
    assert (given["follow-torrent"], given["follow-metalink"], given["always-resume"]) == (
        "false",
        "false",
        "true",
    )
    assert terms.options(ShelfSettings(segment_bytes=0), 1)["min-split-size"] == str(1 << 20)


def test_whose_a_directory_is() -> None:
    """Its own engine first, then that of the folder whose subfolders lie there; our own otherwise."""
    choice = EngineChoice(exact={"/o/tv": "aria2", "/o/x": "local"}, below={"/o": "aria2"})
    assert [choice.of(one) for one in ("/o/tv", "/o/x", "/o/new", "/p/new")] == [
        "aria2",
        "local",
        "aria2",
        "",
    ]
    assert choice.only == ""
    assert EngineChoice(exact={"/o/tv": "aria2"}, below={"/o": "aria2"}).only == "aria2"
