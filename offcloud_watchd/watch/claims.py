"""Drops of a folder that several hosts share: whose is which, decided by renames alone.

A drop is ``DROP`` in the folder, then ``.offcloud-watchd/HOST/claimed/DROP``, then ``.../HOST/taken/DROP``,
then in ``processed/``. Rules of this file:

* A rename has one winner; nothing else decides. Whoever moved a drop into his ``claimed`` reads it there.
* From ``claimed`` the other hosts take over when the host is dead; from ``taken`` nobody does. So the move
  from one to the other is the commit point, and only what lies in ``taken`` becomes a job: there is none of
  which it is not sure that it is this host's for good.
* A rename that is answered by "no such file" may have worked, and its first answer was lost: the target is
  looked at. A host's own directories are filled by that host alone, so what is there came by its own doing.
* A name that is in use there waits in the folder.

What is where when a host ends, stands still, or loses the file system, and what becomes of it:

| this host stopped after                 | the drop lies in | what becomes of it |
|-----------------------------------------|------------------|---|
| it saw the drop                         | the folder       | anybody claims it |
| the rename to ``claimed``, any answer   | ``claimed``      | it goes on, or another one takes over |
| reading it, keeping a copy in the spool | ``claimed``      | the same; the copy is swept at the next start |
| the rename to ``taken``, any answer     | ``taken``        | it goes on when it is back; nobody else |
| ``Queued`` was recorded                 | ``taken``        | the same: its id is known, it is one job |
| the move to ``processed/``              | ``processed/``   | the job goes on when this host is back |
| another took it over meanwhile          | the other's      | the rename to ``taken`` fails: no job |
| another, too, was to take it over       | one of theirs    | the rename of the second finds nothing |
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Final

from offcloud_watchd import kernel
from offcloud_watchd.core.settle import Stamp
from offcloud_watchd.watch.names import parted
from offcloud_watchd.watch.reading import made, opened_directory, stamp_at

CLAIMED: Final = "claimed"
TAKEN: Final = "taken"


def moved(source: int, target: int, path: str) -> bool:
    """Move a drop between two open directories; False where somebody else has it, or the name is in use.

    ``target`` is filled by this host alone. Raises ``OSError``.
    """
    subfolder, name = parted(path)
    with ExitStack() as opened:
        try:
            old = opened.enter_context(_inside(source, subfolder))
        except FileNotFoundError:
            return False
        new = opened.enter_context(made(target, subfolder) if subfolder else nullcontext(target))
        if stamp_at(new, name) is not None:
            return False
        try:
            if not kernel.renamed_new(name, old, name, new):
                os.rename(name, name, src_dir_fd=old, dst_dir_fd=new)
        except FileExistsError:
            return False
        except FileNotFoundError:
            pass  # it may have worked
        return stamp_at(new, name) is not None


def committed(claimed: int, taken: int, paths: Sequence[str]) -> dict[str, Stamp]:
    """Make drops this host's for good; return the stamps of those that are, durably. Raises ``OSError``."""
    ours: dict[str, Stamp] = {}
    for path in paths:
        if moved(claimed, taken, path):
            subfolder, name = parted(path)
            with _inside(taken, subfolder) as directory:
                stamp = stamp_at(directory, name)
            if stamp is not None:
                ours[path] = stamp
    for subfolder in {parted(path)[0] for path in ours}:
        for place in (taken, claimed):
            with _inside(place, subfolder) as directory:
                os.fsync(directory)
    return ours


@contextmanager
def _inside(root: int, subfolder: str) -> Iterator[int]:
    with nullcontext(root) if not subfolder else opened_directory(subfolder, within=root) as directory:
        yield directory
