"""A download client of qBittorrent's API that repeats what was not answered, as those of the field do."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

WITHIN_S: Final = 10.0
_BOUNDARY: Final = "a-part-of-a-form"

Wish = tuple[str, Mapping[str, str], bytes | None]
"""A call of the API, its fields, and a torrent that goes with it."""


class _Connection(http.client.HTTPConnection):
    """A connection to a socket that has a path."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WITHIN_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(WITHIN_S)
        self.sock.connect(str(self._path))


class Client:
    """Has some wishes, one after the other. One thread."""

    def __init__(self, path: Path, wishes: Sequence[Wish]) -> None:
        self._path = path
        self._left = list(wishes)

    def insist(self) -> bool:
        """Ask for the next of what was never answered; tell whether there is nothing left."""
        if self._left and self._is_answered(*self._left[0]):
            del self._left[0]
        return not self._left

    def _is_answered(self, call: str, fields: Mapping[str, str], torrent: bytes | None) -> bool:
        body, kind = _form(fields, torrent)
        with closing(_Connection(self._path)) as connection:
            try:
                connection.request("POST", f"/api/v2/{call}", body, {"Content-Type": kind})
                answer = connection.getresponse()
                said = answer.read()
            except (OSError, http.client.HTTPException):
                return False
        repeated = answer.status == http.client.CONFLICT and call == "torrents/createCategory"
        assert repeated or answer.status == http.client.OK, (answer.status, said)
        return True


def _form(fields: Mapping[str, str], torrent: bytes | None) -> tuple[bytes, str]:
    if torrent is None:
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="torrents"; filename="sent.torrent"\r\n'
        "Content-Type: application/x-bittorrent\r\n\r\n"
    )
    body = b"".join([*parts, head.encode(), torrent, f"\r\n--{_BOUNDARY}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={_BOUNDARY}"
