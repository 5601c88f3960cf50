"""Whose turn it is to hand a link in, among hosts with one account."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from offcloud_watchd.core.model import Route
from offcloud_watchd.core.ports import Turn
from offcloud_watchd.errors import Held
from offcloud_watchd.watch.leases import SHARED, Leases, host_name
from offcloud_watchd.watch.reading import made, opened_directory
from offcloud_watchd.watch.turns import Turns, TurnsOfJobs
from tests.fakes.clock import FakeClock
from tests.fakes.jobs import a_job

LEASE_S, LAG_S = 120.0, 150.0
KEY = "btih:one"
NAME = hashlib.sha256(KEY.encode()).hexdigest()


class Host:
    """What the watcher of one host keeps for its turns."""

    def __init__(self, drop: Path, state: Path, clock: FakeClock) -> None:
        state.mkdir(exist_ok=True)
        self.drop, self.state, self.clock = drop, state, clock
        self.begin()

    def begin(self) -> None:
        """Start with nothing in memory."""
        self.name = host_name(self.state)
        self.leases = Leases(LEASE_S, self.clock)
        self.turns = Turns(self.drop, self.leases, self.clock, LAG_S)

    def visit(self) -> None:
        """Do what each visit of the folder does."""
        with (
            opened_directory(self.drop) as root,
            made(root, SHARED) as shared,
            made(shared, self.name),
        ):
            assert not self.leases.beat(shared, self.name)
            self.leases.observe(shared)
            self.turns.release(shared)

    def turn(self) -> Turn:
        """Ask for the turn."""
        return self.turns.turn(KEY)

    def is_ours(self) -> bool:
        """Ask whether the turn is this host's."""
        return self.turn().holder == ""


class Site:
    """A folder and two hosts that have been there for a while."""

    def __init__(self, base: Path) -> None:
        self.clock, self.drop = FakeClock(), base / "drop"
        self.drop.mkdir()
        self.one, self.two = (Host(self.drop, base / name, self.clock) for name in ("one", "two"))
        self.pass_(8.0, self.one, self.two)

    @property
    def file(self) -> Path:
        """The file that names whose turn it is."""
        return self.drop / SHARED / "links" / NAME

    def pass_(self, seconds: float, *living: Host) -> None:
        """Let time pass while some hosts visit the folder."""
        for _ in range(int(seconds / 4)):
            self.clock.advance(4.0)
            for host in living:
                host.visit()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Make a site; its threads end with the test."""
    made_site = Site(tmp_path)
    yield made_site
    for host in (made_site.one, made_site.two):
        host.turns.close()


def test_one_has_the_turn_and_the_other_hears_whose_it_is(site: Site) -> None:
    """Whoever asks first; asked again, it is still his."""
    assert site.one.is_ours()
    assert site.two.turn().holder == site.one.name
    assert site.one.is_ours()


def test_whoever_makes_the_file_needs_one_look_at_the_history(site: Site) -> None:
    """One that is half a minute old counts: what came of an earlier turn shows for longer."""
    turn = site.one.turn()
    assert site.clock.now() - LEASE_S / 2 < turn.counts_from <= site.clock.now()
    assert site.clock.monotonic() < turn.until_s <= site.clock.monotonic() + LEASE_S / 2


def test_a_turn_ends_when_the_history_shows_what_came_of_it(site: Site) -> None:
    """Not before, and then by itself."""
    assert site.one.is_ours()
    site.pass_(LAG_S + LEASE_S / 2, site.one, site.two)
    assert not site.two.is_ours()
    site.pass_(LEASE_S, site.one, site.two)
    assert not site.file.exists()
    assert site.two.is_ours()


def test_a_dead_host_is_followed_after_lease_and_lag(site: Site) -> None:
    """Its POST may have had its effect: only a history that is later than the lag says that it had not."""
    assert site.one.is_ours()
    site.pass_(LEASE_S - 8, site.two)
    assert not site.two.is_ours()
    site.pass_(16, site.two)
    turn = site.two.turn()
    assert turn.holder == ""
    assert turn.counts_from == site.clock.now() + LAG_S
    site.pass_(8, site.two)
    assert site.two.turn().counts_from == turn.counts_from


@pytest.mark.parametrize("set_s", [3600.0, -3600.0])
def test_the_lag_of_a_dead_host_is_waited_for_whatever_the_clock_says(site: Site, set_s: float) -> None:
    """A clock that is set meanwhile makes it neither shorter nor longer."""
    assert site.one.is_ours()
    site.pass_(LEASE_S + 5, site.two)
    assert site.two.is_ours()
    site.pass_(50.0, site.two)
    site.clock.time_s += set_s
    assert site.two.turn().counts_from == pytest.approx(site.clock.now() + LAG_S - 50.0)


def test_a_host_that_stood_still_has_no_turn(site: Site) -> None:
    """It comes back: its turn is over by its own clock, then it sees the other's name."""
    assert site.one.is_ours()
    site.pass_(LEASE_S + 8, site.two)
    assert site.two.is_ours()
    with pytest.raises(Held):
        site.one.turn()
    site.one.visit()
    with pytest.raises(Held):  # somebody may just be acting on its death
        site.one.turn()
    site.pass_(4, site.one, site.two)
    assert site.one.turn().holder == site.two.name


def test_a_host_that_was_away_for_less_keeps_its_turn(site: Site) -> None:
    """Nobody has taken over; it needs two visits to be sure of that."""
    assert site.one.is_ours()
    site.pass_(LEASE_S * 0.75, site.two)
    site.pass_(8, site.one, site.two)
    assert site.one.is_ours()


def test_who_judged_too_early_looks_once_more(site: Site) -> None:
    """A host comes back between the visit that found it dead and the taking over."""
    assert site.one.is_ours()
    site.pass_(LEASE_S + 8, site.two)
    site.one.visit()
    assert site.two.turn().holder == site.one.name


def test_after_a_restart_nobody_remembers_when_the_last_post_was(site: Site) -> None:
    """The turn is still this host's, and the lag begins anew."""
    assert site.one.is_ours()
    site.one.begin()
    with pytest.raises(Held):
        site.one.turn()
    site.pass_(8, site.one, site.two)
    turn = site.one.turn()
    assert turn.holder == ""
    assert site.clock.now() < turn.counts_from <= site.clock.now() + LAG_S


@pytest.mark.parametrize("content", ["", "gone-000000000000\n"])
def test_a_turn_of_nobody_is_given_up_after_the_lease(site: Site, content: str) -> None:
    """A host died before it wrote its name, or its directory was deleted."""
    site.file.parent.mkdir(exist_ok=True)
    site.file.write_text(content)
    assert not site.two.is_ours()
    site.pass_(LEASE_S - 8, site.one, site.two)
    assert not site.two.is_ours()
    site.pass_(16, site.one, site.two)
    assert site.two.is_ours()


def test_another_file_of_nobody_waits_anew(site: Site) -> None:
    """What was seen of an earlier one says nothing of it."""
    site.file.parent.mkdir(exist_ok=True)
    site.file.write_text("")
    assert not site.two.is_ours()
    site.pass_(LEASE_S - 8, site.one, site.two)
    beside = site.file.with_suffix(".new")
    beside.write_text("")
    beside.replace(site.file)
    site.pass_(16, site.one, site.two)
    assert not site.two.is_ours()


def test_a_turn_that_is_about_to_end_is_not_given_out(site: Site) -> None:
    """The folder's thread may be taking the file away just now."""
    assert site.one.is_ours()
    site.pass_(LAG_S + LEASE_S / 2 + 8, site.one, site.two)
    with pytest.raises(Held, match="in a moment"):
        site.one.turn()


def test_a_folder_that_cannot_be_used_gives_no_turn(site: Site) -> None:
    """Without it nobody can tell what the others do: nothing is posted."""
    site.drop.rename(site.drop.with_name("away"))
    with pytest.raises(Held, match="cannot be used: No such file"):
        site.one.turn()


def test_only_what_can_be_there_twice_and_comes_from_such_a_folder_needs_a_turn(site: Site) -> None:
    """Links that are given are nothing that is there twice; other folders have no other host."""
    of_jobs = TurnsOfJobs({"/drop/tv": site.one.turns})
    job = a_job()
    assert of_jobs(job) is not None
    assert of_jobs(replace(job, drops=(replace(job.drops[0], folder="/drop/films"),))) is None
    assert of_jobs(a_job(route=Route.INSTANT)) is None


def test_the_name_of_a_host_stays(tmp_path: Path) -> None:
    """It is made once for a state directory; what cannot be a name is made anew."""
    first = host_name(tmp_path)
    assert host_name(tmp_path) == first
    (tmp_path / "host").write_text("../../etc\n")
    assert host_name(tmp_path) not in {first, "../../etc"}
