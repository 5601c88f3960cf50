"""Shortcut files that hold one link: .url (Windows), .desktop (freedesktop.org), .webloc (macOS).

Rules of this file:

* Nothing in a shortcut is ever run, expanded or followed; only its one address is taken.
* An own reader for the INI kinds: ``configparser`` expands percent signs, glues indented lines together,
  lets a DEFAULT section leak into others and gives up on a line without an equals sign.
* The first address in the right section counts; addresses of icons and frames are not the link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.links.charset import decode
from offcloud_watchd.errors import BadDrop

MAX_SHORTCUT_BYTES: Final = 256 * 1024

_SECTION = re.compile(r"\s*\[([^\]\r\n]*)\]\s*")
_SETTING = re.compile(r"\s*([A-Za-z][\w.-]*(?:\[\$\w*\])?)\s*=(.*)", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\([sntr\\])")
_ESCAPED: Final = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_WINDOWS, _WIDE, _DESKTOP = "internetshortcut", "internetshortcut.w", "desktop entry"
_PLIST = re.compile(r"<plist\b", re.IGNORECASE)
_HEAD_BYTES: Final = 4096


def has_shortcut(text: str) -> bool:
    """Tell whether one of the sections that hold a link is there."""
    return any(_section_name(line) in (_WINDOWS, _WIDE, _DESKTOP) for line in _lines(text))


def is_settings(text: str) -> bool:
    """Tell whether a text begins with a section or a setting, so that it is no bare link or list."""
    first = next((line for line in _lines(text) if line.strip()), "")
    return (_SECTION.fullmatch(first) or _SETTING.fullmatch(first)) is not None


def shortcut_target(text: str) -> tuple[str, int]:
    """Return the address in a .url or .desktop file, unchecked, and its line, which counts from 1.

    Raise ``BadDrop`` when there is none.
    """
    if len(text) > MAX_SHORTCUT_BYTES:
        raise BadDrop(f"the shortcut has {len(text)} characters; none with a link is so large")
    settings = list(_settings(text))
    for setting in settings:
        if setting.section == _WINDOWS and setting.key == "url":
            return setting.value, setting.line
    for setting in settings:
        # Windows writes this copy for letters outside its code page, beside a plain one; others may not.
        if setting.section == _WIDE and setting.key == "url":
            return setting.value.encode("utf-8", "replace").decode("utf-7", "replace"), setting.line
    entry = [setting for setting in settings if setting.section == _DESKTOP]
    if any(setting.key == "type" and setting.value.lower() == "link" for setting in entry):
        for setting in entry:
            # KDE marks a value that it would expand with [$e]; it is taken as it stands.
            if setting.key == "url" or setting.key.startswith("url[$"):
                return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], setting.value), setting.line
    raise BadDrop(
        "the shortcut holds no link: there is neither URL= below [InternetShortcut] "
        "nor Type=Link and URL= below [Desktop Entry]"
    )


def is_webloc(data: bytes) -> bool:
    """Tell whether the bytes are a property list, the form of a .webloc file, in any encoding."""
    return data.startswith(b"bplist0") or _PLIST.search(decode(data[:_HEAD_BYTES])) is not None


def webloc_target(data: bytes) -> str:
    """Return the address in a .webloc file, unchecked. Raise ``BadDrop`` when there is none."""
    if len(data) > MAX_SHORTCUT_BYTES:
        raise BadDrop(f"the .webloc file has {len(data)} bytes; none with a link is so large")
    content = _property_list(data)
    target = content.get("URL") if isinstance(content, dict) else None
    if not isinstance(target, str) or not target.strip():
        raise BadDrop("the .webloc file holds no URL")
    return target


def _property_list(data: bytes) -> object:
    # Imported when the first .webloc comes: with expat it is most of a megabyte that other drops never need.
    import plistlib  # noqa: PLC0415 - see above
    from xml.parsers.expat import ExpatError  # noqa: PLC0415 - see above

    try:
        # Refuses entity declarations by itself, so a document that swells up is not read.
        return plistlib.loads(data)
    except (
        # What plistlib raises on hostile files, beyond its own InvalidFileException (a ValueError).
        *(AttributeError, ExpatError, LookupError, MemoryError),
        *(OverflowError, RecursionError, TypeError, ValueError),
    ):
        raise BadDrop("the .webloc file is no readable property list") from None


@dataclass(frozen=True, slots=True)
class _Setting:
    """One line ``key=value``; section and key in lower case."""

    section: str
    key: str
    value: str
    line: int


def _settings(text: str) -> Iterator[_Setting]:
    """Yield the settings in order; empty ones are left out, as ``URL=`` may come again with a value."""
    section = ""
    for number, line in enumerate(_lines(text), 1):
        name = _section_name(line)
        if name is not None:
            section = name
            continue
        match = _SETTING.fullmatch(line)
        if match is not None and match[2].strip():
            yield _Setting(section, match[1].lower(), match[2].strip().strip('"'), number)


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text[:MAX_SHORTCUT_BYTES])


def _section_name(line: str) -> str | None:
    match = _SECTION.fullmatch(line)
    return None if match is None else match[1].strip().lower()
