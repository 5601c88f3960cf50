"""The sweep of a start: what no job needs any more leaves staging, and a dead mount keeps nobody waiting.

Rules of this file:

* Each staging directory is swept on a thread of its own, because on a mount that does not answer even a look
  never comes back. Such a thread is left behind; it ends when the mount is back.
* It works by what was owed when it began. So nothing may be fetched into a staging directory, or looked for
  beside it, until its sweep is over: whoever wants to asks ``Sweeps.silent`` first.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from offcloud_watchd.core.ports import Clock
from offcloud_watchd.errors import NO_THREAD, Blocked, Transient
from offcloud_watchd.fetch import kept, staging
from offcloud_watchd.fetch.disk import on_disk

log = logging.getLogger(__name__)

ANSWER_WITHIN_S: Final = 5.0
TICK_S: Final = 0.2

IsOver = Callable[[str, int], bool]


class Sweeps:
    """The sweeps of one start. ``run`` is for the thread that starts, ``silent`` for any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left: dict[str, _Sweep] = {}

    def run(
        self,
        staging_roots: Iterable[str],
        is_over: IsOver,
        going_on: Callable[[], None] = lambda: None,
        is_left_behind: Callable[[str], bool] = lambda _: True,
    ) -> list[str]:
        """Clear the rounds that ``is_over(job id, round)`` names; return the directories that were there.

        So goes what is kept for a retry of a job that ``is_left_behind(job id)`` names. Those that do not
        answer for ``ANSWER_WITHIN_S`` are left behind. ``going_on`` is called while others are waited for.
        Raises ``Transient`` where the system does not give the threads.
        """
        sweeps = [_Sweep(root, is_over, is_left_behind) for root in staging_roots]
        for sweep in sweeps:
            sweep.begin()
        self._wait(sweeps, going_on)
        self._left = {sweep.staging_root: sweep for sweep in sweeps if not sweep.is_over}
        for root in self._left:
            log.error("%s", _silence(root))
        return [sweep.staging_root for sweep in sweeps if sweep.was_there]

    def silent(self, staging_root: str) -> str:
        """Say that a directory does not answer yet; nothing when it does."""
        sweep = self._left.get(staging_root)
        return "" if sweep is None or sweep.is_over else _silence(staging_root)

    def _wait(self, sweeps: list[_Sweep], going_on: Callable[[], None]) -> None:
        steps, moved_at_s = -1, self._clock.monotonic()
        while running := [sweep for sweep in sweeps if not sweep.is_over]:
            running[0].wait(TICK_S)
            going_on()
            taken, now_s = sum(sweep.steps for sweep in sweeps), self._clock.monotonic()
            if taken != steps:
                steps, moved_at_s = taken, now_s
            elif now_s >= moved_at_s + ANSWER_WITHIN_S:
                return


class _Sweep:
    """The sweep of one staging directory; ``steps`` counts what it has looked at."""

    def __init__(self, staging_root: str, is_over: IsOver, is_left_behind: Callable[[str], bool]) -> None:
        self.staging_root = staging_root
        self.steps = 0
        self.was_there = False
        self._is_over = is_over
        self._is_left_behind = is_left_behind
        self._ended = threading.Event()

    @property
    def is_over(self) -> bool:
        """Whether it has come to its end, be it in vain."""
        return self._ended.is_set()

    def begin(self) -> None:
        """Start the thread."""
        thread = threading.Thread(target=self._run, name=f"sweep {self.staging_root}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            raise Transient(NO_THREAD) from error

    def wait(self, timeout_s: float) -> None:
        """Wait for its end, so long at the most."""
        self._ended.wait(timeout_s)

    def _run(self) -> None:
        try:
            with on_disk(f"to look at {self.staging_root}"):
                self.was_there = Path(self.staging_root).is_dir()
            if self.was_there:
                staging.clear(self.staging_root, self._looked_at)
                with on_disk(f"to clear {self.staging_root}"):
                    kept.let_go(self.staging_root, self._is_left_behind)
        except (Blocked, Transient) as error:  # leftovers cost room and nothing else: no reason not to start
            log.warning("%s", error)
        except Exception:  # the boundary of a thread: what raises here would be said to nobody
            log.exception("sweeping %s failed", self.staging_root)
        finally:
            self._ended.set()

    def _looked_at(self, job_id: str, number: int) -> bool:
        self.steps += 1
        return self._is_over(job_id, number)


def _silence(staging_root: str) -> str:
    return (
        f"the file system of {staging_root} does not answer since the start: nothing is fetched until it "
        "does; see to the mount"
    )
