"""Answers about submissions, requests and the account, in every shape of either generation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.core.model import Account, Progress, Submission
from offcloud_watchd.errors import Blocked, Gone, OffcloudWatchdError, Transient
from offcloud_watchd.offcloud import cache, entry, history, places, wire
from offcloud_watchd.offcloud.answer import Answer

OURS = Submission("R1", "created")

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "status",
                    "requests",
                    "requestId",
                    "fileName",
                    "error",
                    "not_available",
                    "progress",
                    "amount",
                    "url",
                    "success",
                    "cachedItems",
                    "data",
                    "accountId",
                    "name",
                    "access_token",
                    "files",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


def _answer(body: object, status: int = 200) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST service.invalid/api/cloud", status, raw)


# --- Submission ---


def test_the_current_generation_answers_a_submission() -> None:
    """Id, name and status are enough; the resolved link is not kept."""
    body = {"requestId": "R1", "fileName": "Show", "status": "created", "originalLink": "magnet:?xt=x&tr=y"}
    assert wire.submission(_answer(body)) == Submission("R1", "created", "Show")


def test_the_classic_generation_answers_a_submission() -> None:
    """Its url has no file name and is kept as a hint."""
    body = {
        "requestId": "5f0c",
        "fileName": "a.mkv",
        "site": "BitTorrent",
        "status": "Downloaded",
        "originalLink": "x",
        "createdOn": "2020-01-01T00:00:00.000Z",
        "url": "https://s1.offcloud.invalid/cloud/download/5f0c",
        "server": "s1",
    }
    expected = Submission(
        "5f0c", "downloaded", "a.mkv", "https://s1.offcloud.invalid/cloud/download/5f0c", "s1"
    )
    assert wire.submission(_answer(body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"request_id": "R1"},
        [{"requestId": "R1"}],
        {"requestId": "R1", "error": "already exists"},
        {"requestId": "R1", "fileName": "Loading...", "url": "ftp://x", "server": "a/b"},
    ],
)
def test_an_answer_with_an_id_is_taken_whatever_else_it_says(body: object) -> None:
    """Odd names, a list of one, an item that was there already, hints that are none."""
    assert wire.submission(_answer(body)) == Submission("R1")


@pytest.mark.parametrize(
    "body", [{"requestId": "R1", "not_available": "cloud"}, {"requestId": "R1", "error": "NOAUTH"}]
)
def test_a_refusal_beats_an_id(body: object) -> None:
    """A word about plan or key is believed first."""
    with pytest.raises(Blocked):
        wire.submission(_answer(body))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"requestId": "../../etc"},
        {"requestId": "a" * 10_000},
        {"requestId": None},
        b'{"requestId":"A","requestId":"B"}',
        [],
        [{"requestId": "A"}, {"requestId": "B"}],
        5,
        None,
        b'{"requestId":"R1"',
        b'{"requestId":1e999}',
    ],
)
def test_an_answer_without_a_usable_id_leaves_it_open_whether_it_was_taken(body: object) -> None:
    """Nobody guesses an id, and nothing is posted again before the account was searched."""
    with pytest.raises(Transient) as raised:
        wire.submission(_answer(body))
    assert raised.value.maybe_sent


def test_an_id_on_a_failure_is_not_believed() -> None:
    """An id in a 5xx answer may or may not live; the history decides."""
    with pytest.raises(Transient) as raised:
        wire.submission(_answer({"requestId": "R1"}, 502))
    assert raised.value.maybe_sent


# --- Status ---


@pytest.mark.parametrize(
    "body",
    [
        {"status": {"requestId": "R1", "status": "downloaded", "fileName": "Show"}},
        {
            "requests": [
                {"requestId": "other", "status": "error"},
                {"requestId": "R1", "status": "downloaded"},
            ]
        },
        {"requestId": "R1", "status": "downloaded"},
        {"status": "Downloaded "},
        [{"requestId": "R1", "status": "downloaded"}],
        "downloaded",
        b"downloaded",
        {"status": {"requests": [{"request_id": "R1", "status": "finished"}]}},
    ],
)
def test_a_status_is_found_in_every_shape(body: object) -> None:
    """Nested, batch, flat and a bare word mean the same."""
    assert wire.phase(_answer(body), OURS).outcome == "ready"


@pytest.mark.parametrize(
    "word", ["created", "queued", "downloading", "processing", "uploading", "fraud", "pending"]
)
def test_other_words_mean_waiting_and_are_shown_raw(word: str) -> None:
    """A word we do not know never fails a job."""
    phase = wire.phase(_answer({"status": {"status": word}}), OURS)
    assert (phase.outcome, phase.word) == ("waiting", word)


@pytest.mark.parametrize("word", ["error", "canceled", "cancelled", "failed", "dead", "ERROR"])
def test_a_failed_request_says_why(word: str) -> None:
    """The reason stands in different members in the two generations, and is made fit to show."""
    for member in ("errorMessage", "message", "info"):
        body = {
            "status": {"status": word, member: "No seeds for magnet:?xt=urn:btih:secret", "fileName": "x"}
        }
        phase = wire.phase(_answer(body), OURS)
        assert phase.outcome == "failed"
        assert phase.reason == "No seeds for [link]"
    assert wire.phase(_answer({"status": {"status": word}}), OURS).reason == ""


@pytest.mark.parametrize(
    "body",
    [
        {"status": {"requestId": "R2", "status": "downloaded"}},
        {"requests": []},
        {"requests": [{"requestId": "R2", "status": "error"}, 7]},
        {"status": None},
        {"status": {}},
        {"status": 5},
        {},
        [],
        "error",
        "odd words",
        None,
        b"",
        b"<html>",
    ],
)
def test_an_answer_about_something_else_is_asked_again(body: object) -> None:
    """Another request's status, or none, moves nothing."""
    with pytest.raises(Transient):
        wire.phase(_answer(body), OURS)


def test_a_failure_of_the_call_is_not_one_of_the_request() -> None:
    """Many services wrap their own faults in an object with the status 'error'."""
    with pytest.raises(Transient):
        wire.phase(_answer({"status": "error", "message": "Internal error"}, 500), OURS)


def test_a_request_that_is_not_held_is_gone_and_a_refused_key_blocks() -> None:
    """Both come with an error member in place of a status."""
    with pytest.raises(Gone):
        wire.phase(_answer({"error": "Request not found."}, 404), OURS)
    with pytest.raises(Blocked):
        wire.phase(_answer({"error": "NOAUTH"}), OURS)


def test_a_status_tells_what_changed_about_the_request() -> None:
    """Name and host may come late or change; the id stays ours."""
    body = {"status": {"status": "downloaded", "fileName": "b.mkv", "server": "s2", "isDirectory": True}}
    assert wire.phase(_answer(body), OURS).submission == Submission("R1", "downloaded", "b.mkv", None, "s2")


@pytest.mark.parametrize(
    ("entry", "progress"),
    [
        ({"progress": 0.37, "message": None}, Progress(fraction=0.37)),
        ({"progress": 37}, Progress(fraction=0.37)),
        ({"progress": "37%"}, Progress(fraction=0.37)),
        ({"progress": "0.5%"}, Progress(fraction=0.005)),
        ({"progress": 1}, Progress(fraction=1.0)),
        ({"progress": None}, Progress()),
        ({"progress": -1}, Progress()),
        ({"progress": 500}, Progress()),
        (
            {"amount": "250", "fileSize": 1000, "downloadingSpeed": "12.5 B/s", "info": "ok"},
            Progress(250, 1000, 0.25, 12.5, "ok"),
        ),
        ({"amount": 2000, "fileSize": "1000"}, Progress(2000, 1000, 1.0)),
        (
            {"message": "1.5 GB of 3 GB, 12.5 MB/s from 7 peers"},
            Progress(1_500_000_000, 3_000_000_000, 0.5, 12_500_000, "1.5 GB of 3 GB, 12.5 MB/s from 7 peers"),
        ),
        ({"message": "1 MiB/2MiB"}, Progress(2**20, 2**21, 0.5, None, "1 MiB/2MiB")),
        ({"message": "Loading..."}, Progress(note="Loading...")),
    ],
)
def test_progress_is_read_from_numbers_strings_and_messages(
    entry: dict[str, object], progress: Progress
) -> None:
    """Fractions and per cent, bytes as strings, and the amounts a message tells."""
    body = {"status": {"requestId": "R1", "status": "downloading", **entry}}
    assert wire.phase(_answer(body), OURS).progress == progress


def test_a_status_nested_without_end_is_none() -> None:
    """Depth is bounded before anything recurses into it."""
    body: object = {"status": "downloaded"}
    for _ in range(300):
        body = {"status": [body]}
    with pytest.raises(Transient):
        wire.phase(_answer(body), OURS)


@given(JSON_VALUES, st.sampled_from([200, 201, 302, 400, 404, 429, 500]))
def test_whatever_is_answered_only_our_own_errors_are_raised(body: object, status: int) -> None:
    """Every parser of an answer takes every JSON value on every status."""
    answer = _answer(body, status)
    for parse in (
        wire.submission,
        lambda one: wire.phase(one, OURS),
        lambda one: wire.statement(one, "current"),
        lambda one: wire.phases(one, [OURS]),
        wire.removed,
        wire.retried,
        wire.uploaded,
        history.requests,
        cache.hits,
        lambda one: cache.releases(one, 1),
        lambda one: cache.links(one, allow_http=True),
        places.remote_accounts,
        places.proxies,
        places.sites,
        entry.session,
        entry.api_key,
        entry.is_logged_in,
        entry.device,
        entry.token,
    ):
        try:
            parse(answer)
        except OffcloudWatchdError as error:
            assert str(error)


# --- Account ---


def test_both_generations_tell_who_we_are() -> None:
    """Snake case is the current generation's, camel case the classic one's."""
    current = {
        "user_id": "u",
        "email": "a@mail.invalid",
        "is_premium": True,
        "can_download": False,
        "expiration_date": "2027-01-02",
    }
    assert wire.statement(_answer(current), "current") == wire.Statement(
        Account("a@mail.invalid", True, False, "2027-01-02", "current"), {}
    )
    classic = {"userId": "u", "email": "a@mail.invalid", "isPremium": "true", "expirationDate": 1767323045}
    assert wire.statement(_answer(classic), "classic").account == Account(
        "a@mail.invalid", True, None, "1767323045", "classic"
    )


def test_an_account_may_lack_anything_but_itself() -> None:
    """Odd flags and dates are not told; an object that is no account is no proof of the key."""
    assert wire.statement(
        _answer({"user_id": 1, "is_premium": "maybe", "expiration_date": True}), "x"
    ) == wire.Statement(Account(generation="x"), {})
    for body in ({}, [], "hello", {"error": "x y"}, {"error": "NOAUTH"}, b"<html>"):
        with pytest.raises((Transient, Blocked)):
            wire.statement(_answer(body), "x")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "Request not found."}, 404),
        ({"status": {}}, 200),
        ({"requests": []}, 200),
        ({"error": "odd one"}, 400),
    ],
)
def test_any_word_about_a_request_that_does_not_exist_proves_the_key(body: object, status: int) -> None:
    """What matters is that the service got as far as looking for it."""
    wire.proves_key(_answer(body, status))


def test_a_refusal_or_a_fault_proves_nothing() -> None:
    """A refused key blocks; a web page or a fault is only asked again."""
    with pytest.raises(Blocked):
        wire.proves_key(_answer({"error": "NOAUTH"}))
    for body, status in ((b"<html>", 200), (b"<html>", 404), ({"error": "x"}, 500), (b"", 200)):
        with pytest.raises(Transient):
            wire.proves_key(_answer(body, status))
