"""`atlasd paper`: the local broker alone, until Ctrl-C."""

import asyncio
import contextlib
import gc
import signal
import sys
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_daemon.cli.options import JsonOption, plain_errors
from atlas_daemon.cli.paper_scenarios import print_scenarios, scenario_of
from atlas_daemon.cli.paper_setup import (
    WantedAccount,
    accounts_of,
    amount_of,
    holdings_of,
    market_label,
    market_of,
    opened,
    priced,
    span_of,
)
from atlas_daemon.core.errors import AtlasError, ConfigError, UsageError
from atlas_daemon.core.moments import NEW_YORK

if TYPE_CHECKING:
    from atlas_daemon.paper.server import PaperConfig, RunningBroker

PORT = 8790
INSTANT_FILL_PCT = 0.25
"""So many orders have their first fill told before their request is answered, as on Alpaca, where
fills came 3 to 4 ms after the order."""


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
    account: Annotated[
        list[str] | None, typer.Option(help="One more account, KEY:SECRET:DOLLARS; repeatable.")
    ] = None,
    accounts: Annotated[
        Path | None, typer.Option(help="More accounts from a TOML file of [[account]] tables.")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    allow_remote: Annotated[
        bool, typer.Option(help="Let --host be reachable from other machines.")
    ] = False,
    rate_limit: Annotated[
        int, typer.Option(help="Requests a minute that one key may send; 0 for any.", min=0)
    ] = 200,
    like_live: Annotated[
        bool, typer.Option(help="Fees, dividends and interest, as a live account has them.")
    ] = False,
    scenario: Annotated[
        str, typer.Option(help="Let go wrong what a scenario says: its name, or a .toml file.")
    ] = "",
    list_scenarios: Annotated[
        bool, typer.Option("--list-scenarios", help="Show the scenarios there are, and end.")
    ] = False,
    fault_seed: Annotated[
        int | None, typer.Option(help="Seed of faults that come by chance; alone: bad-weather.")
    ] = None,
    attached: Annotated[bool, typer.Option(hidden=True)] = False,
    json: JsonOption = False,
) -> None:
    """Run the local broker: Alpaca's Trading API, stream and data API on one port."""
    if list_scenarios:
        print_scenarios(as_json=json)
        return
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {port}: must be 0 to 65535")
    config = _config(
        market,
        moment_of(at) if at else datetime.now(UTC),
        seed,
        holdings,
        accounts_of(account or [], accounts),
        state,
        host=host,
        port=port,
        allow_remote=allow_remote,
        speed=speed,
        cash=amount_of("--cash", cash),
        rate_limit_per_min=rate_limit,
        is_like_live=like_live,
        scenario=scenario_of(scenario, fault_seed),
        fault_seed=1 if fault_seed is None else fault_seed,
    )
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


def _config(
    market_name: str,
    starts_at: datetime,
    seed: int,
    holdings: str,
    more: list[WantedAccount],
    state: Path | None,
    *,
    is_like_live: bool,
    **plain: Any,
) -> "PaperConfig":
    from atlas_daemon.paper.exchange.charges import LikeLive
    from atlas_daemon.paper.market.calendar import Calendar
    from atlas_daemon.paper.server import PaperConfig

    wanted = holdings_of(holdings)
    calendar = Calendar()
    first, last = span_of(starts_at, state)
    market = market_of(market_name, seed, first, last, calendar)
    return PaperConfig(
        market=market,
        market_name=market_label(market_name),
        calendar=calendar,
        starts_at=starts_at,
        seed=seed,
        holdings=priced(wanted, market, starts_at),
        accounts=opened(more, market, starts_at),
        state_path=state,
        like_live=LikeLive.whole() if is_like_live else LikeLive(),
        instant_fill_pct=INSTANT_FILL_PCT,
        **plain,
    )


async def _serve(config: "PaperConfig", json: bool, attached: bool) -> None:
    from atlas_daemon.paper.server import serve

    def announce(broker: "RunningBroker") -> None:
        _tune_memory()
        now = broker.desk.clock.now()
        if json:
            text = f'{{"url": "{broker.url}", "stream_url": "{broker.stream_url}"}}'
        else:
            text = (
                f"Local broker at {broker.url} (stream {broker.stream_url})\n"
                f"Its clock: {now.astimezone(NEW_YORK):%Y-%m-%d %H:%M:%S} New York, "
                f"speed {config.speed:g}; keys {broker.key} / {broker.secret}\n"
                f"Its page: {broker.url}/\n"
                f"{_trouble(config)}"
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


def _trouble(config: "PaperConfig") -> str:
    """The line about what goes wrong; nothing where all goes well."""
    if config.scenario is None:
        return ""
    named = f"{config.scenario.name} ({config.scenario.title}), fault seed {config.fault_seed}"
    return f"Its trouble: {named}\n"


def _tune_memory() -> None:
    """Keep the collector from walking again and again through what lives as long as the process.

    Libraries, market and old orders are left alone from here on, and as an order makes hardly any
    cycles, the rest is looked through less often: a tenth of the time that an order costs.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 50)


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
