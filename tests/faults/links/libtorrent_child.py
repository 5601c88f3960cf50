"""A child for Debian's own Python: frames of torrents in, what libtorrent says of each out.

A frame is four bytes of length, big-endian, and the torrent. The answer is one line: ``+ V1 V2 PRIVATE``
(``-`` for a hash that is not there) or ``! WHY``. It ends with its input. It imports nothing of ours.
"""

import struct
import sys

import libtorrent  # type: ignore[import-not-found] # there for /usr/bin/python3 only


def verdict(data: bytes) -> str:
    """Return what libtorrent makes of a torrent."""
    try:
        info = libtorrent.torrent_info(data)
    except RuntimeError as error:
        return f"! {error}"
    hashes = info.info_hashes()
    v1 = str(hashes.v1) if hashes.has_v1() else "-"
    v2 = str(hashes.v2) if hashes.has_v2() else "-"
    return f"+ {v1} {v2} {int(info.priv())}"


def main() -> None:
    """Answer frame by frame."""
    while head := sys.stdin.buffer.read(4):
        (length,) = struct.unpack(">I", head)
        print(verdict(sys.stdin.buffer.read(length)), flush=True)


if __name__ == "__main__":
    main()
