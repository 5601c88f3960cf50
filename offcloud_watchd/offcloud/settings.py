"""What the client of the service is told once, at its start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """An e-mail address and a password, for the classic service."""

    username: str
    password: str = field(repr=False)


def read_no_key() -> str:
    """Stand in for a key where nobody has one yet."""
    return ""


def unheard(_path: str, _status: int | None) -> None:
    """Let nobody know what was asked."""


def unkept(_secret: str) -> None:
    """Keep no note of a secret: nothing is logged here that could show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How the account is reached. Times in seconds.

    ``read_key`` gives the API key, or with ``auth`` ``login`` the password of ``username``; it is called
    before the first use, before each ``account`` and again after a refusal, so that what was replaced is
    taken up without a restart. It may raise ``ConfigError`` or ``OSError``.
    ``auth`` is ``bearer`` (a header), ``query`` (``?key=``) or ``login`` (a password, for a session's cookie
    and the key it gives). The classic service knows no header: that is found out, ``query`` saves a call.
    ``on_secret`` hears the cookies and keys that the service gave, so that nobody shows them.
    ``proxy`` is None, ``env`` for the environment's proxies, or a URL. ``connect_timeout_s`` and
    ``read_timeout_s`` bound one silence, ``total_timeout_s`` one whole answer. ``on_answer`` hears the path
    of every question and the status that came back, None for no answer; it returns at once.
    """

    read_key: Callable[[], str] = field(repr=False)
    username: str = ""
    base_url: str = "https://offcloud.com"
    auth: str = "bearer"
    requests_per_minute: int = 120
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 60.0
    retry_wait_s: float = 0.5
    on_answer: Callable[[str, int | None], None] = unheard
    on_secret: Callable[[str], None] = unkept
