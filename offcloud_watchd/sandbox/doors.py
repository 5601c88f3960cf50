"""Who is let in: the key, a session's cookie, and a device that a person lets in.

Rules of this file:

* Keys are compared in constant time. What is handed out is bounded: the oldest is forgotten first.
* A device's course is that of RFC 8628. A person lets it in at ``/activate``; a program at
  ``POST /sandbox/activate``.
* Every method may be called by any thread.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import deque
from dataclasses import dataclass, replace
from http.cookies import CookieError, SimpleCookie
from typing import Final

from offcloud_watchd.sandbox.forms import Form
from offcloud_watchd.sandbox.server import Request
from offcloud_watchd.sandbox.settings import SandboxSettings

MOST_SESSIONS: Final = 16
MOST_DEVICES: Final = 64
USER_CODE_LETTERS: Final = "BCDFGHJKLMNPQRSTVWXZ"  # RFC 8628, section 6.1: no word can be made of them


@dataclass(frozen=True, slots=True)
class Device:
    """A device that waits at the door. ``verdict``: empty, ``yes``, ``no``, or ``done``: it has its key."""

    code: str
    user_code: str
    begun_at: float
    asked_at: float = float("-inf")
    verdict: str = ""


class Doors:
    """Sessions, devices, and the keys they were given."""

    def __init__(self, settings: SandboxSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: deque[str] = deque(maxlen=MOST_SESSIONS)
        self._tokens: deque[str] = deque(maxlen=MOST_DEVICES)
        self._devices: dict[str, Device] = {}

    def lets_in(self, request: Request, query: Form, form: Form) -> bool:
        """Tell whether a request shows a good key, in a way this generation knows."""
        manners = self._settings.manners
        offered = [query.one("key")]
        if manners.current:
            offered.append(request.headers.get("authorization", "").removeprefix("Bearer "))
        if manners.classic:
            offered += [query.one("apikey"), query.one("apiKey"), form.one("key")]
            if _session(request) in self._sessions:
                return True
        good = [self._settings.key, *self._tokens]
        return any(
            hmac.compare_digest(one.encode("utf-8", "replace"), key.encode())
            for one in offered
            for key in good
        )

    def open_session(self) -> str:
        """Return a new session's secret."""
        session = secrets.token_hex(16)
        self._sessions.append(session)
        return session

    def end_sessions(self) -> None:
        """Log everybody out."""
        self._sessions.clear()

    def begin_device(self) -> Device:
        """Let a device wait at the door."""
        letters = "".join(secrets.choice(USER_CODE_LETTERS) for _ in range(8))
        device = Device(secrets.token_urlsafe(24), f"{letters[:4]}-{letters[4:]}", self._settings.clock.now())
        with self._lock:
            if len(self._devices) >= MOST_DEVICES:
                del self._devices[next(iter(self._devices))]
            self._devices[device.code] = device
        return device

    def ask_device(self, code: str) -> str:
        """Return a token, or the error word a device is told. Source: RFC 8628, section 3.5."""
        now = self._settings.clock.now()
        with self._lock:
            device = self._devices.get(code)
            if device is None or device.verdict == "done":
                return "invalid_grant"
            self._devices[code] = replace(device, asked_at=now)
            if now > device.begun_at + self._settings.device_life_s:
                return "expired_token"
            if now < device.asked_at + self._settings.device_interval_s:
                return "slow_down"
            if device.verdict != "yes":
                return "access_denied" if device.verdict else "authorization_pending"
            self._devices[code] = replace(device, verdict="done")
        token = f"token-{secrets.token_hex(16)}"
        self._tokens.append(token)
        return token

    def decide(self, user_code: str, *, let_in: bool) -> bool:
        """Let a waiting device in or send it away; False when nobody waits with this code."""
        with self._lock:
            for device in self._devices.values():
                if device.user_code == user_code.strip().upper() and not device.verdict:
                    self._devices[device.code] = replace(device, verdict="yes" if let_in else "no")
                    return True
        return False


def _session(request: Request) -> str:
    try:
        cookie = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookie["connect.sid"].value if "connect.sid" in cookie else ""
