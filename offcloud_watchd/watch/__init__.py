"""Drop folders and operator commands: watched, read once, handed on, put away."""

from offcloud_watchd.watch.settings import After, FolderSettings, WatchMode, WatchSettings
from offcloud_watchd.watch.spool import sweep_spool
from offcloud_watchd.watch.spooled import SpooledFiles, SpooledTorrents, Uploading
from offcloud_watchd.watch.watcher import Watcher

__all__ = [
    "After",
    "FolderSettings",
    "SpooledFiles",
    "SpooledTorrents",
    "Uploading",
    "WatchMode",
    "WatchSettings",
    "Watcher",
    "sweep_spool",
]
