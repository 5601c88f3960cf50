"""The answers that let somebody in: login, key, check, and the device flow. Pure.

Rules of this file:

* A secret is returned, never shown: not in an error, not in a ``repr``.
* What is no usable key is none, so that nothing else is ever written into a key file.

Source: the official document of 2018 (login, check, key); RFC 8628 and seven public clients (devices).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from offcloud_watchd.errors import Blocked, Permanent
from offcloud_watchd.offcloud.answer import Answer, decode, number, text
from offcloud_watchd.offcloud.credentials import is_usable
from offcloud_watchd.offcloud.refusals import is_absent, refusal
from offcloud_watchd.offcloud.wire import first, not_understood

MAX_SECRET: Final = 4096
LONGEST_WAIT_S: Final = 3600.0
_COOKIE: Final = re.compile(r"(?:^|[\s,;])connect\.sid=\"?([^\s\",;\\]{1,4096})")


class Verdict(StrEnum):
    """What a device that waits is told."""

    PENDING = "authorization_pending"
    SLOWER = "slow_down"
    EXPIRED = "expired_token"
    DENIED = "access_denied"


@dataclass(frozen=True, slots=True)
class Device:
    """A device that asks to be let in: what a person types where, and for how long (seconds)."""

    code: str = field(repr=False)
    user_code: str
    page: str
    page_with_code: str
    interval_s: float
    life_s: float


def session(answer: Answer) -> str:
    """Return the cookie of a new session. Raises ``Blocked`` when the login was refused."""
    content = decode(answer)
    if is_absent(answer, content):
        raise Blocked(
            "api",
            f"{answer.asked} is not there: this service takes no password, only an API key; "
            "`offcloud-watchd login --device` gets one",
            key_refused=True,
        )
    value = content.value
    if isinstance(value, dict) and value.get("error") and answer.status < 500:
        said = answer.quoted(value["error"]) or "?"
        raise Blocked("api", f"{answer.asked} refused the login: '{said}'", key_refused=True)
    error = refusal(answer, content)
    if error is not None:
        raise error
    cookie = _COOKIE.search(answer.set_cookie)
    if cookie is None or not is_usable(cookie[1]):
        raise not_understood(answer, content, "a session")
    return cookie[1]


def api_key(answer: Answer) -> str | None:
    """Return the key of whoever is logged in; None when the account has none, or the service no such call."""
    content = decode(answer)
    if is_absent(answer, content):
        return None
    error = refusal(answer, content)
    if error is not None:
        raise error
    if not isinstance(content.value, dict):
        raise not_understood(answer, content, "a key")
    # Some descriptions call the member `key`.
    key = first(content.value, "apiKey", "api_key", "key")
    return key if isinstance(key, str) and len(key) <= MAX_SECRET and is_usable(key) else None


def is_logged_in(answer: Answer) -> bool:
    """Tell whether a session is good."""
    value = decode(answer).value
    return answer.is_success and isinstance(value, dict) and number(value.get("loggedIn")) == 1


# --- The device flow ---------------------------------------------------------------------------------------


def device(answer: Answer) -> Device:
    """Read the codes a device is given. Raises ``Permanent`` when the service lets no device in."""
    content = decode(answer)
    if is_absent(answer, content):
        raise Permanent(
            f"{answer.asked} is not there: this service lets no device in; use e-mail and password"
        )
    error = refusal(answer, content)
    if error is not None:
        raise error
    value = content.value if isinstance(content.value, dict) else {}
    code, user_code, page = (
        text(value.get(name)) for name in ("device_code", "user_code", "verification_uri")
    )
    if not (code and user_code and page.startswith(("https://", "http://"))):
        raise not_understood(answer, content, "the codes of a device")
    told = text(value.get("verification_uri_complete"))
    return Device(
        code,
        user_code[:64],
        page,
        told if told.startswith(("https://", "http://")) else page,
        _seconds(value.get("interval"), 5.0),
        _seconds(value.get("expires_in"), 600.0),
    )


def token(answer: Answer) -> str | Verdict:
    """Read what a waiting device is told: its key, or why there is none yet."""
    content = decode(answer)
    value = content.value if isinstance(content.value, dict) else {}
    if value.get("error") in tuple(Verdict):
        return Verdict(text(value["error"]))
    error = refusal(answer, content)
    if error is not None:
        raise error
    key = value.get("access_token")
    if not (isinstance(key, str) and len(key) <= MAX_SECRET and is_usable(key)):
        raise not_understood(answer, content, "a usable key")
    return key


def _seconds(value: object, otherwise: float) -> float:
    told = number(value)
    return otherwise if told is None or told < 0 else min(told, LONGEST_WAIT_S)
