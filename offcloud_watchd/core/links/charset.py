"""Bytes of a text file -> text, whatever wrote it: Notepad, a browser, a shell, an old Mac."""

from __future__ import annotations

import re
from typing import Final

_BOMS: Final = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe\0\0", "utf-32-le"),  # before UTF-16: it begins with the same two bytes
    (b"\0\0\xfe\xff", "utf-32-be"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# What stands for a byte that is no UTF-8 -> the letter that Windows means by it.
_WINDOWS: Final = {0xDC00 + byte: bytes([byte]).decode("cp1252", "replace") for byte in range(0x80, 0x100)}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_HEAD_CHARS = 64 * 1024


def decode(data: bytes) -> str:
    """Decode by byte order mark, else as UTF-8; each byte that is not UTF-8 counts as Windows-1252.

    So one odd letter in a comment does not spoil the rest of a list. NULs at the end, with which some tools
    fill up a block, are cut off. Never raises.
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _sound(data[len(bom) :].decode(encoding, "replace"))
    unmarked = _without_mark(data[:64])
    if unmarked is not None:
        return _sound(data.decode(unmarked, "replace"))
    try:
        return _sound(data.decode())
    except UnicodeDecodeError:
        return _sound(data.decode("utf-8", "surrogateescape").translate(_WINDOWS))


def looks_binary(text: str) -> bool:
    """Tell whether decoded text is no text: it holds NULs, or begins with many control codes.

    Many is every tenth of the first 64 Ki characters.
    """
    head = text[:_HEAD_CHARS]
    return "\0" in text or len(_CONTROL.findall(head)) * 10 > len(head)


def _sound(text: str) -> str:
    return text.rstrip("\0").removeprefix("\ufeff")


def _without_mark(head: bytes) -> str | None:
    """Recognise UTF-16 without a mark by its NULs: ASCII has them at every other place and nowhere else."""
    even, odd = head[0::2], head[1::2]
    if any(even) and odd and not any(odd) and all(even):
        return "utf-16-le"
    if any(odd) and not any(even) and all(odd):
        return "utf-16-be"
    return None
