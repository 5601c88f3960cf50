"""``check``: everything a start needs, one line each, with what to do.

``--json`` prints a list of ``{"what", "ok", "says"}``, also of a configuration that is wrong: then it is the
only thing in it. ``--offline`` leaves the service alone. The exit code is 0 when all is well, 65 when the
journal is damaged, 77 when the key is refused, 78 when the configuration is wrong, 1 for anything else; of
several the highest.
"""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from offcloud_watchd import app
from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.arr.tool import Tool
from offcloud_watchd.cli.exits import DAMAGED, FAILED, KEY_REFUSED
from offcloud_watchd.cli.text import say, say_json, size
from offcloud_watchd.config import Config, Folder, find_path
from offcloud_watchd.errors import Blocked, ConfigError, JournalDamaged, OffcloudWatchdError
from offcloud_watchd.fetch.engines.aria2 import Aria2
from offcloud_watchd.fetch.engines.by_aria2 import aria2_client
from offcloud_watchd.fetch.engines.rclone import Rclone, rclone_client
from offcloud_watchd.fetch.engines.settings import EngineSettings
from offcloud_watchd.journal import is_locked, read_jobs
from offcloud_watchd.key import KeySource, read_other_key
from offcloud_watchd.offcloud import Client
from offcloud_watchd.watch.hints import Flag, Hints
from offcloud_watchd.watch.mounts import file_system_type, read_mountinfo, silent_type
from offcloud_watchd.web.door import opened
from offcloud_watchd.wiring import checked_config, client_settings, engine_settings, tool_settings

EARLIEST_SANE_TIME_AT: Final = 1_767_225_600.0  # 2026-01-01: a clock before this was never set
_SHARED: Final = (
    "shared: every host needs shared: true, the same lease and history_lag, the same account, and the "
    "rights to rename in the others' directories below .offcloud-watchd; the file system must rename in one "
    "step for all hosts, and show what another host has written when a file is opened (NFS without nocto, "
    "SMB, cluster file systems; not a synchronised copy). A dead host leaves what lies in its taken/: "
    "docs/sharing.md"
)
_AS_DAEMON: Final = "give it to the daemon's user, or run this check as that user"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``code`` is the exit code it asks for."""

    what: str
    ok: bool
    says: str
    code: int = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("--offline", action="store_true", help="do not ask the service")
    parser.add_argument("--json", action="store_true", help="a list of {what, ok, says}")


def main(arguments: argparse.Namespace) -> int:
    """Print what was found; return the exit code."""
    path = find_path(arguments.config, os.environ)
    try:
        config = checked_config(path, os.environ)
    except ConfigError as error:
        if arguments.json:
            say_json([{"what": "config", "ok": False, "says": problem} for problem in error.problems])
        raise
    findings = [Finding("config", ok=True, says=str(path)), *_found(config, offline=arguments.offline)]
    if arguments.json:
        shown = [{name: value for name, value in asdict(one).items() if name != "code"} for one in findings]
        say_json(shown)
    else:
        for one in findings:
            say(f"{'ok ' if one.ok else 'BAD'} {one.what}: {one.says}")
    return max((one.code for one in findings), default=0)


def _found(config: Config, *, offline: bool) -> Iterator[Finding]:
    yield from _account(config, offline=offline)
    yield _state(config.state_dir)
    yield from _folders(config)
    here = [config.directory_of(one).parent for one in config.folders if one.engine != "rclone"]
    for directory in dict.fromkeys([config.output_dir, *here] if here else []):
        yield _disk(directory, config.fetch.min_free_bytes)
    yield web_finding(config)
    if not offline:
        yield from map(_tool, tool_settings(config))
        yield from _engines(engine_settings(config))
    sane = time.time() >= EARLIEST_SANE_TIME_AT
    yield Finding(
        "clock",
        ok=sane,
        says="set" if sane else "the date lies in the past: set the clock",
        code=0 if sane else FAILED,
    )


def _account(config: Config, *, offline: bool) -> Iterator[Finding]:
    keys = KeySource(config.key_place, os.environ)
    what = "login" if config.offcloud.auth == "login" else "key"
    try:
        keys.read()
    except ConfigError as error:
        yield Finding(what, ok=False, says=str(error), code=KEY_REFUSED)
        return
    if offline:
        yield Finding(what, ok=True, says="can be read; the service was not asked")
        return
    try:
        client = Client(client_settings(config, keys), app.SystemClock())
        account = client.account(threading.Event())
    except Blocked as error:
        yield Finding(what, ok=False, says=str(error), code=KEY_REFUSED if error.key_refused else FAILED)
        return
    except OffcloudWatchdError as error:
        remedy = "is offcloud.base_url right, and does this machine reach it (network, offcloud.proxy)?"
        yield Finding("service", ok=False, says=f"{error}; {remedy}", code=FAILED)
        return
    yield Finding(
        what, ok=True, says=f"accepted by {config.offcloud.base_url} ({account.generation} generation)"
    )
    usable = account.premium is not False and account.can_download is not False
    until = f", until {account.expires}" if account.expires else ""
    says = (
        f"premium{until}" if usable else "no premium plan: the service will refuse to fetch; renew it there"
    )
    yield Finding("plan", ok=usable, says=says, code=0 if usable else FAILED)
    remotes = [folder.remote for folder in config.folders if folder.remote is not None]
    for name in dict.fromkeys(remote.account for remote in remotes):
        yield _named(f"remote account {name}", "remote.account", partial(_remote_account, client, name))
    proxies = [folder.proxy for folder in config.folders if folder.proxy is not None]
    for name in dict.fromkeys(proxies):
        yield _named(f"proxy {name}", "proxy", partial(_proxy, client, name))


def _named(what: str, key: str, look_up: Callable[[], str]) -> Finding:
    """Look for something of the service that a folder names by ``key``."""
    try:
        return Finding(what, ok=True, says=look_up())
    except OffcloudWatchdError as error:
        return Finding(what, ok=False, says=f"{error}; see folders[].{key}", code=FAILED)


def _remote_account(client: Client, name: str) -> str:
    found = client.remote_account(name, threading.Event())
    return f"{found.label} {found.status}".strip()


def _proxy(client: Client, name: str) -> str:
    return client.proxy(name, threading.Event()).label


def _tool(settings: ToolSettings) -> Finding:
    what = f"arr {settings.name}"
    read_key = partial(read_other_key, settings.api_key_file, settings.key_setting)
    try:
        about = Tool(settings, read_key, app.SystemClock()).about()
    except OffcloudWatchdError as error:
        return Finding(what, ok=False, says=str(error), code=FAILED)
    return Finding(what, ok=True, says=f"{about}, of the categories {', '.join(settings.categories)}")


def _engines(settings: EngineSettings) -> Iterator[Finding]:
    if settings.aria2 is not None:
        yield aria2_finding(aria2_client(settings.aria2, read_other_key, app.SystemClock()))
    if settings.rclone is not None:
        yield rclone_finding(rclone_client(settings.rclone, read_other_key, app.SystemClock()))


def aria2_finding(aria: Aria2) -> Finding:
    """Ask aria2 who it is, and say what it cannot promise."""
    what = "engine aria2"
    try:
        says, session = f"{aria.version()} answers", aria.session_file()
    except OffcloudWatchdError as error:
        return Finding(what, ok=False, says=str(error), code=FAILED)
    if session:
        says += f"; links stand in its session file ({session}) while they are fetched: save-session can go"
    mapped = "; ".join(f"{ours} is {theirs} there" for ours, theirs in aria.settings.paths)
    says += f"; {mapped or 'it must see the output directories under their own paths'}, as the same user"
    return Finding(what, ok=True, says=says)


def rclone_finding(rclone: Rclone) -> Finding:
    """Ask rclone who it is and what its remote can do, and say what it cannot promise."""
    what = "engine rclone"
    try:
        says, one_step, free_bytes = rclone.version(), rclone.is_one_step(), rclone.free_bytes()
    except OffcloudWatchdError as error:
        return Finding(what, ok=False, says=str(error), code=FAILED)
    room = "does not tell its room" if free_bytes is None else f"has {size(free_bytes)} free"
    seen = "published by one step" if one_step else "published file by file: who looks meanwhile sees a part"
    says += f" answers; {rclone.settings.remote} {room}; releases are {seen}, checked by size alone"
    return Finding(what, ok=True, says=says)


def _state(directory: Path) -> Finding:
    what = f"state {directory}"
    if directory.exists() and not (directory.is_dir() and os.access(directory, os.R_OK | os.W_OK | os.X_OK)):
        return Finding(what, ok=False, says=f"this user may not use it; {_AS_DAEMON}", code=FAILED)
    above = next(place for place in (directory, *directory.parents) if place.exists())
    if not os.access(above, os.W_OK | os.X_OK):
        says = f"is not there and this user may not create it in {above}: create it for the daemon's user"
        return Finding(what, ok=False, says=says, code=FAILED)
    if not directory.exists():
        return Finding(what, ok=True, says="is created by the first start")
    holder = "a daemon runs with it" if is_locked(directory) else "no daemon runs with it"
    try:
        jobs = len(read_jobs(directory))
    except JournalDamaged as error:
        return Finding(what, ok=False, says=str(error), code=DAMAGED)
    return Finding(what, ok=True, says=f"{holder}, {jobs} jobs")


def web_finding(config: Config) -> Finding:
    """Tell where the page is and who may see it; try whether the port is free, where no daemon has it."""
    listen = config.web.listen
    if listen is None:
        return Finding("web", ok=True, says="off (web.listen)")
    what = f"web {listen}"
    says = "asks for the password" if config.web.password_file else "asks for no password"
    if listen.startswith("unix:") or is_locked(config.state_dir):
        return Finding(what, ok=True, says=says)
    try:
        for one in opened(listen):
            one.close()
    except OSError as error:
        says = f"the daemon could not listen there: {error.strerror}; end what does, or change web.listen"
        return Finding(what, ok=False, says=says, code=FAILED)
    return Finding(what, ok=True, says=f"free; {says}")


def _folders(config: Config) -> Iterator[Finding]:
    mounts, hints = read_mountinfo(), Hints()
    try:
        for folder in config.folders:
            yield folder_finding(folder, mounts, hints)
    finally:
        hints.stop()


def folder_finding(folder: Folder, mounts: str, hints: Hints) -> Finding:
    """Look at a drop folder, and try to watch it; ``mounts`` is the text of ``/proc/self/mountinfo``."""
    what = f"folder {folder.path}"
    if not folder.path.is_dir():
        return Finding(
            what, ok=False, says="is not there: create it, or mount what should hold it", code=FAILED
        )
    if not os.access(folder.path, os.R_OK | os.W_OK | os.X_OK):
        says = f"this user may not read, write and enter it; {_AS_DAEMON}"
        return Finding(what, ok=False, says=says, code=FAILED)
    real_path = os.path.realpath(folder.path)
    says = f"can be read and written, on {file_system_type(real_path, mounts) or 'an unknown file system'}"
    every = f"looked at every {folder.rescan_s:g}s"
    if folder.shared or folder.watch == "poll":
        return Finding(what, ok=True, says=f"{says}; {_SHARED}" if folder.shared else f"{says}, {every}")
    if folder.watch == "auto" and silent_type(real_path, mounts):
        return Finding(what, ok=True, says=f"{says}, which tells of no changes: {every}")
    status = folder.path.stat()
    try:
        hints.ensure(real_path, status.st_dev, status.st_ino, Flag(lambda: None))
    except OSError as error:
        remedy = "raise fs.inotify.max_user_watches and max_user_instances (sysctl)"
        says = f"{says}, but cannot be watched: {error.strerror}: {every}; {remedy}"
        return Finding(what, ok=folder.watch == "auto", says=says, code=FAILED * (folder.watch != "auto"))
    return Finding(what, ok=True, says=f"{says}, watched by events")


def _disk(directory: Path, min_free_bytes: int) -> Finding:
    what = f"output {directory}"
    if not directory.is_dir():
        return Finding(
            what, ok=False, says="is not there: create it, or mount what should hold it", code=FAILED
        )
    if not os.access(directory, os.W_OK | os.X_OK):
        return Finding(what, ok=False, says=f"this user may not write there; {_AS_DAEMON}", code=FAILED)
    free = shutil.disk_usage(directory).free
    says = f"{size(free)} free, {size(min_free_bytes)} must stay free (fetch.min_free)"
    return Finding(what, ok=free > min_free_bytes, says=says, code=0 if free > min_free_bytes else FAILED)
