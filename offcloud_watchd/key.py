"""The API key: where it lies and how it is read.

Rules of this file:

* The key itself never appears in an error. It is read again on every call, because the operator may mend it.
* A file that others can read holds no secret: it is refused, except for the service manager's credential,
  whose access is the manager's affair.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offcloud_watchd.errors import ConfigError

CREDENTIAL: Final = "offcloud-api-key"
MAX_KEY_BYTES: Final = 4096

_FILE: Final = "offcloud.api_key_file"
_VARIABLE: Final = "offcloud.api_key_env"


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key lies: an environment variable, or a file, or neither (then only a credential is left).

    ``settings`` says where each setting stands, as ``config.yaml:LINE:COL: NAME``.
    """

    variable: str | None
    file: Path | None
    settings: Mapping[str, str]


class KeySource:
    """Reads the key where it lies each time it is asked; remembers every key it gave, for the redaction."""

    def __init__(self, place: KeyPlace, env: Mapping[str, str]) -> None:
        self._place = place
        self._env = env
        self._given: list[str] = []

    def read(self) -> str:
        """Return the key; raise ``ConfigError`` when it cannot be read."""
        key = read_key(self._place, self._env)
        if key not in self._given:
            self._given.append(key)
        return key

    def given(self) -> list[str]:
        """Return every key this process has held."""
        return self._given


def read_key(place: KeyPlace, env: Mapping[str, str]) -> str:
    """Return the API key; raise ``ConfigError`` saying what is wrong with the place it should lie in.

    The setting wins. The systemd credential ``offcloud-api-key`` is used where there is no setting, and where
    this user may not open the file, as a service may not open root's. Source: systemd.exec(5), "Credentials".
    """
    try:
        return _key(place, env)
    except OSError as error:
        remedy = (
            "write the key into it, mode 0600" if error.errno == errno.ENOENT else "run this as its owner"
        )
        raise _wrong(place, _FILE, f"cannot be read: {error.strerror}: {error.filename}; {remedy}") from error


def _key(place: KeyPlace, env: Mapping[str, str]) -> str:
    variable, file = place.variable, place.file
    if variable is not None:
        value = env.get(variable, "").encode("utf-8", "surrogateescape")
        return _clean(place, _VARIABLE, f"${variable}", value[: MAX_KEY_BYTES + 1])
    credential = _credential(env)
    if file is not None:
        try:
            return _clean(place, _FILE, str(file), _bytes(place, file, private=True))
        except PermissionError:
            if credential is None:
                raise
    if credential is None:
        remedy = "put it in a file of mode 0600 and name that in offcloud.api_key_file"
        raise _wrong(place, "offcloud", f"no API key is named: {remedy}")
    return _clean(place, "offcloud", str(credential), _bytes(place, credential, private=False))


def _credential(env: Mapping[str, str]) -> Path | None:
    directory = env.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, CREDENTIAL)
    return path if directory.startswith("/") and path.is_file() else None


def _bytes(place: KeyPlace, path: Path, *, private: bool) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if problem := _unfit(path, os.fstat(descriptor), private=private):
            raise _wrong(place, _FILE, problem)
        return os.read(descriptor, MAX_KEY_BYTES + 1)
    finally:
        os.close(descriptor)


def _unfit(path: Path, status: os.stat_result, *, private: bool) -> str:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    if private and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        return f"{path} can be reached by others (mode {mode}): run chmod 600 {path}, and renew the key"
    return ""


def _clean(place: KeyPlace, setting: str, source: str, data: bytes) -> str:
    key = data.removeprefix(b"\xef\xbb\xbf").strip()
    if not key:
        raise _wrong(place, setting, f"{source} is empty: it must hold the API key")
    if len(data) > MAX_KEY_BYTES:
        raise _wrong(place, setting, f"{source} holds more than {MAX_KEY_BYTES} bytes: is it the right one?")
    if not all(0x21 <= byte <= 0x7E for byte in key):
        raise _wrong(place, setting, f"{source} must hold the key alone, in one line without spaces")
    return key.decode("ascii")


def _wrong(place: KeyPlace, setting: str, text: str) -> ConfigError:
    return ConfigError([f"{place.settings[setting]}: {text}"])
