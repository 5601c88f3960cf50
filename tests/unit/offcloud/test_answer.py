"""Values nobody can trust are read as what they are, or as not told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offcloud_watchd.offcloud.answer import (
    MAX_QUOTED,
    Answer,
    Form,
    decode,
    name,
    number,
    request_id,
    size_bytes,
    text,
    when,
)


def _answer(body: bytes, content_type: str = "application/json") -> Answer:
    return Answer("GET service.invalid/api/x", 200, body, content_type)


@pytest.mark.parametrize(
    ("body", "content_type", "form"),
    [
        (b"", "application/json", Form.EMPTY),
        (b" \r\n\t", "text/html", Form.EMPTY),
        (b"<!DOCTYPE html><html>", "application/json", Form.HTML),
        (b"Oops, <b>no</b>", "text/html", Form.HTML),
        (b"\xef\xbb\xbf{}", "text/plain", Form.JSON),
        (b"[]", "text/html; charset=UTF-8", Form.JSON),
        (b"null", "application/json", Form.JSON),
        (b"NOAUTH", "application/json", Form.TEXT),
        (b"https://x.invalid/a 1 < 2.mkv", "text/html; charset=utf-8", Form.TEXT),
        (b'{"requestId":"R', "application/json", Form.BROKEN),
        (b'["a"', "text/plain", Form.BROKEN),
        (b'"a', "text/plain", Form.BROKEN),
        (b'{"progress":NaN}', "application/json", Form.BROKEN),
        (b"[" * 200_000, "application/json", Form.BROKEN),
        (b"9" * 5000, "application/json", Form.TEXT),
        (b"\xff\xfe", "application/json", Form.TEXT),
    ],
)
def test_a_body_is_told_by_what_it_is(body: bytes, content_type: str, form: Form) -> None:
    """Neither the content type nor a broken, deep or huge body misleads the reader."""
    assert decode(_answer(body, content_type)).form is form


def test_a_member_given_twice_with_different_values_tells_nothing() -> None:
    """Of two request ids none is believed; a harmless repetition is."""
    body = b'{"requestId":"A","requestId":"B","status":"created","status":"created"}'
    assert decode(_answer(body)).value == {"status": "created"}


@given(st.binary(max_size=200))
def test_no_body_makes_the_reader_raise(body: bytes) -> None:
    """Whatever bytes come, they are looked at and named."""
    assert decode(_answer(body)).form in Form


@pytest.mark.parametrize("value", ["R1", "5f0-_x", "a" * 128, 17])
def test_a_safe_request_id_is_taken(value: object) -> None:
    """Letters, digits, dash and underscore up to 128 are an id, and so is a whole number."""
    assert request_id(value) == str(value)


@pytest.mark.parametrize(
    "value", ["", "a/b", "..", "a b", "a\n", "é", "a" * 129, "%2e", None, True, -1, 10**18, 1.5, ["R"], {}]
)
def test_an_unsafe_request_id_is_refused(value: object) -> None:
    """Nothing that could change a path or flood the journal is an id."""
    assert request_id(value) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [(1, 1.0), ("12.5 MB/s", 12.5), ("  7", 7.0), ("-3", -3.0), ("1e3", 1000.0), (0.25, 0.25)],
)
def test_numbers_are_read_out_of_numbers_and_strings(value: object, told: float) -> None:
    """The classic service writes numbers as strings, with stray characters behind them."""
    assert number(value) == told


@pytest.mark.parametrize("value", [None, True, "", "fast", "1e999", float("inf"), float("nan"), 10**30, [1]])
def test_what_is_no_finite_number_is_not_told(value: object) -> None:
    """Infinity, not-a-number, truth and prose are no numbers."""
    assert number(value) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        *[(456, 456), ("456", 456), (" 456\n", 456), (456.0, 456), (0, 0), (1.9, None), ("1.50 GB", None)],
        *[("456 B", None), (-1, None), ("-5", None), (2**63, None), (True, None)],
    ],
)
def test_sizes_are_whole_and_possible(value: object, told: int | None) -> None:
    """A size is a whole number of bytes that a file can have; what is rounded for people is none."""
    assert size_bytes(value) == told


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-01-02T03:04:05.000Z", 1767323045.0),
        ("2026-01-02T03:04:05", 1767323045.0),
        ("2026-01-02", 1767312000.0),
        ("02-01-2026", 1767312000.0),
        (1767323045, 1767323045.0),
        ("1767323045", 1767323045.0),
        (1767323045000, 1767323045.0),
        ("99-99-2026", None),
        ("soon", None),
        ("", None),
        (None, None),
        (-5, None),
        (True, None),
        ("0001-01-01T00:00:00+23:59", None),
    ],
)
def test_dates_come_in_many_forms(value: object, at: float | None) -> None:
    """ISO, day first, seconds and milliseconds give the same moment; anything else is not told."""
    assert when(value) == at


@pytest.mark.parametrize("value", ["Loading...", "loading", "Loading…", "", "  ", None, 5])
def test_a_stand_in_is_not_a_name(value: object) -> None:
    """Until the service knows a name it says `Loading...`, which must never name a release."""
    assert name(value) is None


def test_a_name_comes_as_it_is_but_bounded_and_writable() -> None:
    """Half a surrogate pair, which JSON can hold, does not break the journal's encoding."""
    assert name("Show \ud800.mkv") == "Show ?.mkv"
    assert len(text("x" * 100_000)) == 4096


def test_what_is_quoted_holds_no_link_no_key_and_no_control_characters() -> None:
    """The service's own words are shown to people, so whatever is secret in them is taken out."""
    answer = Answer("GET x", 200, b"", secrets=("", "sesame-key"))
    said = answer.quoted(
        "bad\x1b[31m\n key sesame-key for magnet:?xt=urn:btih:x and https://cdn.invalid/t/oken, id "
        + "f" * 40
    )
    assert said == "bad [31m key [key] for [link] and [link] id [...]"
    assert len(answer.quoted("ab " * 1000)) == MAX_QUOTED
    assert answer.quoted({"a": 1}) == ""


def test_an_answer_shows_neither_body_nor_key() -> None:
    """The representation of an answer may reach a log."""
    shown = repr(Answer("GET x", 200, b"https://signed.invalid/link", secrets=("", "sesame-key")))
    assert "signed" not in shown
    assert "sesame" not in shown


@given(
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5)
)
def test_no_value_makes_a_scalar_reader_raise(value: object) -> None:
    """Every reader of one value takes every value."""
    for reader in (request_id, text, name, number, size_bytes, when):
        reader(value)
    assert isinstance(json.dumps(text(value)), str)
