"""Where the log goes and what it looks like. The one place that configures ``logging``.

Rules of this file:

* One line an event. Control characters that came from outside are escaped, line ends among them, so that a
  file's name cannot forge a line or steer a terminal. A traceback has lines of its own, which are set in.
* Whatever reaches a handler has been through ``Redaction`` first: the key never gets out, not even inside
  a traceback or another library's message.
* What a record is about is given as ``extra``, under the names in ``FIELDS``. journald and JSON carry them as
  fields of their own, text does not: a message says by itself what it is about.
* Nobody waits for the log, and what repeats itself is counted: ``outlet`` stands before the handlers.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from offcloud_watchd.logs.outlet import DescriptorHandler, Outlet

PRIORITIES: Final = {
    logging.DEBUG: 7,
    logging.INFO: 6,
    logging.WARNING: 4,
    logging.ERROR: 3,
    logging.CRITICAL: 2,
}
"""syslog priorities; a line that starts with ``<N>`` carries one into journald. Source: sd-daemon(3)."""

FIELDS: Final = ("job", "category", "request", "lane")
"""What a reader of the log can filter by: ``journalctl JOB=404434ba1fbc``, ``jq 'select(.lane=="api")'``."""

_KEY_IN_URL: Final = re.compile(r"(?i)([?&](?:key|api_?key|access_token)=)[^&\s\"']+")
_BEARER: Final = re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{8,}")
_CONTROL: Final = re.compile(
    r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Redaction:
    """Takes secrets out of a text. ``secrets`` is asked each time, because a key may be replaced."""

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        """Return the text without any secret in it."""
        for secret in self._secrets():
            if secret:
                text = text.replace(secret, "[secret]")
        return _BEARER.sub(r"\1[secret]", _KEY_IN_URL.sub(r"\1[secret]", text))


def fields(record: logging.LogRecord) -> dict[str, str]:
    """Return what a record says it is about; a name that it says nothing of is left out."""
    said = {name: getattr(record, name, None) for name in FIELDS}
    return {name: str(value) for name, value in said.items() if value not in (None, "")}


def printable(text: str) -> str:
    """Escape what could forge a log line or steer a terminal."""
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class _TextFormatter(logging.Formatter):
    def __init__(self, redact: Redaction, *, prefix_priority: bool, with_time: bool) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s" if with_time else "%(message)s")
        self._redact = redact
        self._prefix_priority = prefix_priority

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the name is logging's
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - name and type are logging's
        return "\n".join(f"  {printable(line)}" for line in super().formatException(ei).split("\n"))

    def format(self, record: logging.LogRecord) -> str:
        text = self._redact(super().format(record))
        if not self._prefix_priority:
            return text
        priority = PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in text.split("\n"))


class _JsonFormatter(logging.Formatter):
    def __init__(self, redact: Redaction) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": record.getMessage(),
            **fields(record),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(entry))


class JournalHandler(logging.Handler):
    """Sends records to journald with fields that ``journalctl`` can filter by.

    ``send`` is ``systemd.journal.send``. The library's own handler is not used: it puts the arguments and the
    exception of a record into fields as they are, past any redaction.
    """

    def __init__(self, send: Callable[..., None], redact: Redaction) -> None:
        super().__init__()
        self._send = send
        self._redact = redact
        self.setFormatter(_TextFormatter(redact, prefix_priority=False, with_time=False))

    def emit(self, record: logging.LogRecord) -> None:
        """Send one record; a failure is dealt with as ``logging`` does it."""
        try:
            self._send(
                self.format(record),
                PRIORITY=PRIORITIES.get(record.levelno, 6),
                LOGGER=record.name,
                THREAD_NAME=record.threadName,
                SYSLOG_IDENTIFIER="offcloud-watchd",
                CODE_FILE=record.pathname,  # else the library names this line here
                CODE_LINE=record.lineno,
                CODE_FUNC=record.funcName,
                **{name.upper(): self._redact(printable(text)) for name, text in fields(record).items()},
            )
        except OSError:
            self.handleError(record)


def journal_send() -> Callable[..., None] | None:
    """Return systemd-python's ``journal.send``, None where the extra is not installed.

    Two other packages carry the import name ``systemd``, so the attribute is asked for, not only the module
    (systemd/python-systemd issues 71 and 129).
    """
    try:
        from systemd import journal  # noqa: PLC0415 - an extra; nobody else shall pay for it
    except ImportError:
        return None
    return getattr(journal, "send", None)


def configure(
    *,
    level: str,
    style: str,
    env: Mapping[str, str],
    secrets: Callable[[], list[str]],
    stream: TextIO | None = None,
) -> None:
    """Set the root logger up; calling it again replaces what was there.

    ``style`` is ``auto``, ``text`` or ``json``. Under a service manager (``JOURNAL_STREAM`` tells) ``auto``
    means journald's fields where systemd-python is there, else lines with a priority instead of the time,
    which the manager's own log knows better. A ``stream`` is written to at once, without an ``Outlet``.
    """
    handler = _handler(style, env, Redaction(secrets), stream)
    if stream is None:
        handler = Outlet(handler)
        # Else a log that cannot be written to has its arguments printed, past any redaction.
        logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # urllib3 prints whole addresses, at debug level and in warnings about headers; some hold a secret.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # watchdog reports events that arrive while it is being stopped as errors; the scan finds what they meant.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)


def flush() -> None:
    """Wait a moment until what was logged is written."""
    for handler in logging.getLogger().handlers:
        handler.flush()


def _handler(style: str, env: Mapping[str, str], redact: Redaction, stream: TextIO | None) -> logging.Handler:
    managed = bool(env.get("JOURNAL_STREAM")) and not (stream or sys.stderr).isatty()
    send = journal_send() if style == "auto" and managed else None
    if send is not None:
        return JournalHandler(send, redact)
    handler = DescriptorHandler(sys.stderr.fileno()) if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(_formatter(style, redact, managed=managed))
    return handler


def _formatter(style: str, redact: Redaction, *, managed: bool) -> logging.Formatter:
    if style == "json":
        return _JsonFormatter(redact)
    for_manager = style == "auto" and managed
    return _TextFormatter(redact, prefix_priority=for_manager, with_time=not for_manager)
