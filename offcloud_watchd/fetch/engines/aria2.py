"""What we ask of aria2, in its words: JSON-RPC over HTTP, one question at a time.

Rules of this file:

* Nothing that comes back is believed: a member that is not what it should be reads as "not told".
* Everything that goes wrong between us and aria2 is ``EngineDown``: its operator mends it, the jobs wait.
* Neither the secret nor a link is in an error: aria2's own words, which may hold them, are not repeated.

Source: the aria2 manual, "RPC INTERFACE" and "EXIT STATUS"; tried with 1.36.0.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import ConfigError, EngineDown, Transient
from offcloud_watchd.fetch.engines.settings import Aria2Settings
from offcloud_watchd.inquiry import ask

PAGE: Final = 1000
PAGES: Final = 100
_REFUSAL_BYTES: Final = 64 * 1024
_GOING: Final = ("active", "waiting", "paused")
_KEYS: Final = [
    "gid",
    "status",
    "dir",
    "totalLength",
    "completedLength",
    "downloadSpeed",
    "errorCode",
    "errorMessage",
]
_STATUS: Final = re.compile(r"status=([1-5][0-9]{2})\b")
_LOOKS_WHILE_IT_ENDS: Final = 50
_LOOK_S: Final = 0.1


class _RefusedError(Exception):
    """aria2 answered, and did not do it; ``words`` are its own and are shown to nobody."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = words


@dataclass(frozen=True, slots=True)
class Download:
    """One download as aria2 tells of it.

    ``status`` is ``active``, ``waiting``, ``paused``, ``error``, ``complete`` or ``removed``; ``error`` is
    its exit status, ``http_status`` what the file host answered (0: not told).
    """

    gid: str
    status: str
    directory: str
    total_bytes: int
    done_bytes: int
    bytes_per_s: int
    error: int
    http_status: int

    @property
    def is_going(self) -> bool:
        """Tell whether aria2 has not ended it."""
        return self.status in _GOING


class Aria2:
    """One aria2. Any thread. Every method may raise ``EngineDown`` with a text that names it."""

    def __init__(self, settings: Aria2Settings, read_secret: Callable[[], str], clock: Clock) -> None:
        self.settings = settings
        self._read_secret = read_secret
        self._clock = clock
        self._base = urlsplit(settings.url)
        self._rest_until = float("-inf")
        self._trouble = ""

    def theirs(self, path: str) -> str:
        """Return what aria2 calls a path of ours."""
        for ours, theirs in sorted(self.settings.paths, key=lambda pair: -len(pair[0])):
            if path == ours or path.startswith(ours.rstrip("/") + "/"):
                return theirs.rstrip("/") + path[len(ours.rstrip("/")) :]
        return path

    def forget_trouble(self) -> None:
        """Ask it the next time, also when it has just not answered: somebody has mended something."""
        self._rest_until = float("-inf")

    def version(self) -> str:
        """Return its version: it proves the address and the secret."""
        return _text(_mapping(self._call("getVersion")).get("version")) or "of an unknown version"

    def session_file(self) -> str:
        """Return the file it saves unfinished downloads to, with their links; empty where it has none."""
        return _text(_mapping(self._call("getGlobalOption")).get("save-session"))

    def find(self, gid: str) -> Download | None:
        """Return a download; None when aria2 does not know it."""
        try:
            return _download(_mapping(self._ask("tellStatus", gid, _KEYS)))
        except _RefusedError:
            return None

    def all(self) -> Iterator[Download]:
        """Return every download it knows of, going or ended."""
        yield from map(_download, _mappings(self._call("tellActive", _KEYS)))
        for method in ("tellWaiting", "tellStopped"):
            for number in range(PAGES):
                told = _mappings(self._call(method, number * PAGE, PAGE, _KEYS))
                yield from map(_download, told)
                if len(told) < PAGE:
                    break

    def add(self, gid: str, url: str, options: Mapping[str, str]) -> None:
        """Give it one file to fetch, under a name of ours, which must not be in use.

        Where the answer was lost, it is found by its name.
        """
        try:
            self._ask("addUri", [url], {**options, "gid": gid})
        except _RefusedError:
            if self.find(gid) is None:
                raise self._down("did not take a file to fetch; see its log") from None

    def limit(self, gid: str, bytes_per_s: int) -> None:
        """Let a download take so many bytes a second, 0 for all there are; one that has ended is fine."""
        with suppress(_RefusedError):
            self._ask("changeOption", gid, {"max-download-limit": str(bytes_per_s)})

    def drop(self, gid: str, stop: Stop) -> None:
        """End a download and have aria2 forget it: its session file holds no link of it. Repeatable.

        Its file stays as it is, and nothing more is written to it.
        """
        with suppress(_RefusedError):
            self._ask("forceRemove", gid)
        for _ in range(_LOOKS_WHILE_IT_ENDS):
            with suppress(_RefusedError):
                self._ask("removeDownloadResult", gid)
            if self.find(gid) is None:
                return
            if stop.wait(_LOOK_S):
                return
        raise self._down("did not end a download when it was told to")

    # --- asking ---

    def _call(self, method: str, *params: object) -> object:
        """Ask what aria2 never refuses to who may ask at all."""
        try:
            return self._ask(method, *params)
        except _RefusedError:
            pass
        raise self._down(f"refused aria2.{method}; is it older than 1.30?")

    def _ask(self, method: str, *params: object) -> object:
        if self._clock.monotonic() < self._rest_until:
            raise EngineDown(self._trouble)
        secret = self._secret()
        body = {
            "jsonrpc": "2.0",
            "id": "offcloud-watchd",
            "method": f"aria2.{method}",
            "params": [f"token:{secret}", *params] if secret else list(params),
        }
        try:
            answer = ask(
                self._base,
                "POST",
                self._base.path or "/jsonrpc",
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": self.settings.user_agent,
                    "Connection": "close",
                },
                body=json.dumps(body).encode("ascii"),
                total_timeout_s=self.settings.total_timeout_s,
                refusal_bytes=_REFUSAL_BYTES,
            )
        except Transient as error:
            reason = str(error)
        else:
            return self._understood(answer.status, answer.body)
        raise self._down(reason, rest=True)

    def _understood(self, status: int, body: bytes) -> object:
        try:
            told = _mapping(json.loads(body))
        except (ValueError, RecursionError):
            told = {}
        if "result" in told:
            return told["result"]
        words = _text(_mapping(told.get("error")).get("message"))
        if words == "Unauthorized":
            where = self.settings.secret_file or "engines.aria2.secret_file"
            raise self._down(f"the secret was refused: put its rpc-secret into {where}")
        if not words:
            raise self._down(f"answered {status} with something else: is engines.aria2.url its JSON-RPC?")
        raise _RefusedError(words)

    def _secret(self) -> str:
        if self.settings.secret_file is None:
            return ""
        try:
            return self._read_secret()
        except ConfigError as error:
            reason = str(error)
        raise EngineDown(reason)

    def _down(self, what: str, *, rest: bool = False) -> EngineDown:
        trouble = f"aria2 ({self._base.hostname}): {what}"
        if rest:  # who waits for an answer that does not come keeps others from their turn
            self._rest_until = self._clock.monotonic() + self.settings.rest_s
            self._trouble = trouble
        return EngineDown(trouble)


# --- reading -----------------------------------------------------------------------------------------------


def _download(told: Mapping[str, object]) -> Download:
    found = _STATUS.search(_text(told.get("errorMessage"))[:1000])
    return Download(
        _text(told.get("gid")),
        _text(told.get("status")),
        _text(told.get("dir")),
        _number(told.get("totalLength")),
        _number(told.get("completedLength")),
        _number(told.get("downloadSpeed")),
        _number(told.get("errorCode")),
        int(found[1]) if found else 0,
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _mappings(value: object) -> Sequence[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> int:
    """Read a number, which aria2 writes as text."""
    text = _text(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
