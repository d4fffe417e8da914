"""What `atlasd paper` is asked for, as the local broker's configuration: accounts and market.

Words and files are read and judged here, in one line each where they are wrong; nothing runs yet.
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.rules import symbol_format

if TYPE_CHECKING:
    from atlas_daemon.paper.desk import NewAccount
    from atlas_daemon.paper.market.calendar import Calendar
    from atlas_daemon.paper.market.market import Market

REPLAY = "replay:"
_LAST_DAY = date(2028, 12, 29)
_DAYS_AHEAD = timedelta(days=370)
_ACCOUNT_KEYS = frozenset({"key", "secret", "cash", "holdings"})


@dataclass(frozen=True)
class WantedAccount:
    """An account as it is asked for: dollars, and shares by symbol, not yet priced."""

    key: str
    secret: str
    cash: Decimal
    holdings: dict[str, Decimal] = field(default_factory=dict)


def amount_of(option: str, text: str) -> Decimal:
    """Return dollars, at least 0. Raises UsageError naming the option."""
    try:
        amount = Decimal(text.replace("_", ""))
    except InvalidOperation:
        raise UsageError(f"{option} {text}: must be a number of dollars") from None
    if not amount.is_finite() or amount < 0:
        raise UsageError(f"{option} {text}: must be 0 or more")
    return amount


def holdings_of(text: str) -> dict[str, Decimal]:
    """Return shares by symbol from `AAPL=10,MSFT=5`. Raises UsageError naming the bad part."""
    wanted: dict[str, Decimal] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        symbol, _, shares = part.partition("=")
        ours, verdict = symbol_format(symbol.strip())
        try:
            qty = Decimal(shares)
        except InvalidOperation:
            raise UsageError(f"--holdings {part}: must be SYMBOL=SHARES") from None
        if not verdict.ok or not qty.is_finite() or qty <= 0 or ours in wanted:
            raise UsageError(f"--holdings {part}: must be SYMBOL=SHARES, each symbol once")
        wanted[ours] = qty
    return wanted


def accounts_of(words: Iterable[str], file: Path | None) -> list[WantedAccount]:
    """Return the accounts of `--account KEY:SECRET:DOLLARS` and of a TOML file.

    Raises UsageError and ConfigError naming the word, or the file's entry and key.
    """
    wanted = [_account_of(word) for word in words]
    if file is not None:
        wanted += _read_accounts(file)
    seen: set[str] = set()
    for one in wanted:
        if one.key in seen:
            raise UsageError(f"--account {one.key}: this key was given twice")
        seen.add(one.key)
    return wanted


def opened(
    wanted: Iterable[WantedAccount], market: "Market", at: datetime
) -> "tuple[NewAccount, ...]":
    """Return the accounts with their holdings at the price of the moment `at`."""
    from atlas_daemon.paper.desk import NewAccount

    return tuple(
        NewAccount(one.key, one.secret, one.cash, priced(one.holdings, market, at))
        for one in wanted
    )


def priced(
    wanted: dict[str, Decimal], market: "Market", at: datetime
) -> dict[str, tuple[Decimal, Decimal]]:
    """Return shares and price of each symbol. Raises UsageError where the market has no price."""
    holdings = {}
    for symbol, qty in wanted.items():
        trade = market.trade(symbol, at) or market.trade(symbol, at - timedelta(days=1))
        if trade is None:
            raise UsageError(f"--holdings {symbol}: the market has no such symbol on that day")
        holdings[symbol] = (qty, trade.price)
    return holdings


def span_of(starts_at: datetime, state: Path | None) -> tuple[date, date]:
    """Return the days that the market has to cover: those of a former run are among them.

    A synthetic market is another one where it begins in another year, so it is always made around
    the day on which the state file was begun. Raises ConfigError for a file that is none.
    """
    from atlas_daemon.paper.store import StateFileError, peek

    first = last = starts_at.astimezone(NEW_YORK).date()
    if state is not None:
        try:
            kept = peek(state)
        except StateFileError as error:
            raise ConfigError(f"--state {error}") from error
        if kept is not None:
            first = kept[0].begun_on
            last = max(last, kept[1].astimezone(NEW_YORK).date()) if kept[1] else last
    return min(first, last), min(last + _DAYS_AHEAD, _LAST_DAY)


def market_of(name: str, seed: int, first: date, last: date, calendar: "Calendar") -> "Market":
    """Return the market called `synthetic` or `replay:FILE`, usable from `first` to `last`."""
    from atlas_daemon.paper.market.market import MarketDataError
    from atlas_daemon.paper.market.replay import ReplayMarket
    from atlas_daemon.paper.market.synthetic import SyntheticMarket

    if name == "synthetic":
        return SyntheticMarket(seed, first, last, calendar=calendar)
    if not name.startswith(REPLAY):
        raise UsageError(f"--market {name}: must be synthetic or replay:FILE")
    path = Path(name.removeprefix(REPLAY))
    try:
        return ReplayMarket(path, seed, first_day=first, last_day=last, calendar=calendar)
    except MarketDataError as error:
        raise ConfigError(f"--market: {error}") from error


def market_label(name: str) -> str:
    """Return the market's name without the folder of its file, which may move."""
    if not name.startswith(REPLAY):
        return name
    return REPLAY + Path(name.removeprefix(REPLAY)).name


def _account_of(word: str) -> WantedAccount:
    key, _, rest = word.partition(":")
    secret, _, cash = rest.partition(":")
    if not key or not secret or not cash:
        raise UsageError(f"--account {word}: must be KEY:SECRET:DOLLARS")
    return WantedAccount(key, secret, amount_of(f"--account {key}", cash))


def _read_accounts(file: Path) -> list[WantedAccount]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"--accounts {file}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"--accounts {file}: {error}") from error
    tables = found.pop("account", [])
    if found or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ConfigError(f"--accounts {file}: must hold [[account]] tables and nothing else")
    return [_entry(f"--accounts {file}: account {n}", one) for n, one in enumerate(tables, 1)]


def _entry(where: str, table: dict[str, object]) -> WantedAccount:
    unknown = table.keys() - _ACCOUNT_KEYS
    if unknown:
        raise ConfigError(f"{where}: unknown key {min(unknown)}")
    for name in ("key", "secret"):
        if not isinstance(table.get(name), str) or not table[name]:
            raise ConfigError(f"{where}: {name} must be a text")
    holdings = table.get("holdings", {})
    if not isinstance(holdings, dict):
        raise ConfigError(f"{where}: holdings must be a table of SYMBOL = SHARES")
    try:
        cash = amount_of("cash", str(table.get("cash", 10_000)))
        shares = holdings_of(",".join(f"{symbol}={qty}" for symbol, qty in holdings.items()))
    except UsageError as error:
        raise ConfigError(f"{where}: {error}") from None
    return WantedAccount(str(table["key"]), str(table["secret"]), cash, shares)
