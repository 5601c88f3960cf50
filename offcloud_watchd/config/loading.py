"""Finding, reading and checking ``config.yaml``: the settings, or every problem at once."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from offcloud_watchd.config.document import Document, read_document
from offcloud_watchd.config.places import overlaps
from offcloud_watchd.config.problems import dotted, invalid, line
from offcloud_watchd.config.settings import Config
from offcloud_watchd.errors import ConfigError

MAX_BYTES: Final = 256 * 1024
NAME: Final = "offcloud-watchd"


def find_path(argument: Path | None, env: Mapping[str, str], *, user_id: int | None = None) -> Path:
    """Return which file is read: the argument, else $OFFCLOUD_WATCHD_CONFIG, else the user's, else /etc.

    The user's own file counts only where it exists, and never for root. ``user_id`` is who asks, None: this
    process.
    """
    if argument is not None:
        return argument
    if named := env.get("OFFCLOUD_WATCHD_CONFIG"):
        return Path(named)
    if (os.geteuid() if user_id is None else user_id) != 0:
        base = _xdg(env, "XDG_CONFIG_HOME", ".config")
        if base is not None and (own := base / NAME / "config.yaml").exists():
            return own
    return Path("/etc") / NAME / "config.yaml"


def _xdg(env: Mapping[str, str], variable: str, below_home: str) -> Path | None:
    """Source: XDG Base Directory Specification: a path that is not absolute is to be ignored."""
    named, home = env.get(variable, ""), env.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    return Path(home) / below_home if home.startswith("/") else None


def default_state_dir(env: Mapping[str, str]) -> Path | None:
    """Return where the state lies unless the file says so; None when the environment does not tell."""
    managed = env.get("STATE_DIRECTORY", "").split(":")[0]
    if managed.startswith("/"):
        return Path(managed)
    base = _xdg(env, "XDG_STATE_HOME", ".local/state")
    return None if base is None else base / NAME


def load(path: Path, env: Mapping[str, str]) -> Config:
    """Return the settings; raise ``ConfigError`` with every problem, in the order of the file.

    Looks at the file and at ``env`` only; ``check_places`` looks at what the settings name.
    """
    text = _text(path)
    try:
        return _load(path, text, env)
    except ConfigError as error:
        error.add_note(f"read from {path}")
        raise


def _load(path: Path, text: str, env: Mapping[str, str]) -> Config:
    document = read_document(text)
    config, problems = None, list(document.problems)
    if document.complete:
        document.value = {} if document.value is None else document.value
        try:
            config = Config.model_validate(document.value, context=_context(path, env))
        except ValidationError as error:
            problems += invalid(document, error)
    if problems or config is None:
        raise ConfigError([line(path.name, problem) for problem in sorted(set(problems))])
    config.remember_places(_places(path.name, document))
    if overlapping := overlaps(config):
        raise ConfigError(overlapping)
    return config


def _places(name: str, document: Document) -> dict[str, str]:
    return {
        dotted(key_path): f"{name}:{position[0]}:{position[1]}"
        for key_path, position in document.positions.items()
    }


def _context(path: Path, env: Mapping[str, str]) -> dict[str, object]:
    return {
        "directory": path.absolute().parent,
        "home": env.get("HOME"),
        "state_dir": default_state_dir(env),
    }


def _text(path: Path) -> str:
    try:
        data = _bytes(path)
    except OSError as error:
        remedy = (
            f"; begin with: offcloud-watchd config example > {path}" if error.errno == errno.ENOENT else ""
        )
        raise ConfigError([f"{path.name}: cannot be read: {error.strerror}: {path}{remedy}"]) from error
    if len(data) > MAX_BYTES:
        raise ConfigError(
            [f"{path.name}: is larger than {MAX_BYTES // 1024}KiB; is it the right file? {path}"]
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        row, column = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise ConfigError(
            [f"{path.name}:{row}:{column}: not UTF-8; save the file in that encoding: {path}"]
        ) from error


def _bytes(path: Path) -> bytes:
    # A FIFO in the file's place must not hang the start: opened without waiting, and only files are read.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES + 1)
