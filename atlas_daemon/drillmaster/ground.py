"""Where a drill takes place: a session of the installed schedule, a market, an account, a setting.

The sections strategy, regime, risk and rebalance are taken over as they are, and whatever cannot be
is said in `Ground.notes`. Nothing of the account itself is: not its keys, addresses or folders.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.config import KEYS, Settings, load_settings
from atlas_daemon.config.kinds import FILE_PREFIX
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import Regime, Session
from atlas_daemon.strategy.universe import NAMED, resolve_universe

from .prices import make_prices, sessions_in, slots_between

TAKEN_OVER = frozenset(
    ("strategy", "regime", "data", "rebalance", "execution", "risk", "reconcile", "emergency",
     "foreign")
)  # fmt: skip
"""Sections that are copied key by key; `account` keeps its name only."""
EQUITY = Decimal(100_000)
"""The drill account's, in dollars."""
SOLD, SOLD_PCT, KEPT_PCT = 3, Decimal("0.08"), Decimal("0.02")
"""So many holdings that go, each so much of the equity; and one that stays and is filled up."""
EARLY = timedelta(minutes=10)
"""The daemon starts so long before the slot falls due."""
TRIES_MAX = 6
BULL = f"fixed:{Regime.TREND_BULL}"

Decide = Callable[[Settings, date, tuple[str, ...]], SignalsAnswer]
"""What the strategy wants as of a day, and the closes of more symbols. Raises SignalsError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The same for every drill of a command."""

    session: Session
    due_at: datetime
    starts_at: datetime
    market: str
    """What the local broker plays."""
    lines: Mapping[str, str]
    """The configuration: key to TOML value, without addresses and folders."""
    picks: tuple[str, ...]
    holdings: Mapping[str, int]
    sold: tuple[str, ...]
    """Which of the holdings are not picked."""
    cash: Decimal
    notes: tuple[str, ...]
    """What a person must know about it, one line each."""


@dataclass(frozen=True, slots=True)
class _Plot:
    """A session and a market that may do."""

    session: Session
    prices: Path
    source: str
    """What `data.source` is while a drill runs."""
    note: str


def find_ground(settings: Settings, folder: Path, decide: Decide, now: datetime) -> Ground:
    """Return where the drills of `settings` can take place. Raises AtlasError where nowhere.

    A session does where the installed strategy buys something on it and its regime is not CRASH.
    `folder` is a scratch folder, and keeps the files of the ground.
    """
    why = "there is no slot"
    for is_given in (False, True):
        for plot in _plots(settings, folder, now):
            lines, notes = _taken_over(settings, folder, plot, is_regime_given=is_given)
            if is_given:
                notes = (*notes, f"regime: {BULL} is given, as the source gives none ({why})")
            try:
                return _settled(settings, folder, decide, plot, lines, notes)
            except SignalsError as error:
                why = str(error)
    raise AtlasError(f"no session was found on which the installed strategy buys: {why}")


def _settled(
    settings: Settings,
    folder: Path,
    decide: Decide,
    plot: _Plot,
    lines: Mapping[str, str],
    notes: tuple[str, ...],
) -> Ground:
    """Ask the strategy once, and set up the account. Raises SignalsError where it buys nothing."""
    signal_day = NYSE.session_before(plot.session.day).day
    config = folder / "ask.toml"
    asked = {**lines, "data.source": toml(f"{FILE_PREFIX}{plot.prices}")}
    write_config(config, asked | folders_of(folder / "ask"))
    made = load_settings(config, environ={"HOME": str(folder)}, cwd=folder)
    spare = _symbols(settings, signal_day)
    answer = decide(made, signal_day, spare)
    if answer.regime is None or answer.regime is Regime.CRASH:
        raise SignalsError(f"the regime of {signal_day} is {answer.regime or 'not known'}")
    picks = tuple(str(pick.symbol) for pick in answer.picks)
    if not picks:
        raise SignalsError(f"nothing is picked on {signal_day}")
    closes = {str(symbol): price for symbol, price in answer.closes.items()}
    sold = tuple(s for s in spare if s in closes and s not in picks)[:SOLD]
    wanted = dict.fromkeys(sold, SOLD_PCT) | {picks[0]: KEPT_PCT}
    holdings = {s: max(1, int(EQUITY * pct / closes[s])) for s, pct in wanted.items()}
    spent = sum((qty * closes[s] for s, qty in holdings.items()), Decimal(0))
    due_at = plot.session.opens_at + settings.policy().open_delay
    return Ground(
        session=plot.session,
        due_at=due_at,
        starts_at=due_at - EARLY,
        market=f"replay:{plot.prices}",
        lines=lines,
        picks=picks,
        holdings=holdings,
        sold=sold,
        cash=max(EQUITY - spent, Decimal(1000)).quantize(Decimal(1)),
        notes=(
            f"{plot.note}; slot of {plot.session.day}, signals of {signal_day}: {len(picks)} of "
            f"{answer.candidates} picked, {answer.regime}",
            *notes,
            f"account: ${EQUITY:,.0f} of its own, all of it managed; nothing of the real one",
        ),
    )


def write_config(path: Path, lines: Mapping[str, str]) -> None:
    """Write a configuration file."""
    path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))


def folders_of(folder: Path, state: Path | None = None) -> dict[str, str]:
    """Return the lines that keep everything below `folder`."""
    state = folder / "state" if state is None else state
    return {
        "paths.state_dir": toml(str(state)),
        "paths.log_dir": toml(str(folder / "logs")),
        "paths.runtime_dir": toml(str(folder / "run")),
    }


def toml(value: object) -> str:
    """Return a value as TOML writes it."""
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return format(value, "f")
        case tuple():
            return f"[{', '.join(map(toml, value))}]"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)


def _plots(settings: Settings, folder: Path, now: datetime) -> Iterator[_Plot]:
    """Yield what may do, the best first: the configured file's own slots, then made prices."""
    kind, _, argument = settings.data.source.partition(":")
    if kind == "file":
        yield from _plots_of_file(settings, Path(argument), now)
    coming = slots_between(settings.rebalance.anchors, now.date(), now.date() + timedelta(days=800))
    for anchor in coming:
        session = NYSE.next_session(anchor)
        if session.opens_at > now:
            break
    else:
        return
    symbols = _symbols(settings, NYSE.session_before(session.day).day)
    is_modelled = settings.regime.source == "jump_model"
    lookback = settings.regime.lookback if is_modelled else 0
    for seed in range(1, TRIES_MAX + 1):
        path = folder / f"made-{seed}.csv"
        if not path.exists():
            make_prices(path, symbols, session, lookback, seed)
        source = "alpaca" if kind == "alpaca" else f"{FILE_PREFIX}{path}"
        note = f"prices: made for {len(symbols)} symbols (seed {seed}), served by the local broker"
        yield _Plot(session, path, source, note)


def _plots_of_file(settings: Settings, path: Path, now: datetime) -> Iterator[_Plot]:
    days = sessions_in(path, now)
    found = set(days)
    last = days[-1] - timedelta(days=7) if days else date.min
    slots = slots_between(settings.rebalance.anchors, days[0], last) if days else iter(())
    for anchor in [*slots][: -TRIES_MAX - 1 : -1]:
        session = NYSE.next_session(anchor)
        if {session.day, NYSE.session_before(session.day).day} <= found:
            note = f"prices: of {path.name}"
            yield _Plot(session, path, settings.data.source, note)


def _taken_over(
    settings: Settings, folder: Path, plot: _Plot, *, is_regime_given: bool
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the configuration's lines, and what in them is not as installed."""
    lines = {
        name: toml(settings.found[name].value)
        for name, key in KEYS.items()
        if key.section in TAKEN_OVER and not key.secret and settings.found[name].value is not None
    }
    lines |= {
        "account.name": toml(settings.account.name),
        "account.mode": '"local"',
        "account.manage": '"all"',
        "dashboard.port": "0",
        "data.source": toml(plot.source),
    }
    notes = []
    signal_day = NYSE.session_before(plot.session.day).day
    if targets := _targets(settings):
        copy = folder / f"targets-{signal_day}.csv"
        with copy.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("symbol", "weight", "as_of"))
            writer.writerows((*target, signal_day) for target in targets)
        lines["strategy.source"] = toml(f"{FILE_PREFIX}{copy}")
        notes.append(f"targets: a copy of those installed, dated {signal_day}")
    source = settings.regime.source
    if source == f"fixed:{Regime.CRASH}" or source.startswith(FILE_PREFIX):
        notes.append(
            f"regime: {BULL} stands in for {source.partition(':')[0]}, which speaks of now"
        )
        is_regime_given = True
    if is_regime_given:
        lines["regime.source"] = toml(BULL)
    elif settings.regime.vix and "made" in plot.note:
        lines["regime.vix"] = '""'
        notes.append("regime: without the VIX, which has no values for made prices")
    return lines, tuple(notes)


def _targets(settings: Settings) -> list[tuple[str, str]]:
    """Return symbol and weight of each line of a targets file. Raises ConfigError."""
    kind, _, argument = settings.strategy.source.partition(":")
    if kind != "file":
        return []
    try:
        with Path(argument).open(encoding="utf-8-sig", newline="") as lines:
            return [(row["symbol"], row["weight"]) for row in csv.DictReader(lines)]
    except (OSError, ValueError, csv.Error, KeyError) as error:
        text = f"strategy.source: {argument}: cannot be read as targets: {error}"
        raise ConfigError(text) from error


def _symbols(settings: Settings, day: date) -> tuple[str, ...]:
    """Return what may be bought, then names to sell, each once."""
    universe = settings.strategy.universe
    text = universe if isinstance(universe, str) else ",".join(universe)
    named = resolve_universe(text, day).symbols or ()
    targets = (symbol for symbol, _ in _targets(settings))
    return tuple(dict.fromkeys((*targets, *named, *NAMED["technology"])))
