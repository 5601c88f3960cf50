"""The one writer: inbox -> record -> plan -> dispatch."""

from offcloud_watchd.engine.engine import Engine

__all__ = ["Engine"]
