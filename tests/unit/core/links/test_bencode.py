"""The scan of bencoded bytes: what is sound, what is refused, and how values are found."""

import pytest

from offcloud_watchd.core.links.bencode import MAX_DEPTH, ROOT, Document
from offcloud_watchd.errors import BadDrop


def test_finds_values_where_they_stand() -> None:
    """Strings, integers, lists and dictionaries are found by key, and a span is the raw bytes."""
    document = Document(b"d1:ai-7e1:bl1:xi2ee1:cd1:k0:ee")
    found = document.fields(ROOT, frozenset({b"a", b"b", b"c"}))
    assert document.integer(found[b"a"]) == -7
    assert [document.span(one) for one in document.elements(found[b"b"])] == [b"1:x", b"i2e"]
    assert document.span(found[b"c"]) == b"d1:k0:e"
    assert [(key, document.string(value)) for key, value in document.items(found[b"c"])] == [(b"k", b"")]


def test_a_value_of_another_kind_is_none() -> None:
    """Asking for the wrong kind gives None or nothing, also for a key that is absent."""
    document = Document(b"d1:ai7e1:b1:xe")
    found = document.fields(ROOT, frozenset({b"a", b"b"}))
    assert document.string(found[b"a"]) is None
    assert document.integer(found[b"b"]) is None
    assert document.string(None) is document.integer(None) is None
    assert list(document.elements(None)) == list(document.elements(ROOT)) == []
    assert list(document.items(found[b"a"])) == []


def test_first_of_a_repeated_key_counts() -> None:
    """A repeated key is let pass: the first one counts, and it can be counted."""
    document = Document(b"d1:ai1e1:ai2ee")
    assert document.integer(document.fields(ROOT, frozenset({b"a"}))[b"a"]) == 1
    assert document.count(ROOT, b"a") == 2


def test_bytes_after_the_value_are_let_pass() -> None:
    """A line end or a remark behind the value is not part of it."""
    assert Document(b"d1:ai1ee\r\n<!-- bye -->").span(ROOT) == b"d1:ai1ee"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "too early"),
        (b"d", "too early"),
        (b"d1:a", "too early"),
        (b"d1:a5:abce", "too early"),
        (b"d1:a9999999999:x", "too early"),
        (b"e", "no bencoded"),
        (b"x", "byte 0"),
        (b"d1:axe", "byte 4"),
        (b"d1:a-1:xe", "byte 4"),
        (b"d1:ai" + b"9" * 21 + b"ee", "byte 4"),
        (b"d1:ai" + b"9" * 100_000 + b"ee", "byte 4"),
        (b"d1:ai-ee", "byte 4"),
        (b"d" + b"1" * 11 + b":ae", "byte 1"),
        (b"di1e1:ae", "key"),
        (b"d1:ae", "no value"),
        (b"l" * (MAX_DEPTH + 1), "nested"),
        (b"l" * 1_000_000, "nested"),
    ],
    ids=range(17),
)
def test_refuses_what_is_not_sound(data: bytes, word: str) -> None:
    """Damaged, cut, deep and endless bytes are refused with the reason."""
    with pytest.raises(BadDrop, match=word):
        Document(data)


def test_number_of_values_is_bounded() -> None:
    """So many small values that they would fill the memory are refused."""
    data = b"l" + b"le" * 10 + b"e"
    assert Document(data, max_tokens=22).span(ROOT) == data
    with pytest.raises(BadDrop, match="too many parts"):
        Document(data, max_tokens=21)


def test_depth_within_the_bound_is_taken() -> None:
    """The deepest nesting that is allowed is read."""
    assert len(Document(b"l" * MAX_DEPTH + b"e" * MAX_DEPTH).span(ROOT)) == 2 * MAX_DEPTH
