"""Quantities as people write them: ``5GiB``, ``30s``, ``10MiB/s``, ``"0664"``.

Rules of this file:

* A unit is always written; a bare number is refused, because nobody can tell what it was meant to be.
* Every ``parse_`` function takes what YAML gave and returns a number or raises ``ValueError`` with a sentence
  for people. The sentence never repeats the value: a secret may have been put in the wrong place.
"""

from __future__ import annotations

import re
from typing import Final

SIZES: Final = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
DURATIONS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
MAX_BYTES: Final = 2**60
MAX_SECONDS: Final = 400 * 86400.0

_QUANTITY: Final = re.compile(r"([0-9]{1,18})(\.[0-9]{1,6})?([A-Za-z]*)")
_MODE: Final = re.compile(r"[0-7]{3,4}")
_SIZE_HINT: Final = "a size with its unit (B, KiB, MiB, GiB, TiB), such as 5GiB"
_DURATION_HINT: Final = "a duration with its unit (ms, s, m, h, d), such as 30s"
_RATE_HINT: Final = "a rate with its unit (B/s, KiB/s, MiB/s, GiB/s), such as 10MiB/s"


def parse_size(value: object) -> int:
    """Return bytes; a plain ``0`` needs no unit."""
    if value == 0 and type(value) is int:
        return 0
    return _bytes(value, _SIZE_HINT)


def parse_rate(value: object) -> int:
    """Return bytes per second, at least one."""
    if not isinstance(value, str) or not value.endswith("/s"):
        raise ValueError(f"must be {_RATE_HINT}")
    rate = _bytes(value.removesuffix("/s"), _RATE_HINT)
    if rate < 1:
        raise ValueError(f"must be more than nothing: {_RATE_HINT}")
    return rate


def _bytes(value: object, hint: str) -> int:
    amount, unit = _quantity(value, hint)
    if unit not in SIZES:
        meant = {name.lower(): name for name in SIZES}.get(unit.lower())
        meant = meant or {name.replace("i", "").lower(): name for name in SIZES}.get(unit.lower())
        raise ValueError(f"must be {hint}" + (f"; did you mean {meant}?" if unit and meant else ""))
    size = round(amount * SIZES[unit])
    if size > MAX_BYTES:
        raise ValueError("is larger than any disk; at most 1048576TiB")
    return size


def parse_duration(value: object) -> float:
    """Return seconds."""
    amount, unit = _quantity(value, _DURATION_HINT)
    if unit not in DURATIONS:
        raise ValueError(f"must be {_DURATION_HINT}")
    seconds = amount * DURATIONS[unit]
    if seconds > MAX_SECONDS:
        raise ValueError("is too long; at most 400d")
    return seconds


def _quantity(value: object, hint: str) -> tuple[float, str]:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be {hint}")
    whole, part, unit = match.groups()
    return (float(whole + part) if part else int(whole)), unit


def parse_mode(value: object) -> int:
    """Return permission bits. A mode is text: YAML reads a bare ``0664`` as the number 436."""
    if not isinstance(value, str) or not _MODE.fullmatch(value):
        raise ValueError('must be a mode in quotes, such as "0664"')
    return int(value, 8)
