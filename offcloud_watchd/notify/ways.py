"""The ways a message can take: a command, a webhook, and all that apprise knows.

Rules of this file:

* Every way ends within its time limit, whatever the other side does.
* An error is told in words of ours: the text of a library may hold an address with a token in it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

import requests

from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import NO_THREAD
from offcloud_watchd.notify.message import Message
from offcloud_watchd.notify.settings import NotifySettings

CONNECT_S: Final = 5.0
LOOK_EVERY_S: Final = 0.2
LAST_S: Final = 0.5
"""How long a message may still take when the program ends."""

T = TypeVar("T")


class NotSent(Exception):  # noqa: N818 - the state of the thing
    """A message did not go out; the text is fit for the log. ``may_pass``: trying again may help."""

    def __init__(self, reason: str, *, may_pass: bool) -> None:
        super().__init__(reason)
        self.may_pass = may_pass


class Way(Protocol):
    """One way to send messages. One thread."""

    @property
    def name(self) -> str:
        """What it is called in the log and the figures."""
        ...

    def send(self, message: Message, stop: Stop) -> None:
        """Send; raise ``NotSent``. Ends soon when ``stop`` is raised."""
        ...


class Webhook:
    """Posts a message as JSON. Follows nothing, reads nothing of the answer but its status."""

    name = "webhook"

    def __init__(self, settings: NotifySettings, url: str) -> None:
        self._settings = settings
        self._url = url
        self._host = urlsplit(url).hostname or ""
        self._within = Within(settings.time_limit_s)

    def send(self, message: Message, stop: Stop) -> None:
        """Post it; anything but a 2xx is a failure."""
        status = self._within(lambda: self._post(message), stop)
        if not 200 <= status < 300:
            redirect = ", a redirect, which is not followed" if 300 <= status < 400 else ""
            raise NotSent(
                f"{self._host} answered {status}{redirect}", may_pass=status in (408, 429) or status >= 500
            )

    def _post(self, message: Message) -> int:
        try:
            with requests.Session() as session:
                session.trust_env = False  # neither a proxy nor a .netrc of somebody else's
                session.headers["User-Agent"] = self._settings.user_agent
                with session.post(
                    self._url,
                    data=message.document(),
                    headers={"Content-Type": "application/json"},
                    timeout=(CONNECT_S, self._settings.time_limit_s),
                    allow_redirects=False,
                    stream=True,
                ) as answer:
                    return answer.status_code
        except (requests.RequestException, OSError, ValueError) as error:
            reason = f"{self._host} gave no answer ({type(error).__name__})"
        raise NotSent(reason, may_pass=True)  # out here, so that no foreign text hangs on as its context


class Apprise:
    """Hands a message to the addresses in a file. The library is loaded with the first message."""

    name = "apprise"

    def __init__(self, settings: NotifySettings, path: Path) -> None:
        self._path = path
        self._within = Within(settings.time_limit_s)

    def send(self, message: Message, stop: Stop) -> None:
        """Send it to all; the file is read anew each time."""
        self._within(lambda: self._notify(message), stop)

    def _notify(self, message: Message) -> None:
        try:
            import apprise  # noqa: PLC0415 - an extra, and 6 MiB: only who uses it carries it
        except ImportError:
            text = "apprise is not installed here: install offcloud-watchd[apprise]"
            raise NotSent(text, may_pass=False) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log parts of the addresses
        addresses = apprise.AppriseConfig(insecure_includes=False)
        sender = apprise.Apprise()
        if (
            not addresses.add(f"file://{self._path}?format=text")
            or not sender.add(addresses)
            or not len(sender)
        ):
            raise NotSent(f"{self._path} cannot be read or names no address", may_pass=False)
        kind = "warning" if message.event in ("failed", "blocked") else "success"
        if not sender.notify(body=message.text, title=message.title, notify_type=kind):
            raise NotSent("an address of the file did not take it", may_pass=True)


class Within:
    """Does something on a thread that is left behind when it hangs, one at the most. For one thread."""

    def __init__(self, time_limit_s: float) -> None:
        self._time_limit_s = time_limit_s
        self._thread: threading.Thread | None = None

    def __call__(self, work: Callable[[], T], stop: Stop) -> T:
        """Return what ``work`` does, or raise what it raises; ``NotSent`` when it does not end in time."""
        if self._thread is not None and self._thread.is_alive():
            raise NotSent("an earlier message still hangs there", may_pass=True)
        answers: SimpleQueue[T | Exception] = SimpleQueue()

        def run() -> None:
            try:
                answers.put(work())
            except Exception as error:  # noqa: BLE001 - handed over to the thread that asked
                answers.put(error)

        thread = threading.Thread(target=run, name="notify-way", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            raise NotSent(NO_THREAD, may_pass=True) from None
        self._thread = thread
        answer = self._awaited(answers, stop)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _awaited(self, answers: SimpleQueue[T | Exception], stop: Stop) -> T | Exception:
        until_s = time.monotonic() + self._time_limit_s
        while (left_s := until_s - time.monotonic()) > 0:
            try:
                return answers.get(timeout=min(LOOK_EVERY_S, left_s))
            except Empty:
                if stop.is_set():
                    until_s = min(until_s, time.monotonic() + LAST_S)
        return NotSent(f"it did not end within {self._time_limit_s:g} s", may_pass=True)
