"""How long another server asks to be left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

FAR_S: Final = 1e9
"""The most that is believed; whoever waits clamps it further."""

_SECONDS: Final = re.compile(r"[-+]?\d{1,30}(\.\d{1,30})?")
_HUGE: Final = re.compile(r"\d{31,}")


def retry_after_s(header: str | None, now: float) -> float | None:
    """Return the seconds a ``Retry-After`` asks for, from 0 to ``FAR_S``; None for none and for garbage.

    ``now`` is UTC seconds, for one that is a date. Source: RFC 9110, section 10.2.3.
    """
    told = (header or "").strip()
    if _HUGE.fullmatch(told):
        return FAR_S
    try:
        asked = float(told) if _SECONDS.fullmatch(told) else _utc(parsedate_to_datetime(told)) - now
    except (ValueError, OverflowError):
        return None
    return min(max(asked, 0.0), FAR_S)


def _utc(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
