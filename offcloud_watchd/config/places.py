"""Whether the places that the settings name can live together: first by their names, then by the disk.

Rules of this file:

* A drop folder shares no file with an output or with the state: what is published must never be taken for
  a drop, nor a drop be published over. Both ways round are refused, and both paths are named.
* What the operator may still create or mount later (a drop folder, the output directory) is not a wrong
  configuration: the folder or the lane waits for it. Nor is a mount that does not answer: what can only be
  seen there is not asked, so that the others can start.
"""

from __future__ import annotations

import grp
import importlib.util
import os
import stat
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Final

from offcloud_watchd.config.settings import Config
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.key import read_key, read_other_key
from offcloud_watchd.web.password import read_password

ANSWER_WITHIN_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class _Place:
    """One directory and the setting that names it."""

    key: str
    path: Path


def overlaps(config: Config, seen: Callable[[Path], Path] = lambda path: path) -> list[str]:
    """Return what is wrong with the paths as ``seen`` shows them (by name alone), one line each."""
    drops = [_Place(f"folders[{n}].path", folder.path) for n, folder in enumerate(config.folders)]
    return [
        config.located(key, text)
        for key, text in (
            *_mixed(drops, _others(config), seen),
            *_nested(config, drops, seen),
            *_split_categories(config),
            *_engines(config),
            *_shared(config),
        )
    ]


def _others(config: Config) -> list[_Place]:
    given = [
        _Place(f"folders[{number}].output", folder.given_output)
        for number, folder in enumerate(config.folders)
        if folder.given_output is not None
    ]
    return [_Place("output_dir", config.output_dir), _Place("state_dir", config.state_dir), *given]


def _mixed(
    drops: list[_Place], others: list[_Place], seen: Callable[[Path], Path]
) -> Iterator[tuple[str, str]]:
    for drop, other in product(drops, others):
        inside, around = seen(drop.path), seen(other.path)
        if inside.is_relative_to(around):
            yield (
                drop.key,
                f"the drop folder {drop.path} lies inside {other.key}, {other.path}; keep them apart",
            )
        elif around.is_relative_to(inside):
            yield other.key, f"{other.path} lies inside the drop folder {drop.path}; keep them apart"


def _nested(config: Config, drops: list[_Place], seen: Callable[[Path], Path]) -> Iterator[tuple[str, str]]:
    places = [(folder, drop, seen(drop.path)) for folder, drop in zip(config.folders, drops, strict=True)]
    for (_, first, one), (_, second, two) in combinations(places, 2):
        if one == two:
            yield second.key, f"{second.path} is the same folder as {first.path}; each is watched once"
    for (folder, outer, around), (_, inner, inside) in permutations(places, 2):
        if inside == around or not inside.is_relative_to(around):
            continue
        below = inside.relative_to(around).parts[0]
        if folder.subfolders == "category" or below in {"processed", "failed"}:
            yield inner.key, f"{inner.path} belongs to the drop folder {outer.path} already"


def _split_categories(config: Config) -> Iterator[tuple[str, str]]:
    first: dict[str, Path] = {}
    for number, folder in enumerate(config.folders):
        directory = config.directory_of(folder)
        known = first.setdefault(folder.category, directory)
        if known != directory:
            text = f"category {folder.category} goes to {directory} here, to {known} above; it has one output"
            yield f"folders[{number}].path", text


def _engines(config: Config) -> Iterator[tuple[str, str]]:
    """Find folders whose engine is not set up, and directories that would belong to two engines."""
    known: dict[Path, str] = {}
    for number, folder in enumerate(config.folders):
        key = f"folders[{number}].engine"
        if folder.engine != "local" and getattr(config.engines, folder.engine) is None:
            yield key, f"engine {folder.engine} needs engines.{folder.engine}: {{url: ...}}"
        directory = config.directory_of(folder)
        if folder.engine == "rclone" and not directory.is_relative_to(config.output_dir):
            yield (
                key,
                f"{directory} is not below output_dir, {config.output_dir}, which the remote stands for",
            )
        taken = [directory, directory.parent / "*"] if folder.subfolders == "category" else [directory]
        for place in taken:
            other = known.setdefault(place, folder.engine)
            if other != folder.engine:
                yield key, f"{place} is fetched by {folder.engine} here, by {other} above; it has one engine"


def _shared(config: Config) -> Iterator[tuple[str, str]]:
    for number, folder in enumerate(config.folders):
        if folder.shared and config.offcloud.remove != "never":
            text = f"does not go with offcloud.remove: {config.offcloud.remove}"
            why = (
                "what one host has finished another one may still fetch, and no host knows: use remove: never"
            )
            yield f"folders[{number}].shared", f"{text}: {why}"


def check_places(config: Config, env: Mapping[str, str]) -> None:
    """Look at the disk; raise ``ConfigError`` with every place that cannot work. Changes nothing.

    The key must be there and private; a drop folder or an output directory may come later.
    """
    named = {place.path for place in _others(config)}
    silent = _silent({*named, *(folder.path for folder in config.folders), *_outputs(config).values()})
    by_name = overlaps(config)
    by_disk = overlaps(config, lambda path: path if path in silent else _resolved(path))
    problems = [*by_name, *(text for text in by_disk if text not in by_name)]
    for key, text in (*_same_directory(config, silent), *_file_systems(config, silent), *_group(config)):
        problems.append(config.located(key, text))
    try:
        read_key(config.key_place, env)
    except ConfigError as error:
        problems += error.problems
    if config.web.listen is not None and config.web.password_file is not None:
        try:
            read_password(config.web.password_file)
        except ConfigError as error:
            problems += [config.located("web.password_file", text) for text in error.problems]
    for number, tool in enumerate(config.arr):
        setting = config.place_of(f"arr[{number}].api_key_file")
        try:
            read_other_key(tool.api_key_file, setting)
        except ConfigError as error:
            problems += error.problems
    problems += _unreadable_secrets(config)
    problems += [config.located("notify.apprise_file", text) for text in _apprise(config.notify.apprise_file)]
    if problems:
        raise ConfigError(problems)


def _unreadable_secrets(config: Config) -> Iterator[str]:
    """Try the secrets of other engines; others must not be able to read them."""
    aria2, rclone = config.engines.aria2, config.engines.rclone
    for key, file, name in (
        ("engines.aria2.secret_file", None if aria2 is None else aria2.secret_file, "RPC secret"),
        ("engines.rclone.password_file", None if rclone is None else rclone.password_file, "password"),
    ):
        if file is not None:
            try:
                read_other_key(file, config.place_of(key), name)
            except ConfigError as error:
                yield from error.problems


def _apprise(path: Path | None) -> Iterator[str]:
    """Look for the library, and for a file that only its owner can read: it holds passwords and tokens."""
    if path is None:
        return
    if importlib.util.find_spec("apprise") is None:
        yield "needs the extra: install offcloud-watchd[apprise]"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        yield f"{path} cannot be read: {error.strerror}"
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield f"{path} can be reached by others (mode {stat.S_IMODE(mode):04o}): run chmod 600 {path}"


def _silent(places: Iterable[Path]) -> set[Path]:
    """Find the places whose file system does not answer. The threads that ask are left behind: they hang."""
    threads = {place: threading.Thread(target=os.path.exists, args=(place,), daemon=True) for place in places}
    for thread in threads.values():
        thread.start()
    until_s = time.monotonic() + ANSWER_WITHIN_S
    for thread in threads.values():
        thread.join(max(0.0, until_s - time.monotonic()))
    return {place for place, thread in threads.items() if thread.is_alive()}


def _resolved(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _same_directory(config: Config, silent: Collection[Path]) -> Iterator[tuple[str, str]]:
    """Find one directory under two names that symbolic links do not explain: a bind mount."""
    known: dict[tuple[int, int], tuple[str, Path]] = {}
    for number, folder in enumerate(config.folders):
        if folder.path in silent:
            continue
        try:
            status = folder.path.stat()
        except OSError:
            continue
        key = f"folders[{number}].path"
        first_key, first = known.setdefault((status.st_dev, status.st_ino), (key, folder.path))
        if first_key != key and _resolved(first) != _resolved(folder.path):
            yield key, f"{folder.path} is the same folder as {first} ({first_key}); each is watched once"


def _outputs(config: Config) -> dict[str, Path]:
    """Return the categories' output directories by the setting that names them."""
    outputs = {"output_dir": config.output_dir / config.default_category}
    for number, folder in enumerate(config.folders):
        key = "path" if folder.given_output is None else "output"
        outputs[f"folders[{number}].{key}"] = config.directory_of(folder)
    return outputs


def _file_systems(config: Config, silent: AbstractSet[Path]) -> Iterator[tuple[str, str]]:
    """Staging lies beside the category's directory: publishing is one rename, so both share a file system."""
    for key, directory in _outputs(config).items():
        if silent.isdisjoint({directory, directory.parent}) and _crosses(directory):
            places = f"{directory} and its staging in {directory.parent}"
            remedy = "a release is published by one rename: set output to a directory below that mount"
            yield key, f"{places} are on different file systems, but {remedy}"


def _crosses(directory: Path) -> bool:
    try:
        return directory.stat().st_dev != directory.parent.stat().st_dev
    except OSError:
        return False  # it is not there yet and will be made beside its staging


def _group(config: Config) -> Iterator[tuple[str, str]]:
    name = config.fetch.group
    if name is None or name.isdecimal():
        return
    try:
        grp.getgrnam(name)
    except KeyError:
        yield "fetch.group", "there is no such group on this machine"
