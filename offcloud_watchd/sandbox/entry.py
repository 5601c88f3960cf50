"""Login, key, device, account: who somebody is and what they may do.

Sources: the official API document (login, check, key); stremthru, debrid-media-manager and the public Kodi
clients (account, device); ResolveURL (sites).
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Final

from offcloud_watchd.sandbox.calls import Call, Site, as_json
from offcloud_watchd.sandbox.files import USER_ID
from offcloud_watchd.sandbox.server import HTML, Answer, whole

YEAR_S: Final = 365 * 86400
GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
SITES: Final = (
    {"name": "example.com", "status": "up", "aliases": ["files.example.com"]},
    {"name": "example.org", "status": "down", "aliases": []},
)


def login(site: Site, call: Call) -> Answer:
    """Open a session for an e-mail address and a password."""
    username, password = call.form.one("username"), call.form.one("password")
    if "@" not in username:
        return as_json({"error": "Please enter a valid email address."})
    if (username, password) != (site.settings.username, site.settings.password):
        return as_json({"error": "The credentials entered are wrong."})
    cookie = ("Set-Cookie", f"connect.sid={site.doors.open_session()}; Path=/; HttpOnly")
    return as_json({"email": username, "userId": USER_ID}, 200, cookie)


def check(_site: Site, call: Call) -> Answer:
    """Tell whether the caller is logged in."""
    return as_json({"loggedIn": int(call.known)})


def key(site: Site, _call: Call) -> Answer:
    """Tell the caller's own key."""
    return as_json({"email": site.settings.username, "apiKey": site.settings.key})


# --- the device flow ----------------------------------------------------------------------------------------


def device_code(site: Site, _call: Call) -> Answer:
    """Let a device wait at the door."""
    device = site.doors.begin_device()
    page = f"{site.base_url()}/activate"
    return as_json(
        {
            "device_code": device.code,
            "user_code": device.user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={device.user_code}",
            "interval": site.settings.device_interval_s,
            "expires_in": site.settings.device_life_s,
        }
    )


def device_token(site: Site, call: Call) -> Answer:
    """Give a device its token, or tell it why not yet."""
    if call.form.one("grant_type") != GRANT:
        return as_json({"error": "unsupported_grant_type"}, 400)
    told = site.doors.ask_device(call.form.one("device_code"))
    if not told.startswith("token-"):
        return as_json({"error": told, "error_description": f"The device is told: {told}."}, 400)
    return as_json({"access_token": told, "token_type": "Bearer"})


def activate_page(_site: Site, call: Call) -> Answer:
    """Show the page on which a person lets a device in."""
    code = escape(call.query.one("user_code"))
    page = (
        "<!DOCTYPE html>\n<html lang=en><title>Activate</title>\n<h1>Let a device in</h1>\n"
        f'<form method=post action=/activate>Code: <input name=user_code value="{code}">\n'
        "<button>Let it in</button></form>\n</html>\n"
    )
    return whole(200, HTML, page.encode())


def activate(site: Site, call: Call) -> Answer:
    """Let the device in whose code was typed."""
    found = site.doors.decide(call.form.one("user_code"), let_in=True)
    said = "The device is let in." if found else "Nobody waits with this code."
    return whole(200 if found else 404, HTML, f"<!DOCTYPE html>\n<p>{said}\n".encode())


# --- the account --------------------------------------------------------------------------------------------


def account_info(site: Site, _call: Call) -> Answer:
    """Tell who the caller is, as the current service does."""
    premium = site.settings.premium
    told: dict[str, object] = {"user_id": USER_ID, "email": site.settings.username}
    told |= {"is_premium": premium, "can_download": premium}
    return as_json({**told, "expiration_date": f"{_expiry(site):%Y-%m-%d}"} if premium else told)


def account_stats(site: Site, _call: Call) -> Answer:
    """Tell who the caller is and what is left, as the classic service does."""
    names = ("links", "premium", "torrent", "streaming", "cloud", "proxy")
    return as_json(
        {
            "userId": USER_ID,
            "email": site.settings.username,
            "isPremium": site.settings.premium,
            "expirationDate": f"{_expiry(site):%d-%m-%Y}",
            "limits": dict.fromkeys(names, 1_000_000 if site.settings.premium else 0),
        }
    )


def _expiry(site: Site) -> datetime:
    now = site.settings.clock.now()
    return datetime.fromtimestamp(now + YEAR_S if site.settings.premium else now - YEAR_S, UTC)


def sites(_site: Site, _call: Call) -> Answer:
    """List the sites that are supported."""
    return as_json(SITES)
