"""Keys, clocks and the client that plays against a script."""

from collections.abc import Callable

from offcloud_watchd.offcloud import Client
from tests.fakes.wire_server import RealClock, WireServer

KEY = "Sesame0Open1Sesame2Open3Sesame45"

Play = Callable[..., tuple[Client, WireServer]]


class Keys:
    """A key file whose content changes."""

    def __init__(self, *keys: str | Exception) -> None:
        self.keys = list(keys)
        self.reads = 0

    def __call__(self) -> str:
        """Read the key; the last one stays."""
        key = self.keys[min(self.reads, len(self.keys) - 1)]
        self.reads += 1
        if isinstance(key, Exception):
            raise key
        return key


class SetClock(RealClock):
    """The machine's time on a clock that somebody sets."""

    ahead_s = 0.0

    def now(self) -> float:
        """Return what the clock shows."""
        return super().now() + self.ahead_s
