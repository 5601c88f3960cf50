"""Instant and remote: what goes past the cloud, and the proxies and accounts it can go through.

Sources: the official API document; offcloud-ext-chrome and the scripts of the classic service for the
shapes of the two lists. A torrent is for the cloud only, which is told in the words JDownloader lists.
"""

from __future__ import annotations

from typing import Final

from offcloud_watchd.sandbox import shapes
from offcloud_watchd.sandbox.account import TooManyItems
from offcloud_watchd.sandbox.calls import Call, Site, as_json
from offcloud_watchd.sandbox.cloud import full, history_of, refusal, retry_on, status_of
from offcloud_watchd.sandbox.server import Answer

ONLY_CLOUD: Final = "We are sorry but torrent links are supported only via Cloud downloading."
PROXIES: Final = (
    {"id": "58a1f0000000000000000001", "name": "Main (US)", "region": "US"},
    {"id": "58a1f0000000000000000002", "name": "Second (Germany)", "region": "EU"},
)
ACCOUNTS: Final = (
    {
        "accountId": "59b2e0000000000000000001",
        "remoteOptionId": "59b2e00000000000000000a1",
        "type": "googledrive",
        "username": "sandbox@example.org",
        "status": "active",
        "path": "",
    },
    {
        "accountId": "59b2e0000000000000000002",
        "remoteOptionId": "59b2e00000000000000000a2",
        "type": "ftp",
        "username": "sandbox",
        "status": "active",
        "host": "ftp.example.org",
        "port": "21",
        "path": "/incoming",
    },
)


def proxies(site: Site, _call: Call) -> Answer:
    """List the proxy servers."""
    return as_json({"list": PROXIES} if site.manners.wraps_lists else PROXIES)


def accounts(site: Site, _call: Call) -> Answer:
    """List the remote accounts, with what went to each."""
    used = {account["remoteOptionId"]: 0 for account in ACCOUNTS}
    for item, stage in site.account.history("remote"):
        used[item.account_id] += item.release.size_bytes if stage.finished else 0
    rows = [{**account, "usage": used[account["remoteOptionId"]]} for account in ACCOUNTS]
    return as_json({"data": rows} if site.manners.wraps_lists else rows)


def instant(site: Site, call: Call) -> Answer:
    """Give a link to the file behind a link."""
    source = site.source(call)
    refused = refusal(site, source)
    if refused is not None:
        return refused
    if source.kind != "url":
        return site.error(400, ONLY_CLOUD)
    proxy_id = call.form.one("proxyId")
    if proxy_id and proxy_id not in {proxy["id"] for proxy in PROXIES}:
        return as_json({"not_available": "proxy"})
    try:
        item = site.account.submit(source, "instant", proxy_id=proxy_id)
    except TooManyItems:
        return full(site)
    told = {**shapes.submission(site.view(item)), "status": "created", "url": site.files.links(item)[0]}
    return as_json(told)


def instant_history(site: Site, _call: Call) -> Answer:
    """List what was fetched at once."""
    return history_of(site, "instant")


def remote(site: Site, call: Call) -> Answer:
    """Send what is behind a link to a remote account."""
    source = site.source(call)
    refused = refusal(site, source)
    if refused is not None:
        return refused
    account_id = call.form.one("remoteOptionId")
    if account_id not in {account["remoteOptionId"] for account in ACCOUNTS}:
        return site.error(400, "Remote account not found." if account_id else "Missing remoteOptionId.")
    try:
        folder_id = call.form.one("folderId")
        item = site.account.submit(source, "remote", account_id=account_id, folder_id=folder_id)
    except TooManyItems:
        return full(site)
    # Its name is not known yet, and there is no link to it.
    told = shapes.submission(site.view(item))
    return as_json({name: value for name, value in told.items() if name not in ("url", "fileName")})


def remote_status(site: Site, call: Call) -> Answer:
    """Tell how far a remote transfer is."""
    return status_of(site, call, "remote")


def remote_history(site: Site, _call: Call) -> Answer:
    """List the remote transfers."""
    return history_of(site, "remote")


def remote_retry(site: Site, call: Call) -> Answer:
    """Try a failed remote transfer again."""
    return retry_on(site, call, "remote")
