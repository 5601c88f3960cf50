"""The cloud's endpoints: submitting, following, files, removing, trying again.

Sources: the official API document for the classic paths; debrid-media-manager src/services/offcloud.ts and
stremthru store/offcloud for the current ones and for the texts of errors.

What the sources leave open is decided here: an unfinished item is explored with a text that holds
``downloaded yet`` (400 in the current service); the status of an unknown id is ``{}`` in the classic service
and 404 in the current one.
"""

from __future__ import annotations

from collections.abc import Sequence

from offcloud_watchd.sandbox import shapes
from offcloud_watchd.sandbox.account import Item, TooManyItems, Way
from offcloud_watchd.sandbox.calls import Call, Site, as_json
from offcloud_watchd.sandbox.server import Answer, whole
from offcloud_watchd.sandbox.source import Source


def submit(site: Site, call: Call) -> Answer:
    """Take a link into the cloud."""
    source = site.source(call)
    refused = refusal(site, source)
    if refused is not None:
        return refused
    try:
        item = site.account.submit(source)
    except TooManyItems:
        return full(site)
    return as_json(shapes.submission(site.view(item)))


def refusal(site: Site, source: Source) -> Answer | None:
    """Return why a link is not taken, on any way; None when it is."""
    if not source.link:
        current = site.manners.current
        return site.error(400, "Missing required parameter: url" if current else "Incorrect url")
    if not site.settings.premium or "premium" in source.markers:
        return as_json({"not_available": "premium"})
    if source.kind == "bad":
        return _unreachable(site)
    return None


def full(site: Site) -> Answer:
    """Say that the account is at its cap."""
    return site.error(400, f"You have more than {site.settings.max_items} downloads.")


def _unreachable(site: Site) -> Answer:
    """Answer a link that cannot be read: a bare string with 500 in the current service."""
    if site.manners.current:
        return as_json("Error parsing url - HTTP code: 404 ", 500)
    return as_json({"error": "The file is not available on the server."})


def status(site: Site, call: Call) -> Answer:
    """Tell how far one request is, or many where that is known."""
    return status_of(site, call, "cloud")


def status_of(site: Site, call: Call, way: Way) -> Answer:
    """Tell how far requests of one way are."""
    many = call.form.many("requestIds")
    if many and site.manners.batch_status:
        items = [item for one in many if (item := site.account.find(one, way))]
        return as_json({"requests": [_one_status(site, item) for item in items]})
    if not call.request_id:
        return site.error(400, "Missing required parameter: requestId")
    item = site.account.find(call.request_id, way)
    if item is None:
        return _not_found(site) if site.manners.current else as_json({})
    return as_json({"status": _one_status(site, item)})


def _one_status(site: Site, item: Item) -> shapes.Json:
    view = site.view(item)
    if view.stage.finished:
        site.account.mint(item)
    return shapes.status(view)


def history(site: Site, _call: Call) -> Answer:
    """List what is in the cloud."""
    return history_of(site, "cloud")


def history_of(site: Site, way: Way) -> Answer:
    """List the requests of one way."""
    rows = [
        shapes.history_row(shapes.View(item, stage, site.manners, site.files.classic_url(item)))
        for item, stage in site.account.history(way)
    ]
    return as_json(rows)


# --- files --------------------------------------------------------------------------------------------------


def _ready(site: Site, call: Call) -> Item | Answer:
    item = site.account.find(call.request_id)
    if item is None:
        return _not_found(site)
    if not site.account.stage(item).finished:
        return site.error(400, "The file has not been downloaded yet.")
    return item


def _not_found(site: Site) -> Answer:
    return site.error(404, "Request not found.")


def explore(site: Site, call: Call) -> Answer:
    """List links to the files of a finished request."""
    item = _ready(site, call)
    if isinstance(item, Answer):
        return item
    if site.manners.detailed and call.query.one("format") == "detailed":
        return as_json({"files": _detailed(site, item)})
    if site.manners.bad_archive and not item.release.is_directory:
        return as_json({"error": "Bad archive"})
    return as_json(_plain(site, item))


def _detailed(site: Site, item: Item) -> Sequence[shapes.Json]:
    return [
        {
            "id": f"{item.id}-{number}",
            "name": file.path.rpartition("/")[2],
            "size": file.size_bytes,
            "path": file.path,
            "url": link,
        }
        for number, (file, link) in enumerate(zip(item.release.files, site.files.links(item), strict=True))
    ]


def _plain(site: Site, item: Item) -> Sequence[str]:
    links = list(site.files.links(item))
    if site.manners.signed_links:
        return links[::-1]  # the order carries no meaning there, so no client may rely on it
    return [*links, *site.files.junk(item)]


def list_links(site: Site, call: Call) -> Answer:
    """List links as text, one a line."""
    item = _ready(site, call)
    if isinstance(item, Answer):
        return item
    lines = "".join(f"{link}\n" for link in _plain(site, item))
    return whole(200, "text/plain; charset=UTF-8", lines.encode())


# --- removing and retrying ----------------------------------------------------------------------------------


def remove(site: Site, call: Call) -> Answer:
    """Remove requests, by any of the three spellings."""
    ids = (call.path_id,) if call.path_id else call.form.many("requests")
    if not ids:
        return site.error(400, "Missing required parameter: requests")
    if not site.account.remove(ids):
        return _not_found(site)
    return as_json({"success": True})


def retry(site: Site, call: Call) -> Answer:
    """Try a failed request again."""
    return retry_on(site, call, "cloud")


def retry_on(site: Site, call: Call, way: Way) -> Answer:
    """Try a failed request of one way again."""
    item = site.account.retry(call.request_id, way)
    if item is None:
        return _not_found(site)
    return as_json({"status": {"status": site.account.stage(item).word}})
