"""Which files of a request are brought home: the operator's include and exclude globs. Pure.

Rules of this file:

* A glob without a slash names a file or a folder anywhere in the job; one with a slash is the path from the
  job's top. ``**`` stands for any number of folders; a slash at the end means all that the folder holds.
* Case does not count. Exclude wins. Without an include everything is included.
* Paths are as they are published: safe names, without the folder that all files share.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True)
class Choice:
    """The globs of include and exclude."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, parts: Sequence[str]) -> bool:
        """Tell whether a file, given by its path inside the job, is brought home."""
        names = [_folded(part) for part in parts]
        included = not self.include or any(_matches(names, _folded(glob)) for glob in self.include)
        return included and not any(_matches(names, _folded(glob)) for glob in self.exclude)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def _matches(names: Sequence[str], glob: str) -> bool:
    wanted = f"{glob}**" if glob.endswith("/") else glob
    if "/" not in wanted:
        return any(fnmatchcase(name, wanted) for name in names)
    # Which numbers of leading names the leading parts of the glob can stand for.
    reached = {0}
    for part in wanted.strip("/").split("/"):
        if part == "**":
            reached = set(range(min(reached), len(names) + 1)) if reached else reached
        else:
            reached = {at + 1 for at in reached if at < len(names) and fnmatchcase(names[at], part)}
    return len(names) in reached
