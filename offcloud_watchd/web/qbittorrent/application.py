"""The calls about the application: its version, its preferences. There is nothing that could be set.

What is answered here decides how clients speak to us: with 2.9.3 they use names (``paused``, ``pausedUP``)
that every client knows, the retired ones too. Source: qBittorrent, ``WebAPI_Changelog.md``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response

from offcloud_watchd.web.answers import text_answer as text
from offcloud_watchd.web.answers import utf8_answer as json
from offcloud_watchd.web.qbittorrent.call import Call
from offcloud_watchd.web.qbittorrent.preferences import preferences
from offcloud_watchd.web.settings import WebSettings

APP_VERSION: Final = "v4.6.7"
API_VERSION: Final = "2.9.3"
_BUILD: Final = {
    "bitness": 64,
    "boost": "1.74.0",
    "libtorrent": "2.0.8.0",
    "openssl": "3.0.0",
    "platform": "linux",
    "qt": "5.15.8",
    "zlib": "1.2.13",
}


class Application:
    """The calls below ``app/``."""

    def __init__(self, settings: WebSettings) -> None:
        self._settings = settings
        self.reads: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "app/version": self._version,
            "app/webapiVersion": self._api_version,
            "app/buildInfo": self._build,
            "app/preferences": self._preferences,
            "app/defaultSavePath": self._save_path,
        }
        self.writes: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "app/setPreferences": self._set_preferences
        }

    async def _version(self, _call: Call) -> Response:
        return text(APP_VERSION)

    async def _api_version(self, _call: Call) -> Response:
        return text(API_VERSION)

    async def _build(self, _call: Call) -> Response:
        return json(_BUILD)

    async def _save_path(self, _call: Call) -> Response:
        return text(self._settings.output_dir)

    async def _set_preferences(self, _call: Call) -> Response:
        return text("")  # accepted and passed over: config.yaml says how things are

    async def _preferences(self, call: Call) -> Response:
        return json(preferences(self._settings.output_dir, call.request.url.port or 80))
