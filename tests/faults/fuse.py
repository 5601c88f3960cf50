"""A small file system of our own: read-only, with the files it is told of, and able to hang like a dead NAS.

It speaks the kernel's protocol directly, because a mount that does not answer is what no ordinary file system
of a test machine can give. Source: Linux, include/uapi/linux/fuse.h, protocol 7.31.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.namespace import mount, unmount

RELEASEDIR = 29
_UNANSWERED = {2, 36, 42}  # FORGET, INTERRUPT, BATCH_FORGET
_HEADER = struct.Struct("<IIQQIIII")
_BUSY_BYTES = 1 << 20
_ROOT = 1
_FIXED = {
    26: (0, struct.pack("<IIIIHHIIHHI7I", 7, 31, 0, 0, 0, 0, _BUSY_BYTES, 1, 0, 0, 0, *[0] * 7)),  # INIT
    14: (0, struct.pack("<QII", 0, 1, 0)),  # OPEN, each read asks
    27: (0, struct.pack("<QII", 0, 0, 0)),  # OPENDIR
    17: (0, struct.pack("<QQQQQIIII6I", 0, 0, 0, 0, 0, 512, 255, 512, 0, *[0] * 6)),  # STATFS
    **dict.fromkeys((18, 25, RELEASEDIR), (0, b"")),  # RELEASE, FLUSH
    **dict.fromkeys((9, 10, 12, 35, 45), (errno.EROFS, b"")),  # MKDIR, UNLINK, RENAME, CREATE, RENAME2
}


class Fuse:
    """Mounts itself on a directory; leaving the context ends it, also while it hangs.

    ``first_inode`` is where its numbers begin: many network file systems give others with every mount.
    """

    def __init__(self, point: Path, *, first_inode: int = 100) -> None:
        self.point = point
        self.files: dict[str, bytes] = {}
        self.time_s = 1_700_000_000
        self.after: Callable[[int], None] = lambda _operation: None
        self._first_inode = first_inode
        self._answering = threading.Event()
        self._answering.set()
        self._ended = threading.Event()
        self._device = -1
        self._thread = threading.Thread(target=self._serve, name=f"fuse {point}", daemon=True)

    def __enter__(self) -> Self:
        """Mount it."""
        self._device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self._device},rootmode=40000,user_id=0,group_id=0,allow_other"
        mount("faults", self.point, "fuse.faults", options)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wake whoever hangs in it with an error, and unmount it."""
        self._ended.set()
        self._answering.set()
        unmount(self.point)
        self._thread.join(10)
        os.close(self._device)

    def hang(self) -> None:
        """Hear nothing from now on."""
        self._answering.clear()

    def resume(self) -> None:
        """Hear and answer again, also what was asked meanwhile."""
        self._answering.set()

    # --- on the thread of the file system ---

    def _serve(self) -> None:
        waiting = select.poll()
        waiting.register(self._device, select.POLLIN)
        while not self._ended.is_set():
            # What was read must be answered: the kernel lets nobody die who waits for that. Like a dead NAS,
            # a file system that hangs here has not heard the question.
            self._answering.wait()
            if waiting.poll(20) and self._answering.is_set() and not self._served_one():
                return

    def _served_one(self) -> bool:
        """Take one request and answer it; False when the mount is gone."""
        try:
            request = os.read(self._device, _BUSY_BYTES + 4096)
        except OSError as error:
            return error.errno == errno.ENOENT  # a request that was taken back; else unmounted
        _, operation, unique, node, *_ = _HEADER.unpack_from(request)
        if operation not in _UNANSWERED:
            number, answer = self._answered(operation, node, request[_HEADER.size :])
            with contextlib.suppress(OSError):  # nobody waits for it any more
                os.write(self._device, struct.pack("<IiQ", 16 + len(answer), -number, unique) + answer)
        self.after(operation)
        return True

    def _answered(self, operation: int, node: int, body: bytes) -> tuple[int, bytes]:
        """Return the number of an error, 0 for none, and the body of the answer."""
        if operation in _FIXED:
            return _FIXED[operation]
        names = sorted(self.files)
        match operation:
            case 1:  # LOOKUP
                return self._entry(names, os.fsdecode(body.rstrip(b"\0")))
            case 3:  # GETATTR
                return 0, struct.pack("<QII", 0, 0, 0) + self._attributes(node)
            case 15:  # READ
                _, offset, size = struct.unpack_from("<QQI", body)
                return 0, self.files[names[node - 2]][offset : offset + size]
            case 28:  # READDIR
                return 0, self._listing(names, *struct.unpack_from("<QQI", body)[1:])
            case _:
                return errno.ENOSYS, b""

    def _entry(self, names: list[str], name: str) -> tuple[int, bytes]:
        if name not in names:
            return errno.ENOENT, b""
        child = names.index(name) + 2
        return 0, struct.pack("<QQQQII", child, 0, 0, 0, 0, 0) + self._attributes(child)

    def _attributes(self, node: int) -> bytes:
        is_root = node == _ROOT
        size = 0 if is_root else len(self.files[sorted(self.files)[node - 2]])
        mode = stat.S_IFDIR | 0o755 if is_root else stat.S_IFREG | 0o644
        inode = _ROOT if is_root else self._first_inode + node
        times = (self.time_s,) * 3
        return struct.pack("<6Q10I", inode, size, 0, *times, 0, 0, 0, mode, 1, 0, 0, 0, 512, 0)

    def _listing(self, names: list[str], offset: int, room: int) -> bytes:
        listing = b""
        for position, name in enumerate(names):
            raw = os.fsencode(name)
            entry = struct.pack("<QQII", self._first_inode + position + 2, position + 1, len(raw), 8) + raw
            entry += b"\0" * (-len(entry) % 8)
            if position >= offset and len(listing) + len(entry) <= room:
                listing += entry
        return listing
