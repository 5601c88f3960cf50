"""What a file host's status and headers mean, case by case."""

from dataclasses import replace

import pytest

from offcloud_watchd.fetch.answer import Answer, Asked, complains, understood
from offcloud_watchd.fetch.broken import Broken

NOW = 1_800_000_000.0


def asked(
    offset: int = 0,
    expected: int | None = None,
    total: int | None = None,
    validator: str = "",
    name: str = "a.mkv",
    end: int | None = None,
) -> Asked:
    """Make a question with what matters to the case."""
    return Asked(name, offset, expected, total, validator, end)


def test_the_whole_is_asked_for_without_conditions() -> None:
    """Nothing is here, so no range is asked for."""
    assert asked(validator='"x"').headers() == {}


@pytest.mark.parametrize(
    ("validator", "condition"),
    [
        ('"x"', '"x"'),
        ("Tue, 01 Jan 2030 00:00:00 GMT", "Tue, 01 Jan 2030 00:00:00 GMT"),
        ('W/"x"', None),
        ("", None),
    ],
)
def test_a_rest_is_asked_for_under_a_strong_condition(validator: str, condition: str | None) -> None:
    """If-Range takes no weak tag (RFC 9110, 13.1.5); without one the answer's own tag is compared."""
    headers = asked(10, validator=validator).headers()
    assert headers["Range"] == "bytes=10-"
    assert asked(0, end=10).headers() == {"Range": "bytes=0-9"}
    assert headers.get("If-Range") == condition


@pytest.mark.parametrize(
    ("question", "status", "headers", "meaning"),
    [
        (asked(), 200, {"content-length": "5", "etag": "e"}, Answer(0, 5, 5, "e")),
        (asked(), 200, {"content-length": "5", "last-modified": "d"}, Answer(0, 5, 5, "d")),
        (asked(), 200, {}, Answer(0, None, None, "")),
        (asked(), 200, {"transfer-encoding": "Chunked"}, Answer(0, None, None, "")),
        (asked(), 200, {"transfer-encoding": "identity", "content-length": "5"}, Answer(0, 5, 5, "")),
        (asked(expected=5), 200, {}, Answer(0, 5, 5, "")),
        (asked(expected=0), 200, {"content-length": "5"}, Answer(0, 5, 5, "")),
        (asked(expected=0), 200, {"content-length": "0"}, Answer(0, 0, 0, "")),
        (asked(expected=0), 200, {}, Answer(0, None, None, "")),
        (asked(3), 200, {"content-length": "5"}, None),
        (replace(asked(0, end=4), fresh=False), 200, {"content-length": "5"}, None),
        (replace(asked(0), fresh=False), 200, {"content-length": "5"}, Answer(0, 5, 5, "")),
        (asked(3), 206, {"content-range": "bytes 3-4/5"}, Answer(3, 5, 5, "", is_range=True)),
        (asked(3), 206, {"content-range": "bytes 3-4/*"}, Answer(3, None, None, "", is_range=True)),
        (asked(3, 5), 206, {"content-range": "bytes 3-4/*"}, Answer(3, 5, 5, "", is_range=True)),
        (asked(3, validator="e"), 206, {"content-range": "bytes 3-4/5"}, Answer(3, 5, 5, "e", is_range=True)),
        (asked(3, validator="e"), 206, {"content-range": "bytes 3-4/5", "etag": "f"}, None),
        (asked(3, total=6), 206, {"content-range": "bytes 3-4/5"}, None),
        (asked(3, total=6), 206, {"content-range": "bytes 3-4/*"}, Answer(3, 5, 6, "", is_range=True)),
        (asked(3, total=6), 206, {"content-range": "bytes 3-6/*"}, None),
        (asked(3, total=6, end=5), 206, {"content-range": "bytes 3-4/*"}, Answer(3, 5, 6, "", is_range=True)),
        (asked(total=6), 200, {"content-length": "6"}, Answer(0, 6, 6, "")),
        (asked(total=6), 200, {"content-length": "5"}, None),
        (asked(total=6), 200, {}, None),
        (asked(3), 206, {"content-range": "bytes 2-4/5"}, None),
        (asked(3), 206, {"content-range": "bytes \u0663-4/5"}, None),
        (asked(3), 206, {}, None),
        (asked(5), 416, {"content-range": "bytes */5"}, Answer(5, 5, 5, "", complete=True)),
        (asked(5, expected=6), 416, {"content-range": "bytes */5"}, None),
        (asked(5, total=6), 416, {"content-range": "bytes */5"}, None),
        (asked(5), 416, {"content-range": "bytes */4"}, None),
        (asked(5, expected=5), 416, {}, None),
        (asked(3, end=4), 206, {"content-range": "bytes 3-3/5"}, Answer(3, 4, 5, "", is_range=True)),
        (asked(0, end=9), 206, {"content-range": "bytes 0-4/5"}, Answer(0, 5, 5, "", is_range=True)),
        (asked(0, 5, end=4), 206, {"content-range": "bytes 0-1/5"}, Answer(0, 2, 5, "", is_range=True)),
        (asked(3, end=4), 206, {"content-range": "bytes 3-4/5"}, None),
        (asked(3), 206, {"content-range": "bytes 3-5/5"}, None),
        (asked(3, end=4), 206, {"content-range": "bytes 3-2/5"}, None),
        (asked(0, end=4), 206, {"content-range": "bytes 0-3/*"}, None),
        (asked(0, 5, end=4), 206, {"content-range": "bytes 0-3/*"}, Answer(0, 4, 5, "", is_range=True)),
        (asked(0, end=4), 416, {"content-range": "bytes */0"}, Answer(0, 0, 0, "", complete=True)),
        (asked(0, end=4), 200, {"content-length": "5"}, Answer(0, 5, 5, "")),
    ],
)
def test_what_an_answer_means(
    question: Asked, status: int, headers: dict[str, str], meaning: Answer | None
) -> None:
    """A rest is joined only where start, total and tag agree; None asks anew from the beginning.

    A size of nothing is what a service says that does not know.
    """
    assert understood(question, status, headers, NOW) == meaning


@pytest.mark.parametrize(
    ("question", "status", "headers", "stale"),
    [
        (asked(), 206, {"content-range": "bytes 0-4/5"}, False),
        (asked(), 204, {}, False),
        (asked(), 416, {}, False),
        (asked(), 404, {}, True),
        (asked(), 503, {}, True),
        (asked(expected=6), 200, {"content-length": "5"}, True),
        (asked(3, expected=6), 206, {"content-range": "bytes 3-4/5"}, True),
        (asked(), 200, {"content-length": "-5"}, False),
        (asked(), 200, {"content-length": "5, 6"}, False),
        (asked(), 200, {"content-length": "\u0665"}, False),
        (asked(), 200, {"content-encoding": "gzip"}, True),
        (asked(), 200, {"transfer-encoding": "gzip, chunked"}, True),
        (asked(3), 206, {"transfer-encoding": "gzip", "content-range": "bytes 3-4/5"}, True),
        (asked(), 200, {"content-type": "Text/HTML"}, True),
        (asked(expected=5), 200, {"content-type": "text/html", "content-length": "6"}, True),
    ],
)
def test_what_is_no_part_of_the_file(
    question: Asked, status: int, headers: dict[str, str], *, stale: bool
) -> None:
    """Everything else breaks the line; a link that looks dead or wrong is asked for anew."""
    with pytest.raises(Broken) as raised:
        understood(question, status, headers, NOW)
    assert raised.value.stale_link is stale


@pytest.mark.parametrize(
    ("status", "text", "seconds"),
    [
        (429, "120", 120.0),
        (503, "Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        (503, "Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (503, "9" * 30, 1e9),
        (429, "", None),
        (500, "120", None),
    ],
)
def test_the_patience_a_host_asks_for(status: int, text: str, seconds: float | None) -> None:
    """Retry-After in seconds or as a date, where the status gives it a meaning."""
    with pytest.raises(Broken) as raised:
        understood(asked(), status, {"retry-after": text}, NOW)
    assert raised.value.retry_after_s == seconds


@pytest.mark.parametrize(
    ("question", "head", "complaint"),
    [
        (asked(), b' {"error" : "Temporary error"}', True),
        (asked(), b'{"not_available":"cloud"}', True),
        (asked(), b'{"title":"x","error":"y"}', False),
        (asked(), b"\x1a\x45\xdf\xa3", False),
        (asked(expected=30), b'{"error":"Temporary error"}', False),
        (asked(name="log.json"), b'{"error":"Temporary error"}', False),
    ],
)
def test_a_complaint_without_a_type(question: Asked, head: bytes, *, complaint: bool) -> None:
    """It is told by how it begins, unless the size will tell or such a file was asked for."""
    assert complains(question, head) is complaint
