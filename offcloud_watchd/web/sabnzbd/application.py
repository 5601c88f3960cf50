"""The calls about the application: its version, its configuration. There is nothing that could be set.

What is told of the configuration is what *arr tools decide by: where categories go, that nothing is sorted,
renamed or taken out of the history by itself. Source: Sonarr, ``Sabnzbd.cs`` (Test, GetStatus).
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.responses import Response

from offcloud_watchd.web.answers import utf8_answer
from offcloud_watchd.web.catalogue import Catalogue
from offcloud_watchd.web.desk import Desk
from offcloud_watchd.web.sabnzbd.call import Call

VERSION: Final = "4.3.3"
_SORTING: Final[Mapping[str, object]] = {
    "tv_categories": [],
    "enable_tv_sorting": False,
    "movie_categories": [],
    "enable_movie_sorting": False,
    "date_categories": [],
    "enable_date_sorting": False,
    "pre_check": False,
}
_RETENTION: Final[Mapping[str, object]] = {
    # "0" means that all is kept to clients that know no option of this name.
    "history_retention": "0",
    "history_retention_option": "all",
    "history_retention_number": 1,
}


class Application:
    """The calls."""

    def __init__(self, desk: Desk, catalogue: Catalogue, output_dir: str) -> None:
        self._desk = desk
        self._catalogue = catalogue
        self._output_dir = output_dir
        self.answerers: Mapping[str, Callable[[Call], Awaitable[Response]]] = {
            "version": self._version,
            "get_config": self._config,
            "get_cats": self._categories,
            "get_scripts": self._scripts,
            "fullstatus": self._status,
            "status": self._status,
            "server_stats": self._statistics,
            "warnings": self._warnings,
            "pause": self._accepted,
            "resume": self._accepted,
        }

    async def _version(self, _call: Call) -> Response:
        return utf8_answer({"version": VERSION})

    async def _config(self, call: Call) -> Response:
        document = {
            "misc": {"complete_dir": self._output_dir, **_SORTING, **_RETENTION},
            "categories": [
                self._category(name, directory, order)
                for order, (name, directory) in enumerate((await self._directories(call)).items())
            ],
            "sorters": [],
            "servers": [],
        }
        section = call.get("section")
        return utf8_answer({"config": {section: document.get(section, {})} if section else document})

    async def _categories(self, call: Call) -> Response:
        return utf8_answer({"categories": list(await self._directories(call))})

    async def _directories(self, call: Call) -> Mapping[str, str]:
        """Return where each category goes, first ``*``, which is that of what names none."""
        place = self._catalogue.place(call.base)
        directories = self._catalogue.directories(await self._desk.overview(), call.base)
        return {"*": self._output_dir if place is None else place.directory, **directories}

    def _category(self, name: str, directory: str, order: int) -> dict[str, Any]:
        inside = directory.startswith(f"{self._output_dir}/")
        return {
            "name": name,
            "order": order,
            "pp": "3" if name == "*" else "",
            "script": "None" if name == "*" else "Default",
            "dir": posixpath.relpath(directory, self._output_dir) if inside else directory,
            "newzbin": "",
            "priority": 0 if name == "*" else -100,
        }

    async def _scripts(self, _call: Call) -> Response:
        return utf8_answer({"scripts": ["None"]})

    async def _status(self, _call: Call) -> Response:
        # What lies between, the staging, is nobody's business.
        paths = {"completedir": self._output_dir, "downloaddir": self._output_dir}
        return utf8_answer({"status": {"version": VERSION, "paused": False, **paths, "servers": []}})

    async def _statistics(self, _call: Call) -> Response:
        return utf8_answer({**dict.fromkeys(("total", "month", "week", "day"), 0), "servers": {}})

    async def _warnings(self, _call: Call) -> Response:
        return utf8_answer({"warnings": []})

    async def _accepted(self, _call: Call) -> Response:
        return utf8_answer({"status": True})  # without effect: config.yaml says how things are
