"""The desk: the pure exchange held to the broker's clock, and its updates handed to the listeners.

Everything a handler needs is here: accounts, time, faults, seats on the stream. No HTTP.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.paper import store
from atlas_daemon.paper.accounts import Account
from atlas_daemon.paper.calendar import Calendar
from atlas_daemon.paper.clock import BrokerClock
from atlas_daemon.paper.exchange import Exchange
from atlas_daemon.paper.faults import Faults
from atlas_daemon.paper.market import Market
from atlas_daemon.paper.orders import Update, id_of

LOCAL_KEY = "PKLOCAL00000000000000"
LOCAL_SECRET = "local-secret"  # noqa: S105 - opens nothing but a toy


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
    state_path: Path | None = None
    binary_frames: bool = True
    rate_limit_per_min: int = 200
    partial_fill_pct: float = 0.10
    ghost_s: float = 0.0
    """How long a stream connection lost without a farewell keeps its seat (Alpaca: about 90)."""
    sip_delay_min: int = 15
    """SIP data younger than this is refused, as on Alpaca's free plan; 0 allows all."""
    pays_dividends: bool = False
    watch_every_s: float = 5.0
    """How often resting orders are compared with the market; more makes long jumps cheaper."""
    tick_s: float = 0.02
    monotonic: Callable[[], float] = time.monotonic


class Desk:
    """One exchange at work."""

    def __init__(self, config: PaperConfig) -> None:
        self.config = config
        self.faults = Faults()
        self.publish: Callable[[Update], None] = lambda update: None
        """Where updates go; the stream puts itself here."""
        self._request_count = 0
        self._saved_at = config.monotonic()
        self._is_changed = True
        memory = store.load(config.state_path) if config.state_path else None
        if config.starts_at.tzinfo is None:
            raise ValueError("the local broker's start needs an offset")
        starts_at = config.starts_at.astimezone(UTC)
        if memory:
            starts_at = max(starts_at, memory.at)
        self.clock = BrokerClock(starts_at, config.speed, config.monotonic)
        self.exchange = Exchange(
            config.market,
            config.calendar,
            config.seed,
            config.partial_fill_pct,
            starts_at=memory.at if memory else starts_at,
        )
        self.exchange.engine.pays_dividends = config.pays_dividends
        self.exchange.engine.watch_every = timedelta(seconds=config.watch_every_s)
        if memory:
            self.exchange.order_count = memory.order_count
            self.exchange.account_count = memory.account_count
            for account in memory.accounts:
                self.exchange.adopt(account)
        if config.key not in self.exchange.by_key:
            self.exchange.open_account(config.key, config.secret, config.cash, config.holdings)

    def settle(self) -> datetime:
        """Let the exchange live up to now and publish what happened; returns the broker's time."""
        updates = self.exchange.advance(self.clock.now())
        for update in updates:
            self.publish(update)
        if updates:
            self._is_changed = True
        return self.exchange.now

    def account_with(self, key: str, secret: str) -> Account | None:
        """The account that a key pair opens."""
        account = self.exchange.by_key.get(key)
        if account is None:
            return None
        given = secret.encode(errors="surrogateescape")
        return account if hmac.compare_digest(account.secret.encode(), given) else None

    def reset_account(self, key: str, cash: Decimal | None = None) -> Account:
        """Close the account of a key and open a fresh one under the same key. Raises KeyError."""
        old = self.exchange.by_key[key]
        self.exchange.drop(old)
        self._is_changed = True
        return self.exchange.open_account(
            key, old.secret, cash if cash is not None else self.config.cash
        )

    def next_request_id(self) -> str:
        """A new X-Request-ID."""
        self._request_count += 1
        return id_of(self.config.seed, "request", self._request_count).replace("-", "")

    def touch(self) -> None:
        """Note that something worth saving has changed."""
        self._is_changed = True

    def save(self, *, every_s: float = 0.0) -> None:
        """Write the state file, if one is asked for, something changed and `every_s` passed."""
        path = self.config.state_path
        now = self.config.monotonic()
        if path is None or not self._is_changed or now - self._saved_at < every_s:
            return
        self._saved_at = now
        self._is_changed = False
        store.save(
            path,
            store.Memory(
                format=store.FORMAT,
                at=self.exchange.now,
                order_count=self.exchange.order_count,
                account_count=self.exchange.account_count,
                accounts=list(self.exchange.by_key.values()),
            ),
        )
