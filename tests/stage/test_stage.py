"""A stage: the real daemon and the real broker on one clock that leaps, without a socket."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.cli.staged import player_with
from atlas_daemon.config import load_settings
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.values import Mode
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.stage import Scene, Stage, perform
from tests.e2e.one_process import PRICES, Wish
from tests.paper.world import OPEN, TableMarket

DUE = OPEN + timedelta(minutes=5, seconds=1)


def settings_in(folder: Path, **more: object):
    return load_settings(
        None,
        environ={"HOME": str(folder)},
        cwd=folder,
        overrides={
            "account.mode": "local",
            "regime.source": "fixed:TREND_BULL",
            "paths.state_dir": str(folder / "state"),
            "paths.log_dir": str(folder / "logs"),
            "paths.runtime_dir": str(folder / "run"),
            "dashboard.port": 0,
            **more,
        },
    )


def played(folder: Path, play, make_player=None, **scene):
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    market = TableMarket(SPY=("479.9", "480"), **quotes)
    begins = {"starts_at": OPEN - timedelta(minutes=10), "cash": Decimal(10_000)} | scene
    set_up = Scene(market=market, calendar=Calendar(), **begins)
    return perform(play, settings_in(folder), set_up, make_player or player_with(Wish()))


def account_of(stage: Stage):
    desk = stage.broker.desk
    return desk.exchange.by_key[desk.key]


def test_a_slot_runs_to_its_end_while_the_seconds_pass(tmp_path):
    async def play(stage: Stage):
        assert await stage.rest(600)
        assert stage.player.state.mode is Mode.TRADING
        await stage.leap(DUE)
        assert await stage.rest(3600)
        return stage.player.state.last_run, dict(account_of(stage).positions), stage.now()

    run, held, ended = played(tmp_path, play)
    assert (run.run_id, run.outcome) == ("2024-02", "done")
    assert sorted(held) == ["AAA", "BBB"]
    assert ended - DUE < timedelta(minutes=5)


def test_a_leap_is_lived_through_by_the_broker_and_beaten_by_the_daemon(tmp_path):
    async def play(stage: Stage):
        await stage.rest(600)
        await stage.leap(OPEN + timedelta(days=1, hours=8))
        days = [day for day, _ in account_of(stage).closing_equity]
        return days, stage.player.state.now - OPEN, stage.now() - OPEN

    days, beaten, now = played(tmp_path, play)
    assert [f"{day}" for day in days] == ["2024-02-01", "2024-02-02"]
    assert now - beaten < timedelta(seconds=2)
    assert timedelta(days=1, hours=8) <= now < timedelta(days=1, hours=8, seconds=3)


def test_a_leap_back_stays_where_it_is(tmp_path):
    async def play(stage: Stage):
        before = stage.now()
        await stage.leap(before - timedelta(days=1))
        return stage.now() - before

    assert timedelta(0) < played(tmp_path, play) < timedelta(seconds=2)


def test_what_the_play_raises_comes_through(tmp_path):
    async def play(stage: Stage):
        await stage.rest(600)
        raise LookupError("the play's own")

    with pytest.raises(LookupError, match="the play's own"):
        played(tmp_path, play)


class Fainting:
    """A daemon that ends before the play does."""

    state = None
    is_quiet = True

    async def open(self) -> None:
        pass

    async def run(self) -> None:
        raise AtlasError("the journal is full")

    async def close(self) -> None:
        pass

    def stop(self, by: str) -> None:
        pass


def test_a_daemon_that_ends_early_ends_the_play_with_its_own_words(tmp_path):
    async def play(stage: Stage):
        await asyncio.sleep(1e6)

    with pytest.raises(AtlasError, match="the journal is full"):
        played(tmp_path, play, lambda settings, backdrop: Fainting())


def test_a_daemon_that_cannot_open_is_closed_and_says_why(tmp_path):
    class Locked(Fainting):
        is_closed = False

        async def open(self) -> None:
            raise AtlasError("somebody holds the account")

        async def close(self) -> None:
            Locked.is_closed = True

    async def play(stage: Stage):
        raise AssertionError("nothing is played")

    with pytest.raises(AtlasError, match="somebody holds"):
        played(tmp_path, play, lambda settings, backdrop: Locked())
    assert Locked.is_closed
