"""Getting a key for somebody who has none yet: with a password, or by letting this device in.

Rules of this file:

* Nothing here needs a key, and nothing is kept: the key goes to whoever asked.
* Waiting is for the flag; a person may take minutes, and may give up.

Source: the official document of 2018 (login, key); RFC 8628 and seven public clients (devices).
"""

from __future__ import annotations

from typing import Final

from offcloud_watchd.core.ports import Clock, Stop
from offcloud_watchd.errors import Cancelled, Permanent, Transient
from offcloud_watchd.offcloud import entry
from offcloud_watchd.offcloud.asker import Asker
from offcloud_watchd.offcloud.credentials import STRANGER, Way
from offcloud_watchd.offcloud.entry import Device, Verdict
from offcloud_watchd.offcloud.session import Question
from offcloud_watchd.offcloud.settings import ClientSettings, Login

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
SLOWER_S: Final = 5.0  # RFC 8628, section 3.5
SHORTEST_S: Final = 0.05


class Door:
    """The service's door. One thread at a time. Raises what ``Client`` raises."""

    def __init__(self, settings: ClientSettings, clock: Clock) -> None:
        self._asker = Asker(settings, clock)
        self._clock = clock

    def close(self) -> None:
        """Close the connections that are kept."""
        self._asker.close()

    def key_for(self, login: Login, stop: Stop) -> str:
        """Return the key of an account; raise ``Blocked`` when the login is refused."""
        credential = self._asker.log_in(login, stop)
        if credential.way is Way.COOKIE:
            raise Permanent("the account has no API key: make one on the service's account page")
        return credential.secret

    def begin(self, stop: Stop) -> Device:
        """Ask to be let in; a person must now type the code on the page."""
        return entry.device(self._asker.ask_as(STRANGER, Question("POST", "/oauth/device/code", {}), stop))

    def wait(self, device: Device, stop: Stop) -> str:
        """Return the key when a person has let this device in.

        Raises ``Permanent`` when they refused or took too long, ``Cancelled`` when the flag is raised.
        """
        deadline = self._clock.monotonic() + device.life_s
        interval_s = max(device.interval_s, SHORTEST_S)
        while self._clock.monotonic() < deadline:
            if stop.wait(interval_s):
                raise Cancelled("stopped while waiting to be let in")
            told = self._asked(device, stop)
            if told is Verdict.DENIED:
                raise Permanent("this device was not let in")
            if told is Verdict.EXPIRED:
                break
            if not isinstance(told, Verdict):
                return told
            interval_s += SLOWER_S if told is Verdict.SLOWER else 0.0
        raise Permanent("nobody let this device in in time; begin again")

    def _asked(self, device: Device, stop: Stop) -> str | Verdict:
        body = {"grant_type": GRANT, "device_code": device.code}
        question = Question("POST", "/oauth/token", body, secret=device.code)
        try:
            return entry.token(self._asker.ask_as(STRANGER, question, stop))
        except Transient:
            return Verdict.PENDING  # the next turn comes anyway
