"""The program behind an engine, as far as all of them are alike: asked over HTTP, and in somebody's care.

Rules of this file:

* Everything that goes wrong between us and the program is ``EngineDown``: its operator mends it, and the jobs
  wait.
* Its own words, and what is sent to it, may hold a link or the secret: neither is in an error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import ConfigError, EngineDown, Transient
from offcloud_watchd.inquiry import Answer
from offcloud_watchd.peer import Peer, PeerSettings

_REFUSAL_BYTES: Final = 64 * 1024


class RefusedError(Exception):
    """The program answered, and did not do what it was asked for."""


class Program:
    """One such program. Any thread. ``name`` begins what is said of it."""

    def __init__(
        self, name: str, settings: PeerSettings, read_secret: Callable[[], str], clock: Clock
    ) -> None:
        self._peer = Peer(name, settings, clock)
        self._read_secret = read_secret

    @property
    def path(self) -> str:
        """The path of its address."""
        return self._peer.path

    def forget_trouble(self) -> None:
        """Ask it the next time, also when it has just not answered: somebody has mended something."""
        self._peer.forget_trouble()

    def secret(self) -> str:
        """Return what it is asked with, read again; raise ``EngineDown`` where it cannot be read."""
        try:
            return self._read_secret()
        except ConfigError as error:
            reason = str(error)
        raise EngineDown(reason)

    def ask(self, target: str, document: object, headers: Mapping[str, str] | None = None) -> Answer:
        """Send it a document; return its answer, also one that refuses, or raise ``EngineDown``."""
        try:
            return self._peer.ask(
                "POST", target, headers=headers or {}, document=document, refusal_bytes=_REFUSAL_BYTES
            )
        except Transient as error:
            reason = str(error)
        raise EngineDown(reason)

    def down(self, what: str) -> EngineDown:
        """Return what to raise when something is the matter with it."""
        return EngineDown(f"{self._peer}: {what}")
