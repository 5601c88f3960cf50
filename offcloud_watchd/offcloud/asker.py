"""Questions to the account behind the key: paced, shown who asks, repeated where that is safe.

Rules of this file:

* One budget for everything, one question at a time, one thread.
* How the key is shown is found out. A refusal with success (200) is how the classic service speaks, and it
  knows no header: only then the key goes into an address. Any other refusal means the key, and nothing more
  is tried with it: an address ends up in the logs of whoever stands between.
* A refused question had no effect, so asking it once more the other way is safe, also for a submission.

Source: the official document of 2018 (``?key=``, the session's cookie); nine public clients of the current
service (the header, and 401 for a refusal, where the classic service answers 200).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final, TypeVar

import tenacity

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Blocked, ConfigError, Transient
from offcloud_watchd.offcloud import entry
from offcloud_watchd.offcloud.answer import Answer, decode
from offcloud_watchd.offcloud.credentials import STRANGER, Credential, Way, is_usable
from offcloud_watchd.offcloud.pace import Pace
from offcloud_watchd.offcloud.refusals import Kind, known
from offcloud_watchd.offcloud.session import Body, Question, Transport
from offcloud_watchd.offcloud.settings import ClientSettings, Login

log = logging.getLogger(__name__)

MAX_TRIES: Final = 3
MAX_RETRYING_S: Final = 15.0
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
RUSH_S: Final = {429: 5.0, 503: 0.0}
"""How long nobody asks after these statuses when the service does not say; see ``Pace.hold``."""

T = TypeVar("T")


class Asker:
    """Asks the service. One thread at a time; after ``close`` it may be used again."""

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._settings = settings
        self._transport = Transport(settings, clock)
        self._pace = Pace(settings.requests_per_minute, clock)
        self._first_way = Way.QUERY if settings.auth == "query" else Way.BEARER
        self._way = self._first_way
        self._credential: Credential | None = None
        self._forms = False

    def close(self) -> None:
        """Close the connections that are kept; it may be called again."""
        self._transport.close()

    def forget_credential(self) -> None:
        """Read the key again, or log in again, before the next question."""
        self._credential = None

    # --- Asking ---

    def post(self, path: str, body: Body, stop: Stop, *, once: bool = False) -> Answer:
        """Post a body as JSON, or as a form where the service says that it could not read JSON."""
        answer = self.ask(Question("POST", path, body, as_form=self._forms, once=once), stop)
        rule = known(answer, decode(answer))
        if rule is None or rule.kind is not Kind.UNREAD or answer.status >= 500:
            return answer
        self._forms = not self._forms
        log.info("the service does not read %s; trying the other way", "forms" if not self._forms else "JSON")
        return self.ask(Question("POST", path, body, as_form=self._forms, once=once), stop)

    def post_as_is(self, path: str, body: Body, stop: Stop) -> Answer:
        """Post a body whose refusal says something else than that it could not be read."""
        return self.ask(Question("POST", path, body, as_form=self._forms), stop)

    def get(self, path: str, stop: Stop, *, cap_bytes: int = MAX_ANSWER_BYTES) -> Answer:
        """Get; the answer may be ``cap_bytes`` long."""
        return self.ask(Question("GET", path, cap_bytes=cap_bytes), stop)

    def ask(self, question: Question, stop: Stop) -> Answer:
        """Ask, and find out how the service wants to see who asks.

        A session that has ended is opened anew, once: the refused question had no effect.
        """
        was_known = self._credential is not None
        credential = self._read_credential(stop)
        answer = self.ask_as(credential, question, stop)
        if not _refuses(answer):
            return answer
        self._credential, self._way = None, self._first_way
        if self._settings.auth == "login":
            return self.ask(question, stop) if was_known else answer
        if credential.way is not Way.BEARER or not answer.is_success:
            return answer
        other = Credential(Way.QUERY, credential.secret)
        again = self.ask_as(other, question, stop)
        if _refuses(again):
            return answer
        log.info("the service does not read the key from a header; it goes into the address")
        self._credential, self._way = other, Way.QUERY
        return again

    def ask_as(self, credential: Credential, question: Question, stop: Stop) -> Answer:
        """Ask once with this credential, in our turn."""
        self._pace.take(stop)
        try:
            answer = self._transport.ask(question, credential, stop)
        except Transient:
            self._settings.on_answer(question.path, None)
            raise
        self._settings.on_answer(question.path, answer.status)
        if answer.status in RUSH_S:
            self._pace.hold(answer.retry_after_s or RUSH_S[answer.status])
        return answer

    def again(self, ask: Callable[[], T], stop: Stop) -> T:
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

    # --- Who asks ---

    def log_in(self, login: Login, stop: Stop) -> Credential:
        """Open a session and return the key it gives; where there is no key, the session's own cookie.

        Raises ``Blocked`` when the login is refused.
        """
        body = {"username": login.username, "password": login.password}
        question = Question("POST", "login", body, as_form=True, secret=login.password)
        session = Credential(Way.COOKIE, entry.session(self.ask_as(STRANGER, question, stop)))
        self._settings.on_secret(session.secret)
        key = entry.api_key(self.ask_as(session, Question("POST", "key", {}, as_form=True), stop))
        if key is not None:
            self._settings.on_secret(key)
            return Credential(Way.QUERY, key)  # whoever knows sessions knows no header
        if not entry.is_logged_in(self.ask_as(session, Question("GET", "check"), stop)):
            raise Blocked("api", "the service took the password and then did not know us", key_refused=True)
        return session

    def _read_credential(self, stop: Stop) -> Credential:
        if self._credential is None:
            if self._settings.auth == "login":
                self._credential = self._logged_in(stop)
            else:
                self._credential = Credential(self._way, self._read_key())
        return self._credential

    def _read_key(self) -> str:
        key = _read(self._settings.read_key, "the API key").strip()
        if not is_usable(key):
            raise Blocked(
                "api",
                "the API key is empty or holds characters no key has: write it again",
                key_refused=True,
            )
        return key

    def _logged_in(self, stop: Stop) -> Credential:
        """Log in. What breaks on the way leaves no doubt about the question that waits: it was not sent."""
        try:
            return self.log_in(self._read_login(), stop)
        except Transient as error:
            failure = Transient(str(error), retry_after_s=error.retry_after_s)
        raise failure

    def _read_login(self) -> Login:
        return Login(self._settings.username, _read(self._settings.read_key, "the password"))


def _read(read: Callable[[], T], what: str) -> T:
    """Read a secret; what goes wrong is told without the place's own words, which may hold it."""
    try:
        return read()
    except ConfigError as error:
        failure = str(error)
    except OSError as error:
        failure = error.strerror or type(error).__name__
    raise Blocked("api", f"{what} cannot be read: {failure}")


def _wait(stop: Stop, seconds: float) -> None:
    stop.wait(seconds)


def _may_pass_soon(error: BaseException) -> bool:
    """Tell whether a second try within seconds makes sense: not where a time was named."""
    return isinstance(error, Transient) and error.retry_after_s is None


def _refuses(answer: Answer) -> bool:
    """Tell whether an answer refuses whoever asks, in whatever shape."""
    if answer.status in (401, 403):
        return True
    rule = known(answer, decode(answer)) if len(answer.body) < 4096 else None
    return rule is not None and rule.kind is Kind.KEY
