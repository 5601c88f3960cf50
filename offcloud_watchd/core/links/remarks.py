"""What a person should know about a link that was taken, before waiting for it."""

from __future__ import annotations

from offcloud_watchd.core.model import Link, LinkKind

PRIVATE = (
    "it is a private torrent: only its own trackers may tell of peers, so a magnet of it may find none "
    "(offcloud.torrent_upload: auto hands the file over where the service takes files), and the trackers' "
    "addresses in it, which may hold your passkey, become known to the service"
)
V2_ONLY = (
    "it is a v2 torrent without a v1 hash; not every service can take it. If nothing comes of it, look for a "
    "hybrid or a v1 torrent"
)
NZB = (
    "it is an NZB file (Usenet): the classic service takes it on the routes cloud and remote; where no files "
    "are taken its job fails and says so"
)


def remarks(link: Link) -> tuple[str, ...]:
    """Return sentences about what makes a link less likely to succeed; none about most links.

    Source: BEP 27 (a private torrent's peers come from its own trackers only), BEP 52 (v2).
    """
    told = []
    if link.private:
        told.append(PRIVATE)
    if link.info_hash_v2 is not None and link.info_hash_v1 is None:
        told.append(V2_ONLY)
    if link.kind is LinkKind.NZB:
        told.append(NZB)
    return tuple(told)
