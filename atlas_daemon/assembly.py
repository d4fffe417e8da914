"""How the daemon's parts are made, and what a simulation puts in this machine's place.

Nothing runs here, nothing is decided: `app` puts the parts together and starts them.
"""

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import TextIO, cast

from atlas_daemon.config import Credentials, Settings
from atlas_daemon.config.digests import code_digest
from atlas_daemon.core.brain import SignalsRequest
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.values import AccountMode
from atlas_daemon.edges.alpaca.pinned import PinnedClient
from atlas_daemon.edges.alpaca.stream import StreamNews, TradeStream
from atlas_daemon.edges.alpaca.transport import OpenSession, open_session
from atlas_daemon.edges.brain import ChildBrain
from atlas_daemon.edges.clock import BrokerClock, SystemClock
from atlas_daemon.edges.journald import JournalConsole, is_journal
from atlas_daemon.errands import NOBODY
from atlas_daemon.outlet import BROKER_ERRORS
from atlas_daemon.ports import BrainPort, ClockPort, DoctorPort, LogKeeperPort, ReporterPort
from atlas_daemon.records import ExecutionLogger
from atlas_daemon.rehearsal.question import signals_request
from atlas_daemon.teller import secrets_of

TICK_S = 1.0
STDERR = 2
LOGGERS = ("AlpacaTradingClient", "Bus", "Daemon", "Notify", "TradeStream")


@dataclass(frozen=True, slots=True)
class World:
    """What a simulation puts in the place of this machine. The defaults are the machine itself."""

    clock: ClockPort | None = None
    """None follows the broker's clock in local mode and the machine's in the others."""
    open_session: OpenSession = open_session
    """The network: gives a session for requests, and one for each connection of the stream."""
    jitter: Callable[[], float] | None = None
    """The stream's chance, in [0, 1)."""
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    """The disk under the journal."""
    brain: BrainPort | None = None
    """None asks a child process."""
    doctor: DoctorPort = NOBODY
    reporter: ReporterPort | None = None
    """None tells the day to the log, and to people where they want it."""
    log_keeper: LogKeeperPort | None = None
    """None archives, compresses and bounds the files of the log folder."""
    has_doors: bool = True
    """Whether control socket and dashboard are opened."""
    environ: Mapping[str, str] | None = None
    console: bool = True
    tick_s: float = TICK_S


def account_label(settings: Settings) -> str:
    """Return how people are told which account it is."""
    return f"[{settings.account.mode.upper()}] {settings.account.name}"


def make_client(settings: Settings, credentials: Credentials, world: World) -> PinnedClient:
    """Return the trading client of the account."""
    clock = world.clock or SystemClock()
    return PinnedClient(
        settings.account.name,
        pinned=lambda: settings.account.number,
        key_id=credentials.key_id,
        secret=credentials.secret,
        trading_url=settings.broker.trading_url,
        data_url=settings.broker.data_url,
        session=world.open_session,
        wall=lambda: clock.now().timestamp(),
    )


async def make_clock(settings: Settings, world: World, client: PinnedClient) -> ClockPort:
    """Return the clock; a local broker's own, which must be asked first.

    Raises AtlasError where that one does not answer.
    """
    if world.clock is not None:
        return world.clock
    if settings.mode is not AccountMode.LOCAL:
        return SystemClock()
    clock = BrokerClock(client.get_clock, asyncio.get_running_loop().time)
    client.lookout.now = clock.now
    try:
        await clock.sync()
    except BROKER_ERRORS as error:
        url = settings.broker.trading_url
        raise AtlasError(f"the local broker at {url} does not answer: {error}") from error
    return clock


def make_records(
    settings: Settings, credentials: Credentials, world: World, clock: ClockPort
) -> ExecutionLogger:
    """Return the log and CSV files, already listening to our loggers."""
    records = ExecutionLogger(
        settings.log_dir,
        account_label=account_label(settings),
        clock=clock.now,
        console=_console(settings, world),
        secrets=secrets_of(settings, credentials),
    )
    records.capture(*LOGGERS)
    return records


def _console(settings: Settings, world: World) -> "bool | TextIO":
    """Return systemd's journal where our standard error goes there: it takes fields."""
    environ = os.environ if world.environ is None else world.environ
    if world.console and is_journal(environ, STDERR):
        return cast("TextIO", JournalConsole(account_label(settings)))
    return world.console


def make_brain(
    in_force: Callable[[], Settings],
    credentials: Credentials,
    world: World,
    environ: Mapping[str, str],
) -> BrainPort:
    """Return whoever answers for the strategy, each time as the settings in force want it."""
    if world.brain is not None:
        return world.brain

    def question(signal_day: date, held: tuple[str, ...], asked_at: datetime) -> SignalsRequest:
        return signals_request(in_force(), signal_day, held, asked_at, keeps_labels=True)

    key_id, secret, code = credentials.key_id, credentials.secret, code_digest()
    return ChildBrain(question, key_id, secret, environ=environ, code=code)


def make_stream(
    settings: Settings,
    credentials: Credentials,
    world: World,
    on_news: Callable[[StreamNews], None],
    room: Callable[[], Awaitable[object]],
) -> TradeStream:
    """Return the listener to the account's orders; it reads on while `room` lets it."""
    stream = partial(
        TradeStream,
        settings.broker.stream_url,
        credentials.key_id,
        credentials.secret,
        world.open_session,
        on_news,
        room=room,
    )
    return stream() if world.jitter is None else stream(jitter=world.jitter)
