"""What the messages are told once, at the start. Plain, and small."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySettings:
    """Which ways messages take, and what is worth one (``on``: published, failed, blocked).

    ``webhook`` is a secret: services put a token into it. Times are seconds.
    """

    command: tuple[str, ...] | None = None
    webhook: str | None = field(default=None, repr=False)
    apprise_file: Path | None = None
    on: frozenset[str] = frozenset({"published", "failed", "blocked"})
    user_agent: str = "offcloud-watchd"
    time_limit_s: float = 30.0
    again_after_s: float = 10.0
