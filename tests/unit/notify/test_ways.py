"""Webhooks and apprise against real servers, good ones and others."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from offcloud_watchd.notify.message import Fact, Message, composed
from offcloud_watchd.notify.settings import NotifySettings
from offcloud_watchd.notify.ways import Apprise, NotSent, Webhook
from tests.fakes.threads import no_more_threads

MESSAGE = composed("published", [Fact(job="j1", name="Film", path="/out/Film", files=1, verified="size")], 1)

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise's own


def refused(way: Webhook | Apprise, message: Message = MESSAGE) -> NotSent:
    """Return why it was not sent; no secret is in it, nor in what hangs on it."""
    with pytest.raises(NotSent) as caught:
        way.send(message, threading.Event())
    error = caught.value
    assert "SECRET" not in f"{error} {error.__cause__} {error.__context__}"
    return error


def test_a_webhook_gets_json(hook) -> None:
    """The facts, by POST, with our name."""
    hooked = hook()
    Webhook(NotifySettings(user_agent="offcloud-watchd/9"), hooked.url).send(MESSAGE, threading.Event())
    assert hooked.came[0]["title"] == "Film is here"
    assert hooked.came[0]["facts"][0]["path"] == "/out/Film"
    assert hooked.headers[0]["User-Agent"] == "offcloud-watchd/9"
    assert hooked.headers[0]["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "may_pass"), [(500, True), (503, True), (429, True), (408, True), (400, False), (404, False)]
)
def test_a_refusal(hook, status: int, may_pass: object) -> None:
    """What time may mend is tried again, and nothing else."""
    hooked = hook()
    hooked.statuses = [status]
    error = refused(Webhook(NotifySettings(), hooked.url))
    assert str(error) == f"127.0.0.1 answered {status}"
    assert error.may_pass is may_pass


def test_a_redirect_is_not_followed(hook) -> None:
    """What a message holds goes where the operator said and nowhere else."""
    hooked, elsewhere = hook(), hook()
    hooked.statuses, hooked.location = [307], elsewhere.url
    assert "not followed" in str(refused(Webhook(NotifySettings(), hooked.url)))
    assert elsewhere.came == []


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_a_server_that_never_ends(hook, how: str) -> None:
    """It is left behind when the time is over, one thread at the most, and the next is told so."""
    hooked = hook()
    setattr(hooked, how, True)
    way = Webhook(NotifySettings(time_limit_s=0.3), hooked.url)
    error = refused(way)
    assert error.may_pass
    if how == "drip":  # each byte is a sign of life to the library
        assert "did not end within 0.3 s" in str(error)
        before = threading.active_count()
        assert "still hangs" in str(refused(way))
        assert threading.active_count() <= before


def test_nobody_there(hook) -> None:
    """A port where nobody listens."""
    hooked = hook()
    hooked.close()
    error = refused(Webhook(NotifySettings(), hooked.url))
    assert str(error) == "127.0.0.1 gave no answer (ConnectionError)"


def test_no_proxy_of_the_environment(hook, monkeypatch) -> None:
    """The message goes straight, whatever other programs are told."""
    hooked, proxy = hook(), hook()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    Webhook(NotifySettings(), hooked.url).send(MESSAGE, threading.Event())
    assert (len(hooked.came), len(proxy.came)) == (1, 0)


def test_no_further_thread(hook) -> None:
    """Time may mend it; and then it goes on (fault 106)."""
    hooked = hook()
    way = Webhook(NotifySettings(), hooked.url)
    with no_more_threads():
        assert refused(way).may_pass
    way.send(MESSAGE, threading.Event())
    assert len(hooked.came) == 1


def test_an_end_is_not_held_up(hook) -> None:
    """When the program ends a message has half a second more."""
    hooked, stop = hook(), threading.Event()
    hooked.drip = True
    stop.set()
    began = time.monotonic()
    with pytest.raises(NotSent):
        Webhook(NotifySettings(time_limit_s=30), hooked.url).send(MESSAGE, stop)
    assert time.monotonic() - began < 10


def addresses(tmp_path: Path, text: str) -> Apprise:
    """Write a file of addresses."""
    path = tmp_path / "apprise"
    path.write_text(text)
    return Apprise(NotifySettings(), path)


def test_apprise(hook, tmp_path: Path, caplog) -> None:
    """The real library, with a comment, to a real server."""
    hooked = hook()
    port = hooked.server.server_port
    way = addresses(tmp_path, f"# mine\njson://user:SECRET@127.0.0.1:{port}/SECRET\n")
    way.send(MESSAGE, threading.Event())
    assert (hooked.came[0]["title"], hooked.came[0]["type"]) == ("Film is here", "success")
    way.send(composed("failed", [Fact(name="Film", reason="gone")], 1), threading.Event())
    assert (hooked.came[1]["message"], hooked.came[1]["type"]) == ("gone", "warning")
    hooked.statuses = [500]
    assert refused(way).may_pass
    assert "SECRET" not in caplog.text


@pytest.mark.parametrize("text", ["", "# nothing\n", "not an address\n"])
def test_a_file_without_an_address(tmp_path: Path, text: str) -> None:
    """It is named, and not tried again."""
    error = refused(addresses(tmp_path, text))
    assert str(error) == f"{tmp_path}/apprise cannot be read or names no address"
    assert not error.may_pass


def test_apprise_is_not_here(tmp_path: Path, monkeypatch) -> None:
    """Without the extra it is said how to get it."""
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert "install offcloud-watchd[apprise]" in str(refused(addresses(tmp_path, "json://localhost\n")))
