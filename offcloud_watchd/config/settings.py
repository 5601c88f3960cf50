"""The settings: everything ``config.yaml`` says, and what follows from it for folders and categories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PrivateAttr

from offcloud_watchd.config.sections import (
    Arr,
    Engines,
    Fetch,
    Folder,
    Log,
    Notify,
    Offcloud,
    Section,
    Web,
    key,
    section,
)
from offcloud_watchd.config.values import FilePath, StateDirectory, at_least_one
from offcloud_watchd.core.model import Cached, Destination, RemoteTarget, Route
from offcloud_watchd.key import API_KEY, PASSWORD, KeyPlace


class Config(Section):
    """Everything ``config.yaml`` says. Paths are absolute."""

    offcloud: Offcloud = section(Offcloud, "the account")
    output_dir: FilePath = Field(description="a job lands in output_dir/<category>/<release>/")
    state_dir: StateDirectory = key(
        None,
        "default: $STATE_DIRECTORY, else $XDG_STATE_HOME/offcloud-watchd; the unit: /var/lib/offcloud-watchd",
    )
    folders: Annotated[tuple[Folder, ...], BeforeValidator(at_least_one)] = Field(
        strict=False, description="the drop folders", json_schema_extra={"minItems": 1}
    )
    fetch: Fetch = section(Fetch, "how finished files are brought home")
    web: Web = section(Web, "the page, the APIs and the metrics")
    engines: Engines = section(Engines, "other programs that move the bytes")
    arr: tuple[Arr, ...] = key(
        (), "[{name, url, api_key_file, categories}] are told how jobs end", strict=False
    )
    notify: Notify = section(Notify, "messages to people")
    log: Log = section(Log, "what is logged, and how")

    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)

    def place_of(self, key_path: str) -> str:
        """Return where a key stands in the file, and its name: begins what is said of it."""
        return f"{self._places.get(key_path) or self._places.get('') or 'config.yaml:1:1'}: {key_path}"

    def located(self, key_path: str, text: str) -> str:
        """Return a problem as one line that begins with where the key stands in the file."""
        return f"{self.place_of(key_path)}: {text}"

    def remember_places(self, places: Mapping[str, str]) -> None:
        """Note where each key stands: key path -> ``config.yaml:LINE:COL``. Done once, by ``load``."""
        self._places = dict(places)

    def directory_of(self, folder: Folder, subfolder: str | None = None) -> Path:
        """Return where releases of a drop folder go, or of one of its subfolders: beside that place."""
        if folder.given_output is None:
            return self.output_dir / (subfolder or folder.category)
        return folder.given_output.parent / subfolder if subfolder else folder.given_output

    def directory_for(self, category: str) -> Path:
        """Return where releases of a category go, whoever asks for them."""
        for folder in self.folders:
            if folder.category == category:
                return self.directory_of(folder)
        return self.output_dir / category

    def destination_of(self, folder: Folder, subfolder: str | None = None) -> Destination:
        """Return where the drops in a folder go, or those in one of its subfolders."""
        remote = folder.remote
        return Destination(
            subfolder or folder.category,
            str(self.directory_of(folder, subfolder)),
            Route(folder.route),
            None if remote is None else RemoteTarget(remote.account, remote.folder),
            Cached(folder.cached),
            folder.proxy,
        )

    def destination_for(self, category: str) -> Destination:
        """Return where what is added for a category goes: as the first folder of that category."""
        for folder in self.folders:
            if folder.category == category:
                return self.destination_of(folder)
        return Destination(category, str(self.directory_for(category)))

    @property
    def key_place(self) -> KeyPlace:
        """Where the API key lies, or the password; what is said of it names the place in the file."""
        names = ("offcloud", API_KEY.setting, PASSWORD.setting, "offcloud.api_key_env")
        settings = {name: self.place_of(name) for name in names}
        if self.offcloud.auth == "login":
            return KeyPlace(None, self.offcloud.password_file, settings, PASSWORD)
        return KeyPlace(self.offcloud.api_key_env, self.offcloud.api_key_file, settings)

    @property
    def default_category(self) -> str:
        """The category of what an operator adds without naming one: the first folder's."""
        return self.folders[0].category
