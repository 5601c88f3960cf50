"""The log at info, read as an operator reads it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from offcloud_watchd.core.model import JobState
from offcloud_watchd.sandbox.faults import Fault
from tests.e2e import story
from tests.e2e.process import wait_until


def test_the_log_is_the_story_of_each_job(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable, tmp_path: Path
) -> None:
    """One line a step, nothing else, and nothing secret; time and level stand before each."""
    sandbox = start_sandbox(queued_s=4)
    place = make_place(sandbox.url)
    daemon = run_daemon(place)

    def dropped(name: str, data: bytes) -> None:
        (tmp_path / "whole").write_bytes(data)
        (tmp_path / "whole").rename(place.drop / name)

    def told(text: str) -> None:
        wait_until(lambda: text in daemon.log, within_s=60, why=lambda: daemon.log)

    torrent = sandbox.torrent("Good.Film")
    dropped("Good.Film.torrent", torrent)
    told("Good.Film: submitted")
    dropped("Again.torrent", torrent)
    dropped("Bad.torrent", b"Log in first\n")
    dropped("wanted.txt", story.LIST.encode())
    told("joins it")
    told(" file.bin: submitted")
    told(" One: submitted")
    sandbox.faults.add(Fault(**story.REFUSAL))
    dropped("Lost.magnet", f"magnet:?xt=urn:btih:{7:040x}&dn=Lost".encode())
    wait_until(
        lambda: place.all_in(JobState.DONE, JobState.FAILED, count=4), within_s=60, why=lambda: daemon.log
    )
    dropped("Once.More.torrent", torrent)
    told("it is still there: ")
    lines = [re.sub(r"^.{10} \S+ [A-Z]+ +", "", line) for line in daemon.log.splitlines()]
    story.assert_told(
        lines,
        drop=str(place.drop),
        output=str(place.output / "tv"),
        category="tv",
        host=sandbox.url.removeprefix("http://"),
    )
    assert daemon.stop() == 0
    assert not [secret for secret in story.SECRETS if secret in daemon.log]
