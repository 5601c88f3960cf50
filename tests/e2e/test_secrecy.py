"""The search that ends each test finds what it looks for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.e2e import secrecy
from tests.e2e.process import KEY, wait_until
from tests.fakes.ports import free_port


@pytest.mark.parametrize("where", ["state/journal.jsonl", "drop/failed/x.reason.txt", "daemon.log"])
def test_a_secret_in_a_file_is_found(make_place, where):
    """Whatever else stands in it; alone in its own file it is where it belongs."""
    place = make_place("http://127.0.0.1:1")
    secrecy.assert_no_secret(place)
    path = place.root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xff " + KEY.encode())
    with pytest.raises(AssertionError, match=where):
        secrecy.assert_no_secret(place)
    path.unlink()


def test_a_secret_among_arguments_is_found(make_place):
    """Of a process and of what it started."""
    place = make_place("http://127.0.0.1:1")
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'input()', sys.argv[1][1:]])"
    with subprocess.Popen([sys.executable, "-c", code, f"-{KEY}"], stdin=subprocess.PIPE) as process:
        wait_until(lambda: len(secrecy.arguments(process.pid)) == 2, within_s=10, why=lambda: "no child")
        told = secrecy.arguments(process.pid)
        process.communicate(b"\n")
    place.seen += told.items()
    with pytest.raises(AssertionError, match="/proc/"):
        secrecy.assert_no_secret(place)
    place.seen.clear()


def test_every_page_of_a_daemon_is_looked_at(start_sandbox, make_place, run_daemon):
    """While it lives; they hold what they should, and no secret."""
    place = make_place(start_sandbox().url, web=f"{{listen: '127.0.0.1:{free_port()}'}}")
    daemon = run_daemon(place)
    wait_until(lambda: "ready: " in daemon.log, within_s=30, why=lambda: daemon.log)
    assert daemon.stop() == 0
    seen = dict(place.seen)
    assert seen.keys() >= set(secrecy.PAGES)
    assert not [page for page in secrecy.PAGES if len(seen[page]) < 100]
