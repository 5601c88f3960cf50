"""What the service has already: which hashes, which files, and links without an item in the account.

Sources: debrid-media-manager src/services/offcloud.ts (measured 2026-09), stremthru, ResolveURL, torrentio.
"""

from __future__ import annotations

from collections.abc import Mapping

from offcloud_watchd.sandbox.calls import Call, Site, as_json
from offcloud_watchd.sandbox.content import StoredFile
from offcloud_watchd.sandbox.files import base_name
from offcloud_watchd.sandbox.server import Answer
from offcloud_watchd.sandbox.source import Source, read_source


def cache(site: Site, call: Call) -> Answer:
    """Tell the hits among many hashes."""
    hits = [text for text in call.form.many("hashes") if site.account.is_cached(f"btih:{text.lower()}")]
    upper = site.manners.current  # letters come back in any case
    return as_json({"cachedItems": [text.upper() if upper else text for text in hits]})


def cache_info(site: Site, call: Call) -> Answer:
    """Tell of each link, in their order, whether it is cached, and its files if that was asked."""
    with_files = call.form.one("includeFiles") == "true"
    return as_json([_info(site, read_source(link), with_files=with_files) for link in call.form.many("urls")])


def _info(site: Site, source: Source, *, with_files: bool) -> Mapping[str, object]:
    # A bare hash is no link to this call: it is not cached, silently.
    if not source.info_hash or not site.account.is_cached(source.key, source.markers):
        return {"cached": False}
    if not with_files:
        return {"cached": True}
    return {"cached": True, "files": [_file(file) for file in site.account.release(source).files]}


def cache_download(site: Site, call: Call) -> Answer:
    """Give links to the files of something cached, without an item in the account."""
    source = site.source(call)
    if not site.settings.premium:
        return as_json({"not_available": "premium"})
    if not source.info_hash or not site.account.is_cached(source.key, source.markers):
        return site.error(400, "Unsupported link for direct download.")
    item = site.account.submit(source, "loose")
    links = site.files.links(item)
    return as_json(
        [{"url": link, **_file(file)} for link, file in zip(links, item.release.files, strict=True)]
    )


def _file(file: StoredFile) -> Mapping[str, object]:
    return {"filename": base_name(file), "size": file.size_bytes, "folder": file.path.split("/")[:-1]}
