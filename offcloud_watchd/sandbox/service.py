"""The sandbox put together: two servers, one account, and the desk from which people and tests steer it.

Rules of this file:

* ``Sandbox`` may be stopped and started again: it comes back at the same addresses with the same account, as
  a service does after an outage.
* The desk (``/sandbox`` and ``books``, ``faults``, ``activate``, ``torrents`` below it) needs no key and is
  not counted. It takes JSON only by its own content type, so that no web page a person visits can set a
  fault.
"""

from __future__ import annotations

import errno
import logging
import threading
from dataclasses import asdict, dataclass
from html import escape
from types import TracebackType
from typing import Final, Self
from urllib.parse import parse_qs, quote, unquote

from offcloud_watchd.errors import ConfigError
from offcloud_watchd.sandbox.account import Account, TooManyItems
from offcloud_watchd.sandbox.api import Api
from offcloud_watchd.sandbox.books import Books, Tally
from offcloud_watchd.sandbox.calls import Site, as_json
from offcloud_watchd.sandbox.content import StoredFile, sha256_of
from offcloud_watchd.sandbox.doors import Doors
from offcloud_watchd.sandbox.faults import Faults, parse_faults
from offcloud_watchd.sandbox.files import FileHost
from offcloud_watchd.sandbox.forms import read_form, read_json
from offcloud_watchd.sandbox.server import (
    HTML,
    Address,
    Answer,
    Reply,
    Request,
    Respond,
    Server,
    html_error,
    parse_address,
    whole,
)
from offcloud_watchd.sandbox.settings import SandboxSettings
from offcloud_watchd.sandbox.source import source_of_key, source_of_name
from offcloud_watchd.sandbox.torrents import torrent_of
from offcloud_watchd.sandbox.uploads import Uploads

log = logging.getLogger(__name__)

TORRENTS: Final = "/sandbox/torrents/"


@dataclass(frozen=True, slots=True)
class _Running:
    """The two servers of a started sandbox."""

    api: Server
    files: Server


@dataclass(frozen=True, slots=True)
class Transfer:
    """One remote transfer: the content's key, where it goes, and the service's word for how far it is."""

    key: str
    account_id: str
    folder_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Given:
    """One link that was given at once: the content's key, and the server through which it was got."""

    key: str
    proxy_id: str


class Sandbox:
    """An Offcloud of one's own on this machine; also a context manager.

    ``faults`` is the table of fault switches. ``start`` and ``stop`` belong to one thread; all else may be
    called by any.
    """

    def __init__(self, settings: SandboxSettings | None = None) -> None:
        self.settings = settings or SandboxSettings()
        self.faults = Faults()
        self._tally = Tally()
        self._account = Account(self.settings, self._tally)
        self._stopping = threading.Event()
        self._files = FileHost(
            self.settings, self._account, self._tally, self.faults, lambda: self.file_url, self._stopping
        )
        self._doors = Doors(self.settings)
        site = Site(
            self.settings,
            self._account,
            self._files,
            self._doors,
            Uploads(lambda: self.url),
            lambda: self.url,
        )
        self._api = Api(site, self._tally, self.faults)
        self._address = parse_address(self.settings.listen)
        self._file_address = parse_address(self.settings.file_listen)
        self._running: _Running | None = None

    def start(self) -> Self:
        """Listen; raise ``ConfigError`` when the address cannot be had. Safe to repeat."""
        if self._running is None:
            self._stopping.clear()
            api = self._bind(self._address, self._respond)
            try:
                files = self._bind_files()
            except ConfigError:
                api.server_close()
                raise
            self._address, self._file_address = api.address, files.address
            self._running = _Running(api, files)
            api.start()
            files.start()
            log.info("sandbox: API at %s, files at %s", self.url, self.file_url)
        return self

    def stop(self) -> None:
        """End every connection and thread. Safe to repeat."""
        running, self._running = self._running, None
        self._stopping.set()
        if running:
            running.api.close()
            running.files.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the API is, without a path; known once it was started."""
        return self._address.url

    @property
    def file_url(self) -> str:
        """Where the file host is; known once it was started."""
        return self._file_address.url

    def books(self) -> Books:
        """Return what was seen and done up to now."""
        return self._tally.books()

    def transfers(self) -> list[Transfer]:
        """Return the remote transfers, newest first."""
        return [
            Transfer(item.source.key, item.account_id, item.folder_id, stage.word)
            for item, stage in self._account.history("remote")
        ]

    def given(self) -> list[Given]:
        """Return what was given at once, newest first."""
        return [Given(item.source.key, item.proxy_id) for item, _ in self._account.history("instant")]

    def end_sessions(self) -> None:
        """Log everybody out who logged in with a password."""
        self._doors.end_sessions()

    def let_in(self, user_code: str, *, let_in: bool = True) -> bool:
        """Let a waiting device in, or send it away; False when nobody waits with this code."""
        return self._doors.decide(user_code, let_in=let_in)

    # --- torrents of its own ---

    def torrent(self, name: str, *, hybrid: bool = False) -> bytes:
        """Make a torrent of the sandbox's own and seed it: what it serves for it is what its pieces say.

        ``hybrid``: of v1 and v2. Equal names give equal torrents; markers in the name choose the shape. It is
        known until the sandbox ends. Raises ``ValueError`` without a name, ``TooManyItems`` at the cap.
        """
        source = source_of_name(name)
        if not source.name:
            raise ValueError("a torrent needs a name")
        release = self._account.content(source)
        made = torrent_of(release, hybrid=hybrid)
        self._account.seed(made.info_hash, release)
        return made.data

    # --- what must arrive ---

    def expected_files(self, link_or_key: str) -> list[tuple[str, int]]:
        """Return path and size of every file behind a link or a content key.

        Paths are those of the detailed listing: the release's root folder comes first when there is one.
        A key alone tells no name; then what was submitted under it counts.
        """
        return [(file.path, file.size_bytes) for file in self._stored(link_or_key)]

    def expected_bytes(self, link_or_key: str, path: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return bytes of one file; raise ``KeyError`` when there is no such path."""
        file = self._stored_file(link_or_key, path)
        end = file.size_bytes if stop is None else min(stop, file.size_bytes)
        return b"".join(file.chunks(start, end))

    def expected_sha256(self, link_or_key: str, path: str) -> str:
        """Return the checksum of one file, in hex; raise ``KeyError`` when there is no such path."""
        return sha256_of(self._stored_file(link_or_key, path))

    def _stored(self, link_or_key: str) -> tuple[StoredFile, ...]:
        return self._account.release(source_of_key(link_or_key)).files

    def _stored_file(self, link_or_key: str, path: str) -> StoredFile:
        return {file.path: file for file in self._stored(link_or_key)}[path]

    # --- listening ---

    def _bind(self, address: Address, respond: Respond) -> Server:
        try:
            return self._server(address, respond)
        except OSError as error:
            raise ConfigError(
                [f"sandbox: cannot listen on {address.url}: {error.strerror}; choose another address"]
            ) from error

    def _bind_files(self) -> Server:
        """Bind the file host: at its own address, as the service's links lead elsewhere, or at the API's."""
        try:
            return self._server(self._file_address, self._files.respond)
        except OSError as error:
            if error.errno != errno.EADDRNOTAVAIL:
                raise ConfigError(
                    [f"sandbox: cannot listen on {self._file_address.url}: {error.strerror}"]
                ) from error
            return self._bind(Address(self._address.host, 0), self._files.respond)

    def _server(self, address: Address, respond: Respond) -> Server:
        return Server(
            address,
            respond,
            self._stopping,
            max_connections=self.settings.max_connections,
            idle_s=self.settings.idle_s,
        )

    # --- the desk ---

    def _respond(self, request: Request) -> Reply:
        match request.method, request.target.partition("?")[0]:
            case "GET", "/sandbox" | "/sandbox/":
                return whole(
                    200, HTML, self._page().encode(), ("Content-Security-Policy", "default-src 'none'")
                )
            case "GET", "/sandbox/books":
                transfers = [asdict(transfer) for transfer in self.transfers()]
                given = [asdict(one) for one in self.given()]
                return as_json({**asdict(self.books()), "transfers": transfers, "given": given})
            case "POST", "/sandbox/activate":
                return self._desk_activate(request)
            case method, "/sandbox/faults":
                return self._desk_faults(method, request)
            case "GET", path if path.startswith(TORRENTS):
                return self._desk_torrent(request)
            case _:
                return self._api.respond(request)

    def _desk_activate(self, request: Request) -> Answer:
        if not request.headers.get("content-type", "").startswith("application/json"):
            return as_json({"error": "send application/json"}, 415)
        form = read_form("application/json", request.body)
        found = self.let_in(form.one("user_code"), let_in=form.one("deny") != "true")
        return as_json({"success": found}, 200 if found else 404)

    def _desk_faults(self, method: str, request: Request) -> Answer:
        if method == "DELETE":
            self.faults.clear()
        elif method == "POST":
            if not request.headers.get("content-type", "").startswith("application/json"):
                return as_json({"error": "send application/json"}, 415)
            try:
                self.faults.add(*parse_faults(read_json(request.body)))
            except ValueError as error:
                return as_json({"error": str(error)}, 400)
        elif method != "GET":
            return html_error(405)
        return as_json([asdict(fault) for fault in self.faults.pending()])

    def _desk_torrent(self, request: Request) -> Answer:
        path, _, query = request.target.removeprefix(TORRENTS).partition("?")
        name = unquote(path)
        try:
            data = self.torrent(name.removesuffix(".torrent"), hybrid=parse_qs(query).get("hybrid") == ["1"])
        except (ValueError, TooManyItems) as error:
            return as_json({"error": str(error) or "too many torrents"}, 400)
        disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
        return whole(200, "application/x-bittorrent", data, ("Content-Disposition", disposition))

    def _page(self) -> str:
        books = self.books()
        rows = "".join(
            f"<tr><td>{escape(key)}<td>{content.posts}<td>{content.items_created}<td>{content.live_items}"
            f"<td>{content.bytes_served}\n"
            for key, content in books.contents.items()
        )
        calls = "".join(f"<tr><td>{escape(name)}<td>{count}\n" for name, count in books.calls.items())
        return (
            "<!DOCTYPE html>\n<html lang=en><title>Sandbox</title>\n<h1>offcloud-watchd sandbox</h1>\n"
            f"<p>Generation {self.settings.generation}. Files come from {self.file_url}. "
            f"Calls without a good key: {books.auth_failures}. "
            f"Faults still to come: {len(self.faults.pending())}.\n"
            f"<p>A torrent to drop: <code>curl -O {self.url}{TORRENTS}Some.Show.S01E01.torrent</code> "
            "(any name; <code>?hybrid=1</code> for v1 and v2). Of other people's torrents the bytes are not "
            "known here: what comes for them is made up, and is named so.\n"
            "<table border=1><tr><th>Content<th>POSTs<th>Items created<th>Items alive<th>Bytes served\n"
            f"{rows}</table>\n<table border=1><tr><th>Endpoint<th>Calls\n{calls}</table>\n</html>\n"
        )
