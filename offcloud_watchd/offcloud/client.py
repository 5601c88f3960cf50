"""The account behind the key: ``core.ports.Cloud`` over HTTP.

Rules of this file:

* Only ``submit`` changes anything, and it is sent once. Everything else may be asked again, up to three times
  within fifteen seconds; what takes longer is for the journal to wait for.
* What an answer means is decided in the pure files beside this one; here questions are only put in order.
* Not a word of this client depends on which generation of the service answers: calls that one of them lacks
  are told by their absence, and the other way is taken.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import tenacity

from offcloud_watchd.core.model import Account, Link, Phase, RemoteFile, Sought, Submission
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Blocked, ConfigError, Permanent, Transient
from offcloud_watchd.offcloud import history, listing, wire
from offcloud_watchd.offcloud.answer import Answer, Form, decode, request_id
from offcloud_watchd.offcloud.listing import Missing
from offcloud_watchd.offcloud.pace import Pace
from offcloud_watchd.offcloud.refusals import Kind, is_absent, known
from offcloud_watchd.offcloud.session import Question, Transport
from offcloud_watchd.offcloud.settings import ClientSettings

log = logging.getLogger(__name__)

MAX_TRIES: Final = 3
MAX_RETRYING_S: Final = 15.0
MAX_HISTORY_BYTES: Final = 64 * 1024 * 1024
CLOCK_STEP_S: Final = 1.0  # the two clocks go apart by more only when one was set
RUSH_S: Final = {429: 5.0, 503: 0.0}
"""How long nobody asks after these statuses when the service does not say; see ``Pace.hold``."""
NOBODY: Final = "0" * 24
"""An id in the form of the service's own that no request has."""

T = TypeVar("T")


class Client:
    """An Offcloud account; implements ``core.ports.Cloud``. One thread at a time.

    Every method raises ``Transient``, ``Permanent``, ``Blocked`` or ``Cancelled`` and nothing else. No text
    of these holds the key, a submitted link or a link to a file.
    """

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._transport = Transport(settings, clock)
        self._pace = Pace(settings.requests_per_minute, clock)
        self._allow_http = settings.base_url.lower().startswith("http://")
        self._key: str | None = None
        self._listing: history.Listing | None = None
        self._listed_at_offset_s = 0.0
        self._generation = ""
        self._forms = False

    def close(self) -> None:
        """Close the connections that are kept; it may be called again."""
        self._transport.close()

    # --- core.ports.Cloud ---

    def submit(self, link: Link, stop: Stop) -> Submission:
        """Hand the link in, once. ``Transient.maybe_sent`` tells whether it may have been taken.

        A submission that is under way is not cut short by ``stop``.
        """
        answer = self._post("cloud", {"url": link.url}, stop, once=True)
        return wire.submission(answer)

    def find(self, link: Link, not_before: float, stop: Stop) -> tuple[Sequence[Sought], float]:
        """Return the account's live entries for this link, oldest first, and when the listing was taken.

        One listing serves every job it is new enough for, until the clock is set.
        """
        offset_s = self._clock.now() - self._clock.monotonic()
        was_set = abs(offset_s - self._listed_at_offset_s) > CLOCK_STEP_S
        if self._listing is None or was_set or self._listing.as_of < not_before:
            self._listing = None  # the old one makes room for the new one
            self._listing = self._again(partial(self._history, stop), stop)
            self._listed_at_offset_s = offset_s
        return self._listing.matching(link), self._listing.as_of

    def status(self, submission: Submission, stop: Stop) -> Phase:
        """Return how far a request is; raise ``Gone`` when the service does not hold it."""
        own_id = _checked(submission)

        def ask() -> Phase:
            return wire.phase(self._post("cloud/status", {"requestId": own_id}, stop), submission)

        return self._again(ask, stop)

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Mint the links of a finished request; they are secrets with a short life. Safe to repeat.

        Detailed list, plain list, the one file the request is, text list: the first that the service has.
        """
        own_id = _checked(submission)
        explore = f"cloud/explore/{own_id}"
        detailed = self._again(partial(self._explored, f"{explore}?format=detailed", stop), stop)
        if not isinstance(detailed, Missing):
            return detailed
        plain = self._again(partial(self._explored, explore, stop), stop)
        if not isinstance(plain, Missing):
            return plain
        one = self._single(submission, stop) if Missing.SINGLE in (detailed, plain) else None
        if one is not None:
            return (one,)
        lines = self._again(partial(self._listed, own_id, stop), stop)
        if not isinstance(lines, Missing):
            return lines
        self.status(submission, stop)  # raises Gone: "not found" may have meant the request, not the call
        raise Transient(f"the service tells no files of request {own_id}: {lines.value}", retry_after_s=60.0)

    def account(self, stop: Stop) -> Account:
        """Ask who we are, with the key as it stands in its file now. Safe to repeat.

        Raises ``Blocked`` when the key is refused. The generation that answered is asked first the next time.
        """
        self._key = None
        ways = {"current": "account/info", "classic": "account/stats"}
        for generation in sorted(ways, key=lambda one: (one != self._generation, one != "current")):
            found = self._again(partial(self._account, ways[generation], generation, stop), stop)
            if found is not None:
                self._generation = generation
                return found
        # Neither call is there: what is said of a request that does not exist proves the key as well.
        self._again(partial(self._prove_key, stop), stop)
        return Account(generation=self._generation)

    # --- Questions ---

    def _history(self, stop: Stop) -> history.Listing:
        as_of = self._clock.now()
        return history.listing(self._get("cloud/history", stop, cap_bytes=MAX_HISTORY_BYTES), as_of)

    def _explored(self, path: str, stop: Stop) -> tuple[RemoteFile, ...] | Missing:
        return listing.explored(self._get(path, stop), allow_http=self._allow_http)

    def _single(self, submission: Submission, stop: Stop) -> RemoteFile | None:
        """Build the link of a request that is one file, with what its status tells of name, host and size."""
        phase = self.status(submission, stop)
        size_bytes = phase.progress.total_bytes
        return listing.single(_newer(submission, phase.submission), size_bytes, allow_http=self._allow_http)

    def _listed(self, own_id: str, stop: Stop) -> tuple[RemoteFile, ...] | Missing:
        """Read the text list; where nothing shows that it is whole, it must come alike twice."""
        path = f"cloud/list/{own_id}"
        answer = self._get(path, stop)
        found = listing.listed(answer, allow_http=self._allow_http)
        if listing.may_be_cut(answer):
            again = listing.listed(self._get(path, stop), allow_http=self._allow_http)
            if not listing.is_alike(found, again):
                raise Transient(f"{answer.asked} was cut, or told two different lists; it is tried again")
        return found

    def _account(self, path: str, generation: str, stop: Stop) -> Account | None:
        answer = self._get(path, stop)
        content = decode(answer)
        # A page in place of an answer: this generation does not have the call.
        if is_absent(answer, content) or (answer.is_success and content.form is Form.HTML):
            return None
        return wire.account(answer, generation)

    def _prove_key(self, stop: Stop) -> None:
        wire.proves_key(self._post("cloud/status", {"requestId": NOBODY}, stop))

    def _post(self, path: str, body: dict[str, str], stop: Stop, *, once: bool = False) -> Answer:
        """Post a body as JSON, or as a form where the service says that it could not read JSON."""
        answer = self._ask(Question("POST", path, body, as_form=self._forms, once=once), stop)
        rule = known(answer, decode(answer))
        if rule is None or rule.kind is not Kind.UNREAD or answer.status >= 500:
            return answer
        self._forms = not self._forms
        log.info("the service does not read %s; trying the other way", "forms" if not self._forms else "JSON")
        return self._ask(Question("POST", path, body, as_form=self._forms, once=once), stop)

    def _get(self, path: str, stop: Stop, *, cap_bytes: int = 8 * 1024 * 1024) -> Answer:
        return self._ask(Question("GET", path, cap_bytes=cap_bytes), stop)

    def _ask(self, question: Question, stop: Stop) -> Answer:
        key = self._read_key()
        self._pace.take(stop)
        answer = self._transport.ask(question, key, stop)
        if answer.status in (401, 403) or _is_noauth(answer):
            self._key = None
        if answer.status in (429, 503):
            self._pace.hold(answer.retry_after_s or RUSH_S[answer.status])
        return answer

    def _read_key(self) -> str:
        if self._key is None:
            failure = None
            try:
                key = self._settings.read_key().strip()
            except ConfigError as error:
                failure = str(error)
            except OSError as error:
                failure = error.strerror or type(error).__name__
            if failure is not None:
                raise Blocked("api", f"the API key cannot be read: {failure}")
            if not (key.isascii() and key.isprintable() and key and " " not in key):
                raise Blocked(
                    "api",
                    "the API key is empty or holds characters no key has: write it again",
                    key_refused=True,
                )
            self._key = key
        return self._key

    def _again(self, ask: Callable[[], T], stop: Stop) -> T:
        """Ask a question that is safe to repeat, up to three times.

        A raised flag ends the pause, and the try after it ends as ``Cancelled`` before anything is asked.
        """
        limits = tenacity.stop_any(
            tenacity.stop_after_attempt(MAX_TRIES), tenacity.stop_before_delay(MAX_RETRYING_S)
        )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass_soon),
            stop=limits,
            wait=tenacity.wait_random_exponential(multiplier=self._settings.retry_wait_s, max=5.0),
            sleep=lambda seconds: _wait(stop, seconds),
            reraise=True,
        )
        return retrying(ask)


def _wait(stop: Stop, seconds: float) -> None:
    stop.wait(seconds)


def _may_pass_soon(error: BaseException) -> bool:
    """Tell whether a second try within seconds makes sense: not where a time was named."""
    return isinstance(error, Transient) and error.retry_after_s is None


def _is_noauth(answer: Answer) -> bool:
    rule = known(answer, decode(answer)) if len(answer.body) < 4096 else None
    return rule is not None and rule.kind is Kind.KEY


def _checked(submission: Submission) -> str:
    """Return the id of a request for use in a path."""
    own_id = request_id(submission.request_id)
    if own_id is None:
        raise Permanent(
            "the journal holds a request id that is none; `offcloud-watchd retry` submits it again"
        )
    return own_id


def _newer(old: Submission, new: Submission) -> Submission:
    """Keep what an earlier answer told and a later one leaves out."""
    return replace(
        old,
        status=new.status,
        name=new.name or old.name,
        url=new.url or old.url,
        server=new.server or old.server,
    )
