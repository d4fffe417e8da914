"""The desk: the pure exchange held to the broker's clock, and its updates handed to the listeners.

Everything a handler needs is here: accounts, time, faults, seats on the stream. No HTTP.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.paper import store
from atlas_daemon.paper.changes import Recorder, whole
from atlas_daemon.paper.clock import BrokerClock
from atlas_daemon.paper.console.console import Console
from atlas_daemon.paper.console.distorted_market import DistortedMarket
from atlas_daemon.paper.console.stream_faults import Message
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.charges import LikeLive
from atlas_daemon.paper.exchange.exchange import Exchange
from atlas_daemon.paper.exchange.orders import Update, id_of
from atlas_daemon.paper.faults.faults import Faults
from atlas_daemon.paper.faults.scenario import Scenario
from atlas_daemon.paper.market.calendar import NEW_YORK, Calendar
from atlas_daemon.paper.market.market import Market

LONG_ABSENCE = timedelta(hours=1)
ABSENT_WATCH_EVERY = timedelta(minutes=1)
TIME_EVERY_S = 60.0
"""How often the state file is told the time while nothing changes, in real seconds."""
LOCAL_KEY = "PKLOCAL00000000000000"
LOCAL_SECRET = "local-secret"  # noqa: S105 - opens nothing but a toy


@dataclass(frozen=True)
class NewAccount:
    """An account to open: `holdings` maps a symbol to (shares, average entry price)."""

    key: str
    secret: str
    cash: Decimal
    holdings: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)


@dataclass
class PaperConfig:
    """How a local broker is set up. `speed` is broker seconds per second, cash is in dollars.

    `holdings` maps a symbol to (shares, average entry price) in the default account.
    """

    market: Market
    calendar: Calendar
    starts_at: datetime
    host: str = "127.0.0.1"
    port: int = 0
    allow_remote: bool = False
    speed: float = 1.0
    seed: int = 1
    cash: Decimal = Decimal(10000)
    key: str = LOCAL_KEY
    secret: str = LOCAL_SECRET
    holdings: Mapping[str, tuple[Decimal, Decimal]] = field(default_factory=dict)
    accounts: tuple[NewAccount, ...] = ()
    """More accounts; those that the state file knows already stay as they are."""
    market_name: str = ""
    """What people call the market, and what a state file is bound to, with the seed."""
    state_path: Path | None = None
    binary_frames: bool = True
    rate_limit_per_min: int = 200
    partial_fill_pct: float = 0.10
    instant_fill_pct: float = 0.0
    """Fraction of the orders whose fill is told on the stream before their request is answered."""
    ping_every_s: float = 10.0
    """How long a silent stream connection is left alone before it is pinged."""
    drops_silent_after_s: float = 90.0
    """When a stream connection that answers no ping is dropped."""
    ghost_s: float = 0.0
    """How long a stream connection lost without a farewell keeps its seat (Alpaca: about 90)."""
    sip_delay_min: int = 15
    """SIP data younger than this is refused, as on Alpaca's free plan; 0 allows all."""
    like_live: LikeLive = field(default_factory=LikeLive)
    """Fees, dividends and interest, which Alpaca's paper trading is documented not to have."""
    watch_every_s: float = 5.0
    """How often resting orders are compared with the market; more makes long jumps cheaper."""
    scenario: Scenario | None = None
    """What goes wrong, and when; more can be armed by hand at any time."""
    fault_seed: int = 1
    """Of the faults that come by chance and name no seed of their own."""
    tick_s: float = 0.02
    patience_s: float = 75.0
    """How long a connection may be silent, or take for a head or a body, in real seconds."""
    monotonic: Callable[[], float] = time.monotonic


class Desk:
    """One exchange at work."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.faults = Faults(config.fault_seed)
        self.publish: Callable[[Update], None] = lambda update: None
        """Where updates go; the stream puts itself here."""
        self.deliver: Callable[[Message], None] = lambda message: None
        """Where messages go that were held back."""
        self.key = config.key
        """The key of the default account."""
        self._request_count = 0
        self._saved_at = self._timed_at = config.monotonic()
        self._is_changed = True
        self._failure: store.StateFileError | None = None
        if config.starts_at.tzinfo is None:
            raise ValueError("the local broker's start needs an offset")
        starts_at = config.starts_at.astimezone(UTC)
        found = store.open_existing(config.state_path) if config.state_path else None
        memory = found[1] if found else None
        if found:
            check_market(config, *found)
        if memory and memory.at:
            starts_at = max(starts_at, memory.at)
        self.clock = BrokerClock(starts_at, config.speed, config.monotonic)
        prices = DistortedMarket(config.market)
        self.exchange = Exchange(
            prices,
            config.calendar,
            config.seed,
            config.partial_fill_pct,
            starts_at=memory.at if memory and memory.at else starts_at,
        )
        self.exchange.engine.like_live = replace(config.like_live)
        self.exchange.engine.instant_fill_pct = config.instant_fill_pct
        self.exchange.engine.watch_every = timedelta(seconds=config.watch_every_s)
        self.recorder = Recorder(self.exchange)
        if memory:
            restore(self.exchange, memory)
            self.recorder.know()
        self._open_accounts()
        self._file = self._state_file(found)
        self.console = Console(self.exchange, prices, self.faults, self.key)
        if memory and memory.at:
            self._catch_up(starts_at - memory.at)
        if config.scenario is not None:
            self.settle()
            self.console.begin(config.scenario)

    def settle(self) -> datetime:
        """Let the exchange live up to now and publish what happened; returns the broker's time."""
        now, console = self.clock.now(), self.console
        while not console.is_idle:
            due = console.next_at()
            self._live_on(now if due is None else min(due, now))
            # What has just arisen may be what a scenario waits for.
            due = console.next_at()
            if due is not None and due <= self.exchange.now:
                console.act()
            elif self.exchange.now >= now:
                break
        self._live_on(now)
        return self.exchange.now

    def _live_on(self, at: datetime) -> None:
        updates = self.exchange.advance(at, until_news=self.console.waits_for_news)
        if updates or self._is_changed:
            # Nobody is told what a kill could make undone.
            self.write_down(everywhere=False)
        for update in updates:
            self.publish(update)
            self.console.saw(update)
        for message in self.console.stream.due(self.exchange.now):
            self.deliver(message)

    def account_with(self, key: str, secret: str) -> Account | None:
        """The account that a key pair opens."""
        account = self.exchange.by_key.get(key)
        if account is None:
            return None
        given = secret.encode(errors="surrogateescape")
        return account if hmac.compare_digest(account.secret.encode(), given) else None

    def reset_account(
        self, key: str, cash: Decimal | None = None, *, new_keys: bool = False
    ) -> Account:
        """Close the account of a key and open a fresh one, with a new id and number.

        Alpaca gives the new one new keys; here it keeps them unless `new_keys`, so that a script
        that begins anew need not be told. Raises KeyError.
        """
        old = self.exchange.by_key[key]
        self.exchange.drop(old)
        self._is_changed = True
        secret = old.secret
        if new_keys:
            number = self.exchange.account_count + 1
            key = "PK" + id_of(self.config.seed, "key", number).replace("-", "")[:18].upper()
            secret = id_of(self.config.seed, "secret", number).replace("-", "")
        if old.key == self.key:
            self.key = key
        return self.exchange.open_account(
            key, secret, cash if cash is not None else self.config.cash
        )

    def next_request_id(self) -> str:
        """A new X-Request-ID."""
        self._request_count += 1
        return id_of(self.config.seed, "request", self._request_count).replace("-", "")

    def touch(self) -> None:
        """Note that something worth saving may have changed: the next `settle` looks."""
        self._is_changed = True

    def save(self, *, every_s: float = 0.0) -> bool:
        """Look everywhere for what is not in the state file yet, if `every_s` passed.

        True where a `sync` is worth while. Raises StateFileError where an append has failed.
        """
        if self._failure is not None:
            raise self._failure
        now = self.config.monotonic()
        if now - self._saved_at < every_s:
            return False
        self._saved_at = now
        self.write_down(everywhere=True)
        if self._failure is not None:
            raise self._failure
        return self._file is not None

    def sync(self) -> None:
        """Bring the state file to the disk, against a loss of power. Raises StateFileError."""
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        """Write the last of it, and the time; let go of the state file."""
        if self._file is None:
            return
        try:
            self.save()
            self._file.append(self.recorder.moment())
            self._file.sync()
        finally:
            self._file.close()
            self._file = None

    @property
    def has_failed(self) -> bool:
        """True once the state file could not be written: nothing more may be answered."""
        return self._failure is not None

    def _catch_up(self, absence: timedelta) -> None:
        """Live through the time since the file was written, looking at the market less often."""
        engine = self.exchange.engine
        usual = engine.watch_every
        if absence > LONG_ABSENCE:
            engine.watch_every = max(usual, ABSENT_WATCH_EVERY)
        self.settle()
        engine.watch_every = usual

    def write_down(self, *, everywhere: bool = True) -> None:
        """Append what is not in the state file yet; `has_failed` tells where that cannot be."""
        self._is_changed = False
        if self._file is None or self._failure is not None:
            self.recorder.forget()
            return
        change = self.recorder.take(everywhere=everywhere)
        now = self.config.monotonic()
        if change is None and everywhere and now - self._timed_at >= TIME_EVERY_S:
            change = self.recorder.moment()
        if change is None:
            return
        self._timed_at = now
        try:
            self._file.append(change)
        except store.StateFileError as error:
            self._failure = error

    def _open_accounts(self) -> None:
        """Open the accounts that were asked for and are not there yet."""
        config, exchange = self.config, self.exchange
        wanted = [
            NewAccount(config.key, config.secret, config.cash, config.holdings),
            *config.accounts,
        ]
        # A default account that was reset with new keys does not come back beside its heir.
        for one in wanted[1:] if exchange.by_key else wanted:
            if one.key not in exchange.by_key:
                exchange.open_account(one.key, one.secret, one.cash, one.holdings)
        self.key = config.key if config.key in exchange.by_key else next(iter(exchange.by_key))

    def _state_file(
        self, found: tuple[store.StateFile, store.Memory] | None
    ) -> store.StateFile | None:
        """The file to go on with: a new one, the old one, or the old one written anew."""
        path, config = self.config.state_path, self.config
        if path is None:
            return None
        if found is not None and not found[1].is_wasteful:
            return found[0]
        begun_on = config.starts_at.astimezone(NEW_YORK).date()
        header = store.Header(store.FORMAT, config.market_name, config.seed, begun_on)
        file = store.create(path, found[1].header if found else header, whole(self.exchange))
        if found is not None:
            found[0].close()
        self.recorder.know()
        return file


def check_market(config: PaperConfig, file: store.StateFile, memory: store.Memory) -> None:
    """Let go of a file whose prices came from elsewhere, and raise StateFileError."""
    kept = (memory.header.market, memory.header.seed)
    wanted = (config.market_name, config.seed)
    if all((kept[0], wanted[0])) and kept != wanted:
        file.close()
        raise store.StateFileError(
            f"{file.path}: kept on market {kept[0]} with seed {kept[1]}, "
            f"not on {wanted[0]} with seed {wanted[1]}"
        )


def restore(exchange: Exchange, memory: store.Memory) -> None:
    """Put an exchange that has just been made where the file left the former one."""
    engine = exchange.engine
    exchange.order_count = memory.order_count
    exchange.account_count = memory.account_count
    engine.begun_on, engine.closed_on = memory.market.begun_on, memory.market.closed_on
    engine.halted.update(memory.market.halted)
    engine.splits = dict(memory.market.splits)
    for account in memory.accounts:
        exchange.adopt(account)
