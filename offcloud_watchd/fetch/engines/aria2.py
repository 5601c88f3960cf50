"""What we ask of aria2, in its words: JSON-RPC over HTTP, one question at a time.

Rules of this file:

* What it tells is read by the rules of ``peer``, and what goes wrong is said by those of ``program``.
* The secret goes in the body alone.

Source: the aria2 manual, "RPC INTERFACE" and "EXIT STATUS"; tried with 1.36.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.fetch.engines.program import Program, RefusedError
from offcloud_watchd.fetch.engines.settings import Aria2Settings
from offcloud_watchd.peer import mapping, objects, parsed, text

PAGE: Final = 1000
PAGES: Final = 100
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
        self._program = Program("aria2", settings, read_secret, clock)

    def theirs(self, path: str) -> str:
        """Return what aria2 calls a path of ours."""
        for ours, theirs in sorted(self.settings.paths, key=lambda pair: -len(pair[0])):
            if path == ours or path.startswith(ours.rstrip("/") + "/"):
                return theirs.rstrip("/") + path[len(ours.rstrip("/")) :]
        return path

    def forget_trouble(self) -> None:
        """Ask it the next time, also when it has just not answered: somebody has mended something."""
        self._program.forget_trouble()

    def version(self) -> str:
        """Return its version: it proves the address and the secret."""
        return text(mapping(self._call("getVersion")).get("version")) or "of an unknown version"

    def session_file(self) -> str:
        """Return the file it saves unfinished downloads to, with their links; empty where it has none."""
        return text(mapping(self._call("getGlobalOption")).get("save-session"))

    def find(self, gid: str) -> Download | None:
        """Return a download; None when aria2 does not know it."""
        try:
            return _download(mapping(self._ask("tellStatus", gid, _KEYS)))
        except RefusedError:
            return None

    def all(self) -> Iterator[Download]:
        """Return every download it knows of, going or ended."""
        yield from map(_download, objects(self._call("tellActive", _KEYS)))
        for method in ("tellWaiting", "tellStopped"):
            for number in range(PAGES):
                told = objects(self._call(method, number * PAGE, PAGE, _KEYS))
                yield from map(_download, told)
                if len(told) < PAGE:
                    break

    def add(self, gid: str, url: str, options: Mapping[str, str]) -> None:
        """Give it one file to fetch, under a name of ours, which must not be in use.

        Where the answer was lost, it is found by its name.
        """
        try:
            self._ask("addUri", [url], {**options, "gid": gid})
        except RefusedError:
            if self.find(gid) is None:
                raise self._program.down("did not take a file to fetch; see its log") from None

    def limit(self, gid: str, bytes_per_s: int) -> None:
        """Let a download take so many bytes a second, 0 for all there are; one that has ended is fine."""
        with suppress(RefusedError):
            self._ask("changeOption", gid, {"max-download-limit": str(bytes_per_s)})

    def drop(self, gid: str, stop: Stop) -> None:
        """End a download and have aria2 forget it: its session file holds no link of it. Repeatable.

        Its file stays as it is, and nothing more is written to it.
        """
        with suppress(RefusedError):
            self._ask("forceRemove", gid)
        for _ in range(_LOOKS_WHILE_IT_ENDS):
            with suppress(RefusedError):
                self._ask("removeDownloadResult", gid)
            if self.find(gid) is None:
                return
            if stop.wait(_LOOK_S):
                return
        raise self._program.down("did not end a download when it was told to")

    # --- asking ---

    def _call(self, method: str, *params: object) -> object:
        """Ask what aria2 never refuses to who may ask at all."""
        try:
            return self._ask(method, *params)
        except RefusedError:
            pass
        raise self._program.down(f"refused aria2.{method}; is it older than 1.30?")

    def _ask(self, method: str, *params: object) -> object:
        secret = self._program.secret() if self.settings.secret_file is not None else ""
        question = {
            "jsonrpc": "2.0",
            "id": "offcloud-watchd",
            "method": f"aria2.{method}",
            "params": [f"token:{secret}", *params] if secret else list(params),
        }
        answer = self._program.ask(self._program.path or "/jsonrpc", question)
        return self._understood(answer.status, answer.body)

    def _understood(self, status: int, body: bytes) -> object:
        try:
            told = mapping(parsed(body))
        except ValueError:
            told = {}
        if "result" in told:
            return told["result"]
        words = text(mapping(told.get("error")).get("message"))
        if words == "Unauthorized":
            where = self.settings.secret_file or "engines.aria2.secret_file"
            raise self._program.down(f"the secret was refused: put its rpc-secret into {where}")
        if not words:
            raise self._program.down(
                f"answered {status} with something else: is engines.aria2.url its JSON-RPC?"
            )
        raise RefusedError


# --- reading -----------------------------------------------------------------------------------------------


def _download(told: Mapping[str, object]) -> Download:
    found = _STATUS.search(text(told.get("errorMessage"))[:1000])
    return Download(
        text(told.get("gid")),
        text(told.get("status")),
        text(told.get("dir")),
        _number(told.get("totalLength")),
        _number(told.get("completedLength")),
        _number(told.get("downloadSpeed")),
        _number(told.get("errorCode")),
        int(found[1]) if found else 0,
    )


def _number(value: object) -> int:
    """Read a number, which aria2 writes as text."""
    told = text(value)
    return int(told) if told.isascii() and told.isdigit() and len(told) < 20 else 0
