"""The OpenAPI document is true: schemathesis makes requests by it, good and bad, and finds nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from offcloud_watchd.web import stream
from tests.fakes.house import House

HERE = Path(__file__).parent
PASSWORD = "open sesame"


@pytest.mark.torture
@pytest.mark.parametrize("password", [None, PASSWORD])
def test_schemathesis_finds_nothing(tmp_path: Path, monkeypatch, password: str | None):
    """Neither with the way open nor behind a password."""
    monkeypatch.setattr(stream, "STREAM_S", 0.2)
    secret = None
    if password is not None:
        secret = tmp_path / "password"
        secret.write_text(password)
        secret.chmod(0o600)
    house = House(tmp_path, password_file=secret).start()
    key = ["--header", f"Authorization: Bearer {password}"] if password else []
    url = f"{house.url}/api/v1/openapi.json"
    command = [Path(sys.executable).with_name("st"), "--config-file", HERE / "schemathesis.toml", "run", url]
    try:
        ran = subprocess.run(
            [*command, *key, "--no-color", "--max-examples", os.environ.get("EXAMPLES", "100")],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    finally:
        house.close()
    assert ran.returncode == 0, ran.stdout[-8000:]
    assert "Selected: 8/8" in ran.stdout, ran.stdout  # all but the document itself
