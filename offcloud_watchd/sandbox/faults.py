"""Fault switches: the next calls of an endpoint go wrong in a chosen way.

Rules of this file:

* One table, first match first; an entry is used up after ``calls`` calls.
* A fault says whether the call takes effect before it goes wrong; that difference is what a client must
  survive, so it is never left to chance.

As JSON at ``POST /sandbox/faults`` (one object or an array of them)::

    {"endpoint": "cloud", "kind": "reset", "effect": true}
    {"endpoint": "cloud/status", "kind": "answer", "status": 429, "body": "{}", "calls": 3}
    {"endpoint": "*", "kind": "refuse", "word": "quota", "calls": 1000000}
    {"endpoint": "file", "kind": "cut", "amount": 100000}

``endpoint`` is a name of the books' ``calls``, or ``*`` for any of the API. The kinds:

=============  =============================================================================================
reset          the connection is reset, without an answer
hang           no answer for ``seconds``, then the connection is closed
answer         ``status`` with ``body`` (of ``content_type``)
html           ``status`` with a page of HTML
refuse         what the service says in the state ``word`` (see ``STATES``), until the faults are cleared
truncate       the right answer, cut off at ``amount`` bytes of its body (default: half); always takes effect
cut            file host: as truncate, and the connection stays silent for ``seconds`` before it is closed
ignore_range   file host: the whole file with 200, whatever range was asked for
wrong_size     file host: the file is ``amount`` bytes shorter than it should be (default: 1)
expire         file host: every link handed out for this item dies now; new ones work
flip           file host: the byte at ``amount`` of what is sent is another one (default: the middle one)
garble         file host: every byte that is sent is another one
swap           file host: the bytes of another file of the release that has the same size, if there is one
=============  =============================================================================================

``retry_after`` is sent as the header of that name with ``answer``, ``html`` and ``refuse``. ``name`` is for
the file host: only calls for a file of this name are meant.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

from offcloud_watchd.sandbox.server import Answer, Reply, Silence, html_error, whole

KINDS: Final = frozenset(
    (
        *("reset", "hang", "answer", "html", "refuse", "truncate"),
        *("cut", "ignore_range", "wrong_size", "expire", "flip", "garble", "swap"),
    )
)
STATES: Final[Mapping[str, tuple[int, str]]] = {
    "noauth": (401, '{"error": "NOAUTH"}'),
    "noauth-200": (200, '{"error": "NOAUTH"}'),
    "premium": (200, '{"not_available": "premium"}'),
    "links": (200, '{"not_available": "links"}'),
    "proxy": (200, '{"not_available": "proxy"}'),
    "cloud": (200, '{"not_available": "cloud"}'),
    "video": (200, '{"not_available": "video"}'),
    "quota": (200, '{"error": "You have exceeded your daily quota for example.com."}'),
    "space": (200, '{"error": "Your cloud storage is full."}'),
    "ip": (200, '{"error": "Unregistered IP address detected."}'),
    "rate": (429, '{"error": "Too many requests"}'),
    "busy": (200, '{"error": "There is a networking issue. Please try again."}'),
    "maintenance": (200, "<!DOCTYPE html>\n<title>Maintenance</title><h1>We will be back soon</h1>\n"),
}
"""What the service says in a state of the account or of its own: status and body. Source: the texts of the
public clients of either generation; the wording of a full cloud is not known."""
FILE_KINDS: Final = frozenset(("cut", "ignore_range", "wrong_size", "expire", "flip", "garble", "swap"))
MOST_FAULTS: Final = 1_000
LONGEST_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of the table; raises ``ValueError`` for what cannot be. The module tells the kinds."""

    kind: str
    endpoint: str = "*"
    calls: int = 1
    effect: bool = False
    status: int = 502
    body: str = ""
    content_type: str = "application/json"
    amount: int | None = None
    seconds: float = 0.0
    word: str = ""
    retry_after: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown kind {self.kind!r}; there are: {', '.join(sorted(KINDS))}")
        if self.kind in FILE_KINDS and self.endpoint != "file":
            raise ValueError(f"{self.kind} is for the endpoint 'file' only")
        if self.name and self.endpoint != "file":
            raise ValueError("a name is for the endpoint 'file' only")
        if not 1 <= self.calls <= 1_000_000 or not 200 <= self.status <= 599:
            raise ValueError("calls must be at least 1 and status from 200 to 599")
        if not 0 <= self.seconds <= LONGEST_S or (self.amount or 0) < 0:
            raise ValueError(f"seconds must be from 0 to {LONGEST_S:.0f} and amount at least 0")
        if any(sign in self.content_type + self.retry_after for sign in "\r\n"):
            raise ValueError("content_type and retry_after must be one line")
        if (self.word in STATES) != (self.kind == "refuse"):
            raise ValueError(f"refuse, and only that, needs a word; there are: {', '.join(STATES)}")

    def matches(self, endpoint: str, name: str = "") -> bool:
        """Tell whether a call of this endpoint is meant; ``name`` is that of the file it is for."""
        if self.name and self.name != name:
            return False
        return self.endpoint == endpoint or (self.endpoint == "*" and endpoint != "file")


class Faults:
    """The table; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, *faults: Fault) -> None:
        """Put entries at the end; raise ``ValueError`` when there are too many."""
        with self._lock:
            if len(self._faults) + len(faults) > MOST_FAULTS:
                raise ValueError(f"more than {MOST_FAULTS} faults")
            self._faults.extend(faults)

    def clear(self) -> None:
        """Let everything go right again."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> Sequence[Fault]:
        """Return what is still to come; ``calls`` is what is left of each."""
        with self._lock:
            return tuple(self._faults)

    def take(self, endpoint: str, name: str = "") -> Fault | None:
        """Return the fault this call suffers and count it as used."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if fault.matches(endpoint, name):
                    left = replace(fault, calls=fault.calls - 1) if fault.calls > 1 else None
                    self._faults[place : place + 1] = [left] if left else []
                    return fault
        return None


def suffer(fault: Fault | None, produce: Callable[[], Answer]) -> Reply:
    """Answer a call under a fault; ``produce`` makes the call take effect and returns the right answer."""
    if fault is None:
        return produce()
    if fault.kind in ("truncate", "cut"):
        return cut_short(produce(), fault)
    if fault.effect:
        produce()
    match fault.kind:
        case "reset":
            return Silence(reset=True)
        case "hang":
            return Silence(fault.seconds)
        case _:
            return _said(fault)


def _said(fault: Fault) -> Answer:
    """Return what a fault answers in words."""
    if fault.kind == "html":
        answer = html_error(fault.status)
    elif fault.kind == "refuse":
        status, body = STATES[fault.word]
        answer = whole(status, "text/html" if body.startswith("<") else "application/json", body.encode())
    else:
        answer = whole(fault.status, fault.content_type, fault.body.encode("utf-8", "replace"))
    wait = (("Retry-After", fault.retry_after),) if fault.retry_after else ()
    return replace(answer, headers=(*answer.headers, *wait))


def cut_short(answer: Answer, fault: Fault) -> Answer:
    """Return the answer with its body cut off where the fault says."""
    amount = answer.length // 2 if fault.amount is None else fault.amount
    return replace(answer, cut_at=min(amount, answer.length), hold_s=fault.seconds)


def spoilt(answer: Answer, fault: Fault) -> Answer:
    """Return the answer with wrong bytes in its body, as many as before."""
    at = answer.length // 2 if fault.amount is None else fault.amount
    wrong = range(answer.length) if fault.kind == "garble" else range(at, at + 1)
    return replace(answer, chunks=_turned(answer.chunks, wrong))


def _turned(chunks: Iterable[bytes | memoryview], wrong: range) -> Iterator[bytes]:
    """Turn the lowest bit over of the bytes with these places."""
    place = 0
    for chunk in chunks:
        turned = bytearray(chunk)
        within = slice(max(wrong.start - place, 0), max(wrong.stop - place, 0))
        turned[within] = bytes(byte ^ 1 for byte in turned[within])
        place += len(turned)
        yield bytes(turned)


def parse_faults(value: object) -> list[Fault]:
    """Read faults out of parsed JSON; raise ``ValueError`` naming what is wrong with them."""
    entries = value if isinstance(value, list) else [value]
    return [_parse(entry) for entry in entries]


_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "kind": (str,),
    "endpoint": (str,),
    "calls": (int,),
    "effect": (bool,),
    "status": (int,),
    "body": (str,),
    "content_type": (str,),
    "amount": (int, type(None)),
    "seconds": (int, float),
    "word": (str,),
    "retry_after": (str,),
    "name": (str,),
}


def _parse(entry: object) -> Fault:
    if not isinstance(entry, dict) or "kind" not in entry:
        raise ValueError("a fault is an object with a kind")
    for name, value in entry.items():
        types = _TYPES.get(name)
        if types is None:
            raise ValueError(
                f"unknown member {name!r}; there are: {', '.join(f.name for f in fields(Fault))}"
            )
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise ValueError(f"{name} is not of the right type")
    return Fault(**entry)
