"""The composition root: the only place where the daemon's parts meet. It decides nothing.

Built in three moments: `Daemon(...)` chooses, `open()` constructs and recovers, `run()` starts.
The simulation builds the daemon through here too, with another clock, network and disk.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

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
from atlas_daemon.config import Credentials, Settings, refuse_unavailable
from atlas_daemon.control.server import ControlServer
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import is_flatten_sell
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Approved, Regime
from atlas_daemon.core.views import status_line
from atlas_daemon.dashboard.server import Dashboard
from atlas_daemon.edges.alpaca.stream import StreamNews
from atlas_daemon.edges.clock import BrokerClock
from atlas_daemon.edges.folders import make_folder
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.lock import AccountLock
from atlas_daemon.edges.notify import Webhook
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.edges.stream_news import events_of
from atlas_daemon.edges.systemd import Notifier
from atlas_daemon.journal import Journal, JournalFullError
from atlas_daemon.outlet import BROKER_ERRORS, Fence, Outlet
from atlas_daemon.ports import ClockPort
from atlas_daemon.records import Recorder

__all__ = ["Daemon", "World", "run_daemon"]

SHUTDOWN_S = 30.0
"""How long answers to requests under way are awaited at the end."""

Subscriber = Callable[[Sequence[e.Entry]], None]


class Daemon:
    """One account's daemon. What control and dashboard ask of it stands at the end."""

    def __init__(
        self, settings: Settings, credentials: Credentials, world: World | None = None
    ) -> None:
        self.settings = settings
        self._credentials = credentials
        self._world = world or World()
        self._environ = self._world.environ if self._world.environ is not None else os.environ
        self._logger = logging.getLogger("Daemon")
        self._subscribers: list[Subscriber] = []
        self._stopping = asyncio.Event()
        self._exits = contextlib.AsyncExitStack()
        self._effects: dict[asyncio.Task[None], None] = {}  # ended in the order they began
        self._tasks: asyncio.TaskGroup | None = None
        self._shutdown_by = self._number = ""
        self.url = ""
        """The dashboard's address once it listens."""

    async def open(self) -> None:
        """Take the lock, read the journal, build the parts. Raises AtlasError, nothing sent."""
        settings = self.settings
        refuse_unavailable(settings)
        # Until the records stand a failure is told once, by what is raised.
        quiet = logging.NullHandler()
        logging.getLogger().addHandler(quiet)
        self._exits.callback(logging.getLogger().removeHandler, quiet)
        for folder in (settings.state_dir, settings.runtime_dir, settings.log_dir):
            make_folder(folder)
        self._lock = AccountLock(settings.lock_path)
        self._lock.take(f"{settings.account.mode}-{settings.account.name}")
        self._exits.callback(self._lock.release)
        self._client = make_client(settings, self._credentials, self._world)
        self._exits.push_async_callback(self._client.close)
        self._clock = await self._new_clock()
        journal = Journal.open(
            settings.journal_path,
            account_mode=settings.mode,
            account_name=settings.account.name,
            connect=self._world.connect,
            now=self._clock.now,
        )
        self._exits.callback(journal.close)
        self._journal = journal
        self._latch = LatchFile(settings.latch_path)
        self._claim(settings.account.number or journal.account()[2])
        self._records = make_records(settings, self._credentials, self._world, self._clock)
        self._exits.callback(self._records.release)
        self._recorder = Recorder(self._records, slippage_warn_pct=settings.risk.slippage_warn_pct)
        self._recorder.rebuild(journal.read())
        self._bus = Bus(
            journal=journal,
            latch=self._latch,
            clock=self._clock,
            policy=settings.policy(),
            run_effect=self._begin,
        )
        self._bus.watch(self._on_committed)
        self._stream = make_stream(
            settings, self._credentials, self._world, self._on_stream, self._bus.room
        )
        self._outlet = self._new_outlet()
        self._notifier = Notifier(self._environ)
        self._exits.callback(self._notifier.close)

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
                    tasks.create_task(self._ping(), name="watchdog"),
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
                for secret in (self._credentials.secret, self._credentials.key_id):
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
        if not self._shutdown_by:
            self._shutdown_by = by
            self._bus.hear(e.ShutdownRequested(by))
            self._stopping.set()

    # Parts.

    async def _new_clock(self) -> ClockPort:
        if (given := make_clock(self.settings, self._world)) is not None:
            return given
        clock = BrokerClock(self._client.get_clock, asyncio.get_running_loop().time)
        try:
            await clock.sync()
        except BROKER_ERRORS as error:
            url = self.settings.broker.trading_url
            raise AtlasError(f"the local broker at {url} does not answer: {error}") from error
        return clock

    def _new_outlet(self) -> Outlet:
        settings = self.settings
        fence = Fence(
            is_stopped=self._is_stopped,
            is_crash=self._is_crash,
            latch=self._latch,
            now=self._clock.now,
            is_flatten=self._is_flatten,
        )
        return Outlet(
            client=self._client,
            quotes=LatestQuotes(self._client, feed=settings.data.quotes_feed),
            brain=make_brain(settings, self._credentials, self._world, self._environ),
            notice=Webhook(settings.notify.webhook_url, account_label(settings)),
            clock=self._clock,
            fence=fence,
            hear=self._bus.hear,
            stop=self.stop,
            reopen_stream=self._stream.reopen,
        )

    async def _serve(self) -> None:
        """Open what others connect to: signals first, so that a stop is never lost."""
        loop = asyncio.get_running_loop()
        for number, handler in (
            (signal.SIGUSR1, self._on_usr1),
            (signal.SIGHUP, self._on_hup),
            (signal.SIGTERM, partial(self.stop, "SIGTERM")),
            (signal.SIGINT, partial(self.stop, "SIGINT")),
        ):
            loop.add_signal_handler(number, handler)
            self._exits.callback(loop.remove_signal_handler, number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1})
        if not self._world.has_doors:
            return
        control = ControlServer(self, self.settings.control_socket_path)
        await control.start()
        self._exits.push_async_callback(control.stop)
        dashboard = Dashboard(self)
        self.url = await dashboard.start()
        self._exits.push_async_callback(dashboard.stop)

    # The loop's sources of events.

    def _begin_recovery(self) -> None:
        settings = self.settings
        self._bus.hear(
            e.DaemonStarted(
                version=__version__,
                account_name=settings.account.name,
                account_mode=settings.mode,
                account_number=settings.account.number or self._journal.account()[2],
                config_digest=settings.digest(),
                is_latched=self._latch.is_on(),
            )
        )

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._world.tick_s)
            if self._bus.state.halt is None and self._latch.is_on():
                self._bus.hear(e.StopRequested("latch file", f"{self._latch.path} appeared"))
            self._bus.hear(e.Ticked())

    async def _ping(self) -> None:
        """Tell systemd that the loop turns and the journal takes turns; and where we stand."""
        patience_s = self._notifier.watchdog_s
        every_s = patience_s / 3 if patience_s else 10.0
        turns = -1
        while True:
            await asyncio.sleep(every_s)
            if self._bus.turns != turns or self._bus.fault:
                turns = self._bus.turns
                self._notifier.tell("WATCHDOG=1", f"STATUS={self.status_line()}")

    def _on_usr1(self) -> None:
        self._bus.hear(e.StopRequested("SIGUSR1", "signal"))

    def _on_hup(self) -> None:
        self._logger.warning("SIGHUP: the configuration is read at the start only; restart instead")

    def _on_stream(self, news: StreamNews) -> None:
        for event in events_of(news):
            self._bus.hear(event)

    def _claim(self, number: str) -> None:
        """Tie journal, lock and latch to the account's number. JournalError where it is another."""
        if number and number != self._number:
            with contextlib.suppress(JournalFullError):  # told as a fault; claimed at the next look
                self._journal.claim_number(number)
                self._number = number
            account = f"{self.settings.account.mode}-{self.settings.account.name} {number}"
            self._lock.name(account)
            self._latch.account = account

    def _on_committed(self, committed: Committed) -> None:
        if isinstance(committed.event, e.SnapshotReported):
            self._claim(committed.event.account.number)
        entries = committed.turn.entries
        if not entries:
            return
        self._recorder.on_turn(entries)
        for subscriber in tuple(self._subscribers):
            subscriber(entries)

    # Effects, the fence, the end.

    def _begin(self, effect: fx.Effect) -> None:
        if self._tasks is None:
            return  # nothing runs any more: recovery will ask again
        task = self._tasks.create_task(self._outlet.run(effect), name=type(effect).__name__)
        self._effects[task] = None
        task.add_done_callback(self._effects.pop)

    def _is_stopped(self) -> bool:
        state = self._bus.state
        return self._bus.is_stop_heard or state.halt is not None or bool(self._shutdown_by)

    def _is_crash(self) -> bool:
        regime = self._bus.state.regime
        return regime is not None and regime.regime is Regime.CRASH

    def _is_flatten(self, approved: Approved) -> bool:
        return not self._shutdown_by and is_flatten_sell(self._bus.state, approved.draft)

    async def _shut_down(self) -> None:
        """Await the answers to orders under way, and their turns."""
        self._logger.info("Ending by %s: awaiting answers under way", self._shutdown_by)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_S):
                await self._outlet.settled()
                await self._bus.drained()
        seq, digest = self._journal.head()
        self._recorder.log_head(seq, digest)

    # What control plane and dashboard ask (their `Host`).

    @property
    def state(self) -> State:
        """The state after the last turn."""
        return self._bus.state

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._bus.policy

    @property
    def fault(self) -> str:
        """Why the journal cannot be written now; empty where it can."""
        return self._bus.fault

    def hear(self, event: e.Event) -> None:
        """Put an operator's request in the inbox."""
        self._bus.hear(event)

    def now(self) -> datetime:
        """The present moment of the daemon's clock."""
        return self._clock.now()

    def journal_head(self) -> tuple[int, str]:
        """Sequence number and hash of the last entry."""
        return self._journal.head()

    def entries(self, after: int = 0) -> Iterator[e.Entry]:
        """The journal's entries after `after`."""
        return self._journal.read(after)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with the entries of each turn; return what ends that."""
        self._subscribers.append(subscriber)
        return partial(self._subscribers.remove, subscriber)

    def status_line(self) -> str:
        """One line for systemctl: mode, what is waited for, how old the last look is."""
        account = f"{self.settings.account.mode} {self.settings.account.name}"
        return status_line(self.state, self.policy, account, self.now())


async def run_daemon(
    settings: Settings, credentials: Credentials, world: World | None = None
) -> None:
    """Open a daemon and run it to its end. Raises AtlasError where it cannot be opened."""
    daemon = Daemon(settings, credentials, world)
    try:
        await daemon.open()
    except BaseException:
        await daemon.close()
        raise
    await daemon.run()
