"""Which host this is among those that share a drop folder, and which of the others live.

Rules of this file:

* No clock is compared with another's. A host keeps its lease changing; another one counts as dead when it saw
  no change for ``lease_s`` by its own monotonic clock.
* The folder's thread writes and looks; any thread may ask. What it is told is as old as the last visit.
* A lease is *sound* while no other host can have found it unchanged for ``lease_s``. A host that was away for
  longer than half of that must keep it for one more beat: somebody may just be acting on its death.
* Of two daemons with one name (a state directory was copied) the one that sees the other in the lease stands
  still while that one lives.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.watch.reading import opened_directory
from offcloud_watchd.watch.spool import write_durably

SHARED: Final = ".offcloud-watchd"
LEASE: Final = "lease"
LINKS: Final = "links"
MAX_HOSTS: Final = 1_000
MAX_BYTES: Final = 256
BEATS_A_LEASE: Final = 24

_HOST: Final = re.compile(r"[a-z0-9-]{1,40}-[0-9a-f]{12}")


def host_name(state_dir: Path) -> str:
    """Return the name of this state directory's daemon: a machine's name for people, and what tells it apart.

    It is made once and kept beside the journal: a container has another machine's name at each start. Raises
    ``OSError``.
    """
    known = known_host_name(state_dir)
    if known:
        return known
    readable = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().lower())[:40].strip("-") or "host"
    name = f"{readable}-{secrets.token_hex(6)}"
    write_durably(state_dir / "host", f"{name}\n".encode())
    return name


def known_host_name(state_dir: Path) -> str:
    """Return the name that was made before; empty where none was. Raises ``OSError``."""
    with contextlib.suppress(FileNotFoundError), (state_dir / "host").open("rb") as known:
        name = known.read(MAX_BYTES).decode("ascii", "replace").strip()
        if _HOST.fullmatch(name):
            return name
    return ""


@dataclass(frozen=True, slots=True)
class _Seen:
    """The lease of another host as it was last seen, and since when it has not changed."""

    content: bytes | None
    since_s: float
    is_dead: bool = False


class Leases:
    """The lease of this host on one folder, and what is known of those of the others."""

    def __init__(self, lease_s: float, clock: Clock) -> None:
        self.lease_s = lease_s
        self.beat_s = min(5.0, lease_s / BEATS_A_LEASE)
        self.host = ""
        self._clock = clock
        self._token = secrets.token_hex(8)
        self._count = 0
        self._written: bytes | None = None
        self._beaten_s = float("-inf")
        self._sound_until_s = float("-inf")
        self._twin: _Seen | None = None
        self._others: dict[str, _Seen] = {}

    @property
    def sound_until_s(self) -> float:
        """Until when, by the monotonic clock, no other host takes over what is this host's; may be past."""
        return self._sound_until_s

    @property
    def others(self) -> tuple[str, ...]:
        """The other hosts that live, as of the last visit."""
        return tuple(sorted(host for host, seen in self._others.items() if not seen.is_dead))

    def is_known(self, host: str) -> bool:
        """Tell whether a host has a directory in the folder."""
        return host in self._others

    def is_dead(self, host: str) -> bool:
        """Tell whether a host was dead at the last visit."""
        seen = self._others.get(host)
        return seen is not None and seen.is_dead

    def is_still_dead(self, shared: int, host: str) -> bool:
        """Look once more whether a dead host's lease stands still. Raises ``OSError``."""
        seen = self._others.get(host)
        return seen is not None and seen.is_dead and content_at(shared, f"{host}/{LEASE}") == seen.content

    def dead(self) -> list[str]:
        """Return the hosts that were dead at the last visit."""
        return [host for host, seen in self._others.items() if seen.is_dead]

    def beat(self, shared: int, host: str) -> str:
        """Change this host's lease; say what is wrong where that must not be done. Raises ``OSError``."""
        self.host, began_s = host, self._clock.monotonic()
        path = f"{host}/{LEASE}"
        if self._has_twin(content_at(shared, path), began_s):
            self._sound_until_s = float("-inf")
            return (
                f"another daemon is here under this one's name, {host}; nothing is taken. Was the state "
                "directory copied? Delete the file `host` in the copy while its daemon is stopped"
            )
        self._count += 1
        self._written = f"{self._token} {self._count}\n".encode()
        put(shared, path, self._written)
        is_unbroken = began_s - self._beaten_s < self.lease_s / 2
        self._beaten_s = began_s
        self._sound_until_s = began_s + self.lease_s / 2 if is_unbroken else float("-inf")
        return ""

    def observe(self, shared: int) -> None:
        """Look at the leases of the others. Raises ``OSError``."""
        now_s, seen = self._clock.monotonic(), {}
        for host in _hosts(shared):
            if host == self.host:
                continue
            known, content = self._others.get(host), content_at(shared, f"{host}/{LEASE}")
            since_s = known.since_s if known is not None and known.content == content else now_s
            seen[host] = _Seen(content, since_s, now_s - since_s >= self.lease_s)
        self._others = seen

    def _has_twin(self, content: bytes | None, now_s: float) -> bool:
        """Tell whether somebody else has written this host's lease, and did so within a lease's time."""
        if self._written is None or content in (None, self._written):
            self._twin = None
            return False
        if self._twin is None or self._twin.content != content:
            self._twin = _Seen(content, now_s)
        return now_s - self._twin.since_s < self.lease_s


def content_at(directory: int, path: str) -> bytes | None:
    """Read a small file of another host; None where there is none. Raises ``OSError``.

    It is opened anew each time: that is when a network file system asks its server. Source: nfs(5),
    close-to-open cache consistency.
    """
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags, dir_fd=directory)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, MAX_BYTES)
    finally:
        os.close(descriptor)


def put(directory: int, path: str, content: bytes, more: int = os.O_TRUNC) -> None:
    """Write a small file that others read. Raises ``OSError``, with ``more`` ``O_EXCL`` where it exists."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | more
    descriptor = os.open(path, flags, 0o664, dir_fd=directory)
    try:
        os.write(descriptor, content)
        if more == os.O_EXCL:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hosts(shared: int) -> list[str]:
    with opened_directory(".", within=shared) as directory, os.scandir(directory) as entries:
        names = [entry.name for entry in entries if _HOST.fullmatch(entry.name)]
    return sorted(names)[:MAX_HOSTS]
