"""One HTTP exchange with the service: bounded in time and size, told apart into sent and not sent.

Rules of this file:

* The key is put in when a request is built and is in no object that outlives the call. No foreign exception
  leaves this file, not even as a cause: its text may hold the whole address with the key.
* Nothing is followed, repeated, remembered (cookies) or taken from the environment (``.netrc``, proxies).
* A silence, a drip, a flood and a bomb all end: each read has a timeout, the whole answer a deadline, the
  body a cap before and after it is unpacked.
* Whether a byte of the request was written is observed on the connection, not guessed from an exception.

Source: requests 2.34 and urllib3 2.8, whose behaviour in each case the tests play through.
"""

from __future__ import annotations

import http.client
import ssl
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import requests
import urllib3
from requests.utils import get_environ_proxies

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Blocked, Cancelled, OffcloudWatchdError, Transient
from offcloud_watchd.offcloud.answer import Answer
from offcloud_watchd.offcloud.connection import Call, Overdue, Session
from offcloud_watchd.offcloud.credentials import Credential, Way
from offcloud_watchd.offcloud.settings import ClientSettings

Body = Mapping[str, str | bool | Sequence[str]]

READ_BYTES: Final = 64 * 1024
FRESH_S: Final = 1.0
"""So long a kept connection is trusted with what cannot be asked twice: a new one costs three ways there and
back with TLS, and nobody closes so early without a word. Where one does, the submission is searched for, as
after any lost answer. Source: the defaults of gunicorn (2 s), Node (5 s), Apache (5 s), nginx (75 s)."""
_FOREIGN: Final = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    zlib.error,
    OSError,
    ValueError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class Question:
    """One call; ``path`` follows ``/api/``, or the host itself when it begins with a slash.

    ``body`` goes out as JSON, or as a form with ``as_form``; a value may be a list of texts. ``upload`` is
    the name and the bytes of a file, sent as a form of its own. ``secret`` must never be shown.
    ``once``: it cannot be asked twice, so it is not cut short by the stop flag and goes over a new
    connection, as a kept one may be half dead; unless that brought an answer within ``FRESH_S``.
    """

    method: str
    path: str
    body: Body | None = field(default=None, repr=False)
    as_form: bool = False
    once: bool = False
    cap_bytes: int = 8 * 1024 * 1024
    upload: tuple[str, bytes] | None = field(default=None, repr=False)
    secret: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """The path from the host on."""
        return self.path if self.path.startswith("/") else f"/api/{self.path}"


class _BadBody(ValueError):  # noqa: N818 - the noun says it
    """A body is too large, or not framed or packed the way HTTP allows; the text is fit to be shown."""


class Transport:
    """Asks one question at a time. One thread. After ``close`` it may be used again."""

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._base = settings.base_url.rstrip("/").removesuffix("/api").rstrip("/")
        self._host = urlsplit(self._base).netloc.rpartition("@")[2]
        self._call = Call(clock)
        self._session = Session(self._call, _proxies(settings, self._base))
        self._answered_s = float("-inf")

    def ask(self, question: Question, credential: Credential, stop: Stop) -> Answer:
        """Ask, and return the answer whatever its status.

        Raises ``Transient`` when there is none; its ``maybe_sent`` tells of any question whether a byte of it
        went out. Raises ``Cancelled`` when stopped before that or, unless it is to be asked once only, at any
        time; ``Blocked`` when the settings make no address.
        """
        asked = f"{question.method} {self._host}{question.address.partition('?')[0]}"
        if question.once and self._clock.monotonic() - self._answered_s > FRESH_S:
            self._session.close()
        self._call.begin(self._settings, None if question.once else stop)
        failure: OffcloudWatchdError
        try:
            return self._exchange(question, asked, credential)
        except Cancelled as stopped:
            failure = stopped
        except _FOREIGN as error:
            failure = self._failure(error, asked)
        raise failure  # out here, so that no foreign text hangs on as its context

    def close(self) -> None:
        """Close the connections that are kept; it may be called again."""
        self._session.close()

    def _prepared(self, question: Question, credential: Credential) -> requests.PreparedRequest:
        as_json = question.body is not None and not question.as_form
        return self._session.prepare_request(
            requests.Request(
                question.method,
                f"{self._base}{question.address}",
                data=_form(question.body) if question.body is not None and not as_json else None,
                json=question.body if as_json else None,
                files={"file": question.upload} if question.upload is not None else None,
                params={"key": credential.secret} if credential.way is Way.QUERY else None,
                auth=_Shown(credential),
            )
        )

    def _exchange(self, question: Question, asked: str, credential: Credential) -> Answer:
        settings = self._settings
        response = self._session.send(
            self._prepared(question, credential),
            stream=True,
            allow_redirects=False,
            timeout=(settings.connect_timeout_s, settings.read_timeout_s),
        )
        with response:
            body = _body(response, question.cap_bytes)
            self._answered_s = self._clock.monotonic()
            return Answer(
                asked=asked,
                status=response.status_code,
                body=body,
                content_type=response.headers.get("Content-Type", ""),
                retry_after=response.headers.get("Retry-After"),
                at=self._clock.now(),
                framed="Content-Length" in response.headers or "Transfer-Encoding" in response.headers,
                set_cookie=response.headers.get("Set-Cookie", ""),
                secrets=(credential.secret, question.secret),
            )

    def _failure(self, error: BaseException, asked: str) -> OffcloudWatchdError:
        """Turn a foreign exception into one of ours, with nothing of its text."""
        if isinstance(error, _UNUSABLE):
            return Blocked("api", f"{asked} cannot be asked: check base_url and proxy in the configuration")
        sent = self._call.sent
        what = _kind_of(error, self._settings) if sent else _not_sent(error, self._settings)
        return Transient(f"{asked}: {what}; it is tried again", maybe_sent=sent)


class _Shown(requests.auth.AuthBase):
    """Puts a secret into the header of one request; without one it only keeps ``.netrc`` away."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._credential.way is Way.BEARER:
            request.headers["Authorization"] = f"Bearer {self._credential.secret}"
        elif self._credential.way is Way.COOKIE:
            request.headers["Cookie"] = f"connect.sid={self._credential.secret}"
        return request


def _form(body: Body) -> dict[str, object]:
    """Spell a body as a form: lists get brackets, which is what the classic service's clients send."""
    return {
        name if isinstance(value, (str, bool)) else f"{name}[]": str(value).lower()
        if isinstance(value, bool)
        else value
        for name, value in body.items()
    }


def _kind_of(error: BaseException, settings: ClientSettings) -> str:
    """Say what went wrong after the question went out."""
    chain = list(_chain(error))
    for one in chain:
        if isinstance(one, _BadBody):
            return str(one)
        if isinstance(one, Overdue):
            return f"no whole answer came within {settings.total_timeout_s:g} s"
    if any(isinstance(one, (TimeoutError, requests.Timeout)) for one in chain):
        return f"no answer came for {settings.read_timeout_s:g} s"
    return f"the answer broke off or is no HTTP ({type(error).__name__})"


def _not_sent(error: BaseException, settings: ClientSettings) -> str:
    """Say why the question did not even go out."""
    chain = list(_chain(error))
    for kind, words in _CAUSES:
        if any(isinstance(one, kind) for one in chain):
            return words.format(connect_timeout_s=settings.connect_timeout_s)
    return f"no connection could be made ({type(error).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk to the root of an exception; requests and urllib3 hide it in arguments and ``reason``."""
    waiting: list[object] = [error]
    for _ in range(20):
        if not waiting:
            return
        one = waiting.pop(0)
        if isinstance(one, BaseException):
            yield one
            waiting += [getattr(one, "reason", None), one.__cause__, one.__context__, *one.args]


_UNUSABLE: Final = (
    requests.exceptions.InvalidProxyURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
)
_CAUSES: Final = (
    (requests.exceptions.ProxyError, "the proxy did not let us through: check `proxy`"),
    (urllib3.exceptions.NameResolutionError, "its name could not be resolved: check the network and DNS"),
    (
        ssl.SSLCertVerificationError,
        "its TLS certificate is not valid for it: check the clock and the network",
    ),
    (requests.exceptions.SSLError, "no TLS connection could be made"),
    (ConnectionRefusedError, "the connection was refused"),
    (TimeoutError, "no connection within {connect_timeout_s:g} s"),
    (requests.exceptions.ConnectTimeout, "no connection within {connect_timeout_s:g} s"),
)


def _proxies(settings: ClientSettings, base: str) -> dict[str, str]:
    """Return the proxies to use, read from the environment only when that was asked for."""
    if settings.proxy is None:
        return {}
    if settings.proxy == "env":
        return dict(get_environ_proxies(base, no_proxy=None))
    return {"http": settings.proxy, "https": settings.proxy}


# --- The body ----------------------------------------------------------------------------------------------


def _body(response: requests.Response, cap_bytes: int) -> bytes:
    """Read a body up to its cap; a body that claims impossible things about itself is refused."""
    length = response.headers.get("Content-Length", "0")
    if not (length.isascii() and length.isdigit()):
        # urllib3 ignores such a length and reads to the end of the connection.
        raise _BadBody("the answer claims an impossible length")
    parts: list[bytes] = []
    size = 0
    while part := response.raw.read(READ_BYTES, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > cap_bytes:
            raise _BadBody(f"the answer is larger than {cap_bytes} bytes")
    return _unpacked(b"".join(parts), response.headers.get("Content-Encoding", ""), cap_bytes)


def _unpacked(body: bytes, encoding: str, cap_bytes: int) -> bytes:
    """Unpack a body that was packed against our wish, up to its cap; half an archive is refused."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not body:
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise _BadBody("the answer is packed in a way that was not asked for")
    inflater = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)
    plain = inflater.decompress(body, cap_bytes + 1)
    if len(plain) > cap_bytes:
        raise _BadBody(f"the answer is larger than {cap_bytes} bytes")
    if not inflater.eof:
        raise _BadBody("the answer is packed and was cut")
    return plain
