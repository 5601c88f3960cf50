"""An Offcloud account in memory: a real adapter of the port that survives the death of its client."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.model import (
    Account,
    Link,
    Phase,
    Progress,
    RemoteFile,
    RemoteTarget,
    Route,
    Sought,
    Submission,
)
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Blocked, Gone, Permanent, Transient
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import hash_of


@dataclass
class Item:
    """One request in the account; ``_tick`` is the service's own time, which nobody sets."""

    request_id: str
    key: str
    created_at: float
    ready_tick: float
    fails: bool = False
    posted_tick: float = float("-inf")
    target: RemoteTarget | None = None

    @property
    def route(self) -> Route:
        """Where it goes."""
        return Route.CLOUD if self.target is None else Route.REMOTE


@dataclass
class FakeCloud:
    """Keeps requests by id and counts them.

    ``lag_s``: how late, in true time, a request shows in the history.
    ``effect_after_s``: how long after its POST ended a request really begins to be. ``caches``: a listing is
    used again where the port allows it. ``retries``: failed requests can begin anew, and ``revived`` are
    those that did. ``no_account``, ``no_proxy``: remote accounts and proxies there are none of. ``asked``
    counts the questions about requests, together and alone. Fewer than ``together_from`` are not told
    together. ``cached_keys``: what is ready when it is handed in. ``no_cache``: nobody can ask about that.
    """

    clock: FakeClock
    lag_s: float = 0.0
    takes_s: float = 10.0
    items: dict[str, Item] = field(default_factory=dict)
    posts: int = 0
    grants: int = 0
    history_down: bool = False
    refuse_key: bool = False
    dead_keys: frozenset[str] = frozenset()
    effect_after_s: float = 0.0
    caches: bool = False
    retries: bool = True
    revived: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    no_account: frozenset[str] = frozenset()
    no_proxy: frozenset[str] = frozenset()
    together_from: int = 5
    cached_keys: frozenset[str] = frozenset()
    no_cache: bool = False
    asked: Counter[str] = field(default_factory=Counter)
    _granted: dict[tuple[str, str | None], str] = field(default_factory=dict)
    _listings: dict[Route, tuple[float, float, list[Item]]] = field(default_factory=dict)

    def submit(self, link: Link, stop: Stop, file: bytes | None = None) -> Submission:
        """Take the link; the classic service makes another item each time, so a twin is seen here."""
        self._take(file)
        return self._made(link, None)

    def send(self, link: Link, target: RemoteTarget, stop: Stop, file: bytes | None = None) -> Submission:
        """Take the link for a remote account; each time is another transfer."""
        self._take(file)
        if target.account in self.no_account:
            raise Permanent(f"there is no remote account {target.account!r}")
        return self._made(link, target)

    def retry(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> bool:
        """Let a failed request begin anew, where that is known."""
        self._check_key()
        item = self._item(submission)
        if not self.retries:
            return False
        item.fails = item.key in self.dead_keys
        item.ready_tick = self.clock.monotonic() + self.takes_s
        self.revived.append(item.request_id)
        return True

    def remove(self, submission: Submission, stop: Stop) -> None:
        """Take an item away; what is gone is removed."""
        self._check_key()
        if self.items.pop(submission.request_id, None) is not None:
            self.removed.append(submission.request_id)
        self._listings.clear()

    def forget_listings(self) -> None:
        """Let the next search ask anew, as a client does that has begun a life."""
        self._listings.clear()

    def _made(self, link: Link, target: RemoteTarget | None) -> Submission:
        self._check_key()
        self.posts += 1
        now = self.clock.now()
        request_id = f"R{self.posts}"
        tick = self.clock.monotonic() + self.effect_after_s
        fails, cached = link.key in self.dead_keys, link.key in self.cached_keys
        ready_tick = tick if cached else tick + self.takes_s
        self.items[request_id] = Item(request_id, link.key, now, ready_tick, fails, tick, target)
        return Submission(request_id, "downloaded" if cached else "created", link.name)

    def grant(self, link: Link, stop: Stop, proxy: str | None = None) -> Submission:
        """Give a link at once; nothing comes to be in the account."""
        self._check_key()
        if proxy in self.no_proxy:
            raise Permanent(f"there is no proxy {proxy!r}")
        if link.key in self.dead_keys:
            raise Permanent("the service takes this link into its cloud only")
        self.grants += 1
        self._granted[link.key, proxy] = f"https://files.invalid/at-once/{self.grants}"
        return Submission(f"I{self.grants}", "created", link.name)

    def granted(self, link: Link, stop: Stop, proxy: str | None = None) -> Sequence[RemoteFile]:
        """Return the link that was given, once."""
        self._check_key()
        if (link.key, proxy) not in self._granted:
            self.grant(link, stop, proxy)
        return [RemoteFile(f"{link.key}.bin", self._granted.pop((link.key, proxy)), 100)]

    def find(
        self, link: Link, not_before: float, stop: Stop, route: Route = Route.CLOUD
    ) -> tuple[Sequence[Sought], float]:
        """Return live entries, without those the lag still hides."""
        self._check_key()
        if self.history_down:
            raise Transient("the history did not answer")
        now, tick = self.clock.now(), self.clock.monotonic()
        offset_s = now - tick
        old = self._listings.get(route)
        if not self.caches or old is None or old[1] < not_before or abs(offset_s - old[0]) > 1.0:
            shown = [item for item in self.items.values() if item.posted_tick + self.lag_s <= tick]
            self._listings[route] = (offset_s, now, [item for item in shown if item.route is route])
        _, taken_at, listed = self._listings[route]
        seen = [
            Sought(item.request_id, "created", created_at=item.created_at)
            for item in listed
            if item.key == link.key and not item.fails
        ]
        return seen, taken_at

    def status(self, submission: Submission, stop: Stop, route: Route = Route.CLOUD) -> Phase:
        """Tell how far a request is."""
        self.asked["alone"] += 1
        self._check_key()
        item = self._item(submission)
        if item.fails:
            return Phase("error", "failed", submission, reason="no seeds")
        if self.clock.monotonic() >= item.ready_tick:
            return Phase("downloaded", "ready", submission)
        return Phase("downloading", "waiting", submission, Progress(fraction=0.5))

    def statuses(
        self,
        submissions: Sequence[Submission],
        stop: Stop,
        route: Route = Route.CLOUD,
        *,
        closely: bool = False,
    ) -> Mapping[str, Phase]:
        """Tell how far several requests are, by the history: late, and no more than the word."""
        self._check_key()
        wanted = {one.request_id: one for one in submissions}
        if len(wanted) < self.together_from:
            return {}
        self.asked["together"] += 1
        if self.history_down:
            raise Transient("the history did not answer")
        tick = self.clock.monotonic()
        return {
            own_id: Phase("downloaded", "ready", one)
            if tick >= item.ready_tick
            else Phase("created", "waiting", one, detailed=False)
            for own_id, one in wanted.items()
            if (item := self.items.get(own_id)) and not item.fails and item.posted_tick + self.lag_s <= tick
        }

    def cached(self, info_hashes: Collection[str], stop: Stop) -> frozenset[str]:
        """Tell which of the content that is there at once was asked about."""
        self._check_key()
        self.asked["cached"] += 1
        if self.no_cache:
            raise Permanent("POST cache is not there: this service has no cache to look into")
        return frozenset(info_hashes) & {hash_of(key) for key in self.cached_keys}

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Mint one link for one file named after the content."""
        self._check_key()
        item = self._item(submission)
        return [RemoteFile(f"{item.key}.bin", f"https://files.invalid/{item.request_id}", 100)]

    def account(self, stop: Stop) -> Account:
        """Prove the key."""
        self._check_key()
        return Account(email="somebody@example.invalid", premium=True)

    def _take(self, file: bytes | None) -> None:
        if file is not None:
            self.uploads.append(file)

    def _check_key(self) -> None:
        if self.refuse_key:
            raise Blocked("api", "the key was refused", key_refused=True)

    def _item(self, submission: Submission) -> Item:
        if submission.request_id not in self.items:
            raise Gone(f"request {submission.request_id} is not known")
        return self.items[submission.request_id]
