"""What Linux offers and Python does not: system calls by way of the C library.

Every room may use it; it knows none of them.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from functools import cache
from typing import Final

_RENAME_NOREPLACE: Final = 1


def renamed_new(source: str, source_fd: int, target: str, target_fd: int) -> bool:
    """Rename without replacing anything, in one step; False where the file system or the kernel cannot.

    Raises ``FileExistsError`` when the target exists in any form, and ``OSError``. A file that is put in
    place so needs no placeholder: an inode made and dropped for each file slows ext4 down, which does not
    reuse it for minutes and passes over all of them again for each new file.
    Source: renameat2(2); ``recently_deleted`` in fs/ext4/ialloc.c of Linux.
    """
    names = (os.fsencode(source), os.fsencode(target))
    code = call(("renameat2",), source_fd, names[0], target_fd, names[1], _RENAME_NOREPLACE)
    if code in (errno.ENOSYS, errno.EINVAL):
        return False
    if code:
        raise OSError(code, os.strerror(code), target)
    return True


def call(names: Sequence[str], *arguments: object) -> int:
    """Call a function of the C library that Python does not offer, by the first of its names that is known.

    Return 0 or the error's number: ``ENOSYS`` where the library does not have it.
    """
    found = next((function for name in names if (function := getattr(_libc(), name, None))), None)
    if found is None:
        return errno.ENOSYS
    return 0 if found(*arguments) == 0 else ctypes.get_errno()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
