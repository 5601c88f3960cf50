"""Categories: what one may be called, and which are known by name alone.

A category is free text that must be able to name a directory, or several, one in the other (``tv/4k``).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet
from typing import Final

from offcloud_watchd.core.events import CategoryDropped, CategoryEvent, CategoryMade
from offcloud_watchd.core.model import Naming

MAX_CATEGORY_BYTES: Final = 100
MAX_CATEGORIES: Final = 1000
"""How many are known by name alone: each is a record in every generation of the journal."""


def checked_category(name: str) -> str:
    """Return a category that can name a directory; raise ``ValueError`` with the rule it breaks."""
    if not name:
        raise ValueError("a category may not be empty")
    if name.strip() != name:
        raise ValueError("a category may not begin or end with a space")
    if name.startswith(".") or "/" in name:
        raise ValueError("a category names a directory: it may not begin with a dot nor hold a /")
    if any(unicodedata.category(sign) in {"Cc", "Cf", "Cs"} for sign in name):
        raise ValueError("a category may not hold control characters")
    if len(name.encode()) > MAX_CATEGORY_BYTES:
        raise ValueError(f"a category may be {MAX_CATEGORY_BYTES} bytes long at most")
    return name


def checked_nested_category(name: str) -> str:
    """Return a category whose parts, between slashes, can each name a directory; raise ``ValueError``."""
    for part in name.split("/"):
        checked_category(part)
    if len(name.encode()) > MAX_CATEGORY_BYTES:
        raise ValueError(f"a category may be {MAX_CATEGORY_BYTES} bytes long at most")
    return name


def heed(naming: Naming, known: AbstractSet[str], now: float) -> CategoryEvent | None:
    """Decide what a client's wish for a category means; None when it has nothing to do. Safe to repeat."""
    if naming.drop:
        return CategoryDropped(naming.category, now) if naming.category in known else None
    if naming.category in known or len(known) >= MAX_CATEGORIES:
        return None
    return CategoryMade(naming.category, now)


def renamed(known: frozenset[str], event: CategoryEvent) -> frozenset[str]:
    """Return the names that are known after an event."""
    return known | {event.name} if isinstance(event, CategoryMade) else known - {event.name}
