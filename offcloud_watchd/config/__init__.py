"""``config.yaml``: frozen settings, or every problem at once with its line and column.

``find_path`` says which file, ``load`` reads it, ``check_places`` looks at the disk. They raise
``ConfigError``; each line of it names a place in the file, and none holds a secret.

The daemon itself never imports this room: it is needed for a moment and weighs as much as all the rest.
"""

from offcloud_watchd.config.example import example, json_schema
from offcloud_watchd.config.loading import default_state_dir, find_path, load
from offcloud_watchd.config.places import check_places
from offcloud_watchd.config.sections import Fetch, Folder, Log, Offcloud, Poll, Web
from offcloud_watchd.config.settings import Config

__all__ = [
    "Config",
    "Fetch",
    "Folder",
    "Log",
    "Offcloud",
    "Poll",
    "Web",
    "check_places",
    "default_state_dir",
    "example",
    "find_path",
    "json_schema",
    "load",
]
