"""The composition root: the only place where the daemon's parts meet. It decides nothing.

Built in three moments: `Daemon(...)` chooses, `open()` constructs and recovers, `run()` starts.
The simulation builds the daemon through here too, with another clock, network and disk.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Iterator
from functools import partial
from signal import SIGHUP, SIGINT, SIGTERM, SIGUSR1

from atlas_daemon import __version__
from atlas_daemon.assembly import (
    World,
    account_label,
    make_brain,
    make_client,
    make_clock,
    make_records,
    make_stream,
)
from atlas_daemon.bus import Bus, Committed, bug_in
from atlas_daemon.claim import AccountClaim
from atlas_daemon.config import Credentials, Settings, refuse_unavailable
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.control.server import ControlServer
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.certificate import why_uncertified
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.runs import is_flatten_sell
from atlas_daemon.core.values import Approved, Regime
from atlas_daemon.core.views import stands_elsewhere
from atlas_daemon.dashboard.chronicle import Chronicle
from atlas_daemon.dashboard.meter import Meter
from atlas_daemon.dashboard.server import Dashboard
from atlas_daemon.edges.alpaca.stream import StreamNews
from atlas_daemon.edges.clock import BrokerClock
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.edges.regime_watch import RegimeWatch
from atlas_daemon.edges.schedule import Schedule
from atlas_daemon.edges.signals import Signals
from atlas_daemon.edges.stream_news import events_of
from atlas_daemon.edges.systemd import Notifier, more_time
from atlas_daemon.edges.watchdog import Watchdog
from atlas_daemon.outlet import Fence, Outlet
from atlas_daemon.promoter.certificate_watch import CertificateWatch
from atlas_daemon.reception import Reception
from atlas_daemon.records import LogKeeper, Recorder
from atlas_daemon.reloader import Reloaded, Reloader
from atlas_daemon.teller import Teller, secrets_of

__all__ = ["Daemon", "World", "run_daemon"]

SHUTDOWN_S = 30.0
"""How long answers to requests under way are awaited at the end."""
LEAVING_S = 15.0
"""How long everything else may take then: connections closed, children ended."""


class Daemon(Reception):
    """One account's daemon: its parts, in the order they are opened, run and closed."""

    def __init__(
        self, settings: Settings, credentials: Credentials, world: World | None = None
    ) -> None:
        super().__init__(settings)
        self._credentials = credentials
        self._world = world or World()
        self._environ = self._world.environ if self._world.environ is not None else os.environ
        self._logger = logging.getLogger("Daemon")
        self._stopping = asyncio.Event()
        self._exits = contextlib.AsyncExitStack()
        self._effects: dict[asyncio.Task[None], None] = {}  # ended in the order they began
        self._tasks: asyncio.TaskGroup | None = None
        self._shutdown_by = ""
        self._signals = Signals()
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Take the lock, read the journal, build the parts. Raises AtlasError, nothing sent."""
        settings = self.settings
        refuse_unavailable(settings)
        self._opening = asyncio.current_task()
        self._exits.push_async_callback(self._leave_signals)
        self._signals.take({n: partial(self.stop, n.name) for n in (SIGTERM, SIGINT)})
        self._notifier = Notifier(self._environ)
        self._exits.callback(self._notifier.close)
        # Until the records stand a failure is told once, by what is raised.
        quiet = logging.NullHandler()
        logging.getLogger().addHandler(quiet)
        self._exits.callback(logging.getLogger().removeHandler, quiet)
        self._claim = AccountClaim(settings)
        self._claim.take()
        self._exits.callback(self._claim.release)
        self._client = make_client(settings, self._credentials, self._world)
        self._client.pinned = lambda: self._claim.number
        self._exits.push_async_callback(self._client.close)
        self._clock = await make_clock(settings, self._world, self._client)
        self._journal = journal = self._claim.open_journal(self._world.connect, self._clock.now)
        self._exits.callback(journal.close)
        self._latch = self._claim.latch
        self._records = make_records(settings, self._credentials, self._world, self._clock)
        self._exits.callback(self._records.release)
        self._recorder = Recorder(self._records, slippage_warn_pct=settings.risk.slippage_warn_pct)
        self.chronicle = Chronicle()
        told = self.chronicle.rebuilding(self._recorder.rebuilding(journal.read()))
        self._bus = Bus(
            journal=journal,
            latch=self._latch,
            clock=self._clock,
            policy=settings.policy(),
            run_effect=self._begin,
            entries=self._notifier.while_reading(told),
        )
        self._bus.watch(self._on_committed)
        self._bus.meter = self.meter = Meter(asyncio.get_running_loop().time)
        self._stream = make_stream(
            settings, self._credentials, self._world, self._on_stream, self._bus.room
        )
        self._schedule = Schedule(lambda: self._bus.policy)
        self._regime_watch = RegimeWatch(settings.regime.source)
        self._certificate = CertificateWatch(settings, self._credentials.secret)
        self._reloader = Reloader(settings, self._bus, self._put_in_force)
        self._quotes = LatestQuotes(self._client, feed=settings.data.quotes_feed)
        self._teller = Teller(
            settings,
            self._credentials,
            label=account_label(settings),
            journal=journal,
            bus=self._bus,
            now=self._clock.now,
        )
        self._outlet = self._new_outlet()
        self._watchdog = Watchdog(self._notifier, commit=self._bus.commit, line=self.status_line)
        self._opening = None

    async def run(self) -> None:
        """Run until stopped by a signal or `stop`. A bug of ours raises."""
        try:
            await self._serve()
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                forever = [
                    tasks.create_task(self._bus.run(), name="bus"),
                    tasks.create_task(self._beat(), name="metronome"),
                    tasks.create_task(self._stream.run(), name="stream"),
                    tasks.create_task(self._watchdog.run(), name="watchdog"),
                    tasks.create_task(self._teller.run(), name="teller"),
                ]
                if isinstance(self._clock, BrokerClock):
                    forever.append(tasks.create_task(self._clock.follow(), name="clock"))
                self._begin_recovery()
                self._notifier.tell("READY=1", f"STATUS={self.status_line()}")
                await self._stopping.wait()
                await self._shut_down()
                for task in (*forever, *self._effects):
                    task.cancel()
        except BaseExceptionGroup as group:
            if (detail := bug_in(group)) is not None:
                for secret in secrets_of(self.settings, self._credentials):
                    detail = detail.replace(secret, "***")
                self._bus.write_crash(detail)
            if len(group.exceptions) > 1:
                raise
            raise group.exceptions[0] from None  # what ended it, with its own exit code
        finally:
            self._tasks = None
            self._notifier.tell("STOPPING=1")
            await self._exits.aclose()

    async def close(self) -> None:
        """Let go of what was opened, where `run` was never reached."""
        await self._exits.aclose()

    def stop(self, by: str) -> None:
        """End in good order: no new order, answers under way awaited, the stream closed."""
        if self._shutdown_by:
            return
        self._shutdown_by = by
        self._stopping.set()
        if self._opening is None:
            self._bus.hear(e.ShutdownRequested(by))
        else:
            self._opening.cancel()

    @property
    def is_ending(self) -> bool:
        """True from `stop` on."""
        return bool(self._shutdown_by)

    @property
    def is_quiet(self) -> bool:
        """True while nothing waits in the inbox and no effect is under way."""
        return not self._effects and self._bus.is_idle

    # Parts.

    def _new_outlet(self) -> Outlet:
        fence = Fence(
            is_stopped=self._is_stopped,
            is_crash=self._is_crash,
            why_uncertified=self._why_uncertified,
            latch=self._latch,
            now=self._clock.now,
            is_flatten=self._is_flatten,
        )
        return Outlet(
            client=self._client,
            quotes=self._quotes,
            brain=make_brain(lambda: self.settings, self._credentials, self._world, self._environ),
            notice=self._teller,
            clock=self._clock,
            fence=fence,
            hear=self._bus.hear,
            stop=self.stop,
            reopen_stream=self._stream.reopen,
            doctor=self._world.doctor,
            reporter=self._world.reporter or self._teller,
            log_keeper=self._world.log_keeper or LogKeeper(self.settings.log_dir),
            # The kind alone: "file:PATH" is what names the word of the watched file itself.
            regime_source=lambda: self.settings.regime.source.partition(":")[0],
        )

    async def _serve(self) -> None:
        """Open what others connect to: signals first, so that a stop is never lost."""
        stop = e.StopRequested("SIGUSR1", "signal")
        self._signals.take({SIGUSR1: partial(self.hear, stop), SIGHUP: self._on_hup})
        if not self._world.has_doors:
            return
        control = ControlServer(self, self.settings.control_socket_path)
        await control.start()
        self._exits.push_async_callback(control.stop)
        dashboard = Dashboard(self, self._credentials.dashboard_token)
        self.url = await dashboard.start()
        self._exits.push_async_callback(dashboard.stop)

    async def _leave_signals(self) -> None:
        """The end of the process takes them from here; a stop that no turn took is latched."""
        await self._signals.close()
        if self._opening is None:
            self._bus.latch_stop()

    # The loop's sources of events.

    def _begin_recovery(self) -> None:
        settings = self.settings
        self._bus.hear(
            e.DaemonStarted(
                version=__version__,
                account_name=settings.account.name,
                account_mode=settings.mode,
                account_number=self._claim.number,
                config_digest=settings.digest(),
                is_latched=self._latch.is_on(),
                code_digest=code_digest(),
                sections_digest=sections_digest(settings),
            )
        )
        for word in self._certificate.look(self._clock.now(), None):
            self._bus.hear(word)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._world.tick_s)
            if self._bus.state.halt is None and self._latch.is_on():
                self._bus.hear(e.StopRequested("latch file", f"{self._latch.path} appeared"))
            self._reloader.look()
            for event in self._due():
                self._bus.hear(event)
            self._bus.hear(e.Ticked())

    def _due(self) -> Iterator[e.Event]:
        """Yield the jobs whose moment has come, and what regime file and certificate say anew."""
        now, state = self._clock.now(), self._bus.state
        yield from self._schedule.look(now, state.jobs, state.born_at)
        yield from self._regime_watch.look(now, state.outlook.file_word)
        yield from self._certificate.look(now, state.figures.certificate)

    def _on_hup(self) -> None:
        with contextlib.suppress(ConfigError):  # told and on record; what is in force stays so
            self.reload()

    def reload(self) -> Reloaded:
        """Read the configuration again; ConfigError, and nothing changed, where it is not fit."""
        return self._reloader.reload()

    def _put_in_force(self, settings: Settings) -> None:
        """Let every part follow a new configuration; called between two turns and two runs."""
        self.settings = settings
        self._regime_watch = RegimeWatch(settings.regime.source)
        self._recorder.slippage_warn_pct = settings.risk.slippage_warn_pct
        self._quotes.feed = settings.data.quotes_feed
        self._teller.follow(settings)
        self._certificate.follow(settings)
        for word in self._certificate.look(self._clock.now(), self._bus.state.figures.certificate):
            self._bus.hear(word)

    def _on_stream(self, news: StreamNews) -> None:
        for event in events_of(news):
            self._bus.hear(event)

    def _on_committed(self, committed: Committed) -> None:
        if isinstance(committed.event, e.SnapshotReported):
            self._claim.name(committed.event.account.number)
        if isinstance(committed.event, e.Ticked):
            self._watchdog.beat()
        if stands_elsewhere(committed.before, committed.turn.state):
            self._watchdog.tell()
        entries = committed.turn.entries
        if not entries:
            return
        self.meter.on_turn(committed.turn, committed.before)
        self._recorder.on_turn(entries)
        self.chronicle.on_turn(entries)
        self._teller.on_turn(entries)
        for subscriber in tuple(self._subscribers):
            subscriber(entries)

    # Effects, the fence, the end.

    def _begin(self, effect: fx.Effect) -> None:
        if self._tasks is None:
            return  # nothing runs any more: recovery will ask again
        task = self._tasks.create_task(self._outlet.run(effect), name=type(effect).__name__)
        self._effects[task] = None
        task.add_done_callback(self._effects.pop)
        task.add_done_callback(self.meter.effect(type(effect).__name__))

    def _is_stopped(self) -> bool:
        state = self._bus.state
        return self._bus.is_stop_heard or state.halt is not None or bool(self._shutdown_by)

    def _is_crash(self) -> bool:
        regime = self._bus.state.regime
        return regime is not None and regime.regime is Regime.CRASH

    def _why_uncertified(self) -> str:
        return why_uncertified(self._bus.state, self._bus.policy, self._clock.now())

    def _is_flatten(self, approved: Approved) -> bool:
        return not self._shutdown_by and is_flatten_sell(self._bus.state, approved.draft)

    async def _shut_down(self) -> None:
        """Await the answers to orders under way, and their turns."""
        self._logger.info("Ending by %s: awaiting answers under way", self._shutdown_by)
        status = f"STATUS=ending by {self._shutdown_by}: awaiting answers under way"
        self._notifier.tell("STOPPING=1", status, more_time(SHUTDOWN_S + LEAVING_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_S):
                await self._outlet.settled()
                await self._bus.drained()
        seq, digest = self._journal.head()
        self._recorder.log_head(seq, digest)


async def run_daemon(
    settings: Settings, credentials: Credentials, world: World | None = None
) -> None:
    """Open a daemon and run it to its end. Raises AtlasError where it cannot be opened."""
    daemon = Daemon(settings, credentials, world)
    try:
        await daemon.open()
    except asyncio.CancelledError:
        await daemon.close()
        if not daemon.is_ending:
            raise
        return
    except BaseException:
        await daemon.close()
        raise
    await daemon.run()
