"""Another program that is asked in JSON over HTTP: its address, the rest it is given, and how it is read.

Rules of this file:

* One that did not answer is left alone for a moment, so that many who have a question do not wait for it one
  after the other.
* Nothing that comes back is believed: a member that is not what it should be reads as "not told".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import Transient
from offcloud_watchd.inquiry import Answer, ask


class PeerSettings(Protocol):
    """Where a program is asked, and how patiently."""

    @property
    def url(self) -> str:
        """Its address, with the path under which it is asked."""
        ...

    @property
    def user_agent(self) -> str:
        """Who it is told that we are."""
        ...

    @property
    def total_timeout_s(self) -> float:
        """How long one question may take."""
        ...

    @property
    def rest_s(self) -> float:
        """How long it is left alone when it did not answer."""
        ...


class Peer:
    """One other program. Any thread. ``name`` is what people know it by."""

    def __init__(self, name: str, settings: PeerSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._base = urlsplit(settings.url)
        self._called = f"{name} ({self._base.hostname})"
        self._rest_until = float("-inf")
        self._trouble = ""

    def __str__(self) -> str:
        """Return its name and its host: begins what is said of it."""
        return self._called

    @property
    def path(self) -> str:
        """The path of its address, under which it is asked."""
        return self._base.path

    def forget_trouble(self) -> None:
        """Ask it the next time, also when it has just not answered: somebody has mended something."""
        self._rest_until = float("-inf")

    def ask(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        document: object = None,
        refusal_bytes: int = 0,
    ) -> Answer:
        """Ask once and return the answer; raise ``Transient``, which names it, when there is none.

        ``document`` is sent as JSON; None sends nothing. The rest is as for ``inquiry.ask``.
        """
        left_s = self._rest_until - self._clock.monotonic()
        if left_s > 0:
            raise Transient(self._trouble, retry_after_s=left_s)
        sent = {"User-Agent": self._settings.user_agent, "Connection": "close", **headers}
        if document is not None:
            sent["Content-Type"] = "application/json"
        try:
            return ask(
                self._base,
                method,
                target,
                headers=sent,
                body=None if document is None else json.dumps(document).encode("ascii"),
                total_timeout_s=self._settings.total_timeout_s,
                refusal_bytes=refusal_bytes,
            )
        except Transient as error:
            self._trouble = f"{self}: {error}"
            self._rest_until = self._clock.monotonic() + self._settings.rest_s
        raise Transient(self._trouble)


# --- Reading -----------------------------------------------------------------------------------------------


def parsed(body: bytes) -> object:
    """Return what a body says; raise ``ValueError`` where it is no JSON, or nested without end."""
    try:
        told: object = json.loads(body)
    except RecursionError:
        raise ValueError from None
    return told


def mapping(value: object) -> Mapping[str, object]:
    """Return an object's members; none where it is no object."""
    return value if isinstance(value, dict) else {}


def entries(value: object) -> Sequence[object]:
    """Return what is in a list; nothing where it is none."""
    return value if isinstance(value, list) else []


def objects(value: object) -> Sequence[Mapping[str, object]]:
    """Return the objects in a list; what is none is left out."""
    return [one for one in entries(value) if isinstance(one, dict)]


def text(value: object) -> str:
    """Return a text; empty where it is none."""
    return value if isinstance(value, str) else ""
