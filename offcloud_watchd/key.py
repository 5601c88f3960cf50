"""The API key, or the password of a login in its place: where it lies and how it is read.

Rules of this file:

* The secret itself never appears in an error. It is read again on every call: the operator may mend it.
* A file that others can read holds no secret: it is refused, except for the service manager's credential,
  whose access is the manager's affair.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from offcloud_watchd.errors import ConfigError

MAX_KEY_BYTES: Final = 4096

_VARIABLE: Final = "offcloud.api_key_env"


@dataclass(frozen=True, slots=True)
class Secret:
    """A kind of secret: what people call it, the setting of its file, the service manager's credential."""

    name: str
    setting: str
    credential: str


API_KEY: Final = Secret("API key", "offcloud.api_key_file", "offcloud-api-key")
PASSWORD: Final = Secret("password", "offcloud.password_file", "offcloud-password")


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the secret lies: an environment variable, or a file, or neither (then only a credential is left).

    ``settings`` says where each setting stands, as ``config.yaml:LINE:COL: NAME``.
    """

    variable: str | None
    file: Path | None
    settings: Mapping[str, str]
    secret: Secret = API_KEY


class KeySource:
    """Reads the key where it lies each time it is asked; remembers every key it gave, for the redaction.

    ``keep`` adds secrets that came another way, as from the service: the log hides them too.
    """

    def __init__(self, place: KeyPlace, env: Mapping[str, str]) -> None:
        self._place = place
        self._env = env
        self._given: list[str] = []

    def read(self) -> str:
        """Return the key; raise ``ConfigError`` when it cannot be read."""
        key = read_key(self._place, self._env)
        self.keep(key)
        return key

    def read_other(self, file: Path, setting: str, name: str = API_KEY.name) -> str:
        """Return the key of another program; raise ``ConfigError`` when it cannot be read."""
        key = read_other_key(file, setting, name)
        self.keep(key)
        return key

    def keep(self, secret: str) -> None:
        """Have the log hide this too."""
        if secret not in self._given:
            self._given.append(secret)

    def given(self) -> list[str]:
        """Return every key this process has held."""
        return self._given


def read_key(place: KeyPlace, env: Mapping[str, str]) -> str:
    """Return the secret; raise ``ConfigError`` saying what is wrong with the place it should lie in.

    The setting wins. The service manager's credential is used where there is no setting, and where this user
    may not open the file, as a service may not open root's. Source: systemd.exec(5), "Credentials".
    """
    try:
        return _key(place, env)
    except OSError as error:
        raise _unreadable(place, error) from error


def read_other_key(file: Path, setting: str, name: str = API_KEY.name) -> str:
    """Return another program's key, under the same rules; raise ``ConfigError``.

    ``setting`` is where the file stands in the configuration, ``name`` what people call such a key. Never the
    service's own key in its place.
    """
    place = KeyPlace(None, file, {API_KEY.setting: setting}, replace(API_KEY, name=name))
    try:
        return _clean(place, API_KEY.setting, str(file), _bytes(place, file, private=True))
    except OSError as error:
        raise _unreadable(place, error) from error


def _unreadable(place: KeyPlace, error: OSError) -> ConfigError:
    word = place.secret.name.removeprefix("API ")
    remedy = (
        f"write the {word} into it, mode 0600"
        if error.errno == errno.ENOENT
        else "run this as its owner, or make this user its owner (chown)"
    )
    problem = f"cannot be read: {error.strerror}: {error.filename}; {remedy}"
    return _wrong(place, place.secret.setting, problem)


def _key(place: KeyPlace, env: Mapping[str, str]) -> str:
    variable, file = place.variable, place.file
    if variable is not None:
        value = env.get(variable, "").encode("utf-8", "surrogateescape")
        return _clean(place, _VARIABLE, f"${variable}", value[: MAX_KEY_BYTES + 1])
    credential = _credential(place.secret, env)
    if file is not None:
        try:
            return _clean(place, place.secret.setting, str(file), _bytes(place, file, private=True))
        except PermissionError:
            if credential is None:
                raise
    if credential is None:
        remedy = f"put it in a file of mode 0600 and name that in {place.secret.setting}"
        raise _wrong(place, "offcloud", f"no {place.secret.name} is named: {remedy}")
    return _clean(place, "offcloud", str(credential), _bytes(place, credential, private=False))


def _credential(secret: Secret, env: Mapping[str, str]) -> Path | None:
    directory = env.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, secret.credential)
    return path if directory.startswith("/") and path.is_file() else None


def _bytes(place: KeyPlace, path: Path, *, private: bool) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if problem := _unfit(path, os.fstat(descriptor), place.secret, private=private):
            raise _wrong(place, place.secret.setting, problem)
        return os.read(descriptor, MAX_KEY_BYTES + 1)
    finally:
        os.close(descriptor)


def _unfit(path: Path, status: os.stat_result, secret: Secret, *, private: bool) -> str:
    if not stat.S_ISREG(status.st_mode):
        return f"{path} is not a regular file"
    if private and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        word = secret.name.removeprefix("API ")
        return f"{path} can be reached by others (mode {mode}): run chmod 600 {path}, and renew the {word}"
    return ""


def _clean(place: KeyPlace, setting: str, source: str, data: bytes) -> str:
    key = data.removeprefix(b"\xef\xbb\xbf").strip(b"\r\n" if place.secret == PASSWORD else None)
    if not key.strip():
        raise _wrong(place, setting, f"{source} is empty: it must hold the {place.secret.name}")
    if len(data) > MAX_KEY_BYTES:
        raise _wrong(place, setting, f"{source} holds more than {MAX_KEY_BYTES} bytes: is it the right one?")
    if place.secret == PASSWORD:
        return _password(place, setting, source, key)
    if not all(0x21 <= byte <= 0x7E for byte in key):
        raise _wrong(place, setting, f"{source} must hold the key alone, in one line without spaces")
    return key.decode("ascii")


def _password(place: KeyPlace, setting: str, source: str, data: bytes) -> str:
    """Return a password: it may hold spaces and any letter, but no control character."""
    password = data.decode(errors="backslashreplace")
    if not password.isprintable() or password.encode() != data:
        raise _wrong(place, setting, f"{source} must hold the password alone, in one line of UTF-8 text")
    return password


def _wrong(place: KeyPlace, setting: str, text: str) -> ConfigError:
    return ConfigError([f"{place.settings[setting]}: {text}"])
