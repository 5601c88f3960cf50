"""A clock that only moves when it is told to."""

from dataclasses import dataclass


@dataclass
class FakeClock:
    """Both clocks in one; ``monotonic`` keeps running when ``now`` is set back."""

    time_s: float = 1_800_000_000.0
    tick_s: float = 1_000.0

    def now(self) -> float:
        """Return UTC seconds."""
        return self.time_s

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self.tick_s

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks."""
        self.time_s += seconds
        self.tick_s += seconds
