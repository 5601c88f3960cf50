"""A real Debian machine with a real systemd: installed, run, ended in every way, upgraded and purged.

One machine serves the whole file and the tests are read from top to bottom: each leaves the service running,
as it found it. The whole takes about three minutes, without the building of the package.
What the service does meanwhile is in ``test_debian_at_work``.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.fuse import Fuse
from tests.faults.namespace import enter_mounts_of
from tests.packaging.box import ROOT, Box, missing, newer
from tests.packaging.machine import (
    CONFIG,
    DROP_IN,
    FOLDERS,
    JOURNAL,
    KEY,
    UNIT,
    active,
    configure,
    drop,
    fault,
    published,
)

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(bool(missing()), reason=missing() or "all is there"),
]

ACCOUNTS = ("second", "third")
FILES = ("", "/api-key", "/config.yaml")
"""What a person makes for an account."""

NOISE = ("var/lib/systemd/", "var/lib/private")
"""What systemd itself writes while a machine runs."""


# --- installed ---------------------------------------------------------------------------------------------


def test_installed_but_not_begun(box):
    """Nothing runs before there is a key; user, configuration, command, pages and completions are there."""
    assert box.show(UNIT, "ActiveState") == "inactive"
    assert box.show(UNIT, "UnitFileState") == "disabled"
    stat = "stat -c '%a %U:%G' /etc/offcloud-watchd/config.yaml /var/lib/offcloud-watchd"
    assert box.run(stat).splitlines() == ["640 root:offcloud-watchd", "700 offcloud-watchd:offcloud-watchd"]
    assert box.run("offcloud-watchd --version").startswith("offcloud-watchd ")
    assert box.run("dpkg --verify offcloud-watchd") == ""
    assert "UTF-8" not in box.run("offcloud-watchd config schema >/dev/null")
    box.run("test -s /usr/share/bash-completion/completions/offcloud-watchd")


def test_the_installed_unit_is_as_hard_as_it_says(box):
    """The systemd that runs it agrees with the measure taken while building."""
    box.run(f"systemd-analyze security --no-pager --threshold=15 {UNIT} > /dev/null")


# --- running -----------------------------------------------------------------------------------------------


def test_what_is_dropped_is_published(service):
    """From every folder, also in a home, in /tmp and with an odd name; the owner is the right one."""
    assert service.show(UNIT, "StatusText").endswith("0 failed")
    for number, folder in enumerate(FOLDERS):
        drop(service, f"first{number}", folder)
    for number, target in enumerate(FOLDERS.values()):
        published(service, f"first{number}", target)
    owner = service.run("stat -c '%U:%G %a' /srv/downloads/movies/first0").strip()
    assert owner == "offcloud-watchd:offcloud-watchd 2775"
    service.wait("offcloud-watchd status | grep -q ' 4 done'", within_s=20)


def test_the_key_is_nowhere_to_be_seen(service):
    """Neither log nor unit, environment nor command line shows it; the file stays root's own."""
    assert KEY not in service.log()
    assert KEY not in service.run(f"systemctl show {UNIT}; systemctl cat {UNIT}")
    process = service.show(UNIT, "MainPID")
    assert KEY not in service.run(f"tr '\\0' '\\n' < /proc/{process}/environ; cat /proc/{process}/cmdline")
    assert service.run("stat -c '%a %U' /etc/offcloud-watchd/api-key").strip() == "600 root"


def test_the_log_has_fields(service):
    """The log can be filtered by where a record comes from."""
    told = service.run(
        f"journalctl --no-pager --output=json --unit={UNIT} LOGGER=offcloud_watchd.engine.ledger"
    )
    records = [json.loads(line) for line in told.splitlines()]
    assert {record["PRIORITY"] for record in records} == {"6"}
    told = service.run(f"journalctl --no-pager --output=json --unit={UNIT} CATEGORY=odd")
    story = [json.loads(line) for line in told.splitlines()]
    steps = [(record["LANE"], record["MESSAGE"].partition(": ")[2].split()[0]) for record in story]
    assert steps == [("disk", "taken"), ("api", "submitted"), ("api", "the"), ("fetch", "published:")]
    assert len({record["JOB"] for record in story}) == 1
    assert "REQUEST" not in story[0]
    assert len({record["REQUEST"] for record in story[1:]}) == 1


def test_reload_keeps_the_process(service):
    """A changed configuration is taken over by the same process; a wrong one is refused and nothing stops."""
    process = service.show(UNIT, "MainPID")
    configure(service, CONFIG + "log: {level: debug}\n")
    service.run("systemctl reload offcloud-watchd")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q '^reloading: starting again'", within_s=20)
    active(service)
    configure(service, CONFIG + "nonsense: 1\n")
    service.run("systemctl reload offcloud-watchd")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'reload refused.*nonsense'", within_s=20)
    configure(service, CONFIG)
    drop(service, "reloaded")
    published(service, "reloaded")
    assert (service.show(UNIT, "MainPID"), service.show(UNIT, "NRestarts")) == (process, "0")


def test_what_few_need_can_be_closed(service):
    """Without fetch.group and the set-group-ID bit it works in the tighter form of docs/install.md."""
    tighter = (ROOT / "docs" / "install.md").read_text().partition("```ini\n")[2].partition("```")[0]
    assert "PrivateUsers=yes" in tighter
    configure(service, CONFIG.replace("min_free: 1MiB", 'min_free: 1MiB, dir_mode: "0775"'))
    path = f"{DROP_IN}/tighter.conf"
    (service.root / path.lstrip("/")).write_text(tighter)
    service.run(f"systemctl daemon-reload && systemctl restart {UNIT}")
    drop(service, "tighter")
    published(service, "tighter")
    assert service.run("stat -c '%U %a' /srv/downloads/movies/tighter").strip() == "offcloud-watchd 775"
    configure(service, CONFIG)
    service.run(f"rm {path} && systemctl daemon-reload && systemctl restart {UNIT}")


# --- ended -------------------------------------------------------------------------------------------------


def test_killed_it_is_started_again_and_resumes(service):
    """After kill -9 in the middle of a job it is started again, the job ends, one request was made for it."""
    process = service.show(UNIT, "MainPID")
    drop(service, "killed")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'killed: submitted'", within_s=20)
    service.run(f"kill -KILL {process}")
    service.wait(f"test $(systemctl show --value -p NRestarts {UNIT}) = 1", within_s=30)
    published(service, "killed")
    assert service.log().count("killed: submitted") == 1
    assert service.show(UNIT, "MainPID") != process


def test_frozen_it_is_started_again(service):
    """A process that stands still gives no sign of life: the watchdog ends it, and no memory is dumped."""
    service.run(
        f"""
        mkdir -p /run/systemd/system/{UNIT}.d
        printf '[Service]\\nWatchdogSec=4\\nRestartSec=1\\n' > /run/systemd/system/{UNIT}.d/quick.conf
        systemctl daemon-reload && systemctl restart {UNIT}
        kill -STOP $(systemctl show --value -p MainPID {UNIT})
        """
    )
    service.wait(f"test $(systemctl show --value -p NRestarts {UNIT}) -ge 1", within_s=40)
    active(service)
    assert "Watchdog timeout" in service.log()
    assert service.show(UNIT, "LimitCORE") == "0"
    drop(service, "thawed")
    published(service, "thawed")
    service.run(f"rm -r /run/systemd/system/{UNIT}.d && systemctl daemon-reload && systemctl restart {UNIT}")


def test_a_lane_that_hangs_is_ended(service):
    """A release on a mount that does not answer hangs the disk lane: the watchdog ends the process."""
    service.run(
        f"""
        mkdir -p /run/systemd/system/{UNIT}.d
        printf '[Service]\\nWatchdogSec=3\\nRestartSec=1\\n' > /run/systemd/system/{UNIT}.d/quick.conf
        systemctl daemon-reload && systemctl restart {UNIT}
        test -e /dev/fuse || mknod /dev/fuse c 10 229
        """
    )
    active(service)
    with _mounted(service, Path("/srv/downloads/movies/first0")) as nas:
        nas.hang()
        drop(service, "first0")
        service.wait(f"test $(systemctl show --value -p NRestarts {UNIT}) -ge 1", within_s=120)
    log = service.log()
    assert "no sign of life is given: disk has not moved for 4" in log
    assert "Watchdog timeout" in log
    again = "first0: dropped again; it is still there"
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q '{again}'", within_s=60)
    service.run(f"rm -r /run/systemd/system/{UNIT}.d && systemctl daemon-reload && systemctl restart {UNIT}")


@contextmanager
def _mounted(box: Box, point: Path) -> Iterator[Fuse]:
    """Mount a file system of our own in the machine, by a thread that goes there for good."""
    nas = Fuse(point)
    leader = box.leader
    assert leader is not None
    with ThreadPoolExecutor(1) as there:
        there.submit(enter_mounts_of, leader).result()
        there.submit(nas.__enter__).result()
        try:
            yield nas
        finally:
            there.submit(nas.__exit__, None, None, None).result()


def test_it_stops_in_time_and_in_order(service):
    """A stop in the middle of a job takes less than the promised 20 seconds and is no failure."""
    drop(service, "stopped")
    service.wait(f"journalctl --output=cat --unit={UNIT} | grep -q 'stopped: submitted'", within_s=20)
    service.run(f"timeout 20 systemctl stop {UNIT}")
    assert (service.show(UNIT, "Result"), service.show(UNIT, "ExecMainStatus")) == ("success", "0")
    service.run(f"systemctl start {UNIT}")
    published(service, "stopped")


@pytest.mark.parametrize(
    ("spoil", "mend", "code"),
    [
        (
            "echo 'nonsense: 1' >> /etc/offcloud-watchd/config.yaml",
            "sed -i '/^nonsense/d' /etc/offcloud-watchd/config.yaml",
            "78",
        ),
        (
            f"cp {JOURNAL} /root/ && sed -i '2s/./X/5' {JOURNAL}",
            f"cp /root/journal.jsonl {JOURNAL}",
            "65",
        ),
    ],
    ids=["configuration", "journal"],
)
def test_what_starting_again_does_not_mend_is_not_tried_again(service, spoil, mend, code):
    """The service ends with the exit code that says what is wrong, once, and waits for the operator."""
    service.run(f"systemctl stop {UNIT}; {spoil}")
    service.run(f"systemctl start {UNIT}", check=False)
    service.wait(f"test $(systemctl show --value -p ActiveState {UNIT}) = failed", within_s=30)
    assert (service.show(UNIT, "ExecMainStatus"), service.show(UNIT, "NRestarts")) == (code, "0")
    service.run(f"{mend}; systemctl reset-failed {UNIT}; systemctl start {UNIT}")


def test_two_accounts_more(service):
    """Each offcloud-watchd@NAME has a configuration, a key, a state and a status of its own."""
    for name in ACCOUNTS:
        _begin_account(service, name)
    for name in ACCOUNTS:
        drop(service, f"of-{name}", f"/srv/{name}/drop")
    for name in ACCOUNTS:
        published(service, f"of-{name}", f"/srv/{name}/out/tv")
        of_account = f"offcloud-watchd --config /etc/offcloud-watchd/accounts/{name}/config.yaml"
        service.wait(f"{of_account} status | grep -q ' 1 done'", within_s=20)
        assert service.run(f"{of_account} jobs | cut -f 4").split() == [f"of-{name}"]
        assert (
            service.run(f"stat -c %U /var/lib/offcloud-watchd/accounts/{name}").strip() == "offcloud-watchd"
        )


def _begin_account(box: Box, name: str) -> None:
    settings = f"/etc/offcloud-watchd/accounts/{name}"
    drop_in = f"/etc/systemd/system/offcloud-watchd@{name}.service.d"
    config = f"""
offcloud: {{api_key_file: {settings}/api-key, base_url: "http://127.0.0.1:8698", poll: {{min: 1s, max: 2s}}}}
output_dir: /srv/{name}/out
state_dir: /var/lib/offcloud-watchd/accounts/{name}
folders: [{{path: /srv/{name}/drop, category: tv, settle: 1s}}]
fetch: {{min_free: 1MiB}}
web: {{listen: null}}
"""
    box.run(
        f"""
        mkdir -p {settings} {drop_in} /srv/{name}/drop /srv/{name}/out
        chown offcloud-watchd: /srv/{name}/drop /srv/{name}/out
        echo {shlex.quote(config)} > {settings}/config.yaml
        install -m 600 /etc/offcloud-watchd/api-key {settings}/api-key
        offcloud-watchd --config {settings}/config.yaml systemd paths > {drop_in}/paths.conf
        systemctl daemon-reload
        systemctl enable --quiet --now offcloud-watchd@{name}
        """
    )


# --- upgraded, removed -------------------------------------------------------------------------------------


def test_an_upgrade_restarts_what_runs(service, package, tmp_path):
    """In the middle of a fetch: all services come back as the new version, and the fetch goes on."""
    units = (UNIT, *(f"offcloud-watchd@{name}.service" for name in ACCOUNTS))
    processes = [service.show(unit, "MainPID") for unit in units]
    (service.root / "root" / "newer.deb").write_bytes(newer(package, tmp_path).read_bytes())
    fault(service, endpoint="file", kind="cut", amount=300_000, seconds=100)
    drop(service, "upgraded")
    service.wait("offcloud-watchd status | grep -q ' 1 fetching'", within_s=40)
    service.run("dpkg --install --force-confold /root/newer.deb")
    for unit, process in zip(units, processes, strict=True):
        active(service, unit)
        assert service.show(unit, "MainPID") not in (process, "0")
    assert service.run("cat /etc/offcloud-watchd/config.yaml") == CONFIG
    published(service, "upgraded")
    assert re.search("ready: .* 1 fetching", service.log())
    assert service.log().count("upgraded: submitted") == 1


def test_a_stopped_service_stays_stopped_over_an_upgrade(service):
    """What the operator stopped is not begun behind his back."""
    service.run(f"systemctl stop {UNIT} && dpkg --install --force-confold /root/newer.deb")
    assert service.show(UNIT, "ActiveState") == "inactive"
    service.run(f"systemctl start {UNIT}")


def test_a_purge_leaves_what_the_user_made(service, before):
    """Removed, nothing runs and the state is kept; purged, only what people put there is left."""
    service.run("dpkg --remove offcloud-watchd")
    assert service.run("pgrep --uid offcloud-watchd || true") == ""
    service.run("test -s /var/lib/offcloud-watchd/journal.jsonl")
    service.run("dpkg --purge offcloud-watchd")
    mine = ("srv/", "home/", "root/", "etc/offcloud-watchd/", "etc/systemd/system/offcloud-watchd")
    accounts = {"etc/passwd-", "etc/shadow-", "etc/group-", "etc/gshadow-", "etc/subuid-", "etc/subgid-"}
    left = {path for path in service.files() - before - accounts if not path.startswith(mine)}
    assert left <= {"etc/offcloud-watchd"} | {path for path in left if path.startswith(NOISE)}
    assert not service.run("getent passwd offcloud-watchd || true")
    assert sorted(path for path in service.files() if path.startswith("etc/offcloud-watchd/")) == [
        "etc/offcloud-watchd/accounts",
        *(f"etc/offcloud-watchd/accounts/{name}{file}" for name in ACCOUNTS for file in FILES),
        "etc/offcloud-watchd/api-key",
    ]
    for number, target in enumerate(FOLDERS.values()):
        service.run(f"test -d {shlex.quote(target)}/first{number}")
