"""What a sandbox is like: its addresses, its pace, and the manners of the generation it imitates.

Rules of this file:

* What differs between the generations is data, one row each in ``MANNERS``; no other file asks for a name of
  a generation.
* ``both`` is the union of the two and, where they exclude each other, the current one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final, Literal

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.sandbox.content import Library

Generation = Literal["classic", "current", "both"]


class SystemClock:
    """The machine's clocks; implements ``core.ports.Clock``."""

    def now(self) -> float:
        """Return UTC seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class Manners:
    """How a generation behaves. Sources: see ``api`` and ``shapes``.

    ``one_item_per_magnet``: the same magnet again gives the request it already has. ``batch_status``: status
    takes many ids. ``detailed``: explore knows ``format=detailed``. ``bad_archive``: explore refuses a single
    file. ``loose_numbers``: sizes and speeds come as strings. ``resolves_links``: ``originalLink`` is what
    the service made of the link. ``hides_names``: a torrent is called ``Loading...`` at first.
    ``error_statuses``: errors come with 400 and 404, not with 200. ``signed_links``: a file's link carries
    its own proof and outlives its item. ``wraps_lists``: lists of accounts and proxies come in an object.
    """

    classic: bool
    current: bool
    refusal_status: int
    one_item_per_magnet: bool
    batch_status: bool
    detailed: bool
    bad_archive: bool
    loose_numbers: bool
    resolves_links: bool
    hides_names: bool
    error_statuses: bool
    signed_links: bool
    wraps_lists: bool


MANNERS: Final[dict[Generation, Manners]] = {
    "classic": Manners(
        classic=True,
        current=False,
        refusal_status=200,
        one_item_per_magnet=False,
        batch_status=True,
        detailed=False,
        bad_archive=True,
        loose_numbers=True,
        resolves_links=False,
        hides_names=False,
        error_statuses=False,
        signed_links=False,
        wraps_lists=True,
    ),
    "current": Manners(
        classic=False,
        current=True,
        refusal_status=401,
        one_item_per_magnet=True,
        batch_status=False,
        detailed=True,
        bad_archive=False,
        loose_numbers=False,
        resolves_links=True,
        hides_names=True,
        error_statuses=True,
        signed_links=True,
        wraps_lists=False,
    ),
    "both": Manners(
        classic=True,
        current=True,
        refusal_status=401,
        one_item_per_magnet=True,
        batch_status=True,
        detailed=True,
        bad_archive=False,
        loose_numbers=False,
        resolves_links=True,
        hides_names=True,
        error_statuses=True,
        signed_links=True,
        wraps_lists=False,
    ),
}


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Everything that can be chosen about a sandbox; the defaults suit a demo.

    ``listen`` and ``file_listen`` are ``HOST:PORT`` (port 0: any); the file host falls back to the API's
    address when its own cannot be had. An item is ``created`` for ``queued_s``, then ``downloading`` for
    ``download_s``, by ``clock``; a remote transfer is ``uploading`` for ``upload_s`` after that. An item
    shows in the history ``history_lag_s`` late. A device that asks to be let in does so no oftener than every
    ``device_interval_s``, for ``device_life_s``. Links to files live for ``link_life_s``.
    ``release_bytes``, ``release_files`` and ``seed`` shape the generated content unless
    ``library`` gives other content. ``file_rate_bytes_per_s`` slows each file transfer down (None: not).
    ``premium`` false is a lapsed plan. A connection that is silent for ``idle_s`` is closed.
    """

    listen: str = "127.0.0.1:0"
    file_listen: str = "127.0.0.2:0"
    generation: Generation = "both"
    key: str = "sandbox-key"
    username: str = "sandbox@example.org"
    password: str = "sandbox"  # noqa: S105 - a made-up account, told to everyone
    premium: bool = True
    queued_s: float = 2.0
    download_s: float = 6.0
    upload_s: float = 3.0
    device_interval_s: float = 5.0
    device_life_s: float = 600.0
    history_lag_s: float = 0.0
    link_life_s: float = 3600.0
    release_bytes: int = 3_000_000
    release_files: int | None = None
    seed: int = 0
    file_rate_bytes_per_s: int | None = None
    library: Library | None = None
    max_connections: int = 64
    max_items: int = 100_000
    idle_s: float = 60.0
    clock: Clock = field(default_factory=SystemClock)

    @property
    def manners(self) -> Manners:
        """How the chosen generation behaves."""
        return MANNERS[self.generation]
