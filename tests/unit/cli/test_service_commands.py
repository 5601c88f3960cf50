"""``account``, ``accounts``, ``proxies``, ``history`` and ``cached`` against the sandbox."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from offcloud_watchd.sandbox import Fault, Sandbox, SandboxSettings
from tests.unit.cli.place import HASH, Place

KEY = "a-key-for-tests-0123456789abcdef"
CACHED = "cac4ed00" + "0" * 32
MAGNET = f"magnet:?xt=urn:btih:{HASH}&dn=Some.Show"

Start = Callable[[str], Sandbox]


@pytest.fixture
def start(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a sandbox of a generation and point the place's configuration at it."""
    monkeypatch.setenv("KEY", KEY)
    with ExitStack() as stack:

        def sandbox(generation: str) -> Sandbox:
            settings = SandboxSettings(generation=generation, key=KEY, queued_s=0.0, download_s=0.0)  # type: ignore[arg-type]
            made = stack.enter_context(Sandbox(settings))
            place.config.write_text(
                f"offcloud: {{api_key_env: KEY, base_url: '{made.url}', requests_per_minute: 100000}}\n"
                "output_dir: out\nstate_dir: state\nfolders: [{path: drop, category: tv}]\n"
            )
            return made

        yield sandbox


def _submit(sandbox: Sandbox, link: str, **more: str) -> str:
    path = "remote" if more else "cloud"
    answer = requests.post(
        f"{sandbox.url}/api/{path}", params={"key": KEY}, data={"url": link, **more}, timeout=10
    )
    return str(answer.json()["requestId"])


# --- account ---


@pytest.mark.parametrize("generation", ["classic", "current", "both"])
def test_account(place: Place, start: Start, generation: str) -> None:
    """Who, until when, and what is left where that is told."""
    start(generation)
    ended = place.run("account", "--sites", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["email"], told["premium"]) == (0, "sandbox@example.org", True)
    assert told["generation"] == ("classic" if generation == "classic" else "current")
    assert bool(told["limits"]) == (generation == "classic")
    assert [site["status"] for site in told["sites"]] == ["up", "down"]
    shown = place.run("account", "--sites").out.splitlines()
    assert shown[0] == "account: sandbox@example.org"
    assert shown[1].startswith("premium: yes, until ")
    assert ("left of links: 1000000" in shown) == (generation == "classic")
    assert "site example.com: up" in shown
    assert "sites" not in json.loads(place.run("account", "--json").out)


def test_account_says_what_it_does_not_know(place: Place, start: Start) -> None:
    """A service without account calls still proves the key."""
    sandbox = start("both")
    for endpoint in ("account/info", "account/stats"):
        sandbox.faults.add(Fault("html", endpoint, status=404))
    assert place.run("account").out.splitlines() == [
        "account: not told",
        "premium: not told",
        "may download: not told",
        "generation: not known",
    ]


def test_a_refused_key_is_77_and_is_shown_nowhere(
    place: Place, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every command that asks the service."""
    for generation in ("classic", "current"):
        start(generation)
        monkeypatch.setenv("KEY", "wrong-key-0123456789abcdef012345")
        for words in (["account"], ["history"], ["cached", HASH], ["accounts"]):
            ended = place.run(*words)
            assert ended.code == 77
            assert "write the right one into the key file" in ended.err
            assert "wrong-key" not in ended.out + ended.err


def test_a_key_that_cannot_be_read_is_78(place: Place, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the line says where it should lie."""
    start("both")
    monkeypatch.delenv("KEY")
    ended = place.run("account")
    assert ended.code == 78
    assert "config.yaml:1:" in ended.err


def test_a_service_that_is_away_is_1(place: Place, start: Start) -> None:
    """One sentence, no traceback."""
    start("both").stop()
    ended = place.run("history")
    assert (ended.code, ended.out) == (1, "")
    assert "connection was refused" in ended.err


# --- accounts, proxies ---


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_accounts(place: Place, start: Start, generation: str) -> None:
    """By the id a submission wants, with what was sent there."""
    sandbox = start(generation)
    rows = json.loads(place.run("accounts", "--json").out)
    assert [row["type"] for row in rows] == ["googledrive", "ftp"]
    _submit(sandbox, "http://x.example/a.bin", remoteOptionId=rows[1]["option_id"])
    line = place.run("accounts").out.splitlines()[1].split("\t")
    assert line[:5] == [rows[1]["option_id"], "ftp", "sandbox", "active", "ftp.example.org/incoming"]


def test_accounts_that_do_not_tell_what_was_sent(place: Place, start: Start) -> None:
    """An empty field, not a number."""
    start("classic").faults.add(
        Fault("answer", "remote/accounts", status=200, body='[{"accountId": "a", "type": "ftp"}]', calls=2)
    )
    assert place.run("accounts").out == "a\tftp\t\t\t\t\n"


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_proxies(place: Place, start: Start, generation: str) -> None:
    """One line a server."""
    start(generation)
    rows = json.loads(place.run("proxies", "--json").out)
    assert place.run("proxies").out.splitlines() == [
        f"{row['id']}\t{row['region']}\t{row['name']}" for row in rows
    ]
    assert len(rows) == 2


@pytest.mark.parametrize("words", [["accounts"], ["proxies"], ["history", "--route", "remote"]])
def test_what_the_current_service_does_not_have_is_said(place: Place, start: Start, words: list[str]) -> None:
    """It is no mystery, and no empty list."""
    start("current")
    ended = place.run(*words)
    assert (ended.code, ended.out) == (1, "")
    assert "this service has no" in ended.err


# --- history ---


@pytest.mark.parametrize("generation", ["classic", "current", "both"])
def test_history(place: Place, start: Start, generation: str) -> None:
    """The newest first, never a link."""
    sandbox = start(generation)
    first, second = _submit(sandbox, MAGNET), _submit(sandbox, "http://x.example/secret-token/b.bin")
    rows = json.loads(place.run("history", "--json").out)
    assert [row["request_id"] for row in rows] == [second, first]
    assert set(rows[0]) == {"request_id", "status", "name", "created_at"}
    shown = place.run("history").out
    assert shown.splitlines()[0].split("\t")[::3] == [second, "b.bin"]
    assert "secret-token" not in shown + json.dumps(rows)
    assert len(place.run("history", "--limit", "1").out.splitlines()) == 1
    for limit in ("0", "-1", "all"):
        assert place.run("history", "--limit", limit).code == 2


def test_history_of_what_tells_little(place: Place, start: Start) -> None:
    """Neither date nor name, and controls are never printed raw."""
    rows = json.dumps([{"requestId": "R1"}, {"requestId": "R2", "status": "a\x1b[2J", "fileName": "b\u202e"}])
    start("current").faults.add(Fault("answer", "cloud/history", status=200, body=rows))
    assert place.run("history").out == "R1\t\t\t\nR2\ta[2j\t\tb\\u202e\n"


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_history_of_transfers(place: Place, start: Start, generation: str) -> None:
    """Each route has its own."""
    sandbox = start(generation)
    option_id = json.loads(place.run("accounts", "--json").out)[0]["option_id"]
    request_id = _submit(sandbox, MAGNET, remoteOptionId=option_id)
    rows = json.loads(place.run("history", "--route", "remote", "--json").out)
    assert [row["request_id"] for row in rows] == [request_id]
    assert json.loads(place.run("history", "--json").out) == []
    assert json.loads(place.run("history", "--route", "instant", "--json").out) == []


# --- cached ---


@pytest.mark.parametrize("generation", ["classic", "current", "both"])
def test_cached(place: Place, start: Start, generation: str, tmp_path: Path) -> None:
    """A hash, a magnet, a file with several; each torrent once, all with one question."""
    sandbox = start(generation)
    listed = tmp_path / "list.txt"
    listed.write_text(f"{MAGNET}\nmagnet:?xt=urn:btih:{CACHED}&dn=Had\n")
    ended = place.run("cached", "--json", CACHED.upper(), MAGNET, str(listed))
    assert ended.code == 0
    assert json.loads(ended.out) == [
        {"hash": CACHED, "name": None, "cached": True},
        {"hash": HASH, "name": "Some.Show", "cached": False},
    ]
    assert place.run("cached", CACHED, MAGNET).out.splitlines() == [
        f"cached     {CACHED}",
        f"not cached {HASH} Some.Show",
    ]
    # The classic service refuses a header once a run.
    assert sandbox.books().calls["cache"] == (4 if generation == "classic" else 2)


@pytest.mark.parametrize("generation", ["classic", "current"])
def test_cached_with_files(place: Place, start: Start, generation: str) -> None:
    """Where the service tells them."""
    sandbox = start(generation)
    ended = place.run("cached", "--json", "--files", CACHED, HASH)
    hit, miss = json.loads(ended.out)
    assert miss["files"] is None
    if generation == "classic":
        assert hit["files"] is None
        assert "does not tell the files" in ended.err
    else:
        expected = [
            {"path": path, "size_bytes": size} for path, size in sandbox.expected_files(f"btih:{CACHED}")
        ]
        assert hit["files"] == expected
        shown = place.run("cached", "--files", CACHED).out.splitlines()
        assert shown[1].startswith(f"  {expected[0]['path']} (")


def test_cached_shows_a_file_without_a_size(place: Place, start: Start) -> None:
    """Some answers tell none."""
    body = json.dumps([{"cached": True, "files": [{"filename": "a\x1b", "folder": ["b"]}]}])
    start("current").faults.add(Fault("answer", "cache/info", status=200, body=body))
    assert place.run("cached", "--files", CACHED).out.splitlines()[1] == "  b/a\\x1b"


def test_cached_says_what_is_no_torrent(place: Place, start: Start, tmp_path: Path) -> None:
    """The rest is asked all the same; a secret in a link is not repeated."""
    sandbox = start("current")
    words = ["https://x.example/a?token=secret", "nonsense", str(tmp_path), "magnet:?x", "x" * 300]
    ended = place.run("cached", *words, CACHED)
    assert (ended.code, ended.out) == (1, f"cached     {CACHED}\n")
    assert len(ended.err.splitlines()) == 5
    assert "can only be asked for v1 info hashes" in ended.err
    assert "secret" not in ended.err
    before = sandbox.books().calls
    assert place.run("cached", "nonsense").code == 1
    assert sandbox.books().calls == before
