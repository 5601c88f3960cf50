"""The answers about requests and the account, in every shape that was seen of either generation. Pure.

Rules of this file:

* A parser returns what was told or raises one of our errors; it never guesses an id and never fails a job for
  a word it does not know.
* Both generations go through the same parser: names in snake and in camel case, numbers as strings, members
  that are missing. Which generation answered does not matter.

Source: the official document of 2018 and the public clients of either generation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from offcloud_watchd.core.model import Account, Phase, Progress, Submission
from offcloud_watchd.core.rounds import READY_WORDS
from offcloud_watchd.errors import Blocked, Gone, OffcloudWatchdError, Permanent, Transient, Untold
from offcloud_watchd.offcloud.answer import (
    Answer,
    Content,
    Form,
    decode,
    name,
    number,
    request_id,
    size_bytes,
    text,
)
from offcloud_watchd.offcloud.refusals import is_absent, is_gone, refusal

FAILED_WORDS: Final = frozenset({"error", "failed", "dead", "canceled", "cancelled"})
BARE_WORDS: Final = frozenset({"created", "queued", "pending", "downloading", "processing", "uploading"})
MAX_DEPTH: Final = 4
MAX_LIMITS: Final = 32

_SERVER: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
_UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY_UNITS: Final = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_AMOUNT: Final = r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b"
_SPEED: Final = re.compile(_AMOUNT + r"/s", re.IGNORECASE)
_DONE_OF: Final = re.compile(_AMOUNT + r"\s*(?:of|/)\s*" + _AMOUNT, re.IGNORECASE)


def not_understood(
    answer: Answer, content: Content, what: str, *, maybe_sent: bool = False
) -> OffcloudWatchdError:
    """Return the error for a success that does not tell what was asked for."""
    return Transient(
        f"{answer.asked} answered {answer.status} with {content.form}, but without {what}; it is tried again",
        maybe_sent=maybe_sent,
    )


# --- Submission --------------------------------------------------------------------------------------------


def submission(answer: Answer) -> Submission:
    """Read the answer to a submission.

    Raises ``Blocked`` and ``Permanent`` for definite refusals and ``Transient`` else; its ``maybe_sent`` is
    false only where the service said that it did not take the link. Words about an item that is there already
    do not matter when its id comes with them.
    """
    content = decode(answer)
    error = refusal(answer, content, submitting=True)
    taken = told(content.value)
    if taken is not None and answer.is_success and not isinstance(error, Blocked):
        return taken
    raise error or not_understood(answer, content, "a usable request id", maybe_sent=True)


def told(value: object) -> Submission | None:
    """Read what an object tells of a request; None without a usable id."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    own_id = request_id(first(value, "requestId", "request_id"))
    return None if own_id is None else _described(own_id, value)


def _described(own_id: str, entry: dict[str, object]) -> Submission:
    url = text(entry.get("url"))
    server = text(entry.get("server"))
    return Submission(
        request_id=own_id,
        status=word(entry.get("status")),
        name=name(first(entry, "fileName", "filename", "file_name")),
        url=url if url.lower().startswith(("https://", "http://")) else None,
        server=server if _SERVER.fullmatch(server) else None,
    )


def first(entry: dict[str, object], *names: str) -> object:
    """Return the first of some members that is there and not null."""
    return next((entry[one] for one in names if entry.get(one) is not None), None)


def word(value: object) -> str:
    """Return a status word as it is compared; empty when none was told."""
    return "".join(c for c in text(value).strip().lower()[:64] if c.isprintable())


# --- Status ------------------------------------------------------------------------------------------------


def phase(answer: Answer, known: Submission) -> Phase:
    """Read how far a request is.

    A word we do not know means waiting. Only a success can tell that a request failed: on other statuses the
    same words speak of the call. Raises ``Gone`` when the service says that it does not hold the request, and
    ``Untold`` when it says nothing of it.
    """
    content = decode(answer)
    error = refusal(answer, content, about_request=True)
    entry = _status_of(content.value, known.request_id)
    if not answer.is_success or isinstance(error, Blocked) or entry is None or not word(entry.get("status")):
        if error is None and content.form is Form.JSON and answer.is_success:
            raise Untold(str(not_understood(answer, content, "a status of the request")))
        raise error or not_understood(answer, content, "a status of the request")
    said = word(entry.get("status"))
    if said in FAILED_WORDS:
        reasons = (answer.quoted(entry.get(one)) for one in ("errorMessage", "error", "message", "info"))
        fresh = _described(known.request_id, entry)
        return Phase(said, "failed", fresh, reason=next(filter(None, reasons), ""))
    return _living(answer, said, entry, known.request_id)


def _status_of(value: object, own_id: str, depth: int = 0) -> dict[str, object] | None:
    """Find the entry of a request: nested, in ``requests[]``, flat, or a bare word; None when not there."""
    if isinstance(value, str):
        # A bare "error" may speak of the call, so only words of an item that lives stand for a status.
        return {"status": value} if word(value) in READY_WORDS | BARE_WORDS else None
    if isinstance(value, dict):
        nested = first(value, "status", "requests")
        if isinstance(nested, (dict, list)):
            return _status_of(nested, own_id, depth + 1) if depth < MAX_DEPTH else None
        their_id = first(value, "requestId", "request_id")
        return value if their_id is None or request_id(their_id) == own_id else None
    if isinstance(value, list):
        entries = [one for one in value[:1000] if isinstance(one, dict)]
        found = (_status_of(one, own_id, depth + 1) for one in entries if depth < MAX_DEPTH)
        return next((one for one in found if one is not None), None)
    return None


def _progress(answer: Answer, entry: dict[str, object]) -> Progress:
    note = answer.quoted(first(entry, "message", "info"))
    done = size_bytes(entry.get("amount"))
    total = size_bytes(entry.get("fileSize"))
    if done is None and (found := _DONE_OF.search(note)):
        done, total = _bytes(*found.groups()[:3]), total or _bytes(*found.groups()[3:])
    speed = number(entry.get("downloadingSpeed"))
    if speed is None and (found := _SPEED.search(note)):
        speed = _bytes(*found.groups())
    return Progress(done, total, _fraction(entry.get("progress"), done, total), speed, note)


def _bytes(amount: str, unit: str, binary: str) -> int:
    return int(float(amount[:15]) * (_BINARY_UNITS if binary else _UNITS)[unit.lower()])


def _fraction(told: object, done: int | None, total: int | None) -> float | None:
    """Read progress as a fraction or per cent: clients disagree, so what is above 1 is per cent."""
    value = number(told)
    if value is None:
        return min(done / total, 1.0) if done is not None and total else None
    is_per_cent = value > 1 or (isinstance(told, str) and "%" in told)
    value = value / 100 if is_per_cent else value
    return value if 0 <= value <= 1 else None


def phases(answer: Answer, known: Sequence[Submission]) -> dict[str, Phase] | None:
    """Read how far many requests are, by id; None when the service answers for one at a time only.

    One that failed is left out, as one that is not mentioned: whoever asks for it alone is told why.
    """
    content = decode(answer)
    entries = content.value.get("requests") if isinstance(content.value, dict) else None
    if not answer.is_success or not isinstance(entries, list):
        error = refusal(answer, content)
        if isinstance(error, Blocked) or (error is not None and answer.status not in (400, 404, 405, 422)):
            raise error
        return None
    # Of two entries with one id that which says "ready" counts: its files can be asked for.
    by_word = sorted(entries, key=_is_ready)
    told_of = {own_id: entry for entry in by_word if (own_id := _id_of(entry)) is not None}
    found: dict[str, Phase] = {}
    for one in known:
        entry = told_of.get(one.request_id)
        said = word(entry.get("status")) if entry is not None else ""
        if entry is not None and said and said not in FAILED_WORDS:
            found[one.request_id] = _living(answer, said, entry, one.request_id)
    return found


def _is_ready(entry: object) -> bool:
    return isinstance(entry, dict) and word(entry.get("status")) in READY_WORDS


def _id_of(entry: object) -> str | None:
    return request_id(first(entry, "requestId", "request_id")) if isinstance(entry, dict) else None


def _living(answer: Answer, said: str, entry: dict[str, object], own_id: str) -> Phase:
    outcome = "ready" if said in READY_WORDS else "waiting"
    return Phase(said, outcome, _described(own_id, entry), _progress(answer, entry))


# --- Removing, trying again, uploading ---------------------------------------------------------------------


def removed(answer: Answer) -> bool:
    """Tell whether a request is gone now; False when the service does not know this way to remove.

    Raises what the answer stands for otherwise. A request that was not there is gone as well.
    """
    content = decode(answer)
    if is_absent(answer, content) and not is_gone(answer, content):
        return False
    error = refusal(answer, content, about_request=True)
    if isinstance(error, Gone):
        return True
    if error is not None:
        raise error
    value = content.value
    if not isinstance(value, dict) or not (flag(value.get("success")) or value.get("removed")):
        raise not_understood(answer, content, "a word that it was removed")
    return True


def retried(answer: Answer) -> bool:
    """Tell whether a failed request begins anew; False when the service has no such call.

    Raises ``Gone`` when the service does not hold it.
    """
    content = decode(answer)
    if is_absent(answer, content) and not is_gone(answer, content):
        return False
    error = refusal(answer, content, about_request=True)
    if error is not None:
        raise error
    value = content.value
    nested = value.get("status") if isinstance(value, dict) else None
    said = word(nested.get("status") if isinstance(nested, dict) else nested)
    if not isinstance(value, dict) or not (said or flag(value.get("success"))):
        raise not_understood(answer, content, "a word that it is tried again")
    return True


def uploaded(answer: Answer) -> str:
    """Return the address an uploaded file was given. Raises ``Permanent`` when it is not taken."""
    content = decode(answer)
    value = content.value
    if isinstance(value, dict) and value.get("success") is False and answer.is_success:
        raise Permanent(f"{answer.asked} does not take this file; check it, or try another source")
    error = refusal(answer, content)
    if error is not None:
        raise error
    url = text(value.get("url")) if isinstance(value, dict) else ""
    if not url.lower().startswith(("https://", "http://")):
        raise not_understood(answer, content, "the address of the uploaded file")
    return url


# --- Account -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement:
    """Who we are, and what is left of each allowance (empty where the service does not tell)."""

    account: Account
    limits: Mapping[str, int]


def statement(answer: Answer, generation: str) -> Statement:
    """Read who we are, in snake or camel case, and what is left."""
    content = decode(answer)
    error = refusal(answer, content)
    value = content.value
    if error is not None:
        raise error
    names = ("user_id", "userId", "email", "is_premium", "isPremium")
    if not isinstance(value, dict) or first(value, *names) is None:
        raise not_understood(answer, content, "an account")
    account = Account(
        email=text(value.get("email"))[:254],
        premium=flag(first(value, "is_premium", "isPremium")),
        can_download=flag(first(value, "can_download", "canDownload")),
        expires=_date(first(value, "expiration_date", "expirationDate")),
        generation=generation,
    )
    limits = value.get("limits")
    told = limits.items() if isinstance(limits, dict) else ()
    amounts = {_date(kind): left for kind, amount in told if (left := size_bytes(amount)) is not None}
    return Statement(account, dict(list(amounts.items())[:MAX_LIMITS]))


def proves_key(answer: Answer) -> None:
    """Read an answer about a request that does not exist: whatever is said of it, the key was taken.

    Raises ``Blocked`` when it was not, and ``Transient`` when nothing can be told.
    """
    content = decode(answer)
    error = refusal(answer, content, about_request=True)
    about_it = content.form is Form.JSON and answer.status < 500
    if error is not None and not isinstance(error, Gone) and (isinstance(error, Blocked) or not about_it):
        raise error


def flag(value: object) -> bool | None:
    """Return a truth in any spelling; None when none was told."""
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
    return bool(value) if isinstance(value, (bool, int)) else None


def _date(value: object) -> str:
    shown = str(value) if isinstance(value, int) and not isinstance(value, bool) else text(value)
    return "".join(c for c in shown if c.isprintable())[:40]
