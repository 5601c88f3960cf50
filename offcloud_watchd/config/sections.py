"""The sections of ``config.yaml``: one frozen model for each, with its defaults and their reasons.

Rules of this file:

* A default is written the way a person writes it (``"30s"``) and goes through the same checks as theirs.
* An attribute carries its unit (``settle_s``); its alias is the key in the file (``settle``).
* A field's description is the line that stands beside the key in the example and in the JSON Schema.
* Validators look at values only, never at the disk; ``places.py`` does that.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from offcloud_watchd.config.values import (
    Category,
    Duration,
    EngineUrl,
    FilePath,
    ForeignPath,
    Listen,
    Mode,
    Moment,
    Name,
    NestedCategory,
    ProgramAndArguments,
    Proxy,
    Rate,
    RemotePlace,
    ServiceUrl,
    Size,
    ToolUrl,
    Username,
    VariableName,
    Webhook,
    at_least_one,
    is_loopback,
)
from offcloud_watchd.core.categories import checked_category


class Section(BaseModel):
    """What all sections share: nothing unknown, nothing converted silently, nothing changed later."""

    # Built when first used, the sections share one validator: 2 MiB less for the daemon's whole life.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        validate_default=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


def key(default: Any, why: str, **more: Any) -> Any:
    """Declare a key: its default as a person writes it, and the line beside it in the example."""
    return Field(default, description=why, **more)


def section(model: type[Section], why: str) -> Any:
    """Declare a section that may be left out, and the line beside it in the example."""
    return Field(default_factory=model, description=why)


class Poll(Section):
    """How often a request is asked after: often while it is young, seldom when it is old."""

    min_s: Duration = key("5s", "between two questions about a young request", alias="min")
    max_s: Duration = key("5m", "the same about an old one", alias="max")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.05 <= self.min_s <= self.max_s:
            raise ValueError("min must be at least 50ms and at most max")
        return self


class Offcloud(Section):
    """The account and how it is spoken to."""

    api_key_file: FilePath | None = key(
        None, "mode 0600; or api_key_env, or the systemd credential offcloud-api-key"
    )
    api_key_env: VariableName | None = key(None, "the name of an environment variable that holds the key")
    auth: Literal["bearer", "query", "login"] = key(
        "bearer", "how the key is sent; login: username and password_file instead (classic service)"
    )
    username: Username | None = key(None, "the account's e-mail address; for auth: login")
    password_file: FilePath | None = key(
        None,
        "mode 0600, the account's password; or the systemd credential offcloud-password; for auth: login",
    )
    base_url: ServiceUrl = key("https://offcloud.com", "another address for a sandbox on this machine")
    poll: Poll = section(Poll, "adapts to the age and number of the jobs")
    requests_per_minute: int = key(120, "one budget for everything the program asks", ge=1, le=1_000_000)
    proxy: Proxy | None = key(None, "an address, or env; environment proxies are ignored unless env")
    remove: Literal["never", "published", "imported"] = key(
        "never",
        "our own finished items are deleted from the account once they are safe here (published), or once an "
        "*arr tool has imported them (imported), and then our entry too",
    )
    torrent_upload: Literal["never", "auto", "always"] = key(
        "never",
        "auto: the .torrent itself where it is private or names no tracker (classic service); "
        "else a magnet with every tracker and web seed",
    )
    history_lag_s: Duration = key(
        "150s", "how late a request may show in the account's history", alias="history_lag"
    )
    stall_s: Duration | None = key(
        "24h", "a request in which nothing changes for so long is given up; null: never", alias="stall"
    )

    @model_validator(mode="after")
    def _patient(self) -> Self:
        if self.stall_s is not None and self.stall_s < 600:
            raise ValueError("stall must be at least 10m, or null")
        return self

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.api_key_file is not None and self.api_key_env is not None:
            raise ValueError("api_key_file and api_key_env are both given; keep one of them")
        return self

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if self.auth == "login" and self.username is None:
            raise ValueError("auth: login needs username and password_file")
        if self.auth != "login" and (self.username is not None or self.password_file is not None):
            raise ValueError(f"username and password_file are for auth: login, and this is auth: {self.auth}")
        return self


class Remote(Section):
    """A remote account that the service can fill by itself."""

    account: str = Field(min_length=1, description="its remoteOptionId, accountId, username or type")
    folder: str | None = key(None, "the folderId there")


class Folder(Section):
    """One drop folder and where its releases go."""

    path: FilePath = Field(description="the drop folder")
    given_category: Category | None = key(
        None, "default: the folder's own name; the subfolder's with subfolders: category", alias="category"
    )
    given_output: FilePath | None = key(None, "default: output_dir/<category>", alias="output")
    route: Literal["cloud", "instant", "remote"] = key(
        "cloud", "where the service puts the bytes: its cloud, nowhere (it gives links), a remote account"
    )
    remote: Remote | None = key(
        None, "{account: id, user name or type, folder: id}; required by route: remote"
    )
    proxy: Name | None = key(
        None, "with route: instant, the id, name or region of the service's own server to go through"
    )
    cached: Literal["any", "first", "only"] = key(
        "any", "first: what is cached jumps the queue; only: what is not cached is refused"
    )
    subfolders: Literal["ignore", "category"] = key(
        "ignore", "with category, each subfolder is a category of its own"
    )
    watch: Literal["auto", "events", "poll"] = key(
        "auto", "auto polls on NFS, SMB, FUSE, overlay and past inotify's limits"
    )
    rescan_s: Duration = key(
        "30s", "the folder is looked at this often whatever events say", alias="rescan", ge=0.05
    )
    settle_s: Duration = key("2s", "a file is taken when it was unchanged this long", alias="settle")
    engine: Literal["local", "aria2", "rclone"] = key("local", "who moves the bytes; see engines")
    shared: bool = key(False, "whether several hosts watch this folder; see docs/sharing.md")
    lease_s: Duration = key(
        "2m",
        "with shared, a host that shows no sign of life for so long is dead; the same on all hosts",
        alias="lease",
        ge=1.0,
    )
    after: Literal["archive", "delete"] = key(
        "archive", "an accepted drop goes to <path>/processed/, or is deleted"
    )
    ftp: bool = key(False, "whether ftp:// links are taken too; the service must know what to do with them")

    @property
    def category(self) -> str:
        """The category of what lies directly in the folder."""
        return self.given_category or self.path.name

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.given_category is None:
            try:
                checked_category(self.path.name)
            except ValueError as error:
                raise ValueError(
                    f"the folder's own name cannot be its category: set category ({error})"
                ) from None
        if self.route == "remote" and self.remote is None:
            raise ValueError("route: remote needs remote: {account: ...}")
        if self.route == "remote" and self.engine != "local":
            raise ValueError("engine is for what comes home, and this folder has route: remote")
        if self.route != "remote" and self.remote is not None:
            raise ValueError(f"remote is for route: remote, and this folder has route: {self.route}")
        if self.shared and self.route == "remote":
            raise ValueError(
                "shared: true does not go with route: remote: the account's history does not tell which host "
                "sent what where"
            )
        if self.route != "instant" and self.proxy is not None:
            raise ValueError(f"proxy is for route: instant, and this folder has route: {self.route}")
        return self


class Slot(Section):
    """A time of day with a speed limit of its own."""

    begin: Moment = Field(alias="from", description='local time, such as "01:00"')
    end: Moment = Field(alias="to", description='local time, such as "07:00"')
    rate_limit_bytes_per_s: Rate | None = key(None, "null: no limit", alias="rate_limit")


class Fetch(Section):
    """How finished files are brought home."""

    jobs: int = key(3, "jobs fetched at once", ge=1, le=64)
    connections: int = key(8, "connections in all", ge=1, le=256)
    segment_bytes: Size = key(
        "64MiB", "a larger file is fetched in parallel ranges; 0 turns it off", alias="segment"
    )
    rate_limit_bytes_per_s: Rate | None = key(None, "10MiB/s, for all together", alias="rate_limit")
    schedule: tuple[Slot, ...] = key(
        (), '[{from: "01:00", to: "07:00", rate_limit: null}, ...] local time', strict=False
    )
    min_free_bytes: Size = key(
        "5GiB", "on every file system written to, counting what is still to come", alias="min_free"
    )
    min_rate_bytes_per_s: Rate = key(
        "1KiB/s", "slower for 60 s = stalled: reconnect, resume", alias="min_rate"
    )
    include: tuple[str, ...] = key((), "globs on the path inside the job; exclude wins", strict=False)
    exclude: tuple[str, ...] = key((), "the same, for what stays away", strict=False)
    file_mode: Mode = key("0664", "permissions of published files, in quotes")
    dir_mode: Mode = key("2775", "permissions of published directories, in quotes")
    group: Name | None = key(None, "the group of what is published")
    extract: bool = key(False, "whether zip files are unpacked in staging before publishing")

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if self.file_mode & 0o7600 != 0o600:
            raise ValueError("file_mode must let the owner read and write, and may set no special bit")
        if self.dir_mode & 0o700 != 0o700:
            raise ValueError("dir_mode must let the owner read, write and enter")
        return self


class Web(Section):
    """The page, the APIs and the metrics, all on one port."""

    listen: Listen | None = key("127.0.0.1:8697", "or unix:/run/offcloud-watchd/web.sock; null = off")
    password_file: FilePath | None = key(None, "required as soon as listen is not loopback")
    allowed_hosts: tuple[str, ...] = key(("localhost",), "host names the server answers to", strict=False)
    sabnzbd: bool = key(False, "whether *arr tools may hand in .nzb files as to SABnzbd, at /sabnzbd/api")
    transmission: bool = key(
        False, "whether programs may speak to it as to Transmission, at /transmission/rpc"
    )

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        listen = self.listen or "unix:"
        reachable = not listen.startswith("unix:") and not is_loopback(listen.rpartition(":")[0])
        if reachable and self.password_file is None:
            raise ValueError("password_file is required as soon as listen is not loopback")
        if self.sabnzbd and self.password_file is None:
            # An address alone changes things there, and what browsers say of who calls is not always said.
            raise ValueError("sabnzbd needs password_file: it is the key that its clients send")
        return self


class Aria2(Section):
    """An aria2 that is reached by its JSON-RPC."""

    url: EngineUrl = Field(description="its JSON-RPC, such as http://localhost:6800/jsonrpc")
    secret_file: FilePath | None = key(None, "mode 0600; its rpc-secret")
    paths: dict[FilePath, ForeignPath] = key(
        {}, "directories here and what aria2 calls them, where that differs: {/srv/downloads: /mnt/nas}"
    )


class Rclone(Section):
    """An rclone that is reached by its remote control, and the place of its that stands for output_dir."""

    url: EngineUrl = Field(description="its remote control, such as http://localhost:5572")
    user: Name | None = key(None, "its --rc-user")
    password_file: FilePath | None = key(None, "mode 0600; its --rc-pass")
    remote: RemotePlace = Field(
        description="what it calls the place that stands for output_dir: gdrive:media"
    )

    @model_validator(mode="after")
    def _one_pair(self) -> Self:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("user and password_file belong together")
        return self


class Engines(Section):
    """Programs that move the bytes in our place."""

    aria2: Aria2 | None = key(
        None, "{url: ..., secret_file: ..., paths: {ours: theirs}}; for folders with engine: aria2"
    )
    rclone: Rclone | None = key(
        None,
        "{url: ..., user: ..., password_file: ..., remote: 'gdrive:media'}; for folders with engine: rclone",
    )


class Arr(Section):
    """One Sonarr, Radarr or the like that is told how its jobs end."""

    name: Name = Field(description="what it is called in the log")
    url: ToolUrl = Field(description="its address, with its URL Base if it has one")
    api_key_file: FilePath = Field(description="mode 0600; the key from Settings, General")
    categories: Annotated[tuple[NestedCategory, ...], BeforeValidator(at_least_one)] = Field(
        strict=False, description="whose jobs it is told of", json_schema_extra={"minItems": 1}
    )


class Notify(Section):
    """Messages to people."""

    command: ProgramAndArguments | None = key(
        None, "the path of a program and its arguments; run without a shell"
    )
    webhook: Webhook | None = key(None, "an address that JSON is posted to")
    apprise_file: FilePath | None = key(None, "mode 0600, a line for each address; needs the extra apprise")
    on: tuple[Literal["published", "failed", "blocked"], ...] = key(
        ("published", "failed", "blocked"), "what is worth a message", strict=False
    )


class Log(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = key("info", "the least that is logged")
    format: Literal["auto", "text", "json"] = key("auto", "auto is journald fields under systemd, else text")
