"""Files that are handed over in place of a link: NZBs, and the .torrent whose magnet may not be enough.

Rules of this file:

* Handing a file over makes nothing in the account: it may be done again, and what breaks on the way leaves no
  doubt about the submission that follows. Only that makes an item, and is sent once.
* A file goes by the digits of its content, not by the name it came with: what the service makes of it must be
  found again in the account's history when an answer is lost.
  An NZB's request has them in its name as well, for nobody knows what its address looks like in the history.
* Where no files are taken, or not this one, a torrent goes as its magnet; an NZB cannot.

Source: public clients of the classic service (offcloudbrid, offcloud-downloader). The official document has
no upload, and no client of the current service uses one.
"""

from __future__ import annotations

import logging
import re
from typing import Final

from offcloud_watchd.core.model import Link, LinkKind
from offcloud_watchd.core.ports import Stop
from offcloud_watchd.errors import Permanent, Transient
from offcloud_watchd.offcloud import wire
from offcloud_watchd.offcloud.answer import decode
from offcloud_watchd.offcloud.asker import Asker
from offcloud_watchd.offcloud.history import nzb_mark
from offcloud_watchd.offcloud.refusals import is_absent
from offcloud_watchd.offcloud.service import Service
from offcloud_watchd.offcloud.session import Question

log = logging.getLogger(__name__)

MAX_NAME: Final = 150
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._ -]+")


class Uploads:
    """Hands files over. One thread at a time. Raises what ``Client`` raises, and never ``maybe_sent``."""

    def __init__(self, asker: Asker, service: Service) -> None:
        self._asker = asker
        self._service = service
        self._takes_files = True

    def forget(self) -> None:
        """Find out anew whether the service takes files."""
        self._takes_files = True

    def body(self, link: Link, file: bytes | None, stop: Stop) -> dict[str, str]:
        """Return what is posted for a link: itself, or what its file became. Safe to repeat."""
        if link.kind is LinkKind.NZB:
            return self._nzb(link, file, stop)
        if file is None or not self._takes_files:
            return {"url": link.url}
        try:
            return {"url": self.upload(f"{link.key.partition(':')[2]}.torrent", file, stop)}
        except Permanent as error:
            log.info("%s; the torrent is sent as a magnet", error)
            return {"url": link.url}

    def _nzb(self, link: Link, file: bytes | None, stop: Stop) -> dict[str, str]:
        if file is None:
            raise Permanent("the NZB file is not in the spool any more: drop it again")
        lacks = "uploads and takes no NZB files (Usenet): drop a torrent, a magnet or a web link"
        address = self.upload(f"{link.key.partition(':')[2]}.nzb", file, stop, lacks)
        return {"url": address, "customFileName": f"{(link.name or 'NZB')[:MAX_NAME]} {nzb_mark(link)}"}

    def upload(self, name: str, data: bytes, stop: Stop, lacks: str = "uploads") -> str:
        """Hand a .torrent or .nzb over and return the address it was given, to be submitted. Safe to repeat.

        The address is a secret. Raises ``Permanent`` when the service takes no files (no ``lacks``), or not
        this one.
        """
        # Only the ending counts, and a name from outside has no business in a header.
        question = Question("POST", "/torrent/upload", upload=(_PLAIN.sub("_", name)[-120:], data))

        def ask() -> str:
            answer = self._asker.ask(question, stop)
            self._takes_files = not is_absent(answer, decode(answer))
            self._service.must_have(answer, lacks, stop)
            return wire.uploaded(answer)

        try:
            return self._asker.again(ask, stop)
        except Transient as error:
            failure = Transient(str(error), retry_after_s=error.retry_after_s)
        raise failure
