"""Who is let in, and what they are told of themselves."""

from __future__ import annotations

import pytest

from offcloud_watchd.sandbox.doors import MOST_DEVICES, Doors
from offcloud_watchd.sandbox.entry import GRANT
from offcloud_watchd.sandbox.settings import SandboxSettings
from tests.fakes.clock import FakeClock
from tests.unit.sandbox.driver import Driver, driving


def _begin(driver: Driver) -> dict[str, str]:
    codes: dict[str, str] = driver.post("/oauth/device/code", key="", json={}).json()
    return codes


def _ask(driver: Driver, code: str, grant: str = GRANT) -> tuple[int, dict[str, str]]:
    body = {"grant_type": grant, "device_code": code}
    answer = driver.post("/oauth/token", key="", json=body)
    return answer.status_code, answer.json()


def test_a_device_is_let_in(current: Driver) -> None:
    """A person types the code, and the device gets a token that is as good as the key, once."""
    codes = _begin(current)
    assert (codes["interval"], codes["expires_in"]) == (5.0, 600.0)
    assert codes["verification_uri_complete"].endswith(f"/activate?user_code={codes['user_code']}")
    assert _ask(current, codes["device_code"])[1]["error"] == "authorization_pending"
    page = current.file(codes["verification_uri_complete"]).text
    assert codes["user_code"] in page
    typed = current.post("/activate", key="", data={"user_code": codes["user_code"].lower()})
    assert typed.status_code == 200
    current.clock.advance(5)
    status, told = _ask(current, codes["device_code"])
    assert (status, told["token_type"]) == (200, "Bearer")
    bearer = {"Authorization": f"Bearer {told['access_token']}"}
    assert current.get("/api/cloud/history", key="", headers=bearer).json() == []
    assert _ask(current, codes["device_code"])[1]["error"] == "invalid_grant"


def test_a_device_is_told_why_it_is_not_let_in(current: Driver) -> None:
    """Too soon, refused, too late, unknown, asked wrongly."""
    code = _begin(current)["device_code"]
    _ask(current, code)
    assert _ask(current, code) == (
        400,
        {"error": "slow_down", "error_description": "The device is told: slow_down."},
    )
    assert _ask(current, "x")[1]["error"] == "invalid_grant"
    assert _ask(current, code, "password")[1]["error"] == "unsupported_grant_type"
    codes = _begin(current)
    refused = current.post("/sandbox/activate", key="", json={"user_code": codes["user_code"], "deny": True})
    assert refused.json() == {"success": True}
    assert _ask(current, codes["device_code"])[1]["error"] == "access_denied"
    current.clock.advance(601)
    assert _ask(current, code)[1]["error"] == "expired_token"


def test_a_program_lets_a_device_in(both: Driver) -> None:
    """With JSON only, so that no page can; an unknown code is not found."""
    user_code = _begin(both)["user_code"]
    assert both.post("/sandbox/activate", key="", data={"user_code": user_code}).status_code == 415
    assert both.post("/sandbox/activate", key="", json={"user_code": user_code}).status_code == 200
    assert both.post("/sandbox/activate", key="", json={"user_code": user_code}).status_code == 404
    assert both.post("/activate", key="", data={"user_code": "nobody"}).status_code == 404


def test_the_classic_service_lets_no_device_in(classic: Driver) -> None:
    """It came with the current one."""
    assert classic.post("/oauth/device/code", key="").status_code == 404


def test_waiting_devices_are_bounded() -> None:
    """The oldest is forgotten first."""
    doors = Doors(SandboxSettings(clock=FakeClock()))
    first, second = doors.begin_device(), doors.begin_device()
    for _ in range(MOST_DEVICES - 1):
        doors.begin_device()
    assert not doors.decide(first.user_code, let_in=True)
    assert doors.decide(second.user_code, let_in=True)


@pytest.mark.parametrize("path", ["/api/login", "/api/login/classic"])
def test_a_session_ends(classic: Driver, path: str) -> None:
    """Whoever logged in is asked again after everybody was logged out."""
    classic.post(path, key="", data={"username": "sandbox@example.org", "password": "sandbox"})
    assert classic.get("/api/login/check", key="").json() == {"loggedIn": 1}
    classic.sandbox.end_sessions()
    assert classic.get("/api/check", key="").json() == {"loggedIn": 0}
    assert classic.post("/api/key", key="").json() == {"error": "NOAUTH"}


def test_sites(each: Driver) -> None:
    """Every generation says which sites it takes."""
    assert {"up", "down"} == {site["status"] for site in each.get("/api/sites").json()}


def test_upload_needs_the_key() -> None:
    """Nothing is taken from a stranger."""
    with driving(generation="classic") as driver:
        files = {"file": ("a.torrent", b"d4:infodee")}
        assert driver.post("/torrent/upload", key="", files=files).json() == {"error": "NOAUTH"}
