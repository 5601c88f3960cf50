"""What every ``core.ports.Cloud`` does: the fake, and the client against each generation of the sandbox."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace

import pytest

from offcloud_watchd.core.links import parse, parse_link
from offcloud_watchd.core.model import Link, RemoteTarget, Route, Submission
from offcloud_watchd.core.ports import Cloud, Stop
from offcloud_watchd.core.rounds import ALONE
from offcloud_watchd.errors import Blocked, Cancelled, Gone, Permanent, Transient, Untold
from offcloud_watchd.offcloud import Client, ClientSettings, Login
from offcloud_watchd.offcloud.door import Door
from offcloud_watchd.offcloud.entry import Device
from offcloud_watchd.offcloud.places import chosen
from offcloud_watchd.sandbox import Fault, Sandbox, SandboxSettings
from offcloud_watchd.sandbox.api import ROUTES
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
    cloud = FakeCloud(
        clock,
        takes_s=TAKES_S,
        dead_keys=frozenset({DEAD.key}),
        no_account=frozenset({"nobody"}),
        no_proxy=frozenset({"Mars"}),
    )

    def refuse() -> None:
        cloud.refuse_key = True

    return World(cloud, clock.advance, refuse, clock.now)


def _settings(sandbox: Sandbox, auth: str, key: str | None = None) -> ClientSettings:
    return ClientSettings(
        read_key=lambda: sandbox.settings.key if key is None else key,
        base_url=sandbox.url,
        auth=auth,
        requests_per_minute=1_000_000,
        retry_wait_s=0.0,
    )


def _made(sandbox: Sandbox, auth: str, key: str | None = None, username: str = "") -> Client:
    return Client(replace(_settings(sandbox, auth, key), username=username), RealClock())


def _sandbox(generation: str, stack: ExitStack) -> World:
    clock = ShiftedClock()
    settings = SandboxSettings(
        generation=generation,  # type: ignore[arg-type]
        queued_s=TAKES_S / 2,
        download_s=TAKES_S / 2,
        device_interval_s=0.05,
        release_bytes=10_000,
        clock=clock,
    )
    sandbox = stack.enter_context(Sandbox(settings))
    keys = [settings.key]
    auth = "query" if generation == "classic" else "bearer"
    client = Client(replace(_settings(sandbox, auth), read_key=lambda: keys[-1]), clock)
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


def test_many_requests_are_told_together(world: World, stop: Stop) -> None:
    """Never one that failed or is not there; of a few nothing is told. Each told one keeps its id."""
    links = [parse_link(f"magnet:?xt=urn:btih:{number:040x}") for number in range(1, 9)]
    taken = [world.cloud.submit(link, stop) for link in (*links, DEAD)]
    nobody = [Submission("0123456789abcdef01234567"), Submission("../no id")]
    assert world.cloud.statuses(taken[:ALONE], stop) == {}
    told: list[dict[str, str]] = []
    for seconds in (1, TAKES_S * 20):
        world.advance(seconds)
        phases = world.cloud.statuses([*taken, *taken[:2], *nobody], stop)
        assert all(phase.submission.request_id == own_id for own_id, phase in phases.items())
        told.append({own_id: phase.outcome for own_id, phase in phases.items()})
    live = [one.request_id for one in taken[:-1]]
    assert {own_id: told[0][own_id] for own_id in live} == dict.fromkeys(live, "waiting")
    assert told[1] == dict.fromkeys(live, "ready")


def test_an_unknown_request_is_gone_or_nothing_is_told_of_it(world: World, stop: Stop) -> None:
    """No request is ever made up, and none is waited for that the service does not speak of."""
    nobody = Submission("0123456789abcdef01234567")
    with pytest.raises((Gone, Untold)):
        world.cloud.status(nobody, stop)
    with pytest.raises((Gone, Transient)):
        world.cloud.files(nobody, stop)


def test_the_account_proves_the_key(world: World, stop: Stop) -> None:
    """The probe says who we are."""
    assert world.cloud.account(stop).premium


def test_a_refused_key_blocks_every_call(world: World, stop: Stop) -> None:
    """No call fails a job for it."""
    submission = world.cloud.submit(LINK, stop)
    world.refuse_key()
    calls: list[Callable[[], object]] = [
        lambda: world.cloud.submit(LINK, stop),
        lambda: world.cloud.remove(submission, stop),
        lambda: world.cloud.grant(WEB, stop),
        lambda: world.cloud.granted(WEB, stop),
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


def test_what_is_removed_is_not_found(world: World, stop: Stop) -> None:
    """Twice is harmless, other requests stay, and no listing that was taken before is used again."""
    kept, gone = world.cloud.submit(OTHER, stop), world.cloud.submit(LINK, stop)
    world.advance(1)
    asked_at = world.now()
    assert world.cloud.find(LINK, asked_at, stop)[0]
    for _ in range(2):
        world.cloud.remove(gone, stop)
    assert not world.cloud.find(LINK, asked_at, stop)[0]
    assert world.cloud.find(OTHER, asked_at, stop)[0][0].request_id == kept.request_id


@pytest.mark.parametrize("link", [WEB])
def test_links_are_given_at_once(world: World, stop: Stop, link: Link) -> None:
    """They stand in no answer, come as often as they are wanted, and nothing comes to be in the account."""
    assert world.cloud.grant(link, stop).url is None
    for _ in range(3):
        (file,) = world.cloud.granted(link, stop)
        assert file.url.startswith("http")
    assert not world.cloud.find(link, world.now(), stop)[0]
    with pytest.raises(Permanent):
        world.cloud.grant(DEAD, stop)


def test_links_are_given_through_the_proxy_that_is_meant(world: World, stop: Stop) -> None:
    """By its region as well; what one gave is not another's; one that is not there gives nothing."""
    try:
        world.cloud.grant(WEB, stop, "EU")
    except Permanent as error:
        assert "this service has no proxies" in str(error)
        return
    urls = {world.cloud.granted(WEB, stop, proxy)[0].url for proxy in ("EU", None, "EU")}
    assert all(url.startswith("http") for url in urls)
    with pytest.raises(Permanent, match="there is no proxy"):
        world.cloud.granted(WEB, stop, "Mars")


def test_what_is_sent_is_found_and_followed_by_itself(world: World, stop: Stop) -> None:
    """The cloud does not hold it; what failed begins anew; who names no account of ours is told for good."""
    cloud, target = world.cloud, RemoteTarget("googledrive", "f1")
    try:
        taken = cloud.send(LINK, target, stop)
    except Permanent as error:
        assert "no remote accounts" in str(error)
        return
    world.advance(1)
    (found, *more), _ = cloud.find(LINK, world.now(), stop, Route.REMOTE)
    assert (found.request_id, more) == (taken.request_id, [])
    assert not cloud.find(LINK, world.now(), stop)[0]
    assert cloud.status(taken, stop, Route.REMOTE).outcome == "waiting"
    world.advance(TAKES_S * 3)
    assert cloud.status(taken, stop, Route.REMOTE).outcome == "ready"
    dead = cloud.send(DEAD, target, stop)
    world.advance(TAKES_S * 3)
    assert cloud.status(dead, stop, Route.REMOTE).outcome == "failed"
    for _ in range(2):
        assert cloud.retry(dead, stop, Route.REMOTE)
    with pytest.raises(Permanent, match="no remote account"):
        cloud.send(LINK, RemoteTarget("nobody"), stop)


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


# --- Every way of the service, over real HTTP, in each generation ---


HAS = {
    "classic": {"remote", "proxies", "retry", "upload", "instant history", "limits", "password"},
    "current": {"cache links", "cache files", "device"},
    "both": {
        "remote",
        "proxies",
        "retry",
        "upload",
        "instant history",
        "password",
        "cache links",
        "cache files",
        "device",
    },
}
CACHED = parse_link("magnet:?xt=urn:btih:cac4ed00ba254a9dc9f519b335aa7c1367a88a01&dn=Had")
FLAKY = parse_link("magnet:?xt=urn:btih:ccccc1c06bba254a9dc9f519b335aa7c1367a88a&dn=F[flaky]")
INFO = b"d6:lengthi3e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae"


def _client(real: World) -> tuple[Client, Sandbox, set[str]]:
    assert isinstance(real.cloud, Client)
    assert real.sandbox is not None
    return real.cloud, real.sandbox, HAS[real.sandbox.settings.generation]


def test_the_generation_is_found_out_whatever_was_said_of_the_key(real: World, stop: Stop) -> None:
    """A header, which the classic service does not know, is as good as the address."""
    _, sandbox, has = _client(real)
    for auth in ("bearer", "query"):
        with closing(_made(sandbox, auth)) as client:
            assert client.submit(WEB, stop).request_id
            assert client.account(stop).generation == ("classic" if "limits" in has else "current")
            assert bool(client.service.statement(stop).limits) == ("limits" in has)


def test_a_password_lets_in_where_there_are_sessions(real: World, stop: Stop) -> None:
    """It gives the key; and a login by itself carries the daemon. Elsewhere it is refused with advice."""
    _, sandbox, has = _client(real)
    settings = sandbox.settings
    login = Login(settings.username, settings.password)
    with closing(Door(_settings(sandbox, "bearer"), RealClock())) as door:
        if "password" in has:
            assert door.key_for(login, stop) == settings.key
            with pytest.raises(Blocked, match="credentials"):
                door.key_for(Login(settings.username, "wrong"), stop)
        else:
            with pytest.raises(Blocked, match="takes no password"):
                door.key_for(login, stop)
    with closing(_made(sandbox, "login", login.password, login.username)) as client:
        if "password" in has:
            assert client.account(stop).email == settings.username
        else:
            with pytest.raises(Blocked, match="takes no password, only an API key"):
                client.account(stop)


def test_a_device_is_let_in_where_that_is_known(real: World, stop: Stop) -> None:
    """A person types the code on the page; the key it gets is as good as any."""
    _, sandbox, has = _client(real)
    with closing(Door(_settings(sandbox, "bearer"), RealClock())) as door:
        if "device" not in has:
            with pytest.raises(Permanent, match="e-mail and password"):
                door.begin(stop)
            return
        device = door.begin(stop)
        assert sandbox.let_in(device.user_code)
        key = door.wait(device, stop)
    with closing(_made(sandbox, "bearer", key=key)) as client:
        assert client.account(stop).premium


def test_a_request_is_removed_in_each_generation(real: World, stop: Stop) -> None:
    """Twice is harmless, and nothing else goes."""
    client, sandbox, _ = _client(real)
    kept, gone = client.submit(OTHER, stop), client.submit(LINK, stop)
    for _ in range(2):
        client.remove(gone, stop)
    assert sandbox.books().of(LINK.key).live_items == 0
    assert sandbox.books().of(OTHER.key).live_items == 1
    assert [one.request_id for one in client.service.requests(stop)] == [kept.request_id]


def test_a_failed_request_begins_anew_where_that_is_known(real: World, stop: Stop) -> None:
    """Elsewhere it is submitted again."""
    client, _, has = _client(real)
    taken = client.submit(FLAKY, stop)
    real.advance(TAKES_S * 2)
    assert client.status(taken, stop).outcome == "failed"
    if client.retry(taken, stop):
        assert "retry" in has
    else:
        taken = client.submit(FLAKY, stop)
    real.advance(TAKES_S * 2)
    assert client.status(taken, stop).outcome == "ready"


def test_many_requests_are_followed_with_few_calls(real: World, stop: Stop) -> None:
    """A batch where there are batches, else the history; what is left out has failed or is not shown."""
    client, sandbox, _ = _client(real)
    links = [parse_link(f"magnet:?xt=urn:btih:{number:040x}") for number in range(1, 13)]
    taken = [client.submit(link, stop) for link in (*links, DEAD)]
    real.advance(TAKES_S + 1)
    before = sum(sandbox.books().calls.values())
    phases = client.statuses(taken, stop)
    assert {phase.outcome for phase in phases.values()} == {"ready"}
    assert set(phases) == {one.request_id for one in taken[:-1]}
    assert sum(sandbox.books().calls.values()) - before <= 2


def test_what_is_cached_is_told_and_given(real: World, stop: Stop) -> None:
    """Hits in either generation; files and links without an item in the current one."""
    client, sandbox, has = _client(real)
    assert CACHED.info_hash_v1 is not None
    hashes = [CACHED.info_hash_v1, "1" * 40]
    assert client.cached(hashes, stop) == {CACHED.info_hash_v1}
    releases = client.service.cached_releases([f"magnet:?xt=urn:btih:{one}" for one in hashes], stop)
    links = client.cached_files(CACHED, stop)
    assert client.cached_files(LINK, stop) is None
    assert sandbox.books().of(CACHED.key).items_created == 0
    if "cache files" in has:
        expected = dict(sandbox.expected_files(CACHED.url))
        assert releases is not None
        assert [one.cached for one in releases] == [True, False]
        assert links is not None
        assert {file.path: file.size_bytes for file in links} == expected
    else:
        assert (releases, links) == (None, None)


def test_an_instant_link_is_fetched_at_once(real: World, stop: Stop) -> None:
    """Its link works; a torrent is for the cloud; the history of it is the classic service's."""
    client, _, has = _client(real)
    proxies = client.service.proxies(stop) if "proxies" in has else [None]
    taken = client.submit_instant(WEB, proxies[0].id if proxies[0] else None, stop)
    assert taken.url
    (file,) = client.granted(WEB, stop)
    assert file.path == "some file.bin"
    assert file.url.startswith("http")
    with pytest.raises(Permanent, match="route: cloud"):
        client.submit_instant(LINK, None, stop)
    if "instant history" in has:
        assert len(client.service.requests(stop, Route.INSTANT)) == 2
    else:
        with pytest.raises(Permanent, match="no history of instant"):
            client.service.requests(stop, Route.INSTANT)


def test_a_transfer_goes_to_the_account_that_was_meant(real: World, stop: Stop) -> None:
    """It is followed to its end, is found when its answer was lost, and begins anew when it failed."""
    client, sandbox, has = _client(real)
    if "remote" not in has:
        with pytest.raises(Permanent, match="no remote accounts"):
            client.remote_accounts(stop)
        with pytest.raises(Permanent, match="no remote accounts"):
            client.submit_remote(LINK, "x", None, stop)
        return
    account = chosen(client.remote_accounts(stop), "googledrive")
    taken = client.submit_remote(LINK, account.option_id, "folder-1", stop)
    words = []
    for seconds in (0, TAKES_S - 1, 2, sandbox.settings.upload_s):
        real.advance(seconds)
        words.append(client.status(taken, stop, Route.REMOTE).word)
    assert words == ["created", "downloading", "uploading", "downloaded"]
    (transfer,) = sandbox.transfers()
    assert (transfer.account_id, transfer.folder_id) == (account.option_id, "folder-1")
    (found,), _ = client.find(LINK, real.now(), stop, Route.REMOTE)
    assert found.request_id == taken.request_id
    flaky = client.submit_remote(FLAKY, account.option_id, None, stop)
    real.advance(TAKES_S * 3)
    assert client.status(flaky, stop, Route.REMOTE).outcome == "failed"
    assert client.retry(flaky, stop, Route.REMOTE)
    real.advance(TAKES_S * 3)
    assert client.status(flaky, stop, Route.REMOTE).outcome == "ready"
    with pytest.raises(Permanent, match="offcloud-watchd accounts"):
        client.submit_remote(LINK, "nobody", None, stop)


def test_a_torrent_is_handed_over_where_files_are_taken(real: World, stop: Stop) -> None:
    """And is then the item its magnet would be, found by its hash; elsewhere it goes as that magnet."""
    client, sandbox, has = _client(real)
    torrent = b"d4:info" + INFO + b"e"
    (link,) = parse("x.torrent", torrent).found
    taken = client.submit(link, stop, torrent)
    assert client.status(taken, stop).outcome == "waiting"
    assert sandbox.books().of(link.key).items_created == 1
    found, _ = client.find(link, real.now(), stop)
    assert [one.request_id for one in found] == [taken.request_id]
    if "upload" in has:
        assert sandbox.books().calls["torrent/upload"] == 1
        with pytest.raises(Permanent, match="does not take this file"):
            client.uploads.upload("x.torrent", b"<html>", stop)
    else:
        with pytest.raises(Permanent, match="no uploads"):
            client.uploads.upload("x.torrent", torrent, stop)


def test_an_nzb_is_handed_over_where_files_are_taken(real: World, stop: Stop) -> None:
    """And is then one item, found by its articles; elsewhere it is refused with that word."""
    client, sandbox, has = _client(real)
    data = b"<nzb><file><segments><segment>a@b</segment></segments></file></nzb>"
    (link,) = parse("Some Show.nzb", data).found
    if "upload" not in has:
        with pytest.raises(Permanent, match="takes no NZB files"):
            client.submit(link, stop, data)
        return
    taken = client.submit(link, stop, data)
    found, _ = client.find(link, real.now(), stop)
    assert [one.request_id for one in found] == [taken.request_id]
    (content,) = sandbox.books().contents.values()
    assert content.items_created == 1


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("noauth", Blocked),
        ("noauth-200", Blocked),
        ("premium", Blocked),
        ("links", Blocked),
        ("cloud", Blocked),
        ("quota", Blocked),
        ("space", Blocked),
        ("ip", Blocked),
        ("proxy", Permanent),
        ("video", Permanent),
        ("rate", Transient),
        ("busy", Transient),
        ("maintenance", Transient),
    ],
)
def test_every_state_of_the_service_has_its_meaning(
    real: World, stop: Stop, word: str, meaning: type[Exception]
) -> None:
    """What it says of plan, quota, key and itself decides who must act; and nothing was taken twice."""
    client, sandbox, _ = _client(real)
    sandbox.faults.add(Fault("refuse", "*", calls=1_000_000, word=word, retry_after="0.25"))
    with pytest.raises(meaning) as raised:
        client.submit(LINK, stop)
    if isinstance(raised.value, Blocked):
        assert raised.value.key_refused == word.startswith("noauth")
    if isinstance(raised.value, Transient):
        assert raised.value.retry_after_s == 0.25
    sandbox.faults.clear()
    client.submit(LINK, stop)
    assert sandbox.books().of(LINK.key).items_created == 1


def test_the_sites_are_listed(real: World, stop: Stop) -> None:
    """Each with how it is."""
    client, _, _ = _client(real)
    assert {site.status for site in client.service.sites(stop)} == {"up", "down"}


def _ask_everything(world: World, stop: Stop) -> Mapping[str, int]:
    """Use every method of the client once, as far as the generation has it; return what was asked."""
    client, sandbox, _ = _client(world)
    login = Login(sandbox.settings.username, sandbox.settings.password)
    # A service without explore still lists by text.
    sandbox.faults.add(Fault("html", "cloud/explore", calls=2, status=404))
    taken = _ready(world, LINK, stop)
    door = Door(_settings(sandbox, "bearer"), RealClock())
    calls: list[Callable[[], object]] = [
        lambda: client.files(taken, stop),
        lambda: client.files(taken, stop),
        lambda: client.account(stop),
        lambda: client.service.sites(stop),
        lambda: client.service.proxies(stop),
        lambda: client.service.requests(stop),
        lambda: client.service.requests(stop, Route.INSTANT),
        lambda: client.service.requests(stop, Route.REMOTE),
        lambda: client.service.cached_releases([LINK.url], stop),
        lambda: client.cached(["1" * 40], stop),
        lambda: client.cached_files(CACHED, stop),
        lambda: client.submit_instant(WEB, None, stop),
        lambda: client.status(
            client.submit_remote(LINK, client.remote_accounts(stop)[0].option_id, None, stop),
            stop,
            Route.REMOTE,
        ),
        lambda: client.retry(taken, stop),
        lambda: client.retry(Submission("nobody"), stop, Route.REMOTE),
        lambda: client.uploads.upload("x.nzb", b"<nzb>", stop),
        lambda: door.key_for(login, stop),
        lambda: door.wait(_let_in(door, sandbox, stop), stop),
        lambda: client.remove(taken, stop),
    ]
    for call in calls:
        with suppress(Permanent, Blocked):  # what this generation does not have
            call()
    sandbox.faults.add(Fault("answer", "key", status=200, body="{}"))
    with suppress(Permanent, Blocked):
        door.key_for(login, stop)  # an account without a key, whose session is looked at
    door.close()
    return sandbox.books().calls


def _let_in(door: Door, sandbox: Sandbox, stop: Stop) -> Device:
    device = door.begin(stop)
    sandbox.let_in(device.user_code)
    return device


@pytest.mark.parametrize("generation", WORLDS[1:])
def test_every_endpoint_has_a_user(generation: str, stop: Stop) -> None:
    """What a generation offers to programs, the client asks; what it lacks is not missed."""
    with ExitStack() as stack:
        world = _sandbox(generation, stack)
        asked = _ask_everything(world, stop)
        assert world.sandbox is not None
        manners = world.sandbox.settings.manners
    there = {
        route.endpoint
        for route in ROUTES
        if (manners.classic and route.classic) or (manners.current and route.current)
    }
    unasked = there - set(asked) - {"activate"}  # that one is for people
    # Where both generations answer, the newer call is enough.
    assert unasked <= ({"account/stats"} if generation == "both" else set())
