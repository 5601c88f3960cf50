"""From the settings to what each adapter is told; and the one holder of the key."""

from __future__ import annotations

import grp
import math
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd import wiring
from offcloud_watchd.config import Config, load
from offcloud_watchd.core.model import Destination, RemoteTarget, Removal, Route
from offcloud_watchd.errors import BadDrop
from offcloud_watchd.key import KeySource
from offcloud_watchd.watch import After, SpooledFiles, SpooledTorrents, Uploading, WatchMode

Configure = Callable[..., Config]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Return a function that loads a configuration with some lines in it."""
    for folder in ("drop", "films"):
        (tmp_path / folder).mkdir()
    key = tmp_path / "key"
    key.write_text("first-key-0123456789\n")
    key.chmod(0o600)

    def configured(
        offcloud: str = "",
        fetch: str = "",
        folders: str = "[{path: drop, category: tv}, {path: films}]",
        arr: str = "[]",
        engines: str = "{}",
    ) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(
            f"offcloud: {{api_key_file: key{offcloud}}}\noutput_dir: out\nstate_dir: state\n"
            f"folders: {folders}\nfetch: {{{fetch}}}\narr: {arr}\nengines: {engines}\n"
        )
        return load(path, {})

    return configured


def test_patience_comes_from_the_settings(configure: Configure) -> None:
    """Polls, the history's lag and when to give up are the operator's, the rest is ours."""
    policy = wiring.policy(
        configure(", poll: {min: 2s, max: 9s}, history_lag: 4s, stall: 2h, requests_per_minute: 7")
    )
    assert (policy.poll_min_s, policy.poll_max_s, policy.history_lag_s) == (2.0, 9.0, 4.0)
    assert (policy.stall_s, policy.requests_per_minute) == (7200.0, 7)
    assert wiring.policy(configure(", stall: null")).stall_s == math.inf
    assert policy.remove is Removal.NEVER
    assert wiring.policy(configure(", remove: published")).remove is Removal.PUBLISHED
    assert wiring.policy(configure(", remove: imported")).remove is Removal.IMPORTED


def test_who_is_told_how_jobs_end(configure: Configure) -> None:
    """The tool hears of its categories, and a failure in one of them is to be reported."""
    assert wiring.policy(configure("")).reported == frozenset()
    tool = "{name: sonarr, url: 'http://nas:8989/', api_key_file: k, categories: [tv, tv/4k]}"
    config = configure(arr=f"[{tool}]")
    [settings] = wiring.tool_settings(config)
    assert (settings.name, settings.url, settings.categories) == (
        "sonarr",
        "http://nas:8989",
        ("tv", "tv/4k"),
    )
    assert wiring.policy(config).reported == {"tv", "tv/4k"}


def test_who_moves_the_bytes(configure: Configure, tmp_path: Path) -> None:
    """Each output directory has its engine, subfolders' ones too; it is reached as the settings say."""
    folders = (
        "[{path: drop, category: tv, engine: aria2, subfolders: category, output: nas/tv}, {path: films}]"
    )
    aria2 = "{aria2: {url: 'http://nas:6800/jsonrpc', secret_file: s, paths: {nas: /volume1}}}"
    config = configure(folders=folders, engines=aria2)
    choice = wiring.shelf_settings(config).engines
    nas, out = tmp_path / "nas", tmp_path / "out"
    directories = (nas / "tv", nas / "kids", out / "films", out / "new")
    assert [choice.of(str(one)) for one in directories] == ["aria2", "aria2", "local", ""]
    settings = wiring.engine_settings(config).aria2
    assert settings is not None
    assert (settings.url, settings.secret_file) == ("http://nas:6800/jsonrpc", tmp_path / "s")
    assert settings.secret_setting == "config.yaml:7:64: engines.aria2.secret_file"
    assert settings.paths == ((str(nas), "/volume1"),)
    assert wiring.engine_settings(configure()).aria2 is None


def test_what_lies_on_a_remote(configure: Configure, tmp_path: Path) -> None:
    """It needs no directory here; the remote stands for the output directory."""
    rclone = "{rclone: {url: 'http://nas:5572', user: u, password_file: p, remote: 'gdrive:media'}}"
    config = configure(folders="[{path: drop, category: tv, engine: rclone}]", engines=rclone)
    assert wiring.shelf_settings(config).outputs == ()
    assert wiring.shelf_settings(config).engines.only == "rclone"
    settings = wiring.engine_settings(config).rclone
    assert settings is not None
    assert (settings.remote, settings.output_dir) == ("gdrive:media", str(tmp_path / "out"))
    assert (settings.user, settings.password_file) == ("u", tmp_path / "p")
    assert settings.notes_dir == tmp_path / "state" / "rclone"
    both = configure(folders="[{path: drop, category: tv, engine: rclone}, {path: films}]", engines=rclone)
    assert wiring.shelf_settings(both).outputs == (str(tmp_path / "out" / "films"),)
    assert wiring.shelf_settings(both).engines.only == ""


def test_the_account_is_reached_as_the_settings_say(configure: Configure) -> None:
    """Address, way of the key, pace and proxy reach the client; the key itself is asked for each time."""
    config = configure(
        ", base_url: 'http://127.0.0.1:1', auth: query, requests_per_minute: 7, proxy: 'http://p.invalid:3128'"
    )
    settings = wiring.client_settings(config, KeySource(config.key_place, {}))
    assert (settings.base_url, settings.auth) == ("http://127.0.0.1:1", "query")
    assert (settings.requests_per_minute, settings.proxy) == (7, "http://p.invalid:3128")
    assert settings.read_key() == "first-key-0123456789"


def test_a_login_is_a_name_and_what_lies_in_its_file(configure: Configure, tmp_path: Path) -> None:
    """What the service gives for it is hidden from the log, like the password itself."""
    (tmp_path / "password").write_text("correct horse\n")
    (tmp_path / "password").chmod(0o600)
    config = configure(", auth: login, username: a@b.c, password_file: password")
    keys = KeySource(config.key_place, {})
    settings = wiring.client_settings(config, keys)
    assert (settings.auth, settings.username, settings.read_key()) == ("login", "a@b.c", "correct horse")
    settings.on_secret("cookie")
    assert keys.given() == ["correct horse", "cookie"]


def test_drop_folders_reach_the_watcher(configure: Configure, tmp_path: Path) -> None:
    """Each with its destination, its times and what becomes of its drops."""
    settings = wiring.watch_settings(
        configure(
            folders="[{path: drop, category: tv, watch: poll, rescan: 9s, settle: 3s, after: delete}, "
            "{path: films, subfolders: category, output: elsewhere/films}]"
        )
    )
    first, second = settings.folders
    assert first.path == tmp_path / "drop"
    assert first.destination == Destination("tv", str(tmp_path / "out" / "tv"))
    assert (first.watch, first.rescan_s, first.settle_s, first.after) == (WatchMode.POLL, 9, 3, After.DELETE)
    assert first.subfolder_destination is None
    assert second.subfolder_destination is not None
    assert second.subfolder_destination("kids") == Destination("kids", str(tmp_path / "elsewhere" / "kids"))
    assert settings.state_dir == tmp_path / "state"
    assert settings.spool_dir == tmp_path / "state" / "spool"


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        (None, ("tv", "out/tv", Route.INSTANT)),
        ("films", ("films", "elsewhere", Route.CLOUD)),
        ("new", ("new", "out/new", Route.CLOUD)),
    ],
)
def test_what_is_added_goes_where_a_drop_of_its_category_goes(
    configure: Configure, tmp_path: Path, category: str | None, expected: tuple[str, str, Route]
) -> None:
    """Same directory, same route; a category without a folder gets a directory of its own."""
    config = configure(folders="[{path: drop, category: tv}, {path: films, output: elsewhere}]")
    first, second = config.folders
    routed = config.model_copy(update={"folders": (first.model_copy(update={"route": "instant"}), second)})
    settings = wiring.watch_settings(routed)
    name, directory, route = expected
    assert settings.destination_for(category) == Destination(name, str(tmp_path / directory), route)


@pytest.mark.parametrize("category", ["..", "a/../b", ".hidden", "", "a\nb"])
def test_a_category_that_no_directory_can_carry_is_refused(configure: Configure, category: str) -> None:
    """What comes with a command is checked like what stands in the settings."""
    settings = wiring.watch_settings(configure())
    with pytest.raises(BadDrop, match="category"):
        settings.destination_for(category)


def test_a_remote_account_reaches_the_watcher_and_not_the_shelf(configure: Configure) -> None:
    """What is sent needs no directory here; the subfolders of its folder go to the same account."""
    config = configure(
        folders="[{path: drop, category: tv, route: remote, remote: {account: drive, folder: f}, "
        "subfolders: category}, {path: films}]"
    )
    first, _ = wiring.watch_settings(config).folders
    assert first.destination.way == (Route.REMOTE, RemoteTarget("drive", "f"))
    assert first.subfolder_destination is not None
    assert first.subfolder_destination("kids").way == first.destination.way
    assert wiring.shelf_settings(config).outputs == (str(config.output_dir / "films"),)


def test_a_proxy_reaches_the_watcher(configure: Configure) -> None:
    """For what lies in the folder and in its subfolders."""
    folder = "{path: drop, category: tv, route: instant, proxy: EU, subfolders: category}"
    (first,) = wiring.watch_settings(configure(folders=f"[{folder}]")).folders
    assert first.subfolder_destination is not None
    assert first.destination.proxy == first.subfolder_destination("kids").proxy == "EU"


def test_a_shared_folder_is_polled(configure: Configure) -> None:
    """Whatever is asked for: no event tells of another host's doings."""
    shared = wiring.watch_settings(configure(folders="[{path: drop, watch: events, shared: true}]"))
    alone = wiring.watch_settings(configure(folders="[{path: drop, watch: events}]"))
    assert (shared.folders[0].watch, shared.folders[0].lease_s) == ("poll", 120.0)
    assert (alone.folders[0].watch, alone.folders[0].lease_s) == ("events", None)


def test_the_shelf_knows_every_output_once(configure: Configure, tmp_path: Path) -> None:
    """Two folders of one category share an output; modes and limits are passed on."""
    config = configure(
        fetch="min_free: 3MiB, min_rate: 2KiB/s, file_mode: '0640', dir_mode: '0750'",
        folders="[{path: drop, category: films}, {path: films}]",
    )
    settings = wiring.shelf_settings(config)
    assert settings.outputs == (str(tmp_path / "out" / "films"),)
    assert (settings.min_free_bytes, settings.min_rate_bytes_per_s) == (3 << 20, 2 << 10)
    assert (settings.file_mode, settings.dir_mode, settings.group) == (0o640, 0o750, None)


def test_the_shelf_knows_how_fast_and_what(configure: Configure) -> None:
    """Connections, ranges, the limit by the time of day, the globs, zip files."""
    settings = wiring.shelf_settings(
        configure(
            fetch="connections: 5, segment: 1MiB, rate_limit: 2MiB/s, include: ['*.mkv'], exclude: [sample/],"
            " extract: true, schedule: [{from: '00:00', to: '00:00', rate_limit: 3MiB/s}]"
        )
    )
    assert (settings.connections, settings.connections_per_job, settings.segment_bytes) == (5, 5, 1 << 20)
    assert settings.rate_limit() == 3 << 20
    assert (settings.include, settings.exclude, settings.extract) == (("*.mkv",), ("sample/",), True)


def test_which_torrents_are_handed_over_is_the_operators_choice(configure: Configure) -> None:
    """None by default; they are read where the watcher keeps them."""
    for setting, chosen in (("", Uploading.NEVER), (", torrent_upload: auto", Uploading.AUTO)):
        config = configure(setting)
        spool_dir = wiring.watch_settings(config).spool_dir
        assert wiring.blueprint(config).file_of == SpooledFiles(spool_dir, chosen)


def test_the_shelf_finds_torrents_where_the_watcher_keeps_them(configure: Configure) -> None:
    """What was dropped lies in one spool."""
    config = configure()
    torrents = wiring.shelf_settings(config).torrent_of
    assert torrents == SpooledTorrents(wiring.watch_settings(config).spool_dir)


@pytest.mark.parametrize(
    ("base_url", "allowed"), [("http://127.0.0.1:1", True), ("https://o.invalid", False)]
)
def test_files_come_unencrypted_only_from_a_sandbox(
    configure: Configure, base_url: str, *, allowed: bool
) -> None:
    """Who is spoken to in the clear may hand out links in the clear, nobody else."""
    assert wiring.shelf_settings(configure(f", base_url: '{base_url}'")).allow_http is allowed


def test_a_group_is_named_or_numbered(configure: Configure) -> None:
    """Either becomes the number the kernel wants."""
    name = grp.getgrgid(os.getgid()).gr_name
    assert wiring.shelf_settings(configure(fetch=f"group: '{name}'")).group == os.getgid()
    assert wiring.shelf_settings(configure(fetch="group: '4711'")).group == 4711
