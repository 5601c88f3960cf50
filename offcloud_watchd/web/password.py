"""The one password of the web: as it lies in its file, plain or as a hash, and whether a given one is it.

Rules of this file:

* The file is read again for each question, so that a new password counts at once; nobody gets in while it
  cannot be read. Nothing of what was given or read is ever logged.
* A hash is slow on purpose, and takes 32 MiB while it is made: one is made at a time. What was once found
  good is remembered as a digest under a key of this process.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import stat
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.errors import ConfigError

log = logging.getLogger(__name__)

MAX_PASSWORD_BYTES: Final = 1024
_MAX_FILE_BYTES: Final = 4096
_SCHEME: Final = "scrypt"
_MAX_MEMORY_BYTES: Final = 64 * 2**20
_MAX_WORK: Final = 2**23


@dataclass(frozen=True, slots=True)
class _Cost:
    """What one hash costs: ``128 * n * r`` bytes for a moment, and ``n * r * p`` of work."""

    n: int
    r: int
    p: int

    def is_bearable(self) -> bool:
        """Tell whether a hash that somebody wrote into the file may be asked for."""
        is_positive = min(self.n, self.r, self.p) > 0
        return (
            is_positive
            and self.n * self.r * self.p <= _MAX_WORK
            and 128 * self.n * self.r <= _MAX_MEMORY_BYTES
        )

    def derived(self, secret: bytes, salt: bytes) -> bytes:
        """Hash; raise ``ValueError`` where the numbers are none that scrypt takes."""
        return hashlib.scrypt(
            secret, salt=salt, n=self.n, r=self.r, p=self.p, maxmem=2 * _MAX_MEMORY_BYTES, dklen=_DIGEST_BYTES
        )


_COST: Final = _Cost(2**15, 8, 3)
"""Of the choices that count as equal the smallest that takes 32 MiB: glibc hands so much straight back to the
system, while after the second hash of 16 MiB it keeps them for good (measured with 2.36).
Source: OWASP Password Storage Cheat Sheet, scrypt; mallopt(3), M_MMAP_THRESHOLD.
"""
_DIGEST_BYTES: Final = 32


def hashed(password: str) -> str:
    """Return what may stand in the password file in the password's place."""
    salt = secrets.token_bytes(16)
    digest = _COST.derived(password.encode("utf-8", "surrogateescape"), salt)
    numbers = f"{_COST.n}${_COST.r}${_COST.p}"
    return f"{_SCHEME}${numbers}${b64encode(salt).decode()}${b64encode(digest).decode()}"


def read_password(path: Path) -> str:
    """Return what the file holds; raise ``ConfigError`` saying what is wrong with it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            data = file.read(_MAX_FILE_BYTES + 1) if stat.S_ISREG(status.st_mode) else b""
    except OSError as error:
        raise ConfigError([f"the password file cannot be read: {error.strerror}: {path}"]) from error
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise ConfigError([f"{path} can be reached by others (mode {mode}): run chmod 600 {path}"])
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path} is not UTF-8"]) from error
    if not text or len(data) > _MAX_FILE_BYTES or "\n" in text:
        raise ConfigError([f"{path} must hold one line: the password, or its hash"])
    return text


def matches(stored: str, given: str) -> bool:
    """Tell whether a password is the one that is stored, plain or hashed."""
    secret = given.encode("utf-8", "surrogateescape")
    if len(secret) > MAX_PASSWORD_BYTES:
        return False
    scheme, *rest = stored.split("$")
    if scheme != _SCHEME or len(rest) != 5:
        return hmac.compare_digest(_digest(stored.encode()), _digest(secret))
    try:
        cost = _Cost(*map(int, rest[:3]))
        salt, digest = (b64decode(part, validate=True) for part in rest[3:])
        return cost.is_bearable() and hmac.compare_digest(digest, cost.derived(secret, salt))
    except ValueError:
        return False


def _digest(secret: bytes) -> bytes:
    """Make secrets of one length, so that comparing them does not tell theirs."""
    return hashlib.sha256(secret).digest()


class PasswordCheck:
    """Answers whether a password is good. May take half a second: not for the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = secrets.token_bytes(32)
        self._good = b""
        self._problem = ""

    def __call__(self, given: str) -> bool:
        """Tell whether it is the password of now."""
        stored = self._stored()
        if stored is None:
            return False
        mark = self._mark(stored, given)
        if hmac.compare_digest(mark, self._good):
            return True
        if not matches(stored, given):
            return False
        self._good = mark
        return True

    def remembers(self, given: str) -> bool:
        """Tell whether it is the password of now and was found good before; quick, whatever it is."""
        stored = self._stored()
        return stored is not None and hmac.compare_digest(self._mark(stored, given), self._good)

    def _stored(self) -> str | None:
        try:
            stored = read_password(self._path)
        except ConfigError as error:
            self._say(str(error))
            return None
        self._say("")
        return stored

    def _mark(self, stored: str, given: str) -> bytes:
        return hmac.digest(self._key, f"{stored}\0{given}".encode("utf-8", "surrogateescape"), "sha256")

    def _say(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.error("nobody can log in to the web: %s", problem)
        self._problem = problem
