"""A browser, driven over the WebDriver protocol by plain HTTP. Source: W3C WebDriver, section 6."""

from __future__ import annotations

import base64
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from tests.fakes.ports import free_port

_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")


class Element:
    """Something on the page."""

    def __init__(self, browser: Browser, name: str) -> None:
        self._browser = browser
        self.name = name

    def click(self) -> None:
        """Click on it."""
        self._browser.call("POST", f"/element/{self.name}/click", {})

    def type(self, text: str) -> None:
        """Type into it; into a file field, paths."""
        self._browser.call("POST", f"/element/{self.name}/value", {"text": text})

    @property
    def text(self) -> str:
        """What is to be read."""
        return str(self._browser.call("GET", f"/element/{self.name}/text"))


class Browser:
    """One window."""

    def __init__(self, driver: str, *, width: int = 1200, height: int = 900, script: bool = True) -> None:
        arguments = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
        options: dict[str, Any] = {
            "binary": CHROMIUM,
            "args": [*arguments, f"--window-size={width},{height}"],
        }
        if not script:
            options["prefs"] = {"profile.managed_default_content_settings.javascript": 2}
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"implicit": 10_000},  # a page that comes after a click may take a moment
        }
        body = {"capabilities": {"alwaysMatch": wanted}}
        answer = _value(requests.post(f"{driver}/session", json=body, timeout=60))
        self._url = f"{driver}/session/{answer['sessionId']}"

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Give a command; return its value."""
        return _value(requests.request(method, f"{self._url}{path}", json=body, timeout=60))

    def open(self, url: str) -> None:
        """Go to an address and wait until it is there."""
        self.call("POST", "/url", {"url": url})

    @property
    def url(self) -> str:
        """Where it is."""
        return str(self.call("GET", "/url"))

    def find(self, selector: str) -> Element:
        """Return the first element that a CSS selector means, waiting for it; raise ``LookupError``."""
        found = self.call("POST", "/element", {"using": "css selector", "value": selector})
        return Element(self, found[_ELEMENT])

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script in the page and return what it returns."""
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_and_wait(self, script: str, *arguments: object) -> Any:
        """Run a script that calls its last argument when it is done."""
        return self.call("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def command(self, name: str, **parameters: object) -> Any:
        """Give a command of the browser's own protocol (DevTools)."""
        return self.call("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    def keys(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def texts(self, selector: str) -> list[str]:
        """Return the texts of all elements that a selector means."""
        return list(
            self.run("return [...document.querySelectorAll(arguments[0])].map(e => e.innerText)", selector)
        )

    def wait(self, script: str, *arguments: object, within_s: float = 10) -> Any:
        """Wait until an expression is true in the page; return it."""
        deadline = time.monotonic() + within_s
        while not (found := self.run(f"return ({script})", *arguments)):
            assert time.monotonic() < deadline, f"not within {within_s} s: {script}"
        return found

    def complaints(self) -> list[str]:
        """Return what the browser's console holds: errors of the script, of the policy, of the network."""
        return [one["message"] for one in self.call("POST", "/se/log", {"type": "browser"})]

    def dark(self, *, on: bool) -> None:
        """Ask for dark colours or light ones."""
        scheme = "dark" if on else "light"
        self.command(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def resize(self, width: int, height: int) -> None:
        """Be a screen of another size."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def picture(self, path: Path) -> None:
        """Take a picture of what is to be seen."""
        path.write_bytes(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self) -> None:
        """End."""
        self.call("DELETE", "")


@contextmanager
def driving() -> Iterator[Callable[..., Browser]]:
    """Start the driver; yield what opens windows, all of which are closed at the end."""
    if CHROMIUM is None or DRIVER is None:
        raise FileNotFoundError("chromium and chromedriver are needed: apt install chromium chromium-driver")
    port, windows = free_port(), []
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        [DRIVER, f"--port={port}", "--log-level=OFF"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        try:
            _await(url)

            def window(**how: Any) -> Browser:
                windows.append(Browser(url, **how))
                return windows[-1]

            yield window
        finally:
            for one in windows:
                one.close()
            driver.terminate()


def _value(answer: requests.Response) -> Any:
    """Return what the driver answered; raise ``LookupError`` with what went wrong."""
    value = answer.json()["value"]
    if isinstance(value, dict) and "error" in value:
        raise LookupError(f"{value['error']}: {value['message'][:500]}")
    return value


def _await(url: str) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            if requests.get(f"{url}/status", timeout=5).json()["value"]["ready"]:
                return
        except requests.ConnectionError:
            continue
    raise TimeoutError("chromedriver did not start")
