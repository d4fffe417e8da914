"""Every key of the configuration: its section, its default, what it takes.

Lives here: one frozen dataclass per section, and the table of all keys read off them. May not live
here: where values come from, what two keys mean for each other.

Durations are whole seconds (`_s`), percentages are fractions (`_pct`; 0.15 is 15 %), money is in
dollars. A field whose name is a word of Python carries an underscore that its key does not have.
`None` as a default: the key has none, and may be absent. An empty default in `[broker]` and
`paths.runtime_dir` follows other keys. deploy/atlas.example.toml explains each key to a person.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from atlas_daemon.core.brain import UNIVERSE_NAMES

from .kinds import (
    FILE_PREFIX,
    Flag,
    Kind,
    Maybe,
    Number,
    OneOrSeveral,
    Several,
    Text,
    Whole,
    WholeOr,
    address,
    anchors,
    choice,
    pattern,
    several_of,
    symbols,
)

T = TypeVar("T")

TOKEN_CHARS_MIN = 32
"""A token of so many characters is not guessed, however often somebody tries."""

_ZERO, _ONE = Decimal(0), Decimal(1)
_SHARE = Number(_ZERO, _ONE, low_open=True)
_BELOW_ONE = Number(_ZERO, _ONE, high_open=True)
_BETWEEN = Number(_ZERO, _ONE, low_open=True, high_open=True)
_DOLLARS = Number(_ZERO, Decimal("1e12"))
_PATH = pattern("a path of a file or folder", r"\S(.*\S)?")
_WEB = pattern(
    'empty, or an address such as "https://host/path"',
    r"(https?://([^\s/?#@]+@)?(\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)"
    r"(:([1-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-5][0-9]{2}))?([/?#]\S*)?)?",
)
_APPRISE = pattern('empty, or an address of Apprise such as "mailto://..."', r"([a-z0-9]+://\S+)?")
_TOKEN = pattern(
    f"empty, or {TOKEN_CHARS_MIN} to 200 plain characters without blanks",
    rf"([!-~]{{{TOKEN_CHARS_MIN},200}})?",
)
_NAME = pattern(
    'a list of host names in small letters such as ["atlas.example.org"], each once',
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?",
)
_ADDRESS = pattern("empty, or http(s)://host[:port]", r"(https?://[^\s?#]+)?")
_UNIVERSE = (
    f"one of {', '.join(UNIVERSE_NAMES)}, a list of symbols in capitals, each once, or file:PATH"
)

PROMOTE_WORDS = ("sharpe", "cagr", "backtest", "trades", "six_months")
"""What `promote.require` may name."""


def key(default: T, kind: Kind[T], *, secret: bool = False, is_fixed: bool = False) -> T:
    """Declare a key. A secret one is never shown: not in errors, listings, digests or reprs.

    A fixed one cannot change while the daemon runs: it says who the daemon is, or where it lives.
    """
    # Typed as its value, as `dataclasses.field` itself is for a type checker.
    declared: T = dataclasses.field(
        default=default,
        metadata={"kind": kind, "secret": secret, "is_fixed": is_fixed},
        repr=not secret,
    )
    return declared


def _file_or(allowed: str, expression: str) -> Text:
    return pattern(f'{allowed} or "file:PATH"', rf"({expression})|{FILE_PREFIX}\S(.*\S)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSection:
    """Which account, in which world, and how much of it."""

    name: str = key(
        "LARGE",
        pattern(
            "a letter, then up to 31 letters, digits or _",
            r"[A-Za-z][A-Za-z0-9_]{0,31}",
            upper=True,
        ),
        is_fixed=True,
    )
    """Kept in capitals: it names the variables of the keys (ALPACA_LARGE_KEY)."""
    mode: str = key("paper", choice("local", "paper", "live"), is_fixed=True)
    number: str = key(
        "", pattern("empty, or the account's number", r"[A-Za-z0-9]{0,40}"), is_fixed=True
    )
    capital: Decimal = key(_ZERO, _DOLLARS)
    """Most dollars of the account that are managed; 0 manages all."""
    manage: str = key("all", choice("all", "bought"))
    """In live the default is "bought"."""
    protected: tuple[str, ...] = key((), symbols())


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSection:
    """Addresses of the broker; empty follows `account.mode`."""

    trading_url: str = key("", _ADDRESS, is_fixed=True)
    stream_url: str = key(
        "", pattern("empty, or ws(s)://host[:port]/path", r"(wss?://[^\s?#]+)?"), is_fixed=True
    )
    data_url: str = key("", _ADDRESS, is_fixed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySection:
    """Where targets come from."""

    source: str = key("momentum_52w", _file_or('"momentum_52w"', "momentum_52w"))
    universe: str | tuple[str, ...] = key(
        "technology",
        OneOrSeveral(
            pattern(
                _UNIVERSE,
                rf"{'|'.join(UNIVERSE_NAMES)}|[A-Z][A-Z0-9.-]*|{FILE_PREFIX}\S(.*\S)?",
            ),
            Several(pattern(_UNIVERSE, r"[A-Za-z][A-Za-z0-9.-]*"), _UNIVERSE, least=1),
        ),
    )
    top_n: int = key(10, Whole(1, 1000))
    weighting: str = key("equal", choice("equal", "momentum"))
    min_high_ratio: Decimal = key(Decimal("0.90"), _SHARE)
    volume_filter: Decimal = key(_ZERO, Number(_ZERO, Decimal(100)))
    """Least volume as a multiple of its average; 0 switches the filter off."""
    shares: str = key("whole", choice("whole", "fractional"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeSection:
    """Where the market regime comes from, and what a change of it does between slots."""

    source: str = key(
        "jump_model",
        _file_or(
            '"jump_model", "fixed:REGIME" (TREND_BULL, TREND_NEUTRAL, TREND_BEAR, CRASH)',
            "jump_model|fixed:(TREND_BULL|TREND_NEUTRAL|TREND_BEAR|CRASH)",
        ),
    )
    react: str = key("crash", choice("crash", "any", "none"))
    lookback: int = key(1000, Whole(60, 20_000))
    """Sessions."""
    lambda_: Decimal = key(Decimal("1.5"), Number(_ZERO, Decimal(10_000)))
    mode: str = key("greedy", choice("greedy", "dp"))
    window: int | str = key(2520, WholeOr(Whole(60, 20_000), "expanding"))
    """Sessions."""
    confirm_sessions: int = key(3, Whole(1, 60))
    vix: str = key("", _file_or("empty", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSection:
    """Where bars and quotes come from."""

    source: str = key("alpaca", _file_or('"alpaca"', "alpaca"))
    bars_feed: str = key("sip", choice("sip", "iex"))
    quotes_feed: str = key("iex", choice("iex", "sip"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RebalanceSection:
    """When a rebalance is due, and how long it may take."""

    anchors: tuple[str, ...] = key(("02-01", "08-01"), anchors())
    at: str = key(
        "open+5m", pattern('"open+Nm", N minutes from 0 to 299', r"open\+[12]?[0-9]?[0-9]m")
    )
    catch_up_sessions: int = key(5, Whole(0, 20))
    first: str = key("next", choice("next", "now"))
    min_session_left_s: int = key(2700, Whole(1, 23_400))
    fill_timeout_s: int = key(300, Whole(1, 7200))
    rounds: int = key(3, Whole(1, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSection:
    """How orders are sent."""

    order_type: str = key("market", choice("market", "limit"))
    limit_band_pct: Decimal = key(Decimal("0.005"), Number(_ZERO, Decimal("0.1"), low_open=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskSection:
    """Limits of orders, prices and holdings."""

    max_position_pct: Decimal = key(Decimal("0.15"), _SHARE)
    max_total_allocation: Decimal = key(
        Decimal("1.05"), Number(_ZERO, Decimal("1.05"), low_open=True)
    )
    """Above 1.05 would be margin, which is never used."""
    max_portfolio_heat: Decimal = key(Decimal("0.08"), _SHARE)
    cash_reserve_pct: Decimal = key(Decimal("0.01"), _BELOW_ONE)
    price_band_pct: Decimal = key(Decimal("0.25"), _BETWEEN)
    drift_band_pct: Decimal = key(Decimal("0.05"), _BETWEEN)
    max_price_age_s: int = key(60, Whole(1, 600))
    slippage_warn_pct: Decimal = key(Decimal("0.005"), _BETWEEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileSection:
    """How often our books are compared with the broker's."""

    every_s: int = key(60, Whole(1, 3600))
    idle_every_s: int = key(900, Whole(1, 604_800))


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencySection:
    """What an emergency stop does."""

    action: str = key("cancel", choice("cancel", "flatten"))
    scope: str = key("account", choice("account", "ours"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignSection:
    """What an order of somebody else on a line of ours means."""

    orders: str = key("wait", choice("wait", "drop"))


@dataclass(frozen=True, slots=True, kw_only=True)
class PathsSection:
    """Folders; `{mode}` and `{name}` stand for the account's."""

    state_dir: str = key("~/.local/state/atlas/{mode}-{name}", _PATH, is_fixed=True)
    log_dir: str = key("logs", _PATH, is_fixed=True)
    runtime_dir: str = key(
        "", pattern("empty, or the path of a folder", r"(\S(.*\S)?)?"), is_fixed=True
    )
    """Folder of the control socket; empty is `run` in the state folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSection:
    """Where the read-only page is served."""

    host: str = key("127.0.0.1", address(), is_fixed=True)
    """Another than this machine's own needs a token."""
    port: int = key(8787, Whole(0, 65_535), is_fixed=True)
    """0 takes any free one."""
    token: str = key("", _TOKEN, secret=True, is_fixed=True)
    """Where there is one, everything but `/healthz` asks for it."""
    hosts: tuple[str, ...] = key((), Several(_NAME, _NAME.allowed), is_fixed=True)
    """Names by which the page may be asked for, beside addresses and this machine's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifySection:
    """Who is told. The addresses often hold a token, so they are secret."""

    webhook_url: str = key("", _WEB, secret=True)
    template: str = key("auto", choice("auto", "generic", "slack", "discord", "ntfy"))
    """How the webhook's JSON is written; `auto` goes by its address."""
    apprise_url: str = key("", _APPRISE, secret=True)
    healthcheck_url: str = key("", _WEB, secret=True)
    healthcheck_every_s: int = key(300, Whole(60, 86_400))
    daily: bool = key(False, Flag())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """What the backtest promised, for comparison."""

    expected_cagr: Decimal | None = key(None, Maybe(Number(Decimal(-1), Decimal(10))))
    expected_sharpe: Decimal | None = key(None, Maybe(Number(Decimal(-10), Decimal(10))))
    expected_max_drawdown: Decimal | None = key(None, Maybe(_SHARE))
    """A positive fraction: 0.2 is a loss of 20 % from the top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSection:
    """How real money begins. Nothing here counts in the other modes."""

    scale: Decimal = key(Decimal("0.25"), Number(_ZERO, Decimal("0.25"), low_open=True))
    """Part of normal sizes that the first rebalance deploys; `atlasd scale` changes it later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoteSection:
    """What paper trading must have shown before real money, beyond what always must be."""

    days_min: int = key(30, Whole(30, 3650))
    """Days of paper operation."""
    rehearsals_min: int = key(3, Whole(3, 100))
    """Forced rebalances on paper, done by the code that goes live."""
    require: tuple[str, ...] = key((), several_of(*PROMOTE_WORDS))
    """Figures that are otherwise shown only."""
    valid_days: int = key(400, Whole(1, 400))
    """Two slots half a year apart always fit in, with the sessions in which one is caught up."""


SECTIONS: dict[str, type[Any]] = {
    "account": AccountSection,
    "broker": BrokerSection,
    "strategy": StrategySection,
    "regime": RegimeSection,
    "data": DataSection,
    "rebalance": RebalanceSection,
    "execution": ExecutionSection,
    "risk": RiskSection,
    "reconcile": ReconcileSection,
    "emergency": EmergencySection,
    "foreign": ForeignSection,
    "paths": PathsSection,
    "dashboard": DashboardSection,
    "notify": NotifySection,
    "report": ReportSection,
    "live": LiveSection,
    "promote": PromoteSection,
}


@dataclass(frozen=True, slots=True)
class Key:
    """One key of the configuration."""

    name: str
    """Full name: `risk.max_position_pct`."""
    section: str
    field: str
    """Name of the field in its section's dataclass."""
    default: Any
    kind: Kind[Any]
    secret: bool
    is_fixed: bool
    """A change of it takes a restart."""

    @property
    def variable(self) -> str:
        """Its environment variable: `ATLAS_RISK__MAX_POSITION_PCT`."""
        section, _, word = self.name.partition(".")
        return f"ATLAS_{section.upper()}__{word.upper()}"


def _every_key() -> Iterator[Key]:
    for section, made in SECTIONS.items():
        for item in dataclasses.fields(made):
            yield Key(
                name=f"{section}.{item.name.rstrip('_')}",
                section=section,
                field=item.name,
                default=item.default,
                kind=item.metadata["kind"],
                secret=item.metadata["secret"],
                is_fixed=item.metadata["is_fixed"],
            )


KEYS: dict[str, Key] = {each.name: each for each in _every_key()}
"""All keys by their full names, in the order of the documentation."""
