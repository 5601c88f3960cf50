"""What the service does under its hardened unit on a real Debian machine: what it logs, serves, tells, reads.

One machine serves the whole file; the first test reads the log from its beginning.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e import story
from tests.fakes import arr_tool
from tests.fakes.arr_tool import FakeTool
from tests.faults.namespace import enter_network_of
from tests.packaging.box import Box, missing
from tests.packaging.machine import CONFIG, KEY, UNIT, active, configure, drop, fault, published
from tests.unit.notify.conftest import Hooked

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is there"),
]

HOST = "127.0.0.1:8698"
TORRENT = f"http://{HOST}/sandbox/torrents/Good.Film.torrent"
TELL = """#!/bin/sh
cat >> "$HOME/told" && env > "$HOME/environment" && id -nu >> "$HOME/told"
"""


@pytest.fixture(scope="module")
def inside(box: Box) -> Iterator[ThreadPoolExecutor]:
    """A thread that lives in the machine's network; servers that it makes listen there."""
    leader = box.leader
    assert leader is not None
    with ThreadPoolExecutor(1) as thread:
        thread.submit(enter_network_of, leader).result()
        yield thread


def get(box: Box, where: str, path: str, user: str = "root") -> str:
    """Ask the web for a page as a user of the machine; return the status, or what was in the way."""
    connect = "c = HTTPConnection('127.0.0.1', 8697)"
    if where != "loopback":
        connect = f"c = HTTPConnection('localhost'); c.sock = socket(AF_UNIX); c.sock.connect({where!r})"
    asked = f"{connect}; c.request('GET', {path!r}); print(c.getresponse().status)"
    script = f"from http.client import *; from socket import *; {asked}"
    as_user = f"setpriv --reuid={user} --regid={user} --init-groups"
    return box.run(f"{as_user} python3 -c {shlex.quote(script)}", check=False).split()[-1]


def test_the_log_is_the_story_of_each_job(service):
    """Five kinds of drops at info: one line a step, nothing else, and nothing secret."""
    service.run(
        f"""
        cd /srv/drop/movies
        python3 -c "import urllib.request as r; r.urlretrieve('{TORRENT}', '.good')"
        cp .good .again && cp .good /root/good
        mv .good Good.Film.torrent && sleep 3 && mv .again Again.torrent
        """
    )
    published(service, "Good.Film")
    service.run("echo 'Log in first' > /srv/drop/movies/Bad.torrent")
    service.run(f"cd /srv/drop/movies && printf %s {shlex.quote(story.LIST)} > .list && mv .list wanted.txt")
    published(service, "file")
    published(service, "One")
    fault(service, **story.REFUSAL)
    drop(service, "Lost")
    service.wait("offcloud-watchd status | grep -q ' 1 failed'", within_s=30)
    service.run("cp /root/good /srv/drop/movies/.more && cd /srv/drop/movies && mv .more Once.More.torrent")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'still there: /srv'", within_s=30)
    log = service.log()
    ours = [line for line in log.splitlines() if "Offcloud drop folder service." not in line]
    story.assert_told(
        ours, drop="/srv/drop/movies", output="/srv/downloads/movies", category="movies", host=HOST
    )
    assert not [secret for secret in (KEY, *story.SECRETS) if secret in log]


def test_the_web_is_served(service):
    """On loopback to everybody, through a socket to the service's group alone."""
    configure(service, CONFIG.replace("listen: null", "listen: 127.0.0.1:8697"))
    service.run("systemctl reload offcloud-watchd")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'web: listening at http:'", within_s=30)
    active(service)
    for path in ("/", "/healthz", "/readyz", "/metrics", "/api/v1/jobs", "/api/v2/app/version"):
        assert get(service, "loopback", path, "anna") == "200", path
    configure(service, CONFIG.replace("listen: null", "listen: 'unix:/run/offcloud-watchd/web.sock'"))
    service.run(
        "systemctl reload offcloud-watchd && useradd bert && usermod --append --groups offcloud-watchd bert"
    )
    service.wait("test -S /run/offcloud-watchd/web.sock", within_s=30)
    active(service)
    assert get(service, "/run/offcloud-watchd/web.sock", "/", "bert") == "200"
    assert get(service, "/run/offcloud-watchd/web.sock", "/", "anna") == "denied"


def test_people_and_tools_are_told(service, inside):
    """By a command, a webhook and the API of an *arr tool, out of the sandbox of the unit."""
    hook, tool = inside.submit(Hooked).result(), inside.submit(FakeTool).result()
    try:
        tool.grab("told", b"told".hex().rjust(40, "a"), client=False)
        ways = f"{{command: /usr/local/bin/tell --loud, webhook: '{hook.url}'}}"
        arr = f"[{{name: sonarr, url: '{tool.url}', api_key_file: sonarr-key, categories: [movies]}}]"
        (service.root / "usr/local/bin/tell").write_text(TELL)
        service.run(
            f"""
            chmod 755 /usr/local/bin/tell && cd /etc/offcloud-watchd
            echo {arr_tool.KEY} | install -m 600 -o offcloud-watchd /dev/stdin sonarr-key
            """
        )
        configure(service, f"{CONFIG}notify: {ways}\narr: {arr}\n")
        service.run(f"systemctl restart {UNIT}")
        fault(service, **story.REFUSAL)
        drop(service, "told")
        service.wait("grep -q offcloud-watchd$ /var/lib/offcloud-watchd/told", within_s=40)
        service.wait(
            f"journalctl --output=cat --unit={UNIT} | grep -q 'tool knows that it failed'", within_s=40
        )
        document, user = service.run("cat /var/lib/offcloud-watchd/told").rsplit("}", 1)
        assert user.strip() == "offcloud-watchd"
        assert [json.loads(document + "}")] == hook.came
        assert hook.came[0]["title"] == "told failed"
        assert tool.blocklist == ["told"]
        environment = service.run("cat /var/lib/offcloud-watchd/environment")
        assert "OFFCLOUD_WATCHD_EVENT=failed" in environment
        assert not [word for word in (KEY, "CREDENTIALS", "NOTIFY_SOCKET") if word in environment]
        assert not [secret for secret in (KEY, arr_tool.KEY, "SECRET") if secret in service.log()]
    finally:
        configure(service, CONFIG)
        service.run(f"systemctl restart {UNIT}")
        hook.close()
        tool.close()


def test_a_new_key_is_taken_up(service):
    """A key that is refused pauses a lane; the right one, written into root's file, is enough to end that."""
    key_file = "install -m 600 /dev/stdin /etc/offcloud-watchd/api-key"
    service.run(f"echo a-wrong-key | {key_file}")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'lane api paused: .*API key'", within_s=40)
    drop(service, "Patient")
    service.wait("offcloud-watchd status | grep -q ' 1 queued'", within_s=30)
    service.run(f"echo {KEY} | {key_file}")
    published(service, "Patient")
    assert service.show(UNIT, "NRestarts") == "0"
    service.run(f"systemctl stop {UNIT}")
    service.wait("test $(systemctl is-active offcloud-watchd-key.path) = inactive", within_s=10)
    service.run(f"echo {KEY} | {key_file}; sleep 4")
    assert service.show(UNIT, "ActiveState") == "inactive"
