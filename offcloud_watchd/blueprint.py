"""What a daemon is built from: plain settings for every adapter; and the way to have them read and checked.

Rules of this file:

* Checking a configuration takes libraries that weigh a quarter of an idle daemon and are needed for a moment:
  another process does it (``wiring``), and nothing here imports them.
* Everything here can be sent from one process to the other. It tells where the key lies, never the key.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offcloud_watchd.arr.settings import ToolSettings
from offcloud_watchd.core.categories import checked_nested_category
from offcloud_watchd.core.lifecycle import Policy
from offcloud_watchd.core.model import Cached, Destination, RemoteTarget, Route
from offcloud_watchd.errors import BadDrop, ConfigError
from offcloud_watchd.fetch import ShelfSettings
from offcloud_watchd.fetch.engines.settings import EngineSettings
from offcloud_watchd.key import KeyPlace
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.offcloud import ClientSettings
from offcloud_watchd.watch import SpooledFiles, WatchSettings
from offcloud_watchd.web.settings import WebSettings

READING_S: Final = 120
"""How long the reading of a configuration may take and still counts as going on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """One checked configuration. ``client`` wants the way to the key: ``client(read_key=...)``.

    ``state_dir_setting`` says where the state directory stands in the file.
    """

    state_dir: Path
    state_dir_setting: str
    log_level: str
    log_format: str
    key: KeyPlace
    client: Callable[..., ClientSettings]
    policy: Policy
    watch: WatchSettings
    shelf: ShelfSettings
    file_of: SpooledFiles
    fetch_jobs: int
    web: WebSettings | None = None
    notify: NotifySettings | None = None
    tools: tuple[ToolSettings, ...] = ()
    engines: EngineSettings = field(default_factory=EngineSettings)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the reading process says: the blueprint, or every problem and what else there is to say of it."""

    blueprint: Blueprint | None
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()


def read(
    config_path: Path | None, env: Mapping[str, str], going_on: Callable[[], None] = lambda: None
) -> Blueprint:
    """Have the configuration read and held against the disk, by a process of its own.

    ``config_path`` is None where nobody named one. ``going_on`` is called every second while it is read, for
    two minutes at the most. Raises ``ConfigError`` with every problem.
    """
    command = [sys.executable, "-P", "-m", "offcloud_watchd.wiring"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter, our own module, no shell
        command if config_path is None else [*command, str(config_path)],
        # It must find the same program as this one did; and -P keeps the working directory out of that.
        env={**env, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        process_group=0,  # Ctrl-C is for the daemon
    ) as process:
        output = _output(process, going_on)
    if code := process.returncode:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise ConfigError([f"the configuration could not be read: the process that does it ended with {how}"])
    answer = pickle.loads(output)  # noqa: S301 - from our own process, over a pipe nobody else holds
    if answer.blueprint is None:
        error = ConfigError(list(answer.problems))
        for note in answer.notes:
            error.add_note(note)
        raise error
    blueprint: Blueprint = answer.blueprint
    return blueprint


def _output(process: subprocess.Popen[bytes], going_on: Callable[[], None]) -> bytes:
    """Wait for the process and return what it printed; whoever has it wait for longer hangs."""
    for _ in range(READING_S):
        try:
            return process.communicate(timeout=1.0)[0]
        except subprocess.TimeoutExpired:
            going_on()
    return process.communicate()[0]


@dataclass(frozen=True, slots=True)
class CategoryDestinations:
    """Where an added link of a category goes: what the drop folders say, else ``output_dir/CATEGORY``."""

    default: str
    output_dir: Path
    known: Mapping[str, Destination]

    def __call__(self, category: str | None) -> Destination:
        """Return the destination; raise ``BadDrop`` when no directory can carry the category's name."""
        name = self.default if category is None else category
        try:
            checked_nested_category(name)
        except ValueError as error:
            raise BadDrop(f"the category cannot be used: {error}") from error
        return self.known.get(name) or Destination(name, str(self.output_dir / name))


@dataclass(frozen=True, slots=True)
class SubfolderDestinations:
    """Where the drops in a folder's subfolders go: each subfolder's name is a category below ``parent``."""

    parent: Path
    route: Route
    remote: RemoteTarget | None = None
    cached: Cached = Cached.ANY
    proxy: str | None = None

    def __call__(self, name: str) -> Destination:
        """Return the destination of a subfolder."""
        directory = str(self.parent / name)
        return Destination(name, directory, self.route, self.remote, self.cached, self.proxy)
