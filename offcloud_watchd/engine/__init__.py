"""The one writer: inbox -> record -> plan -> dispatch."""

from offcloud_watchd.engine.engine import Engine, LanePause, Picture

__all__ = ["Engine", "LanePause", "Picture"]
