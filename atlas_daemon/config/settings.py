"""The configuration in force: frozen settings, made whole or not at all.

Lives here: loading, the paths of the account's files, the core's `Policy`, the digest. May not live
here: reading of single sources, rules about values.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import AccountMode, OrderType, Symbol

from .checks import LIVE_DEFAULT, check_relations, open_delay_min, with_mode_defaults
from .definitions import (
    KEYS,
    SECTIONS,
    AccountSection,
    BrokerSection,
    DashboardSection,
    DataSection,
    EmergencySection,
    ExecutionSection,
    ForeignSection,
    LiveSection,
    NotifySection,
    PathsSection,
    PromoteSection,
    RebalanceSection,
    ReconcileSection,
    RegimeSection,
    ReportSection,
    RiskSection,
    StrategySection,
)
from .identity import TRADING, with_endpoints
from .places import SOCKET_NAME, with_places
from .sources import CONFIG_NAME, DEFAULT, DOTENV_NAME, Found, read_sources, shown

NOT_IN_DIGEST = frozenset({"paths"})
"""Where files lie decides nothing that is traded; it differs between a unit and a login."""

_BY_ITSELF = (DEFAULT, LIVE_DEFAULT)


@dataclass(frozen=True, slots=True)
class Item:
    """One key as it is in force, for a listing. A secret's `value` is masked."""

    name: str
    value: str
    origin: str
    is_default: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every section, and where each value came from."""

    account: AccountSection
    broker: BrokerSection
    strategy: StrategySection
    regime: RegimeSection
    data: DataSection
    rebalance: RebalanceSection
    execution: ExecutionSection
    risk: RiskSection
    reconcile: ReconcileSection
    emergency: EmergencySection
    foreign: ForeignSection
    paths: PathsSection
    """All absolute."""
    dashboard: DashboardSection
    notify: NotifySection
    report: ReportSection
    live: LiveSection
    promote: PromoteSection
    config_path: Path | None
    """The file read; None where there was none."""
    dotenv_path: Path
    """Where a .env file is looked for, whether there is one or not."""
    found: Mapping[str, Found] = field(repr=False, compare=False)
    reread: "Callable[[], Settings]" = field(repr=False, compare=False)
    """Reads the same sources again. Raises ConfigError as `load_settings`."""

    @property
    def mode(self) -> AccountMode:
        """The world of the account."""
        return AccountMode(self.account.mode)

    @property
    def state_dir(self) -> Path:
        """Folder of journal, latch and lock."""
        return Path(self.paths.state_dir)

    @property
    def log_dir(self) -> Path:
        """Folder of the log and CSV files."""
        return Path(self.paths.log_dir)

    @property
    def runtime_dir(self) -> Path:
        """Folder of the control socket."""
        return Path(self.paths.runtime_dir)

    @property
    def journal_path(self) -> Path:
        """The journal's database."""
        return self.state_dir / "journal.db"

    @property
    def latch_path(self) -> Path:
        """The emergency stop's latch: there = halted."""
        return self.state_dir / "HALTED"

    @property
    def lock_path(self) -> Path:
        """Held by the one instance that runs."""
        return self.state_dir / "lock"

    @property
    def control_socket_path(self) -> Path:
        """The control socket; short enough for the kernel."""
        return self.runtime_dir / SOCKET_NAME

    def origin(self, name: str) -> str:
        """Return where `risk.max_position_pct` came from: a file, a variable, `default` ..."""
        return self.found[name].origin

    def items(self) -> Iterator[Item]:
        """Yield every key as it is in force, secrets masked, in the order of the documentation."""
        for name in KEYS:
            found = self.found[name]
            origin = f"{found.origin}:{found.line}" if found.line else found.origin
            is_default = found.origin in _BY_ITSELF or found.origin.startswith("follows ")
            yield Item(name, self.shown(name), origin, is_default)

    def shown(self, name: str) -> str:
        """Return the value of a key for a person: on one line, a secret one masked."""
        value = self.found[name].value
        return "" if value is None else shown(KEYS[name], value)

    def changed(self, other: "Settings") -> tuple[str, ...]:
        """Return the names of the keys whose values differ in `other`, secret ones included."""
        return tuple(name for name in KEYS if self.found[name].value != other.found[name].value)

    def refuse_fixed(self, other: "Settings") -> None:
        """Raise ConfigError naming every key that `other` changes and a running daemon cannot."""
        fixed = [name for name in self.changed(other) if KEYS[name].is_fixed]
        if fixed:
            raise ConfigError(f"{', '.join(fixed)}: cannot change while the daemon runs: restart")

    def digest(self, *sections: str) -> str:
        """Return the SHA-256 (hex) of the values in force, of `sections` or of all but `paths`.

        Secrets are left out. The same values give the same digest wherever they came from.
        """
        wanted = set(sections) or set(SECTIONS) - NOT_IN_DIGEST
        unknown = wanted - set(SECTIONS)
        assert not unknown, f"no such sections: {sorted(unknown)}"
        lines = (
            f"{name}={_canonical(self.found[name].value)}\n"
            for name, key in sorted(KEYS.items())
            if key.section in wanted and not key.secret
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def at_local_broker(self, trading_url: str) -> "Settings":
        """Return these settings with a local broker that has just been started.

        Raises ConfigError unless the mode is local and the address this machine's own.
        """
        origin = "the local broker started here"
        found = dict(self.found)
        for name in (TRADING, "broker.stream_url", "broker.data_url"):
            value = trading_url if name == TRADING else ""
            found[name] = replace(found[name], value=value, origin=origin)
        again = partial(_again_at_local_broker, self.reread, trading_url)
        return _settings(with_endpoints(found), self.config_path, self.dotenv_path, again)

    def policy(self) -> Policy:
        """Return what the core decides by."""
        rebalance, risk = self.rebalance, self.risk
        return Policy(
            capital=self.account.capital,
            manages_all=self.account.manage == "all",
            protected=frozenset(Symbol(symbol) for symbol in self.account.protected),
            anchors=tuple((int(day[:2]), int(day[3:])) for day in rebalance.anchors),
            open_delay=timedelta(minutes=open_delay_min(rebalance.at)),
            catch_up_sessions=rebalance.catch_up_sessions,
            min_session_left=timedelta(seconds=rebalance.min_session_left_s),
            fill_timeout=timedelta(seconds=rebalance.fill_timeout_s),
            rounds=rebalance.rounds,
            crash_reacts=self.regime.react != "none",
            regime_reacts=self.regime.react == "any",
            order_type=OrderType(self.execution.order_type),
            limit_band_pct=self.execution.limit_band_pct,
            fractional=self.strategy.shares == "fractional",
            max_position_pct=risk.max_position_pct,
            max_total_allocation=risk.max_total_allocation,
            max_portfolio_heat=risk.max_portfolio_heat,
            cash_reserve_pct=risk.cash_reserve_pct,
            price_band_pct=risk.price_band_pct,
            drift_band_pct=risk.drift_band_pct,
            max_price_age=timedelta(seconds=risk.max_price_age_s),
            reconcile_every=timedelta(seconds=self.reconcile.every_s),
            reconcile_idle_every=timedelta(seconds=self.reconcile.idle_every_s),
            flatten_on_stop=self.emergency.action == "flatten",
            stop_scope_account=self.emergency.scope == "account",
            foreign_waits=self.foreign.orders == "wait",
            needs_certificate=self.mode is AccountMode.LIVE,
            scale=self.live.scale if self.mode is AccountMode.LIVE else Decimal(1),
        )


def load_settings(
    config_path: Path | None = None,
    *,
    environ: Mapping[str, str],
    cwd: Path,
    overrides: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings in force. Raises ConfigError: nothing is ever loaded in part.

    Sources in rising order: defaults, `config_path` (else `cwd`/atlas.toml where it exists), the
    .env file beside it, variables ATLAS_SECTION__KEY, `overrides` (full key to TOML value: what the
    command line says).
    """
    readable = _default_file(cwd) if config_path is None else cwd / config_path
    dotenv_path = (cwd if readable is None else readable.parent) / DOTENV_NAME
    found = read_sources(readable, dotenv_path, environ, overrides or {}, cwd)
    found = with_places(with_endpoints(with_mode_defaults(found)), environ)
    check_relations(found)
    # A file that was read once and is gone later is a mistake, and no return to the defaults.
    again = partial(load_settings, readable, environ=environ, cwd=cwd, overrides=overrides)
    return _settings(found, readable, dotenv_path, again)


def _again_at_local_broker(reread: Callable[[], Settings], trading_url: str) -> Settings:
    fresh = reread()
    is_unnamed = fresh.mode is AccountMode.LOCAL and not fresh.broker.trading_url
    return fresh.at_local_broker(trading_url) if is_unnamed else fresh


def _default_file(cwd: Path) -> Path | None:
    path = cwd / CONFIG_NAME
    try:
        return path if path.exists() else None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _settings(
    found: Mapping[str, Found],
    config_path: Path | None,
    dotenv_path: Path,
    reread: Callable[[], Settings],
) -> Settings:
    sections: dict[str, Any] = {
        section: made(
            **{key.field: found[name].value for name, key in KEYS.items() if key.section == section}
        )
        for section, made in SECTIONS.items()
    }
    return Settings(
        **sections,
        config_path=config_path,
        dotenv_path=dotenv_path,
        found=MappingProxyType(dict(found)),
        reread=reread,
    )


def _canonical(value: object) -> str:
    # 0.9 and 0.90 are the same setting.
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return repr(value)
