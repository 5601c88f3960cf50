"""An embedded Offcloud over HTTP: for the demo, for tests, and to try a set-up without an account.

``Sandbox`` imitates the service in its two generations (``classic`` up to 2025, ``current`` from 2026, or
``both`` at once), with files to fetch, books that tell what was really done, and switches for faults::

    with Sandbox(SandboxSettings(generation="current")) as sandbox:
        ...  # point a client at sandbox.url with the key "sandbox-key"
        sandbox.books().of("btih:...").items_created
        sandbox.expected_sha256(magnet, path)

Content follows from the link: an info hash or an address always gives the same files with the same bytes.
What comes for somebody else's torrent is made up and named so (``Film.made-up.mkv``), because the sandbox has
not its bytes: a client that checks pieces says that the torrent's files are missing and others are there.
``sandbox.torrent(name)``, or ``GET /sandbox/torrents/NAME.torrent`` (``?hybrid=1``), gives torrents of the
sandbox's own, whose pieces are those of the bytes that come.

A word in brackets in a magnet's name (``dn``), in that of an NZB or in an address, or the first label of an
address's host (``http://fail.example/x.bin``), makes it special:

=============  =============================================================================================
``[single]``   one file
``[tree]``     folders in folders, the same file names in several of them
``[odd]``      names that are hard to store or to quote
``[junk]``     the classic listing holds entries that are no files
``[cached]``   finished at once; so is an info hash that begins with ``cac4ed00``
``[slow]``     ten times as slow; so is an info hash that begins with ``510e0000``
``[stuck]``    stays at 37 per cent
``[zombie]``   is taken and never begins, as a magnet without a good v1 info hash
``[fail]``     ends in an error; so does an info hash that begins with ``dead0000``
``[flaky]``    fails the first time, works when it is retried or submitted again
``[premium]``  is refused for want of a plan
``[bad]``      is refused because the address cannot be read
=============  =============================================================================================

People look at ``/sandbox``; programs at ``GET /sandbox/books`` and ``POST /sandbox/faults`` (see ``faults``).
A device that asks to be let in is let in at ``/activate``. The classic service takes torrents and NZBs as
files, and sends to two remote accounts that are made up.

Only the standard library. The rest of the program does not know the sandbox: it is just another base URL.
"""

from offcloud_watchd.sandbox.books import Books, ContentBooks
from offcloud_watchd.sandbox.content import GeneratedLibrary, Library, Release, StoredFile, sha256_of
from offcloud_watchd.sandbox.faults import Fault, Faults
from offcloud_watchd.sandbox.service import Sandbox, Transfer
from offcloud_watchd.sandbox.settings import Generation, SandboxSettings

__all__ = [
    "Books",
    "ContentBooks",
    "Fault",
    "Faults",
    "GeneratedLibrary",
    "Generation",
    "Library",
    "Release",
    "Sandbox",
    "SandboxSettings",
    "StoredFile",
    "Transfer",
    "sha256_of",
]
