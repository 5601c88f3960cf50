"""``auth: login``: a name and a password carry the whole program; no key is needed, and no secret is left."""

from __future__ import annotations

import pytest

from offcloud_watchd.core.model import JobState
from tests.e2e.process import Place, wait_until
from tests.e2e.releases import assert_home

USER, PASSWORD = "me@mail.invalid", "correct horse battery"
TORRENT = f"{9:040x}"


def _place(make_place, url: str, password: str = PASSWORD) -> Place:
    place = make_place(
        url, auth="login", settle="100ms", account=f"username: {USER}\n  password_file: password"
    )
    (place.root / "api-key").unlink()
    place.secrets.append(PASSWORD)
    _write_password(place, password)
    return place


def _write_password(place: Place, password: str) -> None:
    path = place.root / "password"
    path.write_text(password + "\n")
    path.chmod(0o600)


@pytest.mark.parametrize("generation", ["classic", "both"])
def test_a_password_is_all_it_takes(start_sandbox, make_place, run_daemon, generation):
    """From the drop to the release, over a wrong password that is mended while the daemon runs."""
    sandbox = start_sandbox(generation=generation, username=USER, password=PASSWORD)
    place = _place(make_place, sandbox.url, "wrong")
    refused = place.command("check")
    assert refused.returncode == 77
    assert "BAD login: POST " in refused.stdout
    daemon = run_daemon(place)
    (place.drop / "Film.magnet").write_text(f"magnet:?xt=urn:btih:{TORRENT}&dn=Film")
    wait_until(lambda: "refused the login" in daemon.log, within_s=20, why=lambda: daemon.log)
    _write_password(place, PASSWORD)
    wait_until(lambda: place.all_in(JobState.DONE, count=1), within_s=90, why=lambda: daemon.log)
    (job,) = place.jobs().values()
    assert_home(job, sandbox)
    assert sandbox.books().of(job.link.key).items_created == 1
    checked = place.command("check")
    assert checked.returncode == 0, checked.stdout
    assert f"ok  login: accepted by {sandbox.url}" in checked.stdout
    assert daemon.stop() == 0


def test_a_service_without_passwords_says_so(start_sandbox, make_place):
    """The current one takes a key only, and how to get one is said."""
    sandbox = start_sandbox(generation="current")
    place = _place(make_place, sandbox.url)
    checked = place.command("check")
    assert checked.returncode == 77
    assert (
        "this service takes no password, only an API key; `offcloud-watchd login --device`" in checked.stdout
    )
