"""The one password of the web: as it lies in its file, plain or as a hash, and whether a given one is it.

Rules of this file:

* The file is read again for each question, so that a new password counts at once; nobody gets in while it
  cannot be read. Nothing of what was given or read is ever logged.
* A hash is slow on purpose: what was once found good is remembered as a digest under a key of this process.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import stat
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final

from offcloud_watchd.errors import ConfigError

log = logging.getLogger(__name__)

MAX_PASSWORD_BYTES: Final = 1024
_MAX_FILE_BYTES: Final = 4096
_SCHEME: Final = "pbkdf2-sha256"
_ROUNDS: Final = 600_000  # Source: OWASP Password Storage Cheat Sheet, PBKDF2-HMAC-SHA256
_MAX_ROUNDS: Final = 10_000_000


def hashed(password: str) -> str:
    """Return what may stand in the password file in the password's place."""
    salt = secrets.token_bytes(16)
    digest = _derived(password.encode("utf-8", "surrogateescape"), salt, _ROUNDS)
    return f"{_SCHEME}${_ROUNDS}${b64encode(salt).decode()}${b64encode(digest).decode()}"


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
    if scheme != _SCHEME or len(rest) != 3:
        return hmac.compare_digest(stored.encode(), secret)
    try:
        rounds, salt, digest = (
            int(rest[0]),
            b64decode(rest[1], validate=True),
            b64decode(rest[2], validate=True),
        )
    except ValueError:
        return False
    if not 1 <= rounds <= _MAX_ROUNDS:
        return False
    return hmac.compare_digest(digest, _derived(secret, salt, rounds))


def _derived(secret: bytes, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", secret, salt, rounds)


class PasswordCheck:
    """Answers whether a password is good. May take a quarter of a second: not for the event loop."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = secrets.token_bytes(32)
        self._good = b""
        self._problem = ""

    def __call__(self, given: str) -> bool:
        """Tell whether it is the password of now."""
        try:
            stored = read_password(self._path)
        except ConfigError as error:
            self._say(str(error))
            return False
        self._say("")
        mark = hmac.digest(self._key, f"{stored}\0{given}".encode("utf-8", "surrogateescape"), "sha256")
        if hmac.compare_digest(mark, self._good):
            return True
        if not matches(stored, given):
            return False
        self._good = mark
        return True

    def _say(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.error("nobody can log in to the web: %s", problem)
        self._problem = problem
