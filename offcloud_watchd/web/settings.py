"""What the web is told: where it listens, who may come in, where the categories go. Plain, and small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from offcloud_watchd.core.model import Destination


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSettings:
    """How the web is reached, and what it must know of the places.

    ``listen`` is ``HOST:PORT`` (port 0: any that is free) or ``unix:/PATH``. ``password_file`` None lets
    everybody in who reaches the port. ``destination_for`` gives the destination of a category (None: of what
    names none) and raises ``BadDrop`` for a name that cannot be one. ``categories`` are those of the
    configuration. ``sabnzbd`` and ``transmission`` turn those APIs on.
    """

    listen: str
    password_file: Path | None
    allowed_hosts: tuple[str, ...]
    output_dir: str
    categories: tuple[str, ...]
    destination_for: Callable[[str | None], Destination]
    sabnzbd: bool = False
    transmission: bool = False
