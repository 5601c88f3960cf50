"""One answer of the service and the reading of values nobody can trust. Pure.

Rules of this file:

* A body is bounded before it gets here. Here it is looked at, never believed: a value that is not what it
  should be reads as "not told", and nothing raises.
* What kind of thing a body is comes before what it says, because HTML, bare words and empty bodies come with
  any status and any content type.
* Whatever may be shown to people goes through ``Answer.quoted``, which takes links and the key out.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from offcloud_watchd.core.retry_after import retry_after_s

MAX_TEXT: Final = 4096
MAX_QUOTED: Final = 200

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER: Final = re.compile(r"\s*([-+]?\d{1,30}(?:\.\d{1,30})?(?:[eE][-+]?\d{1,3})?)")
_TAG: Final = re.compile(r"<[a-z!/?]", re.IGNORECASE)
_LINK: Final = re.compile(r"(?:[a-z][a-z0-9+.-]{1,20}://|magnet:)\S*", re.IGNORECASE)
_LONG_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{32,}")
_DAY_FIRST: Final = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})")


class Form(StrEnum):
    """What a body is, whatever its content type claims."""

    JSON = "JSON"
    HTML = "a web page"
    TEXT = "text"
    EMPTY = "an empty answer"
    BROKEN = "broken JSON"


@dataclass(frozen=True, slots=True)
class Content:
    """A body that was looked at: the JSON value, or the text; None for the other forms."""

    form: Form
    value: object = None


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. ``asked`` is the method with host and path, fit to be shown.

    ``at`` is when it came (UTC seconds). ``framed`` tells whether HTTP itself says where the body ends.
    ``set_cookie`` is the header of that name, a secret. ``secrets`` are what was sent of keys and passwords,
    so that they can be taken out of whatever is quoted.
    """

    asked: str
    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = ""
    retry_after: str | None = None
    at: float = 0.0
    framed: bool = True
    set_cookie: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_success(self) -> bool:
        """Tell whether the status is one of success."""
        return 200 <= self.status < 300

    @property
    def retry_after_s(self) -> float | None:
        """Return how long the service asks us to wait; None when it does not say."""
        return retry_after_s(self.retry_after, self.at)

    def quoted(self, value: object) -> str:
        """Return the other side's words fit for people: one short line, without links, keys and controls."""
        said = value if isinstance(value, str) else ""
        for secret in filter(None, self.secrets):
            said = said.replace(secret, "[key]")
        said = _LONG_TOKEN.sub("[...]", _LINK.sub("[link]", said[: 4 * MAX_TEXT]))
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        return said if len(said) <= MAX_QUOTED else said[: MAX_QUOTED - 1] + "…"


def decode(answer: Answer) -> Content:
    """Tell what the body of an answer is; never raises."""
    body = answer.body.decode("utf-8-sig", "replace").strip()
    if not body:
        return Content(Form.EMPTY)
    if body.startswith("<"):
        return Content(Form.HTML)
    try:
        value = json.loads(body, object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        if body[0] in '{["':
            return Content(Form.BROKEN)
        # Text is labelled as HTML by servers that were told nothing else, the classic service's among them.
        is_page = "html" in answer.content_type.lower() and _TAG.search(body) is not None
        return Content(Form.HTML) if is_page else Content(Form.TEXT, body)
    return Content(Form.JSON, value)


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object; a member that is given twice with different values tells nothing."""
    members = dict(pairs)
    if len(members) != len(pairs):
        for name, value in pairs:
            if name in members and members[name] != value:
                del members[name]
    return members


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


# --- Values ------------------------------------------------------------------------------------------------


def request_id(value: object) -> str | None:
    """Return a request id that is safe in a path and in the journal; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if 0 <= value < 10**18 else ""
    return value if isinstance(value, str) and _REQUEST_ID.fullmatch(value) else None


def text(value: object) -> str:
    """Return a bounded string that every encoding can write; empty when none was told."""
    if not isinstance(value, str):
        return ""
    return value[:MAX_TEXT].encode("utf-8", "replace").decode()


def name(value: object) -> str | None:
    """Return a file name, unsafe as it came; the stand-in ``Loading...`` is none."""
    told = text(value).strip()
    return None if told.rstrip(".…").lower() in ("", "loading") else told


def number(value: object) -> float | None:
    """Return a finite number, also out of a string that begins with one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        found = _NUMBER.match(value)
        value = float(found[1]) if found else None
    if not isinstance(value, (int, float)) or not -1e18 < value < 1e18:
        return None
    return float(value) if math.isfinite(value) else None


def size_bytes(value: object) -> int | None:
    """Return a size in bytes; None when none, or an impossible one, was told."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 0 <= value < 2**63 else None
    if isinstance(value, str) and not _NUMBER.fullmatch(value.rstrip()):
        return None  # "1.5 GB" is for people, and no exact size
    told = number(value)
    return int(told) if told is not None and told >= 0 and told.is_integer() else None


def when(value: object) -> float | None:
    """Return UTC seconds out of an ISO date, ``dd-mm-yyyy``, or Unix seconds or milliseconds."""
    if isinstance(value, str):
        told = value.strip()
        day_first = _DAY_FIRST.fullmatch(told)
        if day_first:
            told = f"{day_first[3]}-{int(day_first[2]):02}-{int(day_first[1]):02}"
        try:
            value = float(told) if re.fullmatch(r"\d{9,15}", told) else _utc(datetime.fromisoformat(told))
        except (ValueError, OverflowError):
            return None
    at = number(value)
    if at is None or at <= 0:
        return None
    return at / 1000 if at > 1e11 else at


def _utc(date: datetime) -> float:
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
