"""config.yaml to settings: what is taken, what is refused, and how it is said."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from offcloud_watchd.config import Config, default_state_dir, find_path, load
from offcloud_watchd.core.model import Destination, RemoteTarget, Route
from offcloud_watchd.errors import ConfigError

ENV = {"HOME": "/home/someone"}
ARR = "{name: sonarr, url: 'http://nas:8989/tv', api_key_file: /k"
GOOD = "output_dir: /srv/out\nfolders: [{path: /srv/drop/tv}]\n"

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a way to write config.yaml."""

    def write(text: str | bytes) -> Path:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def refused(path: Path, env: dict[str, str] = ENV) -> list[str]:
    """Return all problems of a file."""
    with pytest.raises(ConfigError) as caught:
        load(path, env)
    return caught.value.problems


def settings(path: Path) -> Config:
    """Load a good file."""
    return load(path, ENV)


def test_the_least_that_is_needed(write: Write) -> None:
    """Two keys are enough; everything else has its default."""
    config = settings(write(GOOD))
    folder = config.folders[0]
    assert (folder.category, folder.rescan_s, folder.settle_s, folder.after) == ("tv", 30, 2, "archive")
    assert config.directory_of(folder) == Path("/srv/out/tv")
    assert config.state_dir == Path("/home/someone/.local/state/offcloud-watchd")
    assert (config.offcloud.poll.min_s, config.offcloud.poll.max_s) == (5, 300)
    assert (config.offcloud.auth, config.offcloud.base_url) == ("bearer", "https://offcloud.com")
    assert (config.offcloud.requests_per_minute, config.offcloud.history_lag_s) == (120, 150)
    assert (config.fetch.jobs, config.fetch.connections, config.fetch.segment_bytes) == (3, 8, 64 * 2**20)
    assert (config.fetch.min_free_bytes, config.fetch.min_rate_bytes_per_s) == (5 * 2**30, 1024)
    assert (config.fetch.file_mode, config.fetch.dir_mode) == (0o664, 0o2775)
    assert (config.web.listen, config.web.allowed_hosts) == ("127.0.0.1:8697", ("localhost",))
    assert (config.log.level, config.log.format) == ("info", "auto")
    assert config.notify.on == ("published", "failed", "blocked")


def test_what_is_written_wins(write: Write) -> None:
    """Every kind of value is taken in the way people write it."""
    config = settings(
        write(
            "offcloud:\n"
            "  api_key_env: THE_KEY\n  auth: query\n  base_url: http://127.0.0.1:8698/\n"
            "  poll: {min: 100ms, max: 1h}\n  proxy: http://user:pw@proxy:3128\n  history_lag: 1.5m\n"
            "output_dir: out\nstate_dir: ~/state\n"
            "folders:\n"
            "  - {path: ../drop, category: TV shows, output: /mnt/tv, subfolders: category, watch: poll,\n"
            "     rescan: 1d, settle: 0s, after: delete}\n"
            'fetch: {segment: 0, min_free: 1.5GiB, min_rate: 10MiB/s, file_mode: "0640", group: media}\n'
            "web: {listen: null, password_file: pw}\n"
            "log: {level: debug, format: json}\n"
        )
    )
    here = Path(os.path.realpath(write(GOOD).parent))
    folder = config.folders[0]
    assert config.offcloud.base_url == "http://127.0.0.1:8698"
    assert (config.offcloud.poll.min_s, config.offcloud.poll.max_s) == (0.1, 3600)
    assert config.offcloud.history_lag_s == 90
    assert config.output_dir == here / "out"
    assert config.state_dir == Path("/home/someone/state")
    assert folder.path == here.parent / "drop"
    assert (folder.category, folder.rescan_s, folder.settle_s) == ("TV shows", 86400, 0)
    assert config.directory_of(folder) == Path("/mnt/tv")
    assert config.directory_of(folder, "anime") == Path("/mnt/anime"), "beside the folder's own output"
    assert config.directory_for("TV shows") == Path("/mnt/tv")
    assert config.directory_for("other") == here / "out/other"
    assert config.default_category == "TV shows"
    assert (config.fetch.segment_bytes, config.fetch.min_free_bytes) == (0, 3 * 2**29)
    assert config.web.listen is None


def test_fault_110_every_problem_in_one_run(write: Write) -> None:
    """Fault 110: YAML's surprises, unknown keys and wrong types come out together, in the file's order."""
    text = (
        "offcloud:\n"
        "  auth: quer\n"
        "  api_key: abc\n"
        "outputdir: /srv/out\n"
        "folders:\n"
        "  - path: /srv/drop\n"
        "    rescan: on\n"
        "    setle: 3s\n"
        "  - path: [1]\n"
        "fetch:\n"
        "  file_mode: 0755\n"
        '  jobs: "3"\n'
        "  jobs: 4\n"
        "  min_free: 5GB\n"
        "log: *x\n"
        "listen: null\n"
    )
    assert refused(write(text)) == [
        "config.yaml:1:1: output_dir: is required",
        "config.yaml:2:9: offcloud.auth: must be one of bearer, query or login",
        (
            "config.yaml:3:3: offcloud.api_key: a key never stands in this file: put it in another one "
            "and name that in offcloud.api_key_file"
        ),
        "config.yaml:4:1: outputdir: unknown key; did you mean output_dir?",
        (
            "config.yaml:7:13: folders[0].rescan: some YAML readers take this word for true or false; "
            "write true or false, or put it in quotes"
        ),
        "config.yaml:8:5: folders[0].setle: unknown key; did you mean settle?",
        "config.yaml:9:11: folders[1].path: must be a path; put it in quotes",
        (
            "config.yaml:11:14: fetch.file_mode: YAML takes a leading zero for base 8; put it in quotes, "
            'such as "0664"'
        ),
        "config.yaml:12:9: fetch.jobs: must be a whole number",
        "config.yaml:13:3: fetch.jobs: given twice; the first one is on line 12",
        (
            "config.yaml:14:13: fetch.min_free: must be a size with its unit (B, KiB, MiB, GiB, TiB), "
            "such as 5GiB; did you mean GiB?"
        ),
        "config.yaml:15:6: log: aliases (*name) are not used here: write the value out",
        "config.yaml:16:1: listen: unknown key here; it belongs at web.listen",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("zzz: 1", "3:1: zzz: unknown key; valid here: arr, engines, fetch, folders"),
        ("Log: {}", "3:1: Log: unknown key; did you mean log?"),
        ("fetch: {log: {}}", "3:9: fetch.log: unknown key here; it belongs at log"),
        ("fetch: {dir-mode: x}", "3:9: fetch.dir-mode: unknown key; did you mean dir_mode?"),
        ("offcloud: {poll: {minn: 1s}}", "3:19: offcloud.poll.minn: unknown key; did you mean min?"),
        ("offcloud: {key: x}", "3:12: offcloud.key: a key never stands in this file"),
        ('"a\\u202eb": 1', "3:1: a?b: unknown key; valid here"),
        ("offcloud: text", "3:11: offcloud: must hold keys"),
        ("offcloud: null", "3:11: offcloud: must hold keys"),
        ("offcloud: {proxy: 5}", "3:19: offcloud.proxy: must be env, or an address"),
        ("offcloud: {proxy: 'http://SECRET@'}", "3:19: offcloud.proxy: must be env, or an address"),
        ("offcloud: {base_url: 'ftp://x'}", "3:22: offcloud.base_url: must be an address"),
        ("offcloud: {base_url: 'http://x:SECRET'}", "3:22: offcloud.base_url: must be an address"),
        ("offcloud: {base_url: 'https://a:SECRET@x'}", "3:22: offcloud.base_url: may hold no user"),
        ("offcloud: {base_url: 'https://x/?key=SECRET'}", "3:22: offcloud.base_url: may hold no user"),
        ('offcloud: {base_url: "https://x\\n/"}', "3:22: offcloud.base_url: must be an address"),
        ("offcloud: {base_url: 'http://example.com'}", "3:22: offcloud.base_url: must begin with https"),
        ("offcloud: {base_url: 7}", "3:22: offcloud.base_url: must be an address"),
        (
            "offcloud: {poll: {min: 10s, max: 5s}}",
            "3:18: offcloud.poll: min must be at least 50ms and at most",
        ),
        ("offcloud: {requests_per_minute: 0}", "3:33: offcloud.requests_per_minute: must be at least 1"),
        (
            "offcloud: {requests_per_minute: 1000001}",
            "3:33: offcloud.requests_per_minute: must be at most 1000000",
        ),
        (
            "offcloud: {requests_per_minute: 1.5}",
            "3:33: offcloud.requests_per_minute: must be a whole number",
        ),
        (
            "offcloud: {api_key_env: SEC-RET}",
            "3:25: offcloud.api_key_env: must be the name of an environment",
        ),
        (
            "offcloud: {api_key_file: a, api_key_env: B}",
            "3:11: offcloud: api_key_file and api_key_env are both",
        ),
        ("offcloud: {auth: login}", "3:11: offcloud: auth: login needs username and password_file"),
        (
            "offcloud: {password_file: p}",
            "3:11: offcloud: username and password_file are for auth: login, and this is auth: bearer",
        ),
        ("offcloud: {username: ' '}", "3:22: offcloud.username: must be the e-mail address"),
        ('offcloud: {username: "a\\nb"}', "3:22: offcloud.username: must be the e-mail address"),
        ("offcloud: {password: x}", "3:12: offcloud.password: a password never stands in this file"),
        ("offcloud: {history_lag: 150}", "3:25: offcloud.history_lag: must be a duration with its unit"),
        ("offcloud: {history_lag: 5w}", "3:25: offcloud.history_lag: must be a duration with its unit"),
        ("offcloud: {stall: 9m}", "3:11: offcloud: stall must be at least 10m, or null"),
        ("offcloud: {history_lag: 500d}", "3:25: offcloud.history_lag: is too long"),
        ("fetch: {min_free: 9999999TiB}", "3:19: fetch.min_free: is larger than any disk"),
        ("fetch: {min_free: 5}", "3:19: fetch.min_free: must be a size with its unit"),
        ("fetch: {min_free: 5gib}", "did you mean GiB?"),
        ("fetch: {min_free: false}", "3:19: fetch.min_free: must be a size with its unit"),
        ("fetch: {min_rate: 10MiB}", "3:19: fetch.min_rate: must be a rate with its unit"),
        ("fetch: {min_rate: 0B/s}", "3:19: fetch.min_rate: must be more than nothing"),
        ("fetch: {file_mode: '0999'}", "3:20: fetch.file_mode: must be a mode in quotes"),
        ("fetch: {file_mode: 664}", "3:20: fetch.file_mode: must be a mode in quotes"),
        ("fetch: {file_mode: '0444'}", "3:8: fetch: file_mode must let the owner read and write"),
        ("fetch: {file_mode: '4664'}", "3:8: fetch: file_mode must let the owner read and write"),
        ("fetch: {dir_mode: '0600'}", "3:8: fetch: dir_mode must let the owner read, write and enter"),
        ("fetch: {group: ''}", "3:16: fetch.group: may not be empty"),
        ("fetch: {jobs: true}", "3:15: fetch.jobs: must be a whole number"),
        ("fetch: {extract: 1}", "3:18: fetch.extract: must be true or false"),
        ("web: {listen: 8697}", "3:15: web.listen: must be HOST:PORT"),
        ("web: {listen: 'localhost:99999'}", "3:15: web.listen: must be HOST:PORT"),
        (
            "web: {listen: '0.0.0.0:80'}",
            "3:6: web: password_file is required as soon as listen is not loopback",
        ),
        ("web: {listen: 'host:80'}", "3:6: web: password_file is required"),
        ("web: {sabnzbd: true}", "3:6: web: sabnzbd needs password_file"),
        ("web: {allowed_hosts: localhost}", "3:22: web.allowed_hosts: must be a list"),
        ("web: {allowed_hosts: [1]}", "3:23: web.allowed_hosts[0]: must be text"),
        (f"arr: [{ARR}, categories: []}}]", "arr[0].categories: must name at least one"),
        (f"arr: [{ARR}, categories: [a//b]}}]", "arr[0].categories[0]: a category may not be empty"),
        ("arr: [{url: 'ftp://SECRET'}]", "3:13: arr[0].url: must be an address such as"),
        ("arr: [{url: 'http://me:SECRET@nas'}]", "3:13: arr[0].url: may hold no user, password"),
        ("notify: {on: [publishe]}", "3:15: notify.on[0]: must be one of published, failed or blocked"),
        ("notify: {command: 'tell me'}", "3:19: notify.command: must be the absolute path of a program"),
        ("notify: {command: '/bin/tell \"SECRET'}", "3:19: notify.command: must be the absolute path"),
        ("notify: {command: [/bin/true]}", "3:19: notify.command: must be the absolute path"),
        ("notify: {webhook: 'ftp://SECRET'}", "3:19: notify.webhook: must be an address such as"),
        ("log: {level: loud}", "3:14: log.level: must be one of debug, info, warning or error"),
        ("state_dir: ''", "3:12: state_dir: must be a path"),
        ('state_dir: "a\\nb"', "3:12: state_dir: must be a path without control characters"),
        ("engines: {x: {}}", "3:11: engines.x: unknown key; valid here: aria2, rclone"),
    ],
)
def test_one_problem_is_said_at_its_place(write: Write, line: str, problem: str) -> None:
    """Each rule has its sentence and its place; no sentence repeats a value."""
    problems = refused(write(GOOD + line + "\n"))
    assert any(problem in one for one in problems), problems
    assert "SECRET" not in str(problems)
    assert "SEC-RET" not in str(problems)


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ("{}", "folders[0].path: is required"),
        ("{path: null}", "folders[0].path: must be a path"),
        ("{path: /srv/.hidden}", "folders[0]: the folder's own name cannot be its category: set category"),
        ("{path: /}", "folders[0]: the folder's own name cannot be its category"),
        ("{path: /srv/d, category: a/b}", "folders[0].category: a category names a directory"),
        ("{path: /srv/d, category: .a}", "folders[0].category: a category names a directory"),
        (
            "{path: /srv/d, category: ' a'}",
            "folders[0].category: a category may not begin or end with a space",
        ),
        ("{path: /srv/d, category: ''}", "folders[0].category: must be text"),
        ("{path: /srv/d, category: 2026}", "folders[0].category: must be text; put it in quotes"),
        ('{path: /srv/d, category: "a\\u202e"}', "folders[0].category: a category may not hold control"),
        (
            "{path: /srv/d, category: " + "x" * 101 + "}",
            "folders[0].category: a category may be 100 bytes long",
        ),
        ("{path: /srv/d, rescan: 1ms}", "folders[0].rescan: must be at least 0.05"),
        ("{path: ~nobody/d, route: cloudy}", "folders[0].route: must be one of cloud, instant or remote"),
    ],
)
def test_one_problem_of_a_folder(write: Write, keys: str, problem: str) -> None:
    """A drop folder's keys are checked one by one."""
    problems = refused(write(f"output_dir: /o\nfolders:\n  - {keys}\n"))
    assert any(problem in one for one in problems), problems


def test_an_engine_is_set_up_before_a_folder_uses_it(write: Write) -> None:
    """Its address, where its secret lies, and how it calls our directories."""
    drop = "output_dir: /o\nfolders: [{path: /d, engine: aria2}]\n"
    (problem,) = refused(write(drop))
    assert problem == "config.yaml:2:30: folders[0].engine: engine aria2 needs engines.aria2: {url: ...}"
    aria2 = "{url: 'http://nas:6800/jsonrpc', secret_file: s, paths: {/o: /mnt/o, x: 'D:\\x'}}"
    given = write(f"{drop}engines: {{aria2: {aria2}}}\n")
    engine = settings(given).engines.aria2
    assert engine is not None
    assert (engine.url, engine.secret_file) == ("http://nas:6800/jsonrpc", given.parent / "s")
    assert engine.paths == {Path("/o"): "/mnt/o", given.parent / "x": "D:\\x"}


@pytest.mark.parametrize(
    ("aria2", "said"),
    [
        ("{}", "engines.aria2.url: is required"),
        ("{url: nas}", "engines.aria2.url: must be an address such as http://localhost:6800/jsonrpc"),
        ("{url: 'http://u:p@nas'}", "may hold no user, password, ? or #"),
        ("{url: 'http://nas/?token=x'}", "may hold no user, password, ? or #"),
        ("{url: 'http://nas', secret: x}", "engines.aria2.secret: unknown key; did you mean secret_file?"),
        ("{url: 'http://nas', paths: {/o: ''}}", "must be a path on the other machine"),
        ('{url: "http://nas", paths: {/o: "a\\tb"}}', "must be a path without control characters"),
        ("{url: 'http://nas', paths: [x]}", "must hold keys"),
    ],
)
def test_an_engine_that_is_set_up_wrongly_is_refused(write: Write, aria2: str, said: str) -> None:
    """By the place in the file; no secret is repeated."""
    (problem,) = refused(write(GOOD + f"engines: {{aria2: {aria2}}}\n"))
    assert said in problem
    assert "u:p" not in problem


@pytest.mark.parametrize(
    ("rclone", "said"),
    [
        ("{url: 'http://nas'}", "engines.rclone.remote: is required"),
        (
            "{url: 'http://nas', remote: media}",
            "must be a remote and a directory there, such as gdrive:media",
        ),
        ('{url: "http://nas", remote: "g:\\t"}', "must be a remote and a directory there"),
        ("{url: 'http://nas', remote: ':webdav,pass=SECRET:media'}", "may hold no options of a connection"),
        ("{url: 'http://nas', remote: 'g,pass=SECRET:media'}", "may hold no options of a connection"),
        ("{url: 'http://nas', remote: 'g:', user: u}", "user and password_file belong together"),
        ("{url: 'http://nas', remote: 'g:', password: x}", "unknown key"),
    ],
)
def test_an_rclone_that_is_set_up_wrongly_is_refused(write: Write, rclone: str, said: str) -> None:
    """By the place in the file."""
    (problem,) = refused(write(GOOD + f"engines: {{rclone: {rclone}}}\n"))
    assert said in problem
    assert "SECRET" not in problem


def test_a_remote_stands_for_the_output_directory(write: Write) -> None:
    """So what it holds lies below that; how the remote is written does not matter."""
    engines = "engines: {rclone: {url: 'http://nas:5572/', remote: 'gdrive:media/'}}\n"
    folders = "folders: [{path: /d, output: /elsewhere/tv, engine: rclone}]\n"
    (problem,) = refused(write(f"output_dir: /o\n{folders}{engines}"))
    assert problem.endswith("/elsewhere/tv is not below output_dir, /o, which the remote stands for")
    given = write(f"output_dir: /o\nfolders: [{{path: /d, engine: rclone}}]\n{engines}")
    engine = settings(given).engines.rclone
    assert engine is not None
    assert (engine.url, engine.remote) == ("http://nas:5572", "gdrive:media")


def test_a_directory_has_one_engine(write: Write) -> None:
    """Two folders of one category, or whose subfolders lie side by side; and nothing comes home from afar."""
    engines = "engines: {aria2: {url: 'http://nas'}}\n"
    folders = "[{path: /d, category: tv}, {path: /e, category: tv, engine: aria2}]"
    (problem,) = refused(write(f"output_dir: /o\nfolders: {folders}\n{engines}"))
    assert problem.endswith("/o/tv is fetched by aria2 here, by local above; it has one engine")
    folders = "[{path: /d, subfolders: category}, {path: /e, subfolders: category, engine: aria2}]"
    (problem,) = refused(write(f"output_dir: /o\nfolders: {folders}\n{engines}"))
    assert problem.endswith("/o/* is fetched by aria2 here, by local above; it has one engine")
    folders = "[{path: /d, route: remote, remote: {account: x}, engine: aria2}]"
    (problem,) = refused(write(f"output_dir: /o\nfolders: {folders}\n{engines}"))
    assert problem.endswith("engine is for what comes home, and this folder has route: remote")


def test_what_does_not_go_with_a_shared_folder_is_refused(write: Write) -> None:
    """Transfers nobody can tell apart, and requests that one host would take from another."""
    folder = "path: /d, shared: true"
    (problem,) = refused(
        write(f"output_dir: /o\nfolders: [{{{folder}, route: remote, remote: {{account: x}}}}]\n")
    )
    assert "folders[0]: shared: true does not go with route: remote" in problem
    (problem,) = refused(write(f"output_dir: /o\noffcloud: {{remove: published}}\nfolders: [{{{folder}}}]\n"))
    assert "folders[0].shared: does not go with offcloud.remove: published" in problem
    config = settings(write(f"output_dir: /o\nfolders: [{{{folder}, lease: 90s, watch: events}}]\n"))
    assert (config.folders[0].shared, config.folders[0].lease_s) == (True, 90.0)


def test_route_remote_names_what_it_needs(write: Write) -> None:
    """The account; and an account that no route uses is no help to anybody."""
    (problem,) = refused(write("output_dir: /o\nfolders: [{path: /d, route: remote}]\n"))
    assert problem.endswith("folders[0]: route: remote needs remote: {account: ...}")
    (problem,) = refused(write("output_dir: /o\nfolders: [{path: /d, remote: {account: x}}]\n"))
    assert problem.endswith("folders[0]: remote is for route: remote, and this folder has route: cloud")
    given = write("output_dir: /o\nfolders: [{path: /d, route: remote, remote: {account: x, folder: f}}]\n")
    config = settings(given)
    assert config.destination_of(config.folders[0]) == Destination(
        "d", "/o/d", Route.REMOTE, RemoteTarget("x", "f")
    )
    assert config.destination_for("d") == config.destination_of(config.folders[0])
    assert config.destination_for("new") == Destination("new", "/o/new")


def test_a_proxy_belongs_to_the_route_that_gives_links(write: Write) -> None:
    """Nothing else goes through it; it is named as a person likes."""
    (problem,) = refused(write("output_dir: /o\nfolders: [{path: /d, proxy: EU}]\n"))
    assert problem.endswith("folders[0]: proxy is for route: instant, and this folder has route: cloud")
    (problem,) = refused(write("output_dir: /o\nfolders: [{path: /d, route: instant, proxy: ''}]\n"))
    assert "folders[0].proxy: " in problem
    config = settings(write("output_dir: /o\nfolders: [{path: /d, route: instant, proxy: EU}]\n"))
    assert config.destination_for("d") == Destination("d", "/o/d", Route.INSTANT, proxy="EU")


def test_defaults_of_missing_features_may_be_written_out(write: Write) -> None:
    """The example holds every key, so the defaults must be taken."""
    settings(
        write(GOOD + "arr: []\nengines: {}\nnotify: {command: null}\nfetch: {include: [], extract: false}\n")
    )


@pytest.mark.parametrize("listen", ["localhost:80", "127.0.0.1:0", "'[::1]:80'", "unix:/run/x.sock", "null"])
def test_loopback_needs_no_password(write: Write, listen: str) -> None:
    """Only what others can reach must be guarded."""
    settings(write(GOOD + f"web: {{listen: {listen}}}\n"))


def test_reachable_with_a_password_file(write: Write) -> None:
    """With a password the server may listen anywhere."""
    settings(write(GOOD + "web: {listen: '0.0.0.0:80', password_file: /pw}\n"))


@pytest.mark.parametrize("proxy", ["env", "http://p:1", "null"])
def test_a_proxy_is_taken(write: Write, proxy: str) -> None:
    """The environment's, one of its own, or none."""
    assert settings(write(GOOD + f"offcloud: {{proxy: {proxy}}}\n")).offcloud.proxy in (
        "env",
        "http://p:1",
        None,
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_names_what_is_required(write: Write, text: str) -> None:
    """Nothing written is the same as no key written."""
    assert refused(write(text)) == [
        "config.yaml:1:1: folders: is required",
        "config.yaml:1:1: output_dir: is required",
    ]


def test_no_folder_at_all(write: Write) -> None:
    """A daemon that watches nothing was not meant."""
    assert refused(write("output_dir: /o\nfolders: []\n")) == [
        "config.yaml:2:10: folders: must name at least one"
    ]


@pytest.mark.parametrize("text", ["- a\n", "text\n", "5\n"])
def test_a_file_that_holds_no_keys(write: Write, text: str) -> None:
    """A list or a word is no configuration."""
    assert refused(write(text)) == ["config.yaml:1:1: must hold keys, one on each line, indented"]


def test_broken_yaml_stops_before_the_values(write: Write) -> None:
    """What cannot be read is not judged any further."""
    assert refused(write("a: [\n")) == ["config.yaml:2:1: a quote or a bracket is opened and never closed"]


def test_fault_110_ten_megabytes(write: Write) -> None:
    """Fault 110: more than 256 KiB is not even parsed."""
    path = write(b"#" * 10_000_000)
    assert refused(path) == [f"config.yaml: is larger than 256KiB; is it the right file? {path}"]


def test_exactly_the_limit_is_read(write: Write) -> None:
    """The cap is the last size that is taken."""
    settings(write(GOOD.encode() + b"#" * (256 * 1024 - len(GOOD))))


def test_not_utf_8(write: Write, tmp_path: Path) -> None:
    """Another encoding is named with its place; a byte order mark is nothing special."""
    assert refused(write(b"a: 1\nb: \xff\n")) == [
        f"config.yaml:2:4: not UTF-8; save the file in that encoding: {tmp_path}/config.yaml"
    ]
    settings(write(b"\xef\xbb\xbf" + GOOD.encode()))


def test_no_file_no_directory_no_fifo(tmp_path: Path) -> None:
    """What is not a file is refused at once; a FIFO does not hang the start."""
    os.mkfifo(tmp_path / "fifo")
    for name, word in (
        ("absent", "No such file"),
        (".", "not a regular file"),
        ("fifo", "not a regular file"),
    ):
        (problem,) = refused(tmp_path / name)
        assert word in problem
        assert str(tmp_path) in problem
    assert f"offcloud-watchd config example > {tmp_path}/absent" in refused(tmp_path / "absent")[0]


def test_the_whole_path_is_in_a_note(write: Write) -> None:
    """The lines hold the file's name; which of four possible files it was stands in the note."""
    path = write("a: 1")
    with pytest.raises(ConfigError) as caught:
        load(path, ENV)
    assert caught.value.__notes__ == [f"read from {path}"]


def test_nothing_can_be_changed(write: Write) -> None:
    """Settings are frozen."""
    with pytest.raises(ValueError, match="frozen"):
        settings(write(GOOD)).log.level = "debug"  # type: ignore[misc] # that is the point


def test_a_problem_found_later_still_knows_its_line(write: Write) -> None:
    """Whoever finds something wrong with a setting can say where it stands."""
    config = settings(write(GOOD))
    assert config.located("folders[0].path", "is gone") == "config.yaml:2:18: folders[0].path: is gone"
    assert config.located("fetch.group", "unknown") == "config.yaml:1:1: fetch.group: unknown"


# --- the environment ---------------------------------------------------------------------------------------


def test_which_file_is_read(tmp_path: Path) -> None:
    """Argument, variable, the user's own where it exists and the user is not root, else /etc."""
    own = tmp_path / "offcloud-watchd" / "config.yaml"
    env = {"XDG_CONFIG_HOME": str(tmp_path), "OFFCLOUD_WATCHD_CONFIG": "/named.yaml"}
    assert find_path(Path("given"), env) == Path("given")
    assert find_path(None, env) == Path("/named.yaml")
    del env["OFFCLOUD_WATCHD_CONFIG"]
    system = Path("/etc/offcloud-watchd/config.yaml")
    assert find_path(None, env, user_id=1000) == system
    own.parent.mkdir()
    own.touch()
    assert find_path(None, env, user_id=1000) == own
    assert find_path(None, env, user_id=0) == system
    assert find_path(None, {}, user_id=1000) == system
    assert find_path(None, {}) == system


def test_the_users_own_file_without_xdg(tmp_path: Path) -> None:
    """Without $XDG_CONFIG_HOME, and with one that is not absolute, it is ~/.config."""
    own = tmp_path / ".config" / "offcloud-watchd" / "config.yaml"
    own.parent.mkdir(parents=True)
    own.touch()
    assert find_path(None, {"HOME": str(tmp_path)}, user_id=1) == own
    assert find_path(None, {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "rel"}, user_id=1) == own


def test_where_the_state_lies() -> None:
    """The service manager's first directory, else XDG's, else below the home directory, else nowhere."""
    xdg = {"XDG_STATE_HOME": "/xdg", "HOME": "/h"}
    assert default_state_dir({"STATE_DIRECTORY": "/var/lib/a:/var/lib/b", **xdg}) == Path("/var/lib/a")
    assert default_state_dir(xdg) == Path("/xdg/offcloud-watchd")
    assert default_state_dir({"HOME": "/h"}) == Path("/h/.local/state/offcloud-watchd")
    assert default_state_dir({}) is None


def test_no_home_no_state_and_no_tilde(write: Write) -> None:
    """Where the environment tells nothing, the file must."""
    problems = refused(write("output_dir: ~/out\nfolders: [{path: ~}]\n"), {})
    assert [problem.partition(": ")[2] for problem in problems] == [
        "state_dir: has no default here ($STATE_DIRECTORY and $HOME are not set): write it out",
        "output_dir: begins with ~ but there is no home directory here: write the whole path",
        "folders[0].path: must be a path; put it in quotes",
    ]


def test_paths_are_cleaned_by_name(write: Write) -> None:
    """Dots and doubled slashes go; the root stays the root."""
    config = settings(write("output_dir: //srv/./a/../out\nfolders: [{path: /../../drop/x/}]\n"))
    assert config.output_dir == Path("/srv/out")
    assert config.folders[0].path == Path("/drop/x")


def test_a_command_is_split_as_a_shell_would_and_no_more(write: Write) -> None:
    """Quotes hold words together; variables, pipes and stars are words like others."""
    config = load(write(GOOD + "notify: {command: '/bin/tell \"a b\" $HOME | *'}\n"), ENV)
    assert config.notify.command == ("/bin/tell", "a b", "$HOME", "|", "*")
