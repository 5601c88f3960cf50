"""The composition root: the one module that knows all adapters. Order of start and stop, reload.

Rules of this file:

* Start: configuration, log, lock, journal, sweep, lanes, watchers, web, engine. Stop is the reverse; starting
  again after any crash is the same code.
* Reload is an orderly stop and a new start under the same process id, after the new configuration was
  checked. A stop that is asked for meanwhile goes before it, up to the last moment.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from offcloud_watchd import __version__, blueprint, logs, status
from offcloud_watchd.blueprint import Blueprint
from offcloud_watchd.core.messages import Asked, LookAgain, Message
from offcloud_watchd.core.model import Job, Lane
from offcloud_watchd.core.orders import Order
from offcloud_watchd.core.picture import Picture
from offcloud_watchd.core.ports import Clock, Journal, Stop
from offcloud_watchd.engine import Engine
from offcloud_watchd.errors import ConfigError, OffcloudWatchdError
from offcloud_watchd.fetch import DiskShelf
from offcloud_watchd.fetch.engines.settings import EngineSettings
from offcloud_watchd.journal import JOURNAL_NAME, lock_state, open_journal, read_history
from offcloud_watchd.key import KeySource
from offcloud_watchd.lanes import Ports, Workers
from offcloud_watchd.loop import LockKeeper, Loop, StatusWriter
from offcloud_watchd.metrics.tally import Tally
from offcloud_watchd.offcloud import Client
from offcloud_watchd.offcloud.places import Proxy, RemoteAccount
from offcloud_watchd.signals import Signals
from offcloud_watchd.systemd import Notifier, Patience, Watchdog
from offcloud_watchd.watch import Watcher, sweep_spool
from offcloud_watchd.watch.commands import write_command

if TYPE_CHECKING:
    from offcloud_watchd.arr.feedback import Feedback
    from offcloud_watchd.arr.tool import Tool
    from offcloud_watchd.fetch.engines.shelves import Shelves
    from offcloud_watchd.fetch.mover import Mover
    from offcloud_watchd.metrics.metrics import Metrics
    from offcloud_watchd.notify.lane import Messages
    from offcloud_watchd.web.server import WebServer

log = logging.getLogger(__name__)

_Said = TypeVar("_Said")

CLOSE_WITHIN_S: Final = 1.5
API_PLACES: Final = 8  # one is carried out, the others wait; each is an intent that a crash leaves open
ARR_PLACES: Final = 4  # one is carried out, the others wait


class SystemClock:
    """The machine's clocks; implements ``core.ports.Clock``."""

    def now(self) -> float:
        """Return UTC seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def run(config_path: Path | None, env: Mapping[str, str]) -> int:
    """Run the daemon until it is told to stop; return the exit code.

    ``config_path`` is None where nobody named a file.
    Raises ``ConfigError``, ``StateLocked``, ``JournalDamaged`` or ``JournalUnwritable`` when it cannot start.
    A reload does not return: the process is replaced.
    """
    signals = Signals()
    signals.listen()
    notifier = Notifier.from_environment(env, os.getpid())
    going_on = Patience(notifier, time.monotonic).ask
    try:
        plan = blueprint.read(config_path, env, going_on)
    except ConfigError:
        if signals.stop:  # whoever ends the service ends all its processes
            return 0
        raise
    keys = KeySource(plan.key, env)
    logs.configure(level=plan.log_level, style=plan.log_format, env=env, secrets=keys.given)
    log.info("offcloud-watchd %s starts", __version__)
    try:
        while True:
            with ExitStack() as stack:
                loop = _assemble(stack, plan, keys, env, signals, notifier)
                reload_wanted = loop.run(lambda: may_reload(plan, config_path, env, going_on))
            if signals.stop or not reload_wanted:
                log.info("stopped")
                return 0
            # The file may have become wrong during the stop: then the old configuration starts anew.
            if may_reload(plan, config_path, env, going_on):
                _start_again(signals)
    finally:
        logs.flush()  # what went wrong is told after what was logged before it


def _assemble(
    stack: ExitStack,
    plan: Blueprint,
    keys: KeySource,
    env: Mapping[str, str],
    signals: Signals,
    notifier: Notifier,
) -> Loop:
    """Open and start everything; the stack closes it in reverse order."""
    clock = SystemClock()
    going_on = Patience(notifier, clock.monotonic).ask
    inbox = signals.inbox
    lock = lock_state(plan.state_dir)
    stack.callback(lock.release)
    journal, jobs = open_journal(plan.state_dir, clock, going_on=going_on)
    stack.callback(journal.close)
    log.info("journal read: %d jobs", len(jobs))

    shelf = DiskShelf(plan.shelf, clock, _movers(plan, keys, clock))
    shelf.sweep(jobs, going_on)
    sweep_spool(plan.watch.spool_dir, {drop.sha256 for job in jobs.values() for drop in job.drops})
    watcher = Watcher(plan.watch, clock, lambda: inbox.put(LookAgain()))
    tally = Tally()
    client = Client(plan.client(read_key=keys.read, on_secret=keys.keep, on_answer=tally.asked), clock)
    stack.callback(client.close)
    tools = _tools(plan, keys, clock)
    shelves = _shelves(plan, shelf, keys, clock)
    ports = Ports(
        client,
        shelves,
        watcher.look,
        clock,
        plan.policy,
        watcher.settle,
        plan.file_of,
        _feedback(tools, clock),
        watcher.turn,
    )
    workers = Workers(ports, inbox, fetchers=plan.fetch_jobs)
    engine = _engine(plan, jobs, journal, workers, clock)
    messages = _messages(plan, env, clock, tally)
    status_writer = StatusWriter(status.directory(env, plan.state_dir), clock)
    readers: list[Callable[[Picture], None]] = [status_writer, LockKeeper(lock, clock), watcher.heed]
    hearers = [tally.heard]
    engine.subscribe(tally)
    if messages is not None:
        engine.subscribe(messages)
        readers.append(messages.look)
        hearers.append(messages.heard)
    loop = Loop(
        engine=engine,
        signals=signals,
        clock=clock,
        notifier=notifier,
        watchdog=Watchdog(notifier, workers.busy),
        publish=lambda picture: _tell_all(readers, picture),
        look_again=watcher.ask,
        hear=lambda said: _tell_all(hearers, said),
    )
    _let_refresh(tools, engine, workers)
    web = _web(plan, clock, watcher, inbox, lambda: _metrics(plan, tally, shelf, clock))
    with signals.for_the_main_thread():
        _start(stack, watcher, workers, messages, web)
    if plan.engines != EngineSettings():
        workers.ask(partial(shelves.recall, dict(jobs)), Lane.FETCH)
    _look_up(plan, client, workers)
    return loop


def _engine(
    plan: Blueprint, jobs: dict[str, Job], journal: Journal, workers: Workers, clock: Clock
) -> Engine:
    return Engine(
        jobs=jobs,
        journal=journal,
        lanes=workers,
        clock=clock,
        policy=plan.policy,
        capacity={Lane.API: API_PLACES, Lane.FETCH: plan.fetch_jobs, Lane.DISK: 1, Lane.ARR: ARR_PLACES},
        rescan_s=min((folder.rescan_s for folder in plan.watch.folders), default=30.0),
    )


def _start(
    stack: ExitStack,
    watcher: Watcher,
    workers: Workers,
    messages: Messages | None,
    web: WebServer | None,
) -> None:
    """Start every thread, those that serve others last; the stack stops them."""
    watcher.start()
    stack.callback(watcher.stop)
    workers.start()
    stack.callback(workers.close, CLOSE_WITHIN_S)
    if messages is not None:
        messages.start()
        stack.callback(messages.close, CLOSE_WITHIN_S)
    if web is not None:
        web.start()
        stack.callback(web.stop, CLOSE_WITHIN_S)


def _look_up(plan: Blueprint, client: Client, workers: Workers) -> None:
    """Have everything looked up that a folder means of the service by a name."""
    targets = [folder.destination.remote for folder in plan.watch.folders]
    for account in dict.fromkeys(target.account for target in targets if target is not None):
        workers.ask(
            partial(check_named, f"remote account {account}", partial(client.remote_account, account))
        )
    for proxy in dict.fromkeys(folder.destination.proxy for folder in plan.watch.folders):
        if proxy is not None:
            workers.ask(partial(check_named, f"proxy {proxy}", partial(client.proxy, proxy)))


def check_named(what: str, look_up: Callable[[Stop], RemoteAccount | Proxy], stop: Stop) -> None:
    """Say at the start, once, what of the service a folder means by a name, or that there is none."""
    try:
        found = look_up(stop)
    except OffcloudWatchdError as error:
        log.error("%s: %s", what, error)  # noqa: TRY400 - an answer, not a bug
    else:
        log.info("%s: %s", what, found.label)


def _movers(plan: Blueprint, keys: KeySource, clock: Clock) -> Mapping[str, Mover]:
    aria2 = plan.engines.aria2
    if aria2 is None:
        return {}
    # Only where it is set up: who fetches by themselves shall not carry it.
    from offcloud_watchd.fetch.engines.by_aria2 import Aria2Mover, aria2_client  # noqa: PLC0415 - see above

    return {"aria2": Aria2Mover(aria2_client(aria2, keys.read_other, clock))}


def _shelves(plan: Blueprint, disk: DiskShelf, keys: KeySource, clock: Clock) -> DiskShelf | Shelves:
    rclone = plan.engines.rclone
    if rclone is None:
        return disk
    # The same.
    from offcloud_watchd.fetch.engines.rclone import rclone_client  # noqa: PLC0415 - see above
    from offcloud_watchd.fetch.engines.remote_shelf import RemoteShelf  # noqa: PLC0415 - see above
    from offcloud_watchd.fetch.engines.shelves import Shelves  # noqa: PLC0415 - see above

    remote = RemoteShelf(plan.shelf, rclone_client(rclone, keys.read_other, clock), clock)
    return Shelves(disk, remote, plan.shelf.engines)


def _tools(plan: Blueprint, keys: KeySource, clock: Clock) -> Sequence[Tool]:
    if not plan.tools:
        return ()
    from offcloud_watchd.arr.tool import Tool  # noqa: PLC0415 - only where there is one

    return [
        Tool(one, partial(keys.read_other, one.api_key_file, one.key_setting), clock) for one in plan.tools
    ]


def _feedback(tools: Sequence[Tool], clock: Clock) -> Feedback | None:
    if not tools:
        return None
    from offcloud_watchd.arr.feedback import Feedback  # noqa: PLC0415 - only where there is a tool

    return Feedback(tools, clock)


def _let_refresh(tools: Sequence[Tool], engine: Engine, workers: Workers) -> None:
    """Have every tool hear of what is published, and say once what each is."""
    if not tools:
        return
    from offcloud_watchd.arr.feedback import Refresher, introduce  # noqa: PLC0415 - only where there is a tool

    ask = partial(workers.ask, lane=Lane.ARR)
    engine.subscribe(Refresher(tools, ask))
    for tool in tools:
        ask(partial(introduce, tool))


def _tell_all(hearers: Sequence[Callable[[_Said], None]], said: _Said) -> None:
    for hear in hearers:
        hear(said)


def _messages(plan: Blueprint, env: Mapping[str, str], clock: Clock, tally: Tally) -> Messages | None:
    settings = plan.notify
    if settings is None:
        return None
    from offcloud_watchd.notify.command import Command  # noqa: PLC0415 - only where people are told
    from offcloud_watchd.notify.lane import Messages  # noqa: PLC0415 - the same
    from offcloud_watchd.notify.ways import Apprise, Way, Webhook  # noqa: PLC0415 - the same

    ways: list[Way] = []
    if settings.command is not None:
        ways.append(Command(settings, settings.command, env))
    if settings.webhook is not None:
        ways.append(Webhook(settings, settings.webhook))
    if settings.apprise_file is not None:
        ways.append(Apprise(settings, settings.apprise_file))
    return Messages(settings, ways, clock, tally.sent)


def _metrics(plan: Blueprint, tally: Tally, shelf: DiskShelf, clock: Clock) -> Metrics:
    from offcloud_watchd.metrics.metrics import Metrics  # noqa: PLC0415 - only where the web is on
    from offcloud_watchd.metrics.room import Room  # noqa: PLC0415 - the same

    directories = dict.fromkeys((str(plan.state_dir), *plan.shelf.outputs))
    room = Room(plan.state_dir / JOURNAL_NAME, tuple(directories), shelf.promised_bytes)
    return Metrics(tally, room, lambda: shelf.received, clock)


def _web(
    plan: Blueprint,
    clock: Clock,
    watcher: Watcher,
    inbox: SimpleQueue[Message],
    metrics: Callable[[], Metrics],
) -> WebServer | None:
    if plan.web is None:
        return None
    # It stands on an event loop and a framework: who has the web off shall not carry them.
    from offcloud_watchd.web.desk import Ports as WebPorts  # noqa: PLC0415 - see above
    from offcloud_watchd.web.server import WebServer  # noqa: PLC0415 - see above

    def hand_over(order: Order) -> str:
        command_id = write_command(plan.state_dir, order)
        watcher.ask_orders()
        return command_id

    figures = metrics()
    return WebServer(
        plan.web,
        WebPorts(
            lambda answer: inbox.put(Asked(answer)),
            hand_over,
            figures,
            clock,
            lambda job_id: read_history(plan.state_dir, job_id),
            figures.disks,
        ),
    )


def may_reload(
    plan: Blueprint,
    config_path: Path | None,
    env: Mapping[str, str],
    going_on: Callable[[], None] = lambda: None,
) -> bool:
    """Tell whether the configuration in the file can take the place of this one; say what is wrong if not.

    The state directory stays: a daemon that went on in an empty one would know of none of its jobs.
    ``going_on`` is called now and then while the file is read.
    """
    try:
        problems = _unchangeable(plan, blueprint.read(config_path, env, going_on))
    except ConfigError as error:
        problems = error.problems
    for problem in problems:
        log.error("reload refused, the old configuration stays: %s", problem)
    return not problems


def _unchangeable(plan: Blueprint, new: Blueprint) -> list[str]:
    if new.state_dir == plan.state_dir:
        return []
    text = f"cannot change from {plan.state_dir} to {new.state_dir} in a reload"
    remedy = "stop the daemon, move the directory, start it again"
    return [f"{new.state_dir_setting}: {text}: {remedy}"]


def _start_again(signals: Signals) -> None:
    """Replace the process; return only when a stop was asked for.

    Until the new one has its handlers, a signal that is meant for the daemon must not end it, and a stop must
    not be lost: the kernel holds it back, also over ``exec``, as no other thread takes it. A reload or a look
    is what a start does anyway.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    if signals.stop:
        return
    log.info("reloading: starting again")
    for number in (signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    logging.shutdown()
    # As it was started: ``-m`` would look for the program in the working directory first.
    arguments = [sys.executable, *sys.orig_argv[1:]]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own interpreter, our own arguments, no shell
