"""`atlasd paper`: the local broker alone, until Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_daemon.cli.options import JsonOption, plain_errors
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.rules import symbol_format

if TYPE_CHECKING:
    from atlas_daemon.paper.market import Market
    from atlas_daemon.paper.server import PaperConfig, RunningBroker

PORT = 8790
REPLAY = "replay:"


@plain_errors
def paper(
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any.")] = PORT,
    market: Annotated[
        str, typer.Option(help="synthetic, or replay:FILE (parquet or csv of daily bars).")
    ] = "synthetic",
    at: Annotated[
        str,
        typer.Option(help="Where its clock starts: a date (09:30 New York) or a moment; else now."),
    ] = "",
    speed: Annotated[float, typer.Option(help="Broker seconds per second.", min=0.001)] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of prices, paths and partial fills.")] = 1,
    cash: Annotated[str, typer.Option(help="Cash of the account, in dollars.")] = "10000",
    holdings: Annotated[
        str, typer.Option(help="What it holds at first: SYMBOL=SHARES,SYMBOL=SHARES ...")
    ] = "",
    state: Annotated[
        Path | None, typer.Option(help="Keep the accounts in this file, over restarts.")
    ] = None,
    rate_limit: Annotated[
        int, typer.Option(help="Requests a minute that one key may send; 0 for any.", min=0)
    ] = 200,
    attached: Annotated[bool, typer.Option(hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Run the local broker: Alpaca's Trading API, stream and data API on one port."""
    starts_at = moment_of(at) if at else datetime.now(UTC)
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: must be 0 to 65535")
    dollars = amount_of("--cash", cash)
    wanted = holdings_of(holdings)
    config = _config(port, market, starts_at, speed, seed, dollars, wanted, state, rate_limit)
    asyncio.run(_serve(config, json, attached))


def moment_of(text: str) -> datetime:
    """Return a moment in UTC from a date (its open, 09:30 New York) or an ISO moment."""
    try:
        if len(text) == 10:
            day = date.fromisoformat(text)
            return datetime.combine(day, time(9, 30), NEW_YORK).astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--at {text}: must be YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=NEW_YORK)
    return moment.astimezone(UTC)


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


def _config(
    port: int,
    market_name: str,
    starts_at: datetime,
    speed: float,
    seed: int,
    cash: Decimal,
    wanted: dict[str, Decimal],
    state: Path | None,
    rate_limit: int,
) -> "PaperConfig":
    from atlas_daemon.paper.calendar import Calendar
    from atlas_daemon.paper.server import PaperConfig

    calendar = Calendar()
    market = market_of(market_name, seed, starts_at.astimezone(NEW_YORK).date(), calendar)
    holdings = {}
    for symbol, qty in wanted.items():
        trade = market.trade(symbol, starts_at) or market.trade(
            symbol, starts_at - timedelta(days=1)
        )
        if trade is None:
            raise UsageError(f"--holdings {symbol}: the market has no such symbol on that day")
        holdings[symbol] = (qty, trade.price)
    return PaperConfig(
        market=market,
        calendar=calendar,
        starts_at=starts_at,
        port=port,
        speed=speed,
        seed=seed,
        cash=cash,
        holdings=holdings,
        state_path=state,
        rate_limit_per_min=rate_limit,
    )


def market_of(name: str, seed: int, day: date, calendar: object) -> "Market":
    """Return the market called `synthetic` or `replay:FILE`, around `day`."""
    from atlas_daemon.paper.calendar import Calendar
    from atlas_daemon.paper.market import MarketDataError
    from atlas_daemon.paper.replay import ReplayMarket
    from atlas_daemon.paper.synthetic import SyntheticMarket

    assert isinstance(calendar, Calendar)
    last = min(day + timedelta(days=370), date(2028, 12, 29))
    if name == "synthetic":
        return SyntheticMarket(seed, day, last, calendar=calendar)
    if not name.startswith(REPLAY):
        raise UsageError(f"--market {name}: must be synthetic or replay:FILE")
    try:
        return ReplayMarket(
            Path(name.removeprefix(REPLAY)), seed, first_day=day, last_day=last, calendar=calendar
        )
    except MarketDataError as error:
        raise ConfigError(f"--market: {error}") from error


async def _serve(config: "PaperConfig", json: bool, attached: bool) -> None:
    from atlas_daemon.paper.server import serve

    def announce(broker: "RunningBroker") -> None:
        if json:
            text = f'{{"url": "{broker.url}", "stream_url": "{broker.stream_url}"}}'
        else:
            text = (
                f"Local broker at {broker.url} (stream {broker.stream_url})\n"
                f"Its clock: {config.starts_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} New York, "
                f"speed {config.speed:g}; keys {broker.key} / {broker.secret}\n"
                f"Trade on it with: account.mode = local, broker.trading_url = {broker.url}"
            )
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    task = asyncio.create_task(serve(config, announce))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    watcher = await _watch_parent(task) if attached else None
    try:
        await task
    except asyncio.CancelledError:
        return
    except OSError as error:
        raise ConfigError(f"--port {config.port}: {error.strerror or error}") from error
    except _paper_errors() as error:
        raise AtlasError(str(error)) from error
    finally:
        if watcher is not None:
            watcher.cancel()


def _paper_errors() -> tuple[type[Exception], ...]:
    from atlas_daemon.paper.server import RemoteHostError
    from atlas_daemon.paper.store import StateFileError

    return RemoteHostError, StateFileError


async def _watch_parent(task: "asyncio.Task[None]") -> "asyncio.Task[None]":
    """End when standard input does: the parent that holds its other end is gone then."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def wait() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await reader.read()
            task.cancel()

    return asyncio.create_task(wait())
