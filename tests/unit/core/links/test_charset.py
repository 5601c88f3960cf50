"""Bytes of text files -> text."""

import codecs

import pytest

from offcloud_watchd.core.links.charset import decode, looks_binary

TEXT = "https://example.com/ü\r\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF8 + codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
        TEXT.encode() + bytes(300),
    ],
    ids=range(11),
)
def test_decodes_what_editors_write(data: bytes) -> None:
    """Marked, unmarked, wide, old and padded files give the same text."""
    assert decode(data) == TEXT


def test_an_odd_byte_does_not_spoil_its_neighbours() -> None:
    """UTF-8 and Windows-1252 may stand in one file."""
    assert decode("# ü ".encode() + b"\xfc\x80\x81") == "# ü ü€\ufffd"


def test_broken_wide_text_does_not_raise() -> None:
    """A cut or broken UTF-16 file gives what can be read of it."""
    assert decode(codecs.BOM_UTF16_LE + b"a\0b") == "a\ufffd"
    assert decode(b"") == ""


def test_binary_is_told_from_text() -> None:
    """NULs and many control codes are no text; a few, and colours of a terminal, may be."""
    assert looks_binary("a\0b")
    assert looks_binary("\x01\x02abc")
    assert not looks_binary("a long line of text with one \x07 bell and \x1b[0m colours")
    assert not looks_binary("")
