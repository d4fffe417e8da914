"""Today's slot, played by the real daemon on a local broker of its own."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.cli.doctor import PlayerMaker
from atlas_daemon.cli.todays_plan import Today
from atlas_daemon.config import KEYS
from atlas_daemon.core.brain import SignalsAnswer, SignalsError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import Account, Pick, Position, Regime, Symbol
from atlas_daemon.doctor.flat_market import FlatMarket
from atlas_daemon.doctor.play import (
    NotPlayedError,
    Part,
    TodaysBrain,
    managed,
    play_slot,
    prices_for,
    stage_overrides,
)
from atlas_daemon.rehearsal.scenes import Desk
from tests.doctor.ward import SIGNAL_DAY
from tests.test_app import settings_at

SESSION = NYSE.session_of(date(2024, 2, 1))
CLOSES = {"AAA": Decimal(100), "BBB": Decimal("50.01"), "CCC": Decimal(80), "SPY": Decimal(480)}


def position(symbol, qty, asset_class="us_equity"):
    shares = Decimal(qty)
    return Position(Symbol(symbol), shares, Decimal(70), shares, asset_class=asset_class)


HELD = (position("CCC", 20), position("BTCUSD", 1, "crypto"), position("ZZZ", -5))


def an_answer(**changes):
    picks = tuple(Pick(Symbol(s), Decimal("0.15"), CLOSES[s]) for s in ("AAA", "BBB"))
    given = {
        "signal_day": SIGNAL_DAY,
        "picks": picks,
        "closes": CLOSES,
        "refused": (),
        "candidates": 2,
        "notes": (),
        "regime": Regime.TREND_BULL,
        "regime_as_of": SIGNAL_DAY,
    }
    return SignalsAnswer(**(given | changes))


def played(folder: Path, *, patience_s=20.0, seconds=lambda: 0.0, answer=None, **changes):
    answer = answer or an_answer()
    account = Account("PA1", "ACTIVE", Decimal(11_600), Decimal(10_000), Decimal(10_000))
    today = Today(Desk(account, HELD, ()), answer, SESSION, None)
    overrides = stage_overrides(SESSION, folder) | changes
    named = {name.replace(".", "__"): value for name, value in overrides.items()}
    part = Part(
        settings=settings_at(folder, "", **named),
        session=SESSION,
        cash=account.cash,
        holdings=managed(HELD, None),
        prices=prices_for(answer.closes, HELD),
    )
    return play_slot(part, PlayerMaker(today), patience_s, seconds)


def test_the_daemon_runs_todays_slot_to_its_end(tmp_path):
    done = played(tmp_path)
    assert (done.outcome, done.reason) == ("done", "")
    assert (done.orders, done.filled) == (3, 3)


def test_a_crash_of_today_sells_and_is_done(tmp_path):
    done = played(tmp_path, answer=an_answer(regime=Regime.CRASH))
    assert (done.outcome, done.orders) == ("done", 1)


def test_a_gate_that_refuses_today_is_told(tmp_path):
    done = played(tmp_path, **{"risk.max_total_allocation": Decimal("0.15")})
    assert (done.outcome, done.orders) == ("refused", 0)
    assert "total allocation" in done.reason


def test_signals_that_nobody_has_end_in_no_run(tmp_path):
    answer = an_answer(signal_day=date(2024, 1, 30))
    said = "run 2024-02 is still due .*the signals are of 2024-01-30, not 2024-01-31"
    with pytest.raises(NotPlayedError, match=said):
        played(tmp_path, answer=answer)


def test_a_machine_that_is_too_slow_is_no_verdict_on_the_plan(tmp_path):
    ticks = iter(range(10_000))
    with pytest.raises(TimeoutError, match="no end within 1 s of this machine"):
        played(tmp_path, patience_s=1.0, seconds=lambda: float(next(ticks)))


def test_the_stage_has_no_key_no_address_and_no_folder_of_the_account(tmp_path):
    overrides = stage_overrides(SESSION, tmp_path)
    secrets = {name for name, key in KEYS.items() if key.secret}
    assert {name: overrides[name] for name in secrets} == dict.fromkeys(secrets, "")
    assert (overrides["account.mode"], overrides["account.manage"]) == ("local", "all")
    assert overrides["broker.trading_url"] == ""
    assert all(
        str(value).startswith(str(tmp_path))
        for name, value in overrides.items()
        if name.startswith("paths.")
    )


def test_what_is_managed_is_put_on_the_stage():
    assert managed(HELD, None) == {"CCC": (Decimal(20), Decimal(70))}
    assert managed(HELD, {Symbol("CCC"): Decimal(5)}) == {"CCC": (Decimal(5), Decimal(70))}
    assert managed(HELD, {}) == {}


def test_the_market_stands_a_tick_around_each_price():
    market = FlatMarket({"AAA": Decimal("100"), "PENNY": Decimal("0.00004")})
    at = SESSION.opens_at
    quote, penny = market.quote("AAA", at), market.quote("PENNY", at)
    assert (quote.bid, quote.ask, quote.at) == (Decimal("99.99"), Decimal("100.01"), at)
    assert (penny.bid, penny.ask) == (Decimal("0.0001"), Decimal("0.0003"))
    assert market.trade("AAA", at).price == 100
    assert market.quote("NONE", at) is market.trade("NONE", at) is None
    assert market.symbols() == ("AAA", "PENNY")
    assert market.fractionable("AAA")
    assert market.bars("AAA", SIGNAL_DAY, SIGNAL_DAY, "raw", at) == []
    assert market.minutes("AAA", SIGNAL_DAY, 1, "raw", at) is None
    assert market.actions(SIGNAL_DAY, SIGNAL_DAY) == []


@pytest.mark.asyncio
async def test_the_brain_of_today_speaks_of_today_only():
    brain = TodaysBrain(an_answer())
    assert (await brain.compute(SIGNAL_DAY, (), SESSION.opens_at)).candidates == 2
    assert (await brain.regime(SIGNAL_DAY, SESSION.opens_at)).regime is Regime.TREND_BULL
    with pytest.raises(SignalsError, match="are of 2024-01-31, not 2024-02-01"):
        await brain.compute(SESSION.day, (), SESSION.opens_at)
    with pytest.raises(SignalsError, match="no regime"):
        await TodaysBrain(an_answer(regime=None)).regime(SIGNAL_DAY, SESSION.opens_at)
