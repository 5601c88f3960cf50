"""Shortcut files that hold one link: .url (Windows), .desktop (freedesktop.org), .webloc (macOS).

Rules of this file:

* Nothing in a shortcut is ever run, expanded or followed; only its one address is taken.
* An own reader for the INI kinds: ``configparser`` expands percent signs, glues indented lines together,
  lets a DEFAULT section leak into others and gives up on a line without an equals sign.
* The first address in the right section counts; addresses of icons and frames are not the link.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Iterator
from typing import Final
from xml.parsers.expat import ExpatError

from offcloud_watchd.errors import BadDrop

MAX_SHORTCUT_BYTES: Final = 256 * 1024

_SECTION = re.compile(r"\s*\[([^\]\r\n]*)\]\s*")
_SETTING = re.compile(r"\s*([A-Za-z][\w.-]*(?:\[\$\w*\])?)\s*=(.*)", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_ESCAPE = re.compile(r"\\([sntr\\])")
_ESCAPED: Final = {"s": " ", "n": "\n", "t": "\t", "r": "\r", "\\": "\\"}
_WINDOWS, _DESKTOP = "internetshortcut", "desktop entry"

# What plistlib raises on hostile files, beyond its own InvalidFileException (a ValueError).
_PLIST_ERRORS = (
    AttributeError,
    ExpatError,
    LookupError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def has_shortcut(text: str) -> bool:
    """Tell whether one of the two sections that hold a link is there."""
    return any(_section_name(line) in (_WINDOWS, _DESKTOP) for line in _lines(text))


def is_settings(text: str) -> bool:
    """Tell whether a text begins with a section or a setting, so that it is no bare link or list."""
    first = next((line for line in _lines(text) if line.strip()), "")
    return (_SECTION.fullmatch(first) or _SETTING.fullmatch(first)) is not None


def shortcut_target(text: str) -> str:
    """Return the address in a .url or .desktop file, unchecked. Raise ``BadDrop`` when there is none."""
    if len(text) > MAX_SHORTCUT_BYTES:
        raise BadDrop(f"the shortcut has {len(text)} characters; none with a link is so large")
    settings = list(_settings(text))
    target = next((value for section, key, value in settings if section == _WINDOWS and key == "url"), None)
    if target is not None:
        return target
    entry = [(key, value) for section, key, value in settings if section == _DESKTOP]
    if any(key == "type" and value.lower() == "link" for key, value in entry):
        # KDE marks a value that it would expand with [$e]; it is taken as it stands.
        target = next((value for key, value in entry if key == "url" or key.startswith("url[$")), None)
        if target is not None:
            return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], target)
    raise BadDrop(
        "the shortcut holds no link: there is neither URL= below [InternetShortcut] "
        "nor Type=Link and URL= below [Desktop Entry]"
    )


def is_webloc(data: bytes) -> bool:
    """Tell whether the bytes are a property list, the form of a .webloc file."""
    return data.startswith(b"bplist0") or b"<plist" in data[:1024]


def webloc_target(data: bytes) -> str:
    """Return the address in a .webloc file, unchecked. Raise ``BadDrop`` when there is none."""
    if len(data) > MAX_SHORTCUT_BYTES:
        raise BadDrop(f"the .webloc file has {len(data)} bytes; none with a link is so large")
    try:
        # Refuses entity declarations by itself, so a document that swells up is not read.
        content = plistlib.loads(data)
    except _PLIST_ERRORS:
        raise BadDrop("the .webloc file is no readable property list") from None
    target = content.get("URL") if isinstance(content, dict) else None
    if not isinstance(target, str) or not target.strip():
        raise BadDrop("the .webloc file holds no URL")
    return target


def _settings(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield section, key and value, in order; names in lower case, empty values left out."""
    section = ""
    for line in _lines(text):
        name = _section_name(line)
        if name is not None:
            section = name
            continue
        match = _SETTING.fullmatch(line)
        if match is not None and match[2].strip():
            yield section, match[1].lower(), match[2].strip().strip('"')


def _lines(text: str) -> list[str]:
    return _LINE_END.split(text[:MAX_SHORTCUT_BYTES])


def _section_name(line: str) -> str | None:
    match = _SECTION.fullmatch(line)
    return None if match is None else match[1].strip().lower()
