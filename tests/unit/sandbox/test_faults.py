"""Fault switches, on the API."""

from __future__ import annotations

import http.client

import pytest
import requests

from offcloud_watchd.sandbox.faults import MOST_FAULTS, STATES, Fault, Faults, parse_faults
from tests.unit.sandbox.driver import KEY, MAGNET, Driver

Broken = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def created(driver: Driver) -> tuple[int, int]:
    """Return how many items came to be, and how many POSTs were seen."""
    content = driver.sandbox.books().of(KEY)
    return content.items_created, content.posts


@pytest.mark.parametrize("kind", ["reset", "hang"])
@pytest.mark.parametrize("effect", [False, True])
def test_no_answer(both: Driver, kind: str, effect: bool) -> None:  # noqa: FBT001 - a pytest parameter
    """A submission without an answer takes effect or not, as was chosen, and is counted either way."""
    both.sandbox.faults.add(Fault(kind, "cloud", effect=effect))
    with pytest.raises(requests.ConnectionError):
        both.post("/api/cloud", data={"url": MAGNET})
    assert created(both) == (int(effect), 1)
    both.submit()
    assert created(both) == (1, 2)


def test_reset_is_a_reset(both: Driver) -> None:
    """The connection is reset, not merely closed."""
    both.sandbox.faults.add(Fault("reset", "cloud/history"))
    connection = http.client.HTTPConnection(both.sandbox.url.removeprefix("http://"), timeout=10)
    connection.request("GET", "/api/cloud/history")
    with pytest.raises(ConnectionResetError):
        connection.getresponse()
    connection.close()


@pytest.mark.parametrize("effect", [False, True])
def test_another_answer(both: Driver, effect: bool) -> None:  # noqa: FBT001 - a pytest parameter
    """A chosen answer comes in place of the right one, whether the call took effect or not."""
    both.sandbox.faults.add(Fault("answer", "cloud", effect=effect, status=429, body='{"error": "slow"}'))
    answer = both.post("/api/cloud", data={"url": MAGNET})
    assert (answer.status_code, answer.json(), created(both)) == (429, {"error": "slow"}, (int(effect), 1))


def test_html(both: Driver) -> None:
    """A page of HTML comes in place of the answer."""
    both.sandbox.faults.add(Fault("html", "cloud/history", status=503))
    answer = both.get("/api/cloud/history")
    assert (answer.status_code, answer.headers["Content-Type"]) == (503, "text/html; charset=UTF-8")


@pytest.mark.parametrize("amount", [0, 5, None])
def test_truncated(both: Driver, amount: int | None) -> None:
    """The right answer stops in its middle, after it took effect."""
    both.sandbox.faults.add(Fault("truncate", "cloud", amount=amount))
    with pytest.raises(Broken):
        both.post("/api/cloud", data={"url": MAGNET})
    assert created(both) == (1, 1)


def test_a_fault_comes_before_the_key(both: Driver) -> None:
    """An outage does not ask for a key."""
    both.sandbox.faults.add(Fault("html", status=502))
    assert both.get("/api/cloud/history", key="").status_code == 502


def test_the_table_is_used_up_in_order() -> None:
    """The first entry that matches is taken, as often as it says; ``*`` spares the file host."""
    faults = Faults()
    faults.add(Fault("html", "file"), Fault("hang", "*", calls=2), Fault("reset", "cloud"))
    kinds = [fault.kind if (fault := faults.take("cloud")) else None for _ in range(4)]
    assert kinds == ["hang", "hang", "reset", None]
    assert [fault.kind for fault in faults.pending()] == ["html"]
    assert faults.take("file") is not None
    assert not faults.pending()


def test_the_table_can_be_cleared_and_is_bounded() -> None:
    """Everything can be made right again, and there are not too many entries."""
    faults = Faults()
    faults.add(*[Fault("hang")] * MOST_FAULTS)
    with pytest.raises(ValueError, match="more than"):
        faults.add(Fault("hang"))
    faults.clear()
    assert faults.take("cloud") is None


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (None, "object with a kind"),
        ({"endpoint": "cloud"}, "object with a kind"),
        ({"kind": "explode"}, "unknown kind 'explode'"),
        ({"kind": "cut"}, "for the endpoint 'file'"),
        ({"kind": "hang", "calls": 0}, "calls"),
        ({"kind": "html", "status": 100}, "status"),
        ({"kind": "hang", "seconds": 301}, "seconds"),
        ({"kind": "hang", "seconds": float("nan")}, "seconds"),
        ({"kind": "truncate", "amount": -1}, "amount"),
        ({"kind": "answer", "content_type": "a\r\nb: c"}, "one line"),
        ({"kind": "answer", "retry_after": "1\nb: c"}, "one line"),
        ({"kind": "refuse"}, "needs a word; there are: noauth"),
        ({"kind": "refuse", "word": "boredom"}, "needs a word"),
        ({"kind": "html", "word": "quota"}, "refuse, and only that"),
        ({"kind": "hang", "calls": True}, "calls is not of the right type"),
        ({"kind": "hang", "effect": 1}, "effect is not of the right type"),
        ({"kind": "hang", "when": "now"}, "unknown member 'when'"),
        ({"kind": "flip"}, "for the endpoint 'file'"),
        ({"kind": "hang", "name": "a.mkv"}, "a name is for the endpoint 'file'"),
    ],
)
def test_what_cannot_be(entry: object, said: str) -> None:
    """A fault that makes no sense is refused, and the words say what is wrong."""
    with pytest.raises(ValueError, match=said):
        parse_faults([entry])


def test_parsing() -> None:
    """One object or an array of them; a member that is left out has its default."""
    assert parse_faults({"kind": "hang", "seconds": 2}) == [Fault("hang", seconds=2)]
    assert parse_faults(
        [{"kind": "cut", "endpoint": "file", "amount": None}, {"kind": "reset", "effect": True}]
    ) == [
        Fault("cut", "file"),
        Fault("reset", effect=True),
    ]


@pytest.mark.parametrize("word", sorted(STATES))
def test_states(both: Driver, word: str) -> None:
    """Every state says its words until the faults are cleared, and nothing takes effect meanwhile."""
    both.sandbox.faults.add(Fault("refuse", word=word, calls=1_000_000, retry_after="7"))
    for _ in range(2):
        answer = both.post("/api/cloud", data={"url": MAGNET})
        assert (answer.status_code, answer.text) == STATES[word]
        assert answer.headers["Retry-After"] == "7"
        assert ("html" in answer.headers["Content-Type"]) == (word == "maintenance")
    assert both.sandbox.books().of(KEY).items_created == 0
    both.sandbox.faults.clear()
    both.submit()
