"""The web of a real process: it is there, it goes through a reload, it does not hold the end up."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import requests

from tests.e2e.process import wait_until
from tests.fakes.ports import free_port


def ready(url: str) -> bool:
    """Tell whether the daemon says that it is ready."""
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_life_with_the_web(start_sandbox: Callable, make_place: Callable, run_daemon: Callable) -> None:
    """Ready, ready again after a reload on the same port, and gone soon after the end was asked for."""
    port = free_port()
    place = make_place(start_sandbox().url, web=f"{{listen: '127.0.0.1:{port}'}}")
    daemon = run_daemon(place)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: ready(url), within_s=30, why=lambda: daemon.log)
    with requests.Session() as client:
        client.get(f"{url}/healthz", timeout=5)  # a connection that idles
        daemon.send(signal.SIGHUP)
        wait_until(lambda: daemon.log.count("ready: ") == 2, within_s=30, why=lambda: daemon.log)
        wait_until(lambda: ready(url), within_s=30, why=lambda: daemon.log)
        assert "cannot listen" not in daemon.log
        began = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - began < 10


def test_a_bad_password_file_is_a_wrong_configuration(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable
) -> None:
    """A file that others can read holds no secret: the start is refused, and the place is named."""
    place = make_place(start_sandbox().url, web="{listen: '127.0.0.1:0', password_file: web-password}")
    secret = place.root / "web-password"
    secret.write_text("open sesame\n")
    secret.chmod(0o644)
    daemon = run_daemon(place)
    assert daemon.ended() == 78
    assert "web.password_file" in daemon.log
    assert "chmod 600" in daemon.log


def magnet(number: int) -> tuple[str, str]:
    """Return a magnet and its info hash."""
    digits = f"{number:040x}"
    return f"magnet:?xt=urn:btih:{digits}&dn=Film.{number}.2020", digits


def test_a_download_client_with_a_daemon_that_is_killed(
    start_sandbox: Callable, make_place: Callable, run_daemon: Callable
) -> None:
    """Killed after each ``Ok.``, all comes home, whole when it is said to be; then it is removed."""
    port = free_port()
    place = make_place(start_sandbox().url, web=f"{{listen: '127.0.0.1:{port}'}}")
    daemon = run_daemon(place)
    url = f"http://127.0.0.1:{port}/api/v2/torrents"
    links = dict(magnet(number) for number in range(1, 6))
    for link in links:
        wait_until(lambda: ready(f"http://127.0.0.1:{port}"), within_s=30, why=lambda: daemon.log)
        answer = requests.post(f"{url}/add", data={"urls": link, "category": "tv/4k"}, timeout=30)
        assert answer.text == "Ok."
        daemon.kill()
        daemon.start()

    def listed() -> dict[str, dict]:
        try:
            answer = requests.get(f"{url}/info", params={"category": "tv/4k"}, timeout=10)
        except requests.ConnectionError:
            return {}
        rows = {about["hash"]: about for about in answer.json()}
        for about in rows.values():
            complete = about["state"] == "pausedUP"
            assert complete == (about["progress"] == 1)
            assert not complete or list(Path(about["content_path"]).iterdir())
        return rows

    def all_home() -> bool:
        return [about["state"] for about in listed().values()] == ["pausedUP"] * len(links)

    wait_until(all_home, within_s=60, why=lambda: daemon.log)
    rows = listed()
    assert set(rows) == set(links.values())
    releases = [Path(about["content_path"]) for about in rows.values()]
    assert {release.parent for release in releases} == {place.output / "tv" / "4k"}
    assert [path.name for path in (place.output / "tv").iterdir()] == ["4k"]
    data = {"hashes": "|".join(rows), "deleteFiles": "true"}
    assert requests.post(f"{url}/delete", data=data, timeout=30).status_code == 200
    assert listed() == {}
    wait_until(lambda: not any(release.exists() for release in releases), within_s=20, why=lambda: daemon.log)
    assert daemon.stop() == 0
