"""What every ``core.ports.Cloud`` does: the fake, and the client against each generation of the sandbox."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from offcloud_watchd.core.links import parse_link
from offcloud_watchd.core.model import Link, Submission
from offcloud_watchd.core.ports import Cloud, Stop
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Transient
from offcloud_watchd.offcloud import Client, ClientSettings
from offcloud_watchd.sandbox import Fault, Sandbox, SandboxSettings
from tests.fakes.clock import FakeClock
from tests.fakes.cloud import FakeCloud
from tests.fakes.wire_server import RealClock

LINK = parse_link("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&dn=Show")
SINGLE = parse_link("magnet:?xt=urn:btih:aaaae1c06bba254a9dc9f519b335aa7c1367a88a&dn=One[single]")
OTHER = parse_link("magnet:?xt=urn:btih:bbbbe1c06bba254a9dc9f519b335aa7c1367a88a&dn=Other")
WEB = parse_link("https://files.example.com/some%20file.bin")
DEAD = parse_link("magnet:?xt=urn:btih:dead0000000000000000000000000000000000aa&dn=Dead")
WORLDS = ["fake", "classic", "current", "both"]
TAKES_S = 10.0


class ShiftedClock(RealClock):
    """The machine's time, with jumps."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now(self) -> float:
        """Return UTC seconds."""
        return super().now() + self.shift_s

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return super().monotonic() + self.shift_s

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.shift_s += seconds


@dataclass
class World:
    """A cloud, with the levers a test needs: time, the key, and the service behind it."""

    cloud: Cloud
    advance: Callable[[float], None]
    refuse_key: Callable[[], None]
    now: Callable[[], float]
    sandbox: Sandbox | None = None


def _fake() -> World:
    clock = FakeClock()
    cloud = FakeCloud(clock, takes_s=TAKES_S, dead_keys=frozenset({DEAD.key}))

    def refuse() -> None:
        cloud.refuse_key = True

    return World(cloud, clock.advance, refuse, clock.now)


def _sandbox(generation: str, stack: ExitStack) -> World:
    clock = ShiftedClock()
    settings = SandboxSettings(
        generation=generation,  # type: ignore[arg-type]
        queued_s=TAKES_S / 2,
        download_s=TAKES_S / 2,
        release_bytes=10_000,
        clock=clock,
    )
    sandbox = stack.enter_context(Sandbox(settings))
    keys = [settings.key]
    client = Client(
        ClientSettings(
            read_key=lambda: keys[-1],
            base_url=sandbox.url,
            auth="query" if generation == "classic" else "bearer",
            requests_per_minute=1_000_000,
            retry_wait_s=0.0,
        ),
        clock,
    )
    stack.callback(client.close)

    def refuse() -> None:
        keys.append("another-key")
        with pytest.raises(Blocked):
            client.account(threading.Event())  # the probe reads the key again

    return World(client, clock.advance, refuse, clock.now, sandbox)


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Every cloud there is."""
    with ExitStack() as stack:
        yield _fake() if request.param == "fake" else _sandbox(request.param, stack)


@pytest.fixture(params=WORLDS[1:])
def real(request: pytest.FixtureRequest) -> Iterator[World]:
    """The client against each generation."""
    with ExitStack() as stack:
        yield _sandbox(request.param, stack)


@pytest.fixture
def stop() -> Stop:
    """A flag that is not raised."""
    return threading.Event()


def _ready(world: World, link: Link, stop: Stop) -> Submission:
    submission = world.cloud.submit(link, stop)
    world.advance(TAKES_S + 1)
    return world.cloud.status(submission, stop).submission


@pytest.mark.parametrize("link", [LINK, WEB])
def test_what_was_submitted_is_found(world: World, stop: Stop, link: Link) -> None:
    """A submission whose answer was lost is found by its link, and nothing else is."""
    assert world.cloud.find(link, world.now(), stop)[0] in ((), [])
    submission = world.cloud.submit(link, stop)
    world.advance(1)
    asked_at = world.now()
    found, as_of = world.cloud.find(link, asked_at, stop)
    assert [one.request_id for one in found] == [submission.request_id]
    assert as_of >= asked_at
    assert not world.cloud.find(OTHER, asked_at, stop)[0]


def test_a_request_waits_and_is_ready(world: World, stop: Stop) -> None:
    """Its id never changes on the way."""
    submission = world.cloud.submit(LINK, stop)
    seen = []
    for seconds in (1, TAKES_S - 3, 3):
        world.advance(seconds)
        phase = world.cloud.status(submission, stop)
        assert phase.submission.request_id == submission.request_id
        seen.append(phase.outcome)
    assert seen == ["waiting", "waiting", "ready"]


def test_a_failed_request_says_why_and_is_not_found(world: World, stop: Stop) -> None:
    """The dead entry must not be adopted."""
    submission = world.cloud.submit(DEAD, stop)
    world.advance(TAKES_S * 20)
    phase = world.cloud.status(submission, stop)
    assert phase.outcome == "failed"
    assert phase.reason
    assert not world.cloud.find(DEAD, world.now(), stop)[0]


@pytest.mark.parametrize("link", [LINK, SINGLE, WEB])
def test_a_finished_request_has_files_with_links(world: World, stop: Stop, link: Link) -> None:
    """Every file has a path and a link; asking again is harmless."""
    submission = _ready(world, link, stop)
    for _ in range(2):
        files = world.cloud.files(submission, stop)
        assert files
        assert all(file.path and file.url.startswith("http") for file in files)


def test_an_unknown_request_is_gone_or_nothing_is_told_of_it(world: World, stop: Stop) -> None:
    """No request is ever made up, and none is waited for that the service does not speak of."""
    nobody = Submission("0123456789abcdef01234567")
    for ask in (world.cloud.status, world.cloud.files):
        with pytest.raises((Gone, Transient)):
            ask(nobody, stop)


def test_the_account_proves_the_key(world: World, stop: Stop) -> None:
    """The probe says who we are."""
    assert world.cloud.account(stop).premium


def test_a_refused_key_blocks_every_call(world: World, stop: Stop) -> None:
    """No call fails a job for it."""
    submission = world.cloud.submit(LINK, stop)
    world.refuse_key()
    calls: list[Callable[[], object]] = [
        lambda: world.cloud.submit(LINK, stop),
        lambda: world.cloud.find(LINK, world.now(), stop),
        lambda: world.cloud.status(submission, stop),
        lambda: world.cloud.files(submission, stop),
        lambda: world.cloud.account(stop),
    ]
    for call in calls:
        with pytest.raises(Blocked) as raised:
            call()
        assert raised.value.key_refused
        assert raised.value.lane == "api"


# --- What only the service itself can show ---


@pytest.mark.parametrize("link", [LINK, SINGLE])
def test_the_files_are_those_the_service_holds(real: World, stop: Stop, link: Link) -> None:
    """Names and sizes are the service's own, as far as the generation tells them."""
    assert real.sandbox is not None
    files = real.cloud.files(_ready(real, link, stop), stop)
    expected = dict(real.sandbox.expected_files(link.url))
    told = {path: size for path, size in expected.items() if path in {file.path for file in files}}
    if not told:  # the classic list tells base names only
        expected = {path.rpartition("/")[2]: size for path, size in expected.items()}
    assert sorted(file.path for file in files) == sorted(expected)
    assert all(file.size_bytes in (None, expected[file.path]) for file in files)


def test_a_single_file_found_in_the_history_has_its_link_too(real: World, stop: Stop) -> None:
    """An adopted request was never answered, so its address must come from elsewhere."""
    _ready(real, SINGLE, stop)
    (sought, *_), _ = real.cloud.find(SINGLE, real.now(), stop)
    assert len(real.cloud.files(sought, stop)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("reset", "cloud", effect=True),
        Fault("truncate", "cloud"),
        Fault("html", "cloud", effect=True, status=502),
        Fault("answer", "cloud", effect=True, status=504, body="{}"),
    ],
)
def test_a_lost_answer_is_found_in_the_account(real: World, stop: Stop, fault: Fault) -> None:
    """Whatever happened to the answer, the one item that was made is found."""
    assert real.sandbox is not None
    real.sandbox.faults.add(fault)
    with pytest.raises(Transient) as raised:
        real.cloud.submit(LINK, stop)
    assert raised.value.maybe_sent
    real.advance(1)
    found, _ = real.cloud.find(LINK, real.now(), stop)
    assert len(found) == 1
    assert sum(content.items_created for content in real.sandbox.books().contents.values()) == 1


def test_a_raised_flag_ends_every_question(real: World, stop: Stop) -> None:
    """Nothing is asked any more."""
    submission = real.cloud.submit(LINK, stop)
    raised_flag = threading.Event()
    raised_flag.set()
    for ask in (
        lambda: real.cloud.submit(LINK, raised_flag),
        lambda: real.cloud.find(LINK, real.now() + 1, raised_flag),
        lambda: real.cloud.status(submission, raised_flag),
        lambda: real.cloud.files(submission, raised_flag),
        lambda: real.cloud.account(raised_flag),
    ):
        with pytest.raises(Cancelled):
            ask()
