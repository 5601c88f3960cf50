"""One browser for all tests, one window and one house for each."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.browser.webdriver import CHROMIUM, DRIVER, Browser, driving
from tests.fakes.house import House


@pytest.fixture(scope="module")  # it ends here: others look for children that were left behind
def window() -> Iterator[Callable[..., Browser]]:
    """Open windows."""
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("a browser is needed: apt install chromium chromium-driver")
    try:
        socket.getaddrinfo("localhost", 0)
    except OSError:
        pytest.skip("the driver needs the name localhost: see /etc/hosts")
    with driving() as opened:
        yield opened


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Give a house that runs."""
    running = House(tmp_path).start()
    yield running
    running.close()


@pytest.fixture
def browser(window: Callable[..., Browser], house: House) -> Iterator[Browser]:
    """Give a window that looks at the house; nothing may be left to complain about at the end."""
    opened = window()
    opened.open(house.url)
    yield opened
    assert opened.complaints() == []
    opened.open("about:blank")


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Have the text of axe-core, which judges how accessible a page is; it is not kept."""
    if shutil.which("npm") is None:
        pytest.skip("npm is needed, which has axe-core")
    place = tmp_path_factory.mktemp("axe")
    subprocess.run(
        ["npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "axe-core@4"],
        cwd=place,
        check=True,
        timeout=120,
    )
    return (place / "node_modules/axe-core/axe.min.js").read_text()
