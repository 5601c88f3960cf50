"""``kill -9`` at random moments: the same end, and one effective submission for each content."""

import random
import threading

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import wait_until
from tests.e2e.releases import assert_all_home

DROPS = 30


def _killed_at_random(
    start_sandbox, make_place, run_daemon, *, kills: int, generation: str, seed: int
) -> None:
    chance = random.Random(seed)
    sandbox = start_sandbox(
        generation=generation,
        release_bytes=400_000,
        file_rate_bytes_per_s=400_000,
        queued_s=0.5,
        download_s=1.0,
    )
    auth = "query" if generation == "classic" else "bearer"
    place = make_place(sandbox.url, auth=auth, settle="100ms", poll="{min: 200ms, max: 500ms}")
    waiting = [f"magnet:?xt=urn:btih:{number:040x}&dn=Release.{number}" for number in range(1, DROPS + 1)]
    daemon = run_daemon(place)
    last_life_at = 0
    for number in range(kills):
        # Dropped over the first two thirds of the kills, so that every phase is met by many of them.
        while waiting and len(waiting) > DROPS * (1 - 1.5 * (number + 1) / kills):
            magnet = waiting.pop()
            (place.drop / f"{magnet[-10:].strip('=.')}.magnet").write_text(magnet)
        threading.Event().wait(chance.uniform(0.3, 1.5))
        assert daemon.alive(), daemon.log[-3000:]
        daemon.kill()
        last_life_at = len(daemon.log)
        daemon.start()
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=DROPS),
        within_s=120,
        why=lambda: daemon.log,
    )
    wait_until(lambda: not list(place.drop.glob("*.magnet")), within_s=10, why=lambda: daemon.log)
    assert_all_home(place, sandbox, place.jobs())
    assert len(list((place.drop / "processed").iterdir())) == DROPS
    # The last start may have found nothing to do: stop it only once it listens to signals.
    wait_until(lambda: "ready:" in daemon.log[last_life_at:], within_s=30, why=lambda: daemon.log)
    assert daemon.stop() == 0


def test_killed_ten_times(start_sandbox, make_place, run_daemon):
    """The short form, on the service that makes a twin of everything that is posted twice."""
    _killed_at_random(start_sandbox, make_place, run_daemon, kills=10, generation="classic", seed=1)


@pytest.mark.torture
@pytest.mark.parametrize("generation", ["classic", "current"])
def test_killed_two_hundred_times(start_sandbox, make_place, run_daemon, generation):
    """The long form, in either generation."""
    _killed_at_random(start_sandbox, make_place, run_daemon, kills=200, generation=generation, seed=2)
