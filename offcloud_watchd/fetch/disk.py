"""The file system as the shelf needs it: durable, by descriptors, and with errors that say who must act.

Rules of this file:

* Whatever is made is made relative to an open directory and never through a symbolic link.
* A name is never replaced: ``rename_new`` fails when the target exists.
* ``on_disk`` is the one place where an ``OSError`` of the local disk becomes one of our classes.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from offcloud_watchd import kernel
from offcloud_watchd.errors import Blocked, Permanent, Transient

_FALLOC_FL_KEEP_SIZE: Final = 1
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_ADVICE: Final = {
    errno.ENOSPC: "free some space on this file system",
    errno.EDQUOT: "the disk quota is used up: free some space or raise the quota",
    errno.EROFS: "the file system is read-only: see the kernel's log, then mount it writable",
    errno.EIO: "the disk reports an error: see the kernel's log before anything else",
    errno.EACCES: "give the service's user the right to write there",
    errno.EPERM: "give the service's user the right to do this (for a group: make it a member)",
    errno.ENOENT: "it is missing: mount or make it",
    errno.EXDEV: "staging and output must lie on the same file system: see `fetch` in the manual",
    errno.ELOOP: "a symbolic link stands where a directory of ours should be: remove it",
    errno.ENOTDIR: "something else stands where a directory of ours should be: remove it",
}
_NAME_DOES_NOT_FIT: Final = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
_SHORT_OF_RESOURCES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR)


@contextmanager
def on_disk(doing: str) -> Iterator[None]:
    """Turn an ``OSError`` of the local disk into the error of whoever must act; ``doing`` reads "to write X".

    Nearly all of them are the operator's: the lane pauses and nothing is charged. A name or a size the file
    system can never hold is the job's own end, and a shortage of descriptors passes.
    """
    try:
        yield
    except OSError as error:
        word = os.strerror(error.errno) if error.errno else str(error)
        text = f"tried {doing}: {word}"
        if error.errno in _NAME_DOES_NOT_FIT:
            raise Permanent(f"{text}; the file system cannot hold this name") from error
        if error.errno == errno.EFBIG:
            raise Permanent(f"{text}; the file system cannot hold a file of this size") from error
        if error.errno in _SHORT_OF_RESOURCES:
            raise Transient(text) from error
        advice = _ADVICE.get(error.errno or 0, "see to it, the work goes on by itself")
        raise Blocked("fetch", f"{text}; {advice}") from error


@contextmanager
def closed_after(fd: int) -> Iterator[int]:
    """Give a descriptor that was just opened for a while, and close it."""
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def closed_on_error(fd: int) -> Iterator[None]:
    """Close a descriptor that was just opened when what follows fails."""
    try:
        yield
    except BaseException:
        os.close(fd)
        raise


def open_directory(name: str, dir_fd: int | None = None) -> int:
    """Open a directory; relative to ``dir_fd``, no symbolic link is followed. The caller closes it."""
    return os.open(name, _DIRECTORY | (os.O_NOFOLLOW if dir_fd is not None else 0), dir_fd=dir_fd)


def make_directory(name: str, dir_fd: int, mode: int, group: int | None = None) -> int:
    """Open a directory below ``dir_fd``, made first when it is missing; only then it gets mode and group.

    The new name is durable once the caller has synced ``dir_fd``.
    """
    try:
        os.mkdir(name, 0o700, dir_fd=dir_fd)
    except FileExistsError:
        return open_directory(name, dir_fd)
    fd = open_directory(name, dir_fd)
    with closed_on_error(fd):
        set_rights(fd, mode, group)
    return fd


def set_rights(fd: int, mode: int, group: int | None) -> None:
    """Give an open file its group and mode; the group first, because changing it clears set-id bits."""
    if group is not None:
        os.fchown(fd, -1, group)
    os.fchmod(fd, mode)


def write_durably(name: str, data: bytes, dir_fd: int) -> None:
    """Put a small file in place whole and synced; a crash leaves the old one or the new one."""
    draft = f"{name}.new"
    fd = os.open(
        draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=dir_fd
    )
    with closed_after(fd):
        write_all(fd, [data])
        os.fsync(fd)
    os.rename(draft, name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    os.fsync(dir_fd)


def write_all(fd: int, pieces: Sequence[bytes]) -> None:
    """Write all pieces; the kernel may take fewer bytes than it is given."""
    rest = [memoryview(piece) for piece in pieces]
    while rest:
        written = os.writev(fd, rest)
        while rest and written >= len(rest[0]):
            written -= len(rest.pop(0))
        if rest:
            rest[0] = rest[0][written:]


def write_at(fd: int, data: memoryview, offset: int) -> None:
    """Write everything to its place in a file; the kernel may take fewer bytes than it is given."""
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def open_to_read(parts: Sequence[str], dir_fd: int) -> int:
    """Open a file below ``dir_fd`` for reading, following no link on the way. The caller closes it."""
    with ExitStack() as held:
        for part in parts[:-1]:
            dir_fd = open_directory(part, dir_fd)
            held.callback(os.close, dir_fd)
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)


def read_small(name: str, dir_fd: int, limit_bytes: int) -> bytes | None:
    """Read a file of ours, ``limit_bytes`` at the most; None when it is not there."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    except FileNotFoundError:
        return None
    with os.fdopen(fd, "rb") as file:
        return file.read(limit_bytes)


def is_there(name: str, dir_fd: int) -> bool:
    """Tell whether anything has this name, a dangling symbolic link included."""
    try:
        os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def is_directory(name: str, dir_fd: int) -> bool:
    """Tell whether a real directory, not a link to one, has this name."""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def remove_tree(name: str, dir_fd: int) -> None:
    """Delete a directory and all below it, following no link; one that is not there is fine."""
    with suppress(FileNotFoundError):
        shutil.rmtree(name, dir_fd=dir_fd)


def check_writable(directory: str) -> None:
    """Raise ``OSError`` when nothing can be made in a directory: missing, read-only, no rights, failing.

    A file without a name is made; where the file system knows none (NFS), its other checks must do.
    """
    try:
        os.close(os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise


def free_bytes(place: int | str) -> int:
    """Return what an ordinary user may still write to the file system of an open file or a path."""
    figures = os.statvfs(place)
    return figures.f_bavail * figures.f_frsize


def allocate(fd: int, offset: int, length: int) -> bool:
    """Reserve room from ``offset`` on without changing the file's size; False where that cannot be done.

    The C library's ``posix_fallocate`` would write every block of a file where the file system cannot, so
    the system call is made itself. Source: fallocate(2), posix_fallocate(3).
    """
    if length <= 0:
        return True
    arguments = (fd, _FALLOC_FL_KEEP_SIZE, ctypes.c_int64(offset), ctypes.c_int64(length))
    # musl knows the second name only, and its offsets are always wide.
    code = kernel.call(("fallocate64", "fallocate"), *arguments)
    if code not in (0, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EINTR):
        raise OSError(code, os.strerror(code))
    return code == 0


def sync_and_release(fd: int) -> None:
    """Make a file durable and let its pages go. Raises ``OSError`` when it did not reach the disk.

    A film is read by others and much later: held in memory, it would push out what the machine works with,
    and each new page costs more than the write itself where the memory must first be had from a hypervisor.
    Measured beside pages that stay: a third of the CPU. Source: posix_fadvise(2), on pages to be written.
    """
    os.fdatasync(fd)
    release(fd)


def release(fd: int) -> None:
    """Let go of what the memory holds of a file, as far as it is on the disk."""
    with suppress(OSError):  # only a hint; some file systems know no such thing
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def rename_new(source: str, source_fd: int, target: str, target_fd: int) -> None:
    """Rename without replacing; raise ``FileExistsError`` when the target exists in any form.

    Source: renameat2(2). Where the file system does not know RENAME_NOREPLACE: ``rename_checked``.
    """
    if not kernel.renamed_new(source, source_fd, target, target_fd):
        rename_checked(source, source_fd, target, target_fd)


def rename_checked(source: str, source_fd: int, target: str, target_fd: int) -> None:
    """Rename a directory after a look at the target: for NFS, some FUSE and old kernels.

    Between look and rename nothing but an empty directory could be replaced: rename(2) refuses the rest.
    """
    if is_there(target, target_fd):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
    os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
