"""Drop folders and operator commands: watched, read once, handed on, put away."""

from offcloud_watchd.watch.settings import After, FolderSettings, WatchMode, WatchSettings
from offcloud_watchd.watch.spool import SpooledTorrents, sweep_spool
from offcloud_watchd.watch.watcher import Watcher

__all__ = [
    "After",
    "FolderSettings",
    "SpooledTorrents",
    "WatchMode",
    "WatchSettings",
    "Watcher",
    "sweep_spool",
]
