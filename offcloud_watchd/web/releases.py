"""The files of a release as they lie on the disk, for clients that ask for them."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Final

from offcloud_watchd.core.model import Publication

MAX_FILES: Final = 20_000


def listed(publication: Publication, most: int = MAX_FILES) -> list[tuple[str, int]]:
    """List the files of a release below its own name, with their sizes in bytes; may block.

    What is not there any more is not listed, nor what is more than ``most``.
    """
    top = Path(publication.path)
    found: list[tuple[str, int]] = []
    for directory, _, names in os.walk(top):
        for name in sorted(names):
            if len(found) >= most:
                return found
            path = Path(directory, name)
            try:
                size_bytes = path.lstat().st_size
            except OSError:
                continue
            found.append((posixpath.join(top.name, str(path.relative_to(top))), size_bytes))
    return found
