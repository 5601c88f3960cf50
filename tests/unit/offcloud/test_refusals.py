"""The error catalogue: which answer makes whom act, and whether a link may be posted again."""

import json

import pytest

from offcloud_watchd.errors import Blocked, Gone, Permanent, Transient
from offcloud_watchd.offcloud.answer import Answer, decode
from offcloud_watchd.offcloud.refusals import RULES, complaint, is_absent, refusal

HTML = b"<!DOCTYPE html><title>404</title>"


def _answer(body: object, status: int = 200, retry_after: str | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer("POST service.invalid/api/cloud", status, raw, retry_after=retry_after)


def _submitted(body: object, status: int = 200, retry_after: str | None = None) -> Exception | None:
    answer = _answer(body, status, retry_after)
    return refusal(answer, decode(answer), submitting=True)


def _asked(body: object, status: int = 200) -> Exception | None:
    answer = _answer(body, status)
    return refusal(answer, decode(answer), about_request=True)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "NOAUTH"}, 401),
        ({"error": "NOAUTH"}, 200),
        ("NOAUTH", 200),
        (b"NOAUTH", 200),
        ({"error": {"code": "NOAUTH"}}, 200),
        ({"errors": [{"message": "noauth"}]}, 400),
        ({"error": "The credentials entered are wrong. "}, 200),
        ({"error": "Invalid API key"}, 500),
        (b"", 401),
        (b"", 403),
        ({}, 403),
        (HTML, 403),
        ({"error": "Something new"}, 401),
    ],
)
def test_a_refused_key_blocks_in_every_shape(body: object, status: int) -> None:
    """A bad key never fails a job: the lane waits for the operator."""
    error = _submitted(body, status)
    assert isinstance(error, Blocked)
    assert error.key_refused
    assert error.lane == "api"


@pytest.mark.parametrize("word", ["proxy", "video"])
def test_a_missing_add_on_ends_one_job_and_blocks_nobody(word: str) -> None:
    """One link of a site that needs an add-on must not stop all the others."""
    error = _submitted({"not_available": word}, 200)
    assert isinstance(error, Permanent)
    assert word in str(error)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *(({"not_available": word}, 200) for word in ("premium", "links", "cloud", "new", 1)),
        (b"", 402),
        (HTML, 402),
        ({"error": "Premium membership required"}, 403),
        ({"error": "You are not premium"}, 200),
        ({"error": "Premium account quota for x exceeded today. Please try again later."}, 200),
        ({"error": "Unregistered IP address detected."}, 200),
        ({"error": "Your cloud storage is full"}, 507),
        ({"not_available": "cloud", "error": "NOAUTH"}, 200),
    ],
)
def test_a_plan_or_quota_blocks_without_blaming_the_key(body: object, status: int) -> None:
    """A lapsed plan or a full quota costs no job anything."""
    error = _submitted(body, status)
    assert isinstance(error, Blocked)
    assert not error.key_refused


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("Error parsing url - HTTP code: 404 ", 500),
        ({"error": "Incorrect url"}, 200),
        ({"error": "Unsupported link for direct download."}, 400),
        ({"error": "The file is not available on the server."}, 200),
    ],
)
def test_a_link_the_service_cannot_use_fails_its_job(body: object, status: int) -> None:
    """What is wrong with the link itself no time will mend."""
    assert type(_submitted(body, status)) is Permanent


@pytest.mark.parametrize(
    ("body", "status", "wait_s"),
    [
        (b"", 429, 60.0),
        ({"error": "Slow down please"}, 429, 60.0),
        (HTML, 429, 60.0),
        ({"error": "Rate limit exceeded"}, 200, 60.0),
        ({"error": "Something else went wrong here"}, 200, 300.0),
        ({"success": False}, 200, 300.0),
        ({"success": False, "message": "Not today"}, 200, 300.0),
        ({"error": True, "message": "Not today"}, 200, 300.0),
        ({"message": "Not today"}, 400, 300.0),
        ({"error": "You have more than 100 active downloads"}, 200, 600.0),
        ("Error parsing url - HTTP code: 503 ", 500, 600.0),
        ({"error": "User not authorized"}, 200, 600.0),
        ({"error": "Missing required parameter: url"}, 400, 600.0),
    ],
)
def test_a_definite_no_for_now_waits_and_was_not_sent(body: object, status: int, wait_s: float) -> None:
    """When the service says that it did not take the link, nobody has to search for it."""
    error = _submitted(body, status)
    assert isinstance(error, Transient)
    if status < 500:
        assert not error.maybe_sent
    assert error.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (HTML, 200),
        (HTML, 404),
        (HTML, 502),
        (b"", 200),
        (b"", 503),
        (b'{"requestId":"R', 200),
        ({"error": "Internal server error"}, 500),
        ({"error": "Temporary error, try again"}, 503),
        (b"", 302),
        ({"error": "Already added"}, 200),
        (b"", 409),
        ([], 500),
    ],
)
def test_whatever_is_not_definite_may_have_been_sent(body: object, status: int) -> None:
    """After a fault the account is searched before anything is posted again."""
    error = _submitted(body, status)
    assert isinstance(error, Transient)
    assert error.maybe_sent


@pytest.mark.parametrize(
    "body", [{}, [], None, 5, {"error": ""}, {"error": None}, {"error": False, "message": "hi"}]
)
def test_a_success_that_does_not_complain_is_no_refusal(body: object) -> None:
    """Empty and false members are no complaint; what the answer lacks is for its parser to say."""
    assert _submitted(body) is None


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "Request not found."}, 404),
        ({"error": "Request not found."}, 200),
        ({"error": "transfer NOT found"}, 500),
        ({"error": "The item was deleted"}, 404),
        ("does not exist", 410),
    ],
)
def test_a_request_the_service_does_not_hold_is_gone(body: object, status: int) -> None:
    """Only words about the request itself prove that it is gone."""
    assert isinstance(_asked(body, status), Gone)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (HTML, 404),
        (b"", 404),
        (b"not found", 404),
        ({"error": "Cannot GET /api/x: not found"}, 404),
        ({"message": "Page not found"}, 404),
        ({}, 404),
    ],
)
def test_a_missing_page_does_not_prove_that_a_request_is_gone(body: object, status: int) -> None:
    """A web server in trouble must not make a job fail."""
    error = _asked(body, status)
    assert isinstance(error, Transient)
    answer = _answer(body, status)
    assert is_absent(answer, decode(answer))


@pytest.mark.parametrize("body", [{"error": "Not found"}, {"detail": "Not Found"}, {"error": "unknown"}])
def test_a_bare_not_found_speaks_of_the_call_or_of_the_request(body: object) -> None:
    """Where the call is known to be there the request is gone; elsewhere the next way is to be tried."""
    answer = _answer(body, 404)
    assert is_absent(answer, decode(answer))
    assert isinstance(_asked(body, 404), Gone)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": "Request not found."}, 404),
        ({"error": "NOAUTH"}, 404),
        (HTML, 200),
        (HTML, 503),
        (b"", 403),
    ],
)
def test_a_call_is_absent_only_by_its_own_404_405_or_501(body: object, status: int) -> None:
    """A fault or a word about something else does not speak of the call."""
    answer = _answer(body, status)
    assert not is_absent(answer, decode(answer))


def test_gone_is_nothing_a_submission_can_be() -> None:
    """The same words in answer to a submission are only a refusal for now."""
    assert isinstance(_submitted({"error": "Request not found."}, 404), Transient)


def test_the_service_decides_how_long_to_wait() -> None:
    """A Retry-After beats our own idea of the time, on every status that brings one."""
    for status in (429, 503):
        error = _submitted(b"", status, retry_after="7")
        assert isinstance(error, Transient)
        assert error.retry_after_s == 7.0


def test_a_text_for_people_says_what_was_asked_what_came_and_what_to_do() -> None:
    """The reason of a refused key names the call, the answer and the remedy."""
    assert str(_submitted({"error": "NOAUTH"}, 401)) == (
        "POST service.invalid/api/cloud answered 401, 'NOAUTH'; "
        "the API key is missing, wrong or was revoked: write the right one into the key file"
    )
    assert "a redirect, which is not followed" in str(_submitted(b"", 301))
    assert "a web page" in str(_submitted(HTML, 200))


def test_an_error_nested_without_end_is_no_complaint() -> None:
    """Objects in objects are looked into only so far."""
    value: object = "deep"
    for _ in range(50):
        value = {"error": value}
    answer = _answer(value)
    assert complaint(answer, decode(answer)) is None


def test_every_rule_compiles_and_says_what_to_do() -> None:
    """The table is data: each row is whole, and only a request that is gone needs no advice here."""
    for rule in RULES:
        assert rule.words
        assert rule.advice or rule.kind.name == "GONE"


KEY, OPERATOR, LINK, TIME, LOOK = "key", "operator", "link", "time", "look"
EVERY_TEXT = {
    "NOAUTH": KEY,
    "The credentials entered are wrong. ": KEY,
    "IP address needs to be registered. Check your inbox.": OPERATOR,
    "Unregistered IP address detected.": OPERATOR,
    "not premium": OPERATOR,
    "premium required": OPERATOR,
    "Premium membership required": OPERATOR,
    "Purchase a premium downloading addon to continue with this operation.": OPERATOR,
    "Premium account quota for uploaded.net exceeded today. Please try to download again later.": OPERATOR,
    "You have exceeded your daily quota for uploaded.net.": OPERATOR,
    "The file is not available on the server.": LINK,
    "Incorrect url": LINK,
    "File will not be downloaded due to an error.": LINK,
    "We are sorry but uploaded.net links are supported only via Cloud downloading.": LINK,
    "Unsupported link for direct download.": LINK,
    "Remote account not found.": LINK,
    "NOPREMIUMACCOUNTS": TIME,
    "User not authorized": TIME,
    "User is not allowed this operation.": TIME,
    "The supported site is temporarily disabled. We are working to resolve the problem quickly.": TIME,
    "There is a networking issue. Please contact our support to get some help.": TIME,
    "Error during downloading uploaded.net": TIME,
    "You have more than 100 downloads.": TIME,
    "Missing required parameter: url": TIME,
    "Cannot download torrent. Timeout.": TIME,
    "You are not authorized to download this file.": TIME,
    "Temporary error": TIME,
    "The file has not been downloaded yet.": TIME,
    "This request already exists": LOOK,
}


@pytest.mark.parametrize("text", EVERY_TEXT)
def test_every_text_that_was_ever_seen_has_a_meaning(text: str) -> None:
    """What public clients list, said to a submission with success, as the classic service does."""
    error = _submitted({"error": text})
    match EVERY_TEXT[text]:
        case "key":
            assert isinstance(error, Blocked)
            assert error.key_refused
        case "operator":
            assert isinstance(error, Blocked)
            assert not error.key_refused
        case "link":
            assert isinstance(error, Permanent)
        case meaning:
            assert isinstance(error, Transient)
            assert error.maybe_sent == (meaning == LOOK)


@pytest.mark.parametrize("text", ["Request not found.", "Transfer not found", "TRANSFER NOT FOUND!"])
def test_a_request_that_is_gone_is_so_in_any_spelling(text: str) -> None:
    """With 404 or with success."""
    for status in (200, 404):
        assert isinstance(_asked({"error": text}, status), Gone)
