"""An Offcloud account in memory: a real adapter of the port that survives the death of its client."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offcloud_watchd.core.model import Account, Link, Phase, Progress, RemoteFile, Sought, Submission
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Blocked, Gone, Transient
from tests.fakes.clock import FakeClock


@dataclass
class Item:
    """One request in the account."""

    request_id: str
    key: str
    created_at: float
    ready_at: float
    fails: bool = False


@dataclass
class FakeCloud:
    """Keeps requests by id and counts them. ``history_lag_s``: how late a request shows in the history."""

    clock: FakeClock
    lag_s: float = 0.0
    takes_s: float = 10.0
    items: dict[str, Item] = field(default_factory=dict)
    posts: int = 0
    history_down: bool = False
    refuse_key: bool = False
    dead_keys: frozenset[str] = frozenset()

    def submit(self, link: Link, stop: Stop) -> Submission:
        """Take the link; the classic service makes another item each time, so a twin is seen here."""
        self._check_key()
        self.posts += 1
        now = self.clock.now()
        request_id = f"R{self.posts}"
        item = Item(request_id, link.key, now, now + self.takes_s, link.key in self.dead_keys)
        self.items[request_id] = item
        return Submission(request_id, "created", link.name)

    def find(self, link: Link, not_before: float, stop: Stop) -> tuple[Sequence[Sought], float]:
        """Return live entries, without those the lag still hides."""
        self._check_key()
        if self.history_down:
            raise Transient("the history did not answer")
        now = self.clock.now()
        seen = [
            Sought(item.request_id, "created", created_at=item.created_at)
            for item in self.items.values()
            if item.key == link.key and not item.fails and item.created_at + self.lag_s <= now
        ]
        return seen, now

    def status(self, submission: Submission, stop: Stop) -> Phase:
        """Tell how far a request is."""
        self._check_key()
        item = self._item(submission)
        if item.fails:
            return Phase("error", "failed", submission, reason="no seeds")
        if self.clock.now() >= item.ready_at:
            return Phase("downloaded", "ready", submission)
        return Phase("downloading", "waiting", submission, Progress(fraction=0.5))

    def files(self, submission: Submission, stop: Stop) -> Sequence[RemoteFile]:
        """Mint one link for one file named after the content."""
        self._check_key()
        item = self._item(submission)
        return [RemoteFile(f"{item.key}.bin", f"https://files.invalid/{item.request_id}", 100)]

    def account(self, stop: Stop) -> Account:
        """Prove the key."""
        self._check_key()
        return Account(email="somebody@example.invalid", premium=True)

    def _check_key(self) -> None:
        if self.refuse_key:
            raise Blocked("api", "the key was refused", key_refused=True)

    def _item(self, submission: Submission) -> Item:
        if submission.request_id not in self.items:
            raise Gone(f"request {submission.request_id} is not known")
        return self.items[submission.request_id]
