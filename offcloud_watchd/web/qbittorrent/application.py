"""The calls about the application: its version, its preferences. There is nothing that could be set.

What is answered here decides how clients speak to us: with 2.9.3 they use names (``paused``, ``pausedUP``)
that every client knows, the retired ones too. Source: qBittorrent, ``WebAPI_Changelog.md``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.responses import Response

from offcloud_watchd.web.qbittorrent.call import Call, json, text
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
        server = call.request.url
        return json(
            {
                # What *arr tools decide by: magnets without trackers are taken, "first" priority may be asked
                # for, nothing is ever removed by itself. Source: Sonarr, QBittorrent.cs.
                "save_path": self._settings.output_dir,
                "dht": True,
                "queueing_enabled": True,
                "max_ratio_enabled": False,
                "max_ratio": -1,
                "max_ratio_act": 0,
                "max_seeding_time_enabled": False,
                "max_seeding_time": -1,
                "max_inactive_seeding_time_enabled": False,
                "max_inactive_seeding_time": -1,
                **_PREFERENCES,
                "web_ui_port": server.port or 80,
            }
        )


_PREFERENCES: Final[Mapping[str, object]] = {
    "add_trackers": "",
    "add_trackers_enabled": False,
    "alt_dl_limit": 0,
    "alt_up_limit": 0,
    "anonymous_mode": False,
    "auto_delete_mode": 0,
    "auto_tmm_enabled": False,
    "autorun_enabled": False,
    "autorun_program": "",
    "bittorrent_protocol": 0,
    "category_changed_tmm_enabled": False,
    "create_subfolder_enabled": True,
    "dl_limit": 0,
    "encryption": 0,
    "export_dir": "",
    "export_dir_fin": "",
    "incomplete_files_ext": False,
    "limit_lan_peers": True,
    "limit_tcp_overhead": False,
    "limit_utp_rate": True,
    "listen_port": 0,
    "locale": "en",
    "lsd": False,
    "max_active_downloads": -1,
    "max_active_torrents": -1,
    "max_active_uploads": -1,
    "max_connec": -1,
    "max_connec_per_torrent": -1,
    "max_uploads": -1,
    "max_uploads_per_torrent": -1,
    "pex": False,
    "preallocate_all": False,
    "proxy_type": 0,
    "random_port": False,
    "save_path_changed_tmm_enabled": False,
    "scan_dirs": {},
    "scheduler_enabled": False,
    "slow_torrent_dl_rate_threshold": 2,
    "slow_torrent_inactive_timer": 60,
    "slow_torrent_ul_rate_threshold": 2,
    "start_paused_enabled": False,
    "temp_path": "",
    "temp_path_enabled": False,
    "torrent_changed_tmm_enabled": True,
    "torrent_content_layout": "Original",
    "up_limit": 0,
    "upnp": False,
    "use_https": False,
    "web_ui_address": "*",
    "web_ui_username": "",
}
