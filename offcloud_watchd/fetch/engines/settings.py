"""What is told of the programs that move bytes at the start. Plain, and small."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which engine a release goes by: that of its output directory. An empty name is our own.

    ``exact`` is by directory, ``below`` by the parent of one: subfolders are categories there. It is not
    recorded with a job: one that waits when the setting changes is fetched by the new one.
    """

    exact: Mapping[str, str] = field(default_factory=dict)
    below: Mapping[str, str] = field(default_factory=dict)

    def of(self, directory: str) -> str:
        """Return the engine for an output directory, absolute."""
        own = self.exact.get(directory)
        return self.below.get(str(Path(directory).parent), "") if own is None else own

    @property
    def only(self) -> str:
        """The engine of every drop folder; empty where there is no such one."""
        names = {*self.exact.values(), *self.below.values()}
        return names.pop() if len(names) == 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aria2Settings:
    """Where aria2 is asked, and how it sees our directories.

    ``paths`` pairs a directory of ours with its name on aria2's machine. ``secret_setting`` says where the
    file stands in the configuration. ``total_timeout_s`` bounds one question, ``rest_s`` is how long aria2 is
    left alone when it did not answer, ``look_s`` how often it is asked how far it is.
    """

    url: str
    secret_file: Path | None = None
    secret_setting: str = ""
    paths: tuple[tuple[str, str], ...] = ()
    user_agent: str = "offcloud-watchd"
    total_timeout_s: float = 15.0
    rest_s: float = 10.0
    look_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RcloneSettings:
    """Where rclone's remote control is asked, and which place of its stands for ``output_dir``.

    ``remote`` is what rclone calls it (``gdrive:media``). ``password_setting`` says where the password file
    stands in the configuration. ``notes_dir`` is where we note what is about to be published.
    ``total_timeout_s`` bounds one question, ``rest_s`` is how long rclone is left alone when it did not
    answer, ``look_s`` how often it is asked how far it is.
    """

    url: str
    remote: str
    output_dir: str
    notes_dir: Path
    user: str = ""
    password_file: Path | None = None
    password_setting: str = ""
    user_agent: str = "offcloud-watchd"
    total_timeout_s: float = 60.0
    rest_s: float = 10.0
    look_s: float = 1.0


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """The engines that are set up."""

    aria2: Aria2Settings | None = None
    rclone: RcloneSettings | None = None
