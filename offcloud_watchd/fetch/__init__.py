"""Fetching: the files of a finished request -> staging -> verified -> published by one rename."""

from offcloud_watchd.fetch.schedule import RateLimit, Slot
from offcloud_watchd.fetch.settings import ShelfSettings
from offcloud_watchd.fetch.shelf import DiskShelf

__all__ = ["DiskShelf", "RateLimit", "ShelfSettings", "Slot"]
