"""The ground of a drill: the installed sections as they are, and nothing of the account."""

import csv
import tomllib
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.config import Settings, load_settings
from atlas_daemon.config.digests import SECTIONS
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.drillmaster import ground as ground_of
from atlas_daemon.drillmaster.ground import Ground, find_ground, folders_of, toml, write_config

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)
SECRET = "https://hooks.example/T0KEN"
INSTALLED = f"""
[account]
name = "BIG"
mode = "live"
number = "912345678"
protected = ["AAPL"]
[strategy]
top_n = 3
min_high_ratio = 0.5
universe = ["AAPL", "MSFT", "NVDA", "ORCL", "ZZZ"]
[regime]
source = "jump_model"
confirm_sessions = 2
lookback = 60
[risk]
max_position_pct = 0.20
[rebalance]
anchors = ["03-01", "09-01"]
[emergency]
action = "flatten"
[notify]
webhook_url = "{SECRET}"
[paths]
state_dir = "installed"
"""


class Asked:
    """A strategy that wants MSFT and NVDA, and knows what it was asked with."""

    def __init__(self, *regimes: Regime | None, picks: tuple[str, ...] = ("MSFT", "NVDA")) -> None:
        self._regimes = [*regimes]
        self._picks = picks
        self.settings: list[Settings] = []

    def __call__(self, settings: Settings, day: date, held: tuple[str, ...]) -> SignalsAnswer:
        self.settings.append(settings)
        regime = self._regimes.pop(0) if self._regimes else Regime.TREND_BULL
        if regime is None:
            raise SignalsError("regime.source jump_model: too few bars")
        picks = tuple(Pick(Symbol(s), Decimal("0.15"), Decimal(100)) for s in self._picks)
        closes = {Symbol(s): Decimal(100) for s in held if s != "ZZZ"}
        return SignalsAnswer(day, picks, closes, (), 5, (), regime, day)


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prices are not made: who asks the strategy above needs none."""

    def make(path: Path, symbols: Collection[str], *more: object) -> None:
        path.write_text("".join(f"{symbol}\n" for symbol in symbols))

    monkeypatch.setattr(ground_of, "make_prices", make)


def installed(folder: Path, text: str = INSTALLED) -> Settings:
    path = folder / "atlas.toml"
    path.write_text(text)
    return load_settings(path, environ={"HOME": str(folder)}, cwd=folder)


def scratch(folder: Path, ground: Ground) -> Settings:
    """The settings that the daemons of a drill read."""
    path = folder / "scratch.toml"
    write_config(path, {**ground.lines, **folders_of(folder)})
    return load_settings(path, environ={"HOME": str(folder)}, cwd=folder)


@pytest.mark.usefixtures("listed")
def test_the_sections_that_evidence_is_bound_to_are_the_installed_ones(tmp_path: Path) -> None:
    settings = installed(tmp_path)
    made = scratch(tmp_path, find_ground(settings, tmp_path, Asked(), NOW))
    assert made.digest(*SECTIONS) == settings.digest(*SECTIONS)
    assert made.emergency == settings.emergency
    assert made.execution == settings.execution


@pytest.mark.usefixtures("listed")
def test_nothing_of_the_account_is_in_a_drills_configuration(tmp_path: Path) -> None:
    ground = find_ground(installed(tmp_path), tmp_path, Asked(), NOW)
    made = scratch(tmp_path, ground)
    assert (made.account.mode, made.account.name) == ("local", "BIG")
    assert made.account.number == ""
    assert made.broker.trading_url == ""
    assert made.notify.webhook_url == ""
    text = (tmp_path / "scratch.toml").read_text()
    assert not any(word in text for word in (SECRET, "912345678", "installed", "alpaca.markets"))


@pytest.mark.usefixtures("listed")
def test_the_day_is_the_next_slot_of_the_installed_schedule(tmp_path: Path) -> None:
    ground = find_ground(installed(tmp_path), tmp_path, Asked(), NOW)
    assert ground.session.day == date(2027, 3, 1)
    assert ground.starts_at < ground.due_at
    assert any("slot of 2027-03-01" in note for note in ground.notes)


@pytest.mark.usefixtures("listed")
def test_the_account_holds_what_is_sold_and_one_that_stays(tmp_path: Path) -> None:
    ground = find_ground(installed(tmp_path), tmp_path, Asked(), NOW)
    assert ground.sold == ("AAPL", "ORCL", "GOOGL")
    assert ground.holdings == {"AAPL": 80, "ORCL": 80, "GOOGL": 80, "MSFT": 20}
    assert ground.cash == 74_000


def test_prices_are_made_for_the_installed_universe_and_this_is_said(tmp_path: Path) -> None:
    ground = find_ground(installed(tmp_path), tmp_path, Asked(), NOW)
    path = Path(ground.market.removeprefix("replay:"))
    with path.open() as lines:
        symbols = {row["symbol"] for row in csv.DictReader(lines)}
    assert {"AAPL", "ZZZ", "SPY"} <= symbols
    assert "prices: made for" in ground.notes[0]


@pytest.mark.usefixtures("listed")
def test_a_market_in_which_nothing_is_bought_is_made_anew(tmp_path: Path) -> None:
    asked = Asked(Regime.CRASH, Regime.TREND_NEUTRAL)
    ground = find_ground(installed(tmp_path), tmp_path, asked, NOW)
    assert "seed 2" in ground.notes[0]
    assert "TREND_NEUTRAL" in ground.notes[0]


@pytest.mark.usefixtures("listed")
def test_a_regime_that_nobody_gives_is_given_and_said(tmp_path: Path) -> None:
    asked = Asked(*[None] * 6)
    ground = find_ground(installed(tmp_path), tmp_path, asked, NOW)
    assert ground.lines["regime.source"] == '"fixed:TREND_BULL"'
    assert any("is given" in note and "too few bars" in note for note in ground.notes)


@pytest.mark.usefixtures("listed")
def test_where_nothing_is_ever_bought_there_is_no_ground(tmp_path: Path) -> None:
    with pytest.raises(AtlasError, match="nothing is picked on"):
        find_ground(installed(tmp_path), tmp_path, Asked(picks=()), NOW)


@pytest.mark.usefixtures("listed")
def test_targets_of_a_file_are_dated_to_the_day_of_the_drill(tmp_path: Path) -> None:
    targets = tmp_path / "targets.csv"
    targets.write_text("symbol,weight,as_of\nMSFT,0.2,2026-01-30\nQQX,0.2,2026-01-30\n")
    text = INSTALLED.replace("top_n = 3", 'source = "file:targets.csv"')
    ground = find_ground(installed(tmp_path, text), tmp_path, Asked(), NOW)
    copy = Path(tomllib.loads(f"x = {ground.lines['strategy.source']}")["x"].removeprefix("file:"))
    assert "QQX,0.2,2027-02-26" in copy.read_text()
    assert copy != targets
    assert any("targets: a copy" in note for note in ground.notes)
    assert "QQX" in Path(ground.market.removeprefix("replay:")).read_text()


@pytest.mark.usefixtures("listed")
def test_targets_that_cannot_be_read_name_their_key(tmp_path: Path) -> None:
    text = INSTALLED.replace("top_n = 3", 'source = "file:missing.csv"')
    with pytest.raises(ConfigError, match=r"strategy.source: .*missing.csv"):
        find_ground(installed(tmp_path, text), tmp_path, Asked(), NOW)


def test_a_file_of_bars_is_played_on_its_own_newest_slot(tmp_path: Path) -> None:
    made = find_ground(installed(tmp_path), tmp_path, Asked(), NOW)
    bars = Path(made.market.removeprefix("replay:"))
    text = INSTALLED + f'[data]\nsource = "file:{bars}"\n'
    later = datetime(2027, 6, 1, tzinfo=UTC)
    ground = find_ground(installed(tmp_path, text), tmp_path, Asked(), later)
    assert ground.session.day == date(2027, 3, 1)
    assert ground.lines["data.source"] == f'"file:{bars}"'
    assert ground.notes[0].startswith(f"prices: of {bars.name}")


@pytest.mark.parametrize(
    "value", ['a "quoted" b\\c', True, 7, Decimal("0.90"), ("AAPL", "BRK.B"), "ü"]
)
def test_what_is_written_as_toml_is_read_as_it_was(value: object) -> None:
    read: Mapping[str, object] = tomllib.loads(f"x = {toml(value)}", parse_float=Decimal)
    assert read["x"] == (list(value) if isinstance(value, tuple) else value)
