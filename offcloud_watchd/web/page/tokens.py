"""What shows that a form is one of ours, and this session's: a page elsewhere can send it but not read it."""

from __future__ import annotations

import hmac
import secrets

from starlette.requests import Request

from offcloud_watchd.web.entrance import COOKIE


class Tokens:
    """Makes tokens and knows them again; those of another session, or of before the start, are not good."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, request: Request) -> str:
        """Return the token for the forms of a page that answers this request."""
        return hmac.digest(self._key, _whose(request), "sha256").hex()

    def is_good(self, request: Request, given: str) -> bool:
        """Tell whether a form came from one of our pages."""
        return hmac.compare_digest(self.of(request).encode(), given.encode("utf-8", "replace"))


def _whose(request: Request) -> bytes:
    return request.cookies.get(COOKIE, "").encode("utf-8", "surrogateescape")
