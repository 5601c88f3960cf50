"""From the user's configuration to the plan a daemon is built from.

Rules of this file:

* The daemon runs it as a process of its own (``python -m offcloud_watchd.wiring``), at its start and at every
  reload: a configuration is checked by libraries that are needed for a moment and weigh as much as all else.
* What that process prints is read by the one that began it (``blueprint.read``) and by nobody else.
"""

from __future__ import annotations

import functools
import grp
import math
import os
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path

from offcloud_watchd import __version__
from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.blueprint import Answer, Blueprint, CategoryDestinations, SubfolderDestinations
from offcloud_watchd.config import Config, Folder, check_places, find_path, load
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Removal
from offcloud_watchd.errors import ConfigError
from offcloud_watchd.fetch import RateLimit, ShelfSettings, Slot
from offcloud_watchd.fetch.engines.settings import Aria2Settings, EngineChoice, EngineSettings, RcloneSettings
from offcloud_watchd.key import KeySource
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.offcloud import ClientSettings
from offcloud_watchd.watch import (
    After,
    FolderSettings,
    SpooledFiles,
    SpooledTorrents,
    Uploading,
    WatchMode,
    WatchSettings,
)
from offcloud_watchd.web.settings import WebSettings


def checked_config(config_path: Path, env: Mapping[str, str]) -> Config:
    """Read the configuration and hold it against the disk; raise ``ConfigError`` with every problem."""
    config = load(config_path, env)
    check_places(config, env)
    return config


def blueprint(config: Config) -> Blueprint:
    """Return what a daemon with this configuration is built from."""
    return Blueprint(
        state_dir=config.state_dir,
        state_dir_setting=config.place_of("state_dir"),
        log_level=config.log.level,
        log_format=config.log.format,
        key=config.key_place,
        client=_client(config),
        policy=policy(config),
        watch=watch_settings(config),
        shelf=shelf_settings(config),
        file_of=SpooledFiles(_spool_dir(config), Uploading(config.offcloud.torrent_upload)),
        fetch_jobs=config.fetch.jobs,
        web=web_settings(config),
        notify=notify_settings(config),
        tools=tool_settings(config),
        engines=engine_settings(config),
    )


def policy(config: Config) -> Policy:
    """Return how patient the program is."""
    offcloud = config.offcloud
    return Policy(
        poll_min_s=offcloud.poll.min_s,
        poll_max_s=offcloud.poll.max_s,
        history_lag_s=offcloud.history_lag_s,
        stall_s=math.inf if offcloud.stall_s is None else offcloud.stall_s,
        requests_per_minute=offcloud.requests_per_minute,
        remove=Removal(offcloud.remove),
        reported=frozenset(category for tool in config.arr for category in tool.categories),
    )


def client_settings(config: Config, keys: KeySource) -> ClientSettings:
    """Return how the account is reached."""
    return _client(config)(read_key=keys.read, on_secret=keys.keep)


def _client(config: Config) -> functools.partial[ClientSettings]:
    offcloud = config.offcloud
    return functools.partial(
        ClientSettings,
        base_url=offcloud.base_url,
        auth=offcloud.auth,
        username=offcloud.username or "",
        requests_per_minute=offcloud.requests_per_minute,
        proxy=offcloud.proxy,
    )


def watch_settings(config: Config) -> WatchSettings:
    """Return the drop folders, and where an added link of a category goes."""
    folders = tuple(_folder_settings(config, folder) for folder in config.folders)
    # The first folder of a category is the one that says where it goes.
    known = {folder.destination.category: folder.destination for folder in reversed(folders)}
    return WatchSettings(
        folders=folders,
        spool_dir=_spool_dir(config),
        state_dir=config.state_dir,
        destination_for=CategoryDestinations(config.default_category, config.output_dir, known),
        history_lag_s=config.offcloud.history_lag_s,
    )


def web_settings(config: Config) -> WebSettings | None:
    """Return how the web is reached; None where it is off."""
    if config.web.listen is None:
        return None
    return WebSettings(
        listen=config.web.listen,
        password_file=config.web.password_file,
        allowed_hosts=config.web.allowed_hosts,
        output_dir=str(config.output_dir),
        categories=tuple(dict.fromkeys(folder.category for folder in config.folders)),
        destination_for=watch_settings(config).destination_for,
        sabnzbd=config.web.sabnzbd,
        transmission=config.web.transmission,
    )


def notify_settings(config: Config) -> NotifySettings | None:
    """Return how people are told; None where nobody is."""
    notify = config.notify
    if not notify.on or not (notify.command or notify.webhook or notify.apprise_file):
        return None
    return NotifySettings(
        command=notify.command,
        webhook=notify.webhook,
        apprise_file=notify.apprise_file,
        on=frozenset(notify.on),
        user_agent=f"offcloud-watchd/{__version__}",
    )


def tool_settings(config: Config) -> tuple[ToolSettings, ...]:
    """Return which *arr tools are told how jobs end."""
    return tuple(
        ToolSettings(
            name=tool.name,
            url=tool.url,
            api_key_file=tool.api_key_file,
            key_setting=config.place_of(f"arr[{number}].api_key_file"),
            categories=tool.categories,
            user_agent=f"offcloud-watchd/{__version__}",
        )
        for number, tool in enumerate(config.arr)
    )


def _folder_settings(config: Config, folder: Folder) -> FolderSettings:
    destination = config.destination_of(folder)
    parent = config.output_dir if folder.given_output is None else folder.given_output.parent
    return FolderSettings(
        path=folder.path,
        destination=destination,
        subfolder_destination=SubfolderDestinations(
            parent, *destination.way, destination.cached, destination.proxy
        )
        if folder.subfolders == "category"
        else None,
        watch=WatchMode.POLL if folder.shared else WatchMode(folder.watch),
        rescan_s=folder.rescan_s,
        settle_s=folder.settle_s,
        after=After(folder.after),
        ftp=folder.ftp,
        awaited=frozenset(category for tool in config.arr for category in tool.categories),
        lease_s=folder.lease_s if folder.shared else None,
    )


def shelf_settings(config: Config) -> ShelfSettings:
    """Return where releases are gathered and what they look like."""
    fetch = config.fetch
    fetching = [folder for folder in config.folders if folder.route != "remote"]
    here = [folder for folder in fetching if folder.engine != "rclone"]
    outputs = dict.fromkeys(str(config.directory_of(folder)) for folder in here)
    if not fetching:
        outputs[str(config.directory_for(config.default_category))] = None
    return ShelfSettings(
        outputs=tuple(outputs),
        # A category within a category (``tv/4k``) is staged where they all are, not within the outer one.
        roots=tuple({str(config.output_dir): None, **{str(Path(output).parent): None for output in outputs}}),
        min_free_bytes=fetch.min_free_bytes,
        min_rate_bytes_per_s=fetch.min_rate_bytes_per_s,
        file_mode=fetch.file_mode,
        dir_mode=fetch.dir_mode,
        group=None if fetch.group is None else _group_id(fetch.group),
        allow_http=config.offcloud.base_url.startswith("http:"),
        user_agent=f"offcloud-watchd/{__version__}",
        connections=fetch.connections,
        connections_per_job=fetch.connections,
        segment_bytes=fetch.segment_bytes,
        rate_limit=_rate_limit(config),
        torrent_of=SpooledTorrents(_spool_dir(config)),
        include=fetch.include,
        exclude=fetch.exclude,
        extract=fetch.extract,
        engines=_engine_choice(config),
    )


def _engine_choice(config: Config) -> EngineChoice:
    """Return who moves the bytes of which output directory: a folder's own, and those of its subfolders."""
    fetching = [folder for folder in config.folders if folder.route != "remote"]
    return EngineChoice(
        exact={str(config.directory_of(folder)): folder.engine for folder in fetching},
        below={
            str(config.directory_of(folder).parent): folder.engine
            for folder in fetching
            if folder.subfolders == "category"
        },
    )


def engine_settings(config: Config) -> EngineSettings:
    """Return how the programs that move bytes are reached."""
    return EngineSettings(_aria2_settings(config), _rclone_settings(config))


def _rclone_settings(config: Config) -> RcloneSettings | None:
    rclone = config.engines.rclone
    if rclone is None:
        return None
    return RcloneSettings(
        url=rclone.url,
        remote=rclone.remote,
        output_dir=str(config.output_dir),
        notes_dir=config.state_dir / "rclone",
        user=rclone.user or "",
        password_file=rclone.password_file,
        password_setting=config.place_of("engines.rclone.password_file"),
        user_agent=f"offcloud-watchd/{__version__}",
    )


def _aria2_settings(config: Config) -> Aria2Settings | None:
    aria2 = config.engines.aria2
    if aria2 is None:
        return None
    return Aria2Settings(
        url=aria2.url,
        secret_file=aria2.secret_file,
        secret_setting=config.place_of("engines.aria2.secret_file"),
        paths=tuple((str(ours), theirs) for ours, theirs in aria2.paths.items()),
        user_agent=f"offcloud-watchd/{__version__}",
    )


def _spool_dir(config: Config) -> Path:
    return config.state_dir / "spool"


def _rate_limit(config: Config) -> RateLimit:
    fetch = config.fetch
    slots = [Slot.between(one.begin, one.end, one.rate_limit_bytes_per_s) for one in fetch.schedule]
    return RateLimit(fetch.rate_limit_bytes_per_s, tuple(slots))


def _group_id(name: str) -> int:
    return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid


def main() -> None:
    """Print what the configuration comes to; the argument is its path, if it was given one."""
    try:
        path = find_path(Path(sys.argv[1]) if sys.argv[1:] else None, os.environ)
        answer = Answer(blueprint(checked_config(path, os.environ)))
    except ConfigError as error:
        answer = Answer(None, error.problems, getattr(error, "__notes__", []))
    sys.stdout.buffer.write(pickle.dumps(answer))


if __name__ == "__main__":
    main()
