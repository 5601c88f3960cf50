"""What a category may be called: free text that must be able to name a directory."""

from __future__ import annotations

import unicodedata
from typing import Final

MAX_CATEGORY_BYTES: Final = 100


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
