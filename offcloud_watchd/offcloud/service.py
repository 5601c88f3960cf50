"""The service behind the account: who we are there, what it has, and whether it has a call at all.

Rules of this file:

* Everything here is safe to repeat and changes nothing.
* That a call is absent is believed only of a service that knows us: a wrong address has no calls either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from offcloud_watchd.core.model import Account, Route, Sought
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Permanent, Transient
from offcloud_watchd.offcloud import cache, history, places, wire
from offcloud_watchd.offcloud.answer import Answer, Form, decode
from offcloud_watchd.offcloud.asker import Asker
from offcloud_watchd.offcloud.refusals import is_absent

MAX_HISTORY_BYTES: Final = 64 * 1024 * 1024
NOBODY: Final = "0" * 24
"""An id in the form of the service's own that no request has."""

Listed = TypeVar("Listed")


class Service:
    """What the service tells of itself and of us. One thread at a time. Raises what ``Client`` raises."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._generation = ""

    def statement(self, stop: Stop) -> wire.Statement:
        """Ask who we are and what is left, with the key as it stands in its file now.

        Raises ``Blocked`` when the key is refused. The generation that answered is asked first the next time.
        """
        self._asker.forget_credential()
        ways = {"current": "account/info", "classic": "account/stats"}
        for generation in sorted(ways, key=lambda one: (one != self._generation, one != "current")):
            ask = partial(self._statement, ways[generation], generation, stop)
            found = self._asker.again(ask, stop)
            if found is not None:
                self._generation = generation
                return found
        # Neither call is there: what is said of a request that does not exist proves the key as well.
        self._asker.again(partial(self._prove_key, stop), stop)
        return wire.Statement(Account(generation=self._generation), {})

    def must_have(self, answer: Answer, what: str, stop: Stop, *, submitting: bool = False) -> None:
        """Raise ``Permanent`` when the answer means that the service has no such call.

        ``submitting``: the call was to make an item, so that without proof it may have been taken.
        """
        if not is_absent(answer, decode(answer)):
            return
        try:
            self.statement(stop)
        except Transient as error:
            raise Transient(str(error), retry_after_s=error.retry_after_s, maybe_sent=submitting) from None
        raise Permanent(f"{answer.asked} is not there: this service has no {what}")

    def remote_accounts(self, stop: Stop) -> Sequence[places.RemoteAccount]:
        """List the accounts files can be sent to. Raises ``Permanent`` where the service has none at all."""
        what = "remote accounts: use `route: cloud`"
        return self._listed("remote/accounts", places.remote_accounts, what, stop)

    def proxies(self, stop: Stop) -> Sequence[places.Proxy]:
        """List the proxies of instant downloads. Raises ``Permanent`` where the service has none at all."""
        return self._listed("proxy", places.proxies, "proxies: leave `proxy` out", stop)

    def sites(self, stop: Stop) -> Sequence[places.Site]:
        """List the sites whose links are taken. Raises ``Permanent`` where the service does not tell."""

        def ask() -> Sequence[places.Site]:
            answer = self._asker.get("sites", stop)
            self.must_have(answer, "list of sites", stop)
            return places.sites(answer)

        return self._asker.again(ask, stop)

    def requests(self, stop: Stop, route: Route = Route.CLOUD) -> Sequence[Sought]:
        """List everything on a route, the newest first, whoever asked for it."""

        def ask() -> Sequence[Sought]:
            answer = self._asker.get(f"{route}/history", stop, cap_bytes=MAX_HISTORY_BYTES)
            self.must_have(answer, f"history of {route} downloads", stop)
            return history.requests(answer)

        return self._asker.again(ask, stop)

    def cached_releases(self, magnets: Sequence[str], stop: Stop) -> Sequence[cache.CachedRelease] | None:
        """Return what is told of each magnet, in their order; None where there is no such call."""

        def ask() -> Sequence[cache.CachedRelease] | None:
            answer = self._asker.post("cache/info", {"urls": list(magnets), "includeFiles": True}, stop)
            return None if is_absent(answer, decode(answer)) else cache.releases(answer, len(magnets))

        return self._asker.again(ask, stop)

    def _listed(
        self, path: str, read: Callable[[Answer], Sequence[Listed]], what: str, stop: Stop
    ) -> Sequence[Listed]:
        def ask() -> Sequence[Listed]:
            answer = self._asker.post(path, {}, stop)
            self.must_have(answer, what, stop)
            return read(answer)

        return self._asker.again(ask, stop)

    def _statement(self, path: str, generation: str, stop: Stop) -> wire.Statement | None:
        answer = self._asker.get(path, stop)
        content = decode(answer)
        # A page in place of an answer: this generation does not have the call.
        if is_absent(answer, content) or (answer.is_success and content.form is Form.HTML):
            return None
        return wire.statement(answer, generation)

    def _prove_key(self, stop: Stop) -> None:
        wire.proves_key(self._asker.post("cloud/status", {"requestId": NOBODY}, stop))
