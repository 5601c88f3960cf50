"""The account behind the key: ``core.ports.Cloud`` over HTTP, and the service's other ways.

Rules of this file:

* What makes an item (``submit`` and its kin) is sent once. Everything else may be asked again, up to three
  times within fifteen seconds; what takes longer is for the journal to wait for.
* What an answer means is decided in the pure files beside this one; here questions are only put in order.
* Not a word of this client depends on which generation of the service answers: calls that one of them lacks
  are told by their absence, and the other way is taken, or a person is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from offcloud_watchd.core.model import (
    Account,
    Link,
    LinkKind,
    Phase,
    RemoteFile,
    RemoteTarget,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.core.rounds import ALONE, BATCH, MANY, in_batches
from offcloud_watchd.errors import Permanent, Transient
from offcloud_watchd.offcloud import cache, history, listing, wire
from offcloud_watchd.offcloud.answer import request_id
from offcloud_watchd.offcloud.asker import Asker
from offcloud_watchd.offcloud.grants import Grants
from offcloud_watchd.offcloud.listing import Missing
from offcloud_watchd.offcloud.places import Proxy, RemoteAccount, chosen, chosen_proxy
from offcloud_watchd.offcloud.service import MAX_HISTORY_BYTES, Service
from offcloud_watchd.offcloud.session import Question
from offcloud_watchd.offcloud.settings import ClientSettings
from offcloud_watchd.offcloud.uploads import Uploads

CLOCK_STEP_S: Final = 1.0  # the two clocks go apart by more only when one was set
CACHE_BATCH: Final = 1000  # debrid-media-manager sends as many; 5,000 were answered in 2.1 s


class Client:
    """An Offcloud account; implements ``core.ports.Cloud``. One thread at a time.

    Every method raises ``Transient``, ``Permanent``, ``Blocked`` or ``Cancelled`` and nothing else. No text
    of these holds the key, a password, a submitted link or a link to a file. ``service`` is what stands
    behind the account, ``uploads`` takes files: they are asked in the same thread.
    """

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._clock = clock
        self._asker = Asker(settings, clock)
        self.service = Service(self._asker)
        self.uploads = Uploads(self._asker, self.service)
        self._allow_http = settings.base_url.lower().startswith("http://")
        self._listings: dict[Route, history.Listing] = {}
        self._listed_at_offset_s = 0.0
        self._batches = True
        self._lists_alike = False
        self._removal = 0
        self._grants = Grants(clock)
        self._remote_accounts: Sequence[RemoteAccount] = ()
        self._proxies: Sequence[Proxy] = ()

    def close(self) -> None:
        """Close the connections that are kept; it may be called again."""
        self._asker.close()

    # --- Handing in: once, and ``Transient.maybe_sent`` tells whether it may have been taken ---

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Hand the link in, once. ``Transient.maybe_sent`` tells whether it may have been taken.

        A submission that is under way is not cut short by ``stop``. ``file`` is handed over in the link's
        place where the service takes files.
        """
        body = self.uploads.body(link, file, stop)
        return wire.submission(self._asker.post("cloud", body, stop, once=True))

    def submit_instant(self, link: Link, proxy_id: str | None, stop: Stop) -> Submission:
        """Have a link to what is behind a link, once: the answer's ``url``, a secret with a short life.

        Raises ``Permanent`` where the service takes such a link into its cloud only, or has no such call.
        """
        body = {"url": link.url} | ({"proxyId": proxy_id} if proxy_id is not None else {})
        answer = self._asker.post("instant", body, stop, once=True)
        self.service.must_have(answer, "instant downloads: use `route: cloud`", stop, submitting=True)
        taken = wire.submission(answer)
        if listing.single(taken, None, allow_http=self._allow_http) is None:
            raise Transient(f"{answer.asked} gave no usable link; it is tried again", maybe_sent=True)
        return taken

    def submit_remote(
        self, link: Link, option_id: str, folder_id: str | None, stop: Stop, file: bytes | None = None
    ) -> Submission:
        """Have the link sent to a remote account, once: ``RemoteAccount.option_id``, and a folder there.

        Raises ``Permanent`` where the service has no remote accounts, as the current one.
        """
        body = {**self.uploads.body(link, file, stop), "remoteOptionId": option_id}
        body |= {"folderId": folder_id} if folder_id is not None else {}
        answer = self._asker.post("remote", body, stop, once=True)
        self.service.must_have(answer, "remote accounts: use `route: cloud`", stop, submitting=True)
        return wire.submission(answer)

    def send(self, link: Link, target: RemoteTarget, stop: Stop, file: bytes | None = None) -> Submission:
        """Have the link sent to the remote account that is meant, once.

        Raises ``Permanent`` where there is no such account, or none at all, as in the current service.
        """
        account = self.remote_account(target.account, stop)
        try:
            return self.submit_remote(link, account.option_id, target.folder, stop, file)
        except Permanent:
            self._remote_accounts = ()  # it may have been taken away there
            raise

    # --- Links that are given at once: nothing is left to follow ---

    def grant(self, link: Link, stop: Stop, proxy: str | None = None) -> Submission:
        """Have links to what is behind a link given at once, and keep them for ``granted``. Safe to repeat.

        What is cached is given without an item in the account where the service can: then there is no id, and
        no ``proxy`` is needed. Raises ``Permanent`` where the service takes such a link into its cloud only,
        has no such call, or no such proxy.
        """
        if link.kind is LinkKind.NZB:
            raise Permanent("an NZB file goes into the service's cloud only: use `route: cloud`")
        cached = self.cached_files(link, stop) if link.kind is LinkKind.TORRENT else None
        if cached is not None:
            self._grants.keep((link.key, proxy), cached)
            return Submission("", "cached", link.name)
        taken = self._given(link, proxy, stop)
        file = listing.single(taken, None, allow_http=self._allow_http)
        self._grants.keep((link.key, proxy), () if file is None else (file,))
        return replace(taken, url=None)

    def granted(self, link: Link, stop: Stop, proxy: str | None = None) -> Sequence[RemoteFile]:
        """Return the links that were given, once; else have new ones given. Safe to repeat."""
        files = self._grants.take((link.key, proxy))
        if files is None:
            self.grant(link, stop, proxy)
            files = self._grants.take((link.key, proxy))
        return files or ()

    def _given(self, link: Link, proxy: str | None, stop: Stop) -> Submission:
        proxy_id = None if proxy is None else self.proxy(proxy, stop).id
        try:
            return self.submit_instant(link, proxy_id, stop)
        except Permanent:
            self._proxies = ()  # it may have been taken away there
            raise

    # --- Following ---

    def find(
        self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
    ) -> tuple[Sequence[Sought], float]:
        """Return the account's live entries for this link, oldest first, and when the listing was taken.

        One listing serves every job it is new enough for, until the clock is set.
        """
        taken = self._listing(route, not_before, stop)
        return taken.matching(link), taken.as_of

    def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
        """Return how far a request is; raise ``Gone`` when the service does not hold it."""
        own_id = _checked(submission)

        def ask() -> Phase:
            return wire.phase(self._asker.post(f"{route}/status", {"requestId": own_id}, stop), submission)

        return self._asker.again(ask, stop)

    def statuses(
        self,
        submissions: Sequence[Submission],
        stop: Stop,
        route: Route = Route.CLOUD,
        *,
        closely: bool = False,
    ) -> Mapping[str, Phase]:
        """Return how far many requests are, by id, with as few questions as the service allows.

        Safe to repeat. A few: nothing is asked. Many, or the current service: the whole history in one. Else,
        and for the first hundred it does not show: a hundred a question, filled up with the first of the
        others; ``closely`` asks it for these alone, too. Whatever is not mentioned (a failed one, a new one
        the history does not show yet, a vanished one, an id that is none) is to be asked for alone.
        """
        known = {one.request_id: one for one in submissions if request_id(one.request_id) is not None}
        if len(known) <= ALONE:
            return {}
        wanted = tuple(known.values())
        found = self._listed(wanted, route, stop) if len(known) > MANY else {}
        try:
            found |= self._in_batches(in_batches(wanted, found, closely=closely), route, stop)
        except Transient:
            if not found:
                raise
        if not self._batches and len(known) <= MANY:
            return self._listing(route, self._clock.now(), stop).phases(wanted)
        return found

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Mint the links of a finished request; they are secrets with a short life. Safe to repeat.

        Detailed list, plain list, the one file the request is, text list: the first that the service has.
        Where both lists once said of a single file that it is one, the first to say so is believed.
        """
        own_id = _checked(submission)
        explore = f"cloud/explore/{own_id}"
        detailed = self._asker.again(partial(self._explored, f"{explore}?format=detailed", stop), stop)
        if not isinstance(detailed, Missing):
            return detailed
        plain = Missing.SINGLE
        if detailed is not Missing.SINGLE or not self._lists_alike:
            listed = self._asker.again(partial(self._explored, explore, stop), stop)
            if not isinstance(listed, Missing):
                return listed
            plain = listed
            self._lists_alike |= detailed is plain is Missing.SINGLE
        one = self._single(submission, stop) if Missing.SINGLE in (detailed, plain) else None
        if one is not None:
            return (one,)
        lines = self._asker.again(partial(self._lines, own_id, stop), stop)
        if not isinstance(lines, Missing):
            return lines
        self.status(submission, stop)  # raises Gone: "not found" may have meant the request, not the call
        raise Transient(f"the service tells no files of request {own_id}: {lines.value}", retry_after_s=60.0)

    def retry(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> bool:
        """Let a failed request begin anew; False when the service has no such call. Safe to repeat.

        Then it is to be submitted again. Raises ``Gone`` when the service does not hold it.
        """
        path = f"{route}/retry/{_checked(submission)}"
        return self._asker.again(lambda: wire.retried(self._asker.get(path, stop)), stop)

    def remove(self, submission: Submission, stop: Stop) -> None:
        """Remove one request from the account, with its files. Safe to repeat: one that is gone is removed.

        Three spellings are known; the one that is not a GET is tried first.
        """
        own_id = _checked(submission)
        ways = (
            Question("POST", "cloud/remove", {"requests": [own_id]}),
            Question("GET", f"cloud/remove/{own_id}"),
            Question("GET", f"/cloud/remove/{own_id}"),
        )
        for number in (self._removal, *(one for one in range(len(ways)) if one != self._removal)):
            if self._asker.again(partial(self._removed, ways[number], stop), stop):
                self._removal = number
                self._listings.clear()  # no search may find it again
                return
        raise Permanent(f"the service has no call to remove request {own_id}: remove it on its page")

    # --- What it has already ---

    def cached(self, info_hashes: Iterable[str], stop: Stop) -> frozenset[str]:
        """Return which v1 info hashes (40 hex digits) are cached, in small letters. Safe to repeat."""
        wanted = sorted({one.lower() for one in info_hashes})
        batches = (wanted[at : at + CACHE_BATCH] for at in range(0, len(wanted), CACHE_BATCH))
        return frozenset().union(
            *(self._asker.again(partial(self._hits, batch, stop), stop) for batch in batches)
        )

    def cached_files(self, link: Link, stop: Stop) -> Sequence[RemoteFile] | None:
        """Mint links to something cached without an item in the account. Safe to repeat.

        None when it is not cached, or the service has no such call, as the classic one.
        """

        def ask() -> Sequence[RemoteFile] | None:
            answer = self._asker.post("cache/download", {"url": link.url}, stop)
            return cache.links(answer, allow_http=self._allow_http)

        return self._asker.again(ask, stop)

    # --- Who we are ---

    def account(self, stop: Stop) -> Account:
        """Ask who we are, with the key as it stands in its file now. Safe to repeat.

        Raises ``Blocked`` when the key is refused. The generation that answered is asked first the next time.
        """
        self.uploads.forget()
        return self.service.statement(stop).account

    def remote_accounts(self, stop: Stop) -> Sequence[RemoteAccount]:
        """List the accounts files can be sent to. Raises ``Permanent`` where the service has none at all."""
        return self.service.remote_accounts(stop)

    def remote_account(self, wanted: str, stop: Stop) -> RemoteAccount:
        """Return the remote account that is meant by an id, a user name or a type; they are asked for seldom.

        Raises ``Permanent``, naming what there is, when none is meant or several are.
        """
        try:
            return chosen(self._remote_accounts, wanted)
        except Permanent:
            self._remote_accounts = self.remote_accounts(stop)
            return chosen(self._remote_accounts, wanted)

    def proxy(self, wanted: str, stop: Stop) -> Proxy:
        """Return the proxy that is meant by an id, a name or a region; as of ``remote_account``."""
        try:
            return chosen_proxy(self._proxies, wanted)
        except Permanent:
            self._proxies = self.service.proxies(stop)
            return chosen_proxy(self._proxies, wanted)

    # --- Questions ---

    def _listing(self, route: Route, not_before: float, stop: Stop) -> history.Listing:
        offset_s = self._clock.now() - self._clock.monotonic()
        if abs(offset_s - self._listed_at_offset_s) > CLOCK_STEP_S:
            self._listings.clear()
        taken = self._listings.get(route)
        if taken is None or taken.as_of < not_before:
            self._listings.pop(route, None)  # the old one makes room for the new one
            taken = self._asker.again(partial(self._history, route, stop), stop)
            self._listings[route] = taken
            self._listed_at_offset_s = offset_s
        return taken

    def _listed(self, wanted: Sequence[Submission], route: Route, stop: Stop) -> dict[str, Phase]:
        try:
            return self._listing(route, self._clock.now(), stop).phases(wanted)
        except Transient:
            if not self._batches:
                raise
            return {}

    def _in_batches(self, wanted: Sequence[Submission], route: Route, stop: Stop) -> dict[str, Phase]:
        """Ask by the hundred; learn, once, whether the service answers for several at all."""
        found: dict[str, Phase] = {}
        for at in range(0, len(wanted), BATCH) if self._batches else ():
            ask = partial(self._batch, wanted[at : at + BATCH], route, stop)
            told = self._asker.again(ask, stop)
            if told is None:
                self._batches = False
                break
            found |= told
        return found

    def _history(self, route: Route, stop: Stop) -> history.Listing:
        as_of = self._clock.now()
        return history.listing(self._asker.get(f"{route}/history", stop, cap_bytes=MAX_HISTORY_BYTES), as_of)

    def _batch(self, batch: Sequence[Submission], route: Route, stop: Stop) -> dict[str, Phase] | None:
        body = {"requestIds": [one.request_id for one in batch]}
        return wire.phases(self._asker.post_as_is(f"{route}/status", body, stop), batch)

    def _explored(self, path: str, stop: Stop) -> tuple[RemoteFile, ...] | Missing:
        return listing.explored(self._asker.get(path, stop), allow_http=self._allow_http)

    def _single(self, submission: Submission, stop: Stop) -> RemoteFile | None:
        """Build the link of a request that is one file, with what its status tells of name, host and size."""
        phase = self.status(submission, stop)
        size_bytes = phase.progress.total_bytes
        return listing.single(_newer(submission, phase.submission), size_bytes, allow_http=self._allow_http)

    def _lines(self, own_id: str, stop: Stop) -> tuple[RemoteFile, ...] | Missing:
        """Read the text list; where nothing shows that it is whole, it must come alike twice."""
        path = f"cloud/list/{own_id}"
        answer = self._asker.get(path, stop)
        found = listing.listed(answer, allow_http=self._allow_http)
        if listing.may_be_cut(answer):
            again = listing.listed(self._asker.get(path, stop), allow_http=self._allow_http)
            if not listing.is_alike(found, again):
                raise Transient(f"{answer.asked} was cut, or told two different lists; it is tried again")
        return found

    def _removed(self, question: Question, stop: Stop) -> bool:
        return wire.removed(self._asker.ask(question, stop))

    def _hits(self, batch: Sequence[str], stop: Stop) -> frozenset[str]:
        answer = self._asker.post("cache", {"hashes": batch}, stop)
        self.service.must_have(answer, "cache to look into", stop)
        return cache.hits(answer)


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
