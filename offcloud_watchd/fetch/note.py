"""The note of what is about to be published, as it is kept wherever a release is staged."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Final

from offcloud_watchd.core.model import Check, Publication

RELEASE_NAME: Final = "release"
"""What a release is called in staging."""

MAX_NOTE_BYTES: Final = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Note:
    """What is published and where: ``name`` is the wish, ``path`` the place that was chosen.

    ``staged`` is the name the release has in staging; ``spent`` are files in it that go first.
    """

    name: str
    path: str
    files: int
    size_bytes: int
    verified: str
    staged: str = RELEASE_NAME
    spent: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()

    @classmethod
    def read(cls, data: bytes) -> Note:
        """Return the note that ``written`` gave."""
        members = json.loads(data)
        told = members.pop("checks", ())
        checks = tuple(Check(one["how"], one["files"], tuple(one["names"])) for one in told)
        return cls(**members, checks=checks)

    def written(self) -> bytes:
        """Return it as it stands on the disk."""
        return json.dumps(asdict(self)).encode()

    @property
    def publication(self) -> Publication:
        """What is, or is about to be, published by it."""
        return Publication(self.path, self.files, self.size_bytes, self.verified, self.checks)
