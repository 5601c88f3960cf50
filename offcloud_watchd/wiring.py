"""From the user's settings to what each adapter wants to know; and the one holder of the key."""

from __future__ import annotations

import grp
from collections.abc import Mapping

from offcloud_watchd import __version__
from offcloud_watchd.config import Config, Folder, read_key
from offcloud_watchd.config.values import checked_category
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Destination, Route
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.fetch import ShelfSettings
from offcloud_watchd.offcloud import ClientSettings
from offcloud_watchd.watch import After, FolderSettings, WatchMode, WatchSettings


class KeySource:
    """Reads the key where it lies each time it is asked; remembers every key it gave, for the redaction."""

    def __init__(self, config: Config, env: Mapping[str, str]) -> None:
        self._config = config
        self._env = env
        self._given: list[str] = []

    def read(self) -> str:
        """Return the key; raise ``ConfigError`` when it cannot be read."""
        key = read_key(self._config, self._env)
        if key not in self._given:
            self._given.append(key)
        return key

    def given(self) -> list[str]:
        """Return every key this process has held."""
        return self._given


def policy(config: Config) -> Policy:
    """Return how patient the program is."""
    poll = config.offcloud.poll
    return Policy(poll_min_s=poll.min_s, poll_max_s=poll.max_s, history_lag_s=config.offcloud.history_lag_s)


def client_settings(config: Config, keys: KeySource) -> ClientSettings:
    """Return how the account is reached."""
    offcloud = config.offcloud
    return ClientSettings(
        read_key=keys.read,
        base_url=offcloud.base_url,
        auth=offcloud.auth,
        requests_per_minute=offcloud.requests_per_minute,
        proxy=offcloud.proxy,
    )


def watch_settings(config: Config) -> WatchSettings:
    """Return the drop folders, and where an added link of a category goes."""
    return WatchSettings(
        folders=tuple(_folder_settings(config, folder) for folder in config.folders),
        spool_dir=config.state_dir / "spool",
        state_dir=config.state_dir,
        destination_for=lambda category: _destination_for(config, category),
    )


def _folder_settings(config: Config, folder: Folder) -> FolderSettings:
    def subfolder_destination(name: str) -> Destination:
        return Destination(name, str(config.directory_of(folder, name)), Route(folder.route))

    return FolderSettings(
        path=folder.path,
        destination=Destination(folder.category, str(config.directory_of(folder)), Route(folder.route)),
        subfolder_destination=subfolder_destination if folder.subfolders == "category" else None,
        watch=WatchMode(folder.watch),
        rescan_s=folder.rescan_s,
        settle_s=folder.settle_s,
        after=After(folder.after),
    )


def _destination_for(config: Config, category: str | None) -> Destination:
    """Resolve the category of an ``add`` command; raise ``BadDrop`` when no directory can carry its name."""
    name = config.default_category if category is None else category
    try:
        checked_category(name)
    except ValueError as error:
        raise BadDrop(f"the category cannot be used: {error}") from error
    route = next((folder.route for folder in config.folders if folder.category == name), Route.CLOUD)
    return Destination(name, str(config.directory_for(name)), Route(route))


def shelf_settings(config: Config) -> ShelfSettings:
    """Return where releases are gathered and what they look like."""
    fetch = config.fetch
    outputs = dict.fromkeys(str(config.directory_of(folder)) for folder in config.folders)
    return ShelfSettings(
        outputs=tuple(outputs) or (str(config.directory_for(config.default_category)),),
        min_free_bytes=fetch.min_free_bytes,
        min_rate_bytes_per_s=fetch.min_rate_bytes_per_s,
        file_mode=fetch.file_mode,
        dir_mode=fetch.dir_mode,
        group=None if fetch.group is None else _group_id(fetch.group),
        allow_http=config.offcloud.base_url.startswith("http:"),
        user_agent=f"offcloud-watchd/{__version__}",
    )


def _group_id(name: str) -> int:
    return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
