"""Five weeks of a paper account through the real daemon, on a clock that leaps; then a live one."""

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.app import Daemon, World
from atlas_daemon.config import Credentials, Settings
from atlas_daemon.config.digests import code_digest, sections_digest
from atlas_daemon.core import events as e
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Regime
from atlas_daemon.errands import NOBODY
from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.promoter.approvals import approval_name, approved
from atlas_daemon.stage import Backdrop, Scene, Stage, perform
from tests.e2e.one_process import PRICES, Wish
from tests.paper.world import OPEN, TableMarket
from tests.promoter.wallet import settings_in
from tests.stage.test_stage import settings_in as local_settings

DRILLS = ("kill9", "netcut", "estop", "restore")
KEYS = Credentials(LOCAL_KEY, LOCAL_SECRET, "the stage")
BOUND = {"regime.react": "crash", "strategy.top_n": 2}
FIRST_DAY = NYSE.session_before(OPEN.date()).day
DAYS = 33
HOOK = "https://ntfy.example.org/topic"
"""Where both accounts tell people; the story itself tells nobody."""
Play = Callable[[Stage], Awaitable[Any]]


def world_of(backdrop: Backdrop, wish: Wish) -> World:
    return World(
        clock=backdrop.clock,
        open_session=backdrop.open_session,
        connect=backdrop.connect,
        jitter=lambda: 0.5,
        brain=wish,
        reporter=NOBODY,
        log_keeper=NOBODY,
        has_doors=False,
        environ={},
        console=False,
    )


def performed(settings: Settings, folder: Path, play: Play, wish: Wish, **scene: Any) -> Any:
    """Play with the daemon of `settings`, whatever its mode, at the stage's broker."""
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    market = TableMarket(SPY=("479.9", "480"), **quotes)
    stands = Scene(market=market, calendar=Calendar(), cash=Decimal(20_000), **scene)

    def player(_: Settings, backdrop: Backdrop) -> Daemon:
        return Daemon(settings, KEYS, world_of(backdrop, wish))

    return perform(play, local_settings(folder), stands, player)


def word(settings: Settings, kind: str, name: str, text: str) -> e.EvidenceReported:
    return e.EvidenceReported(kind, name, True, text, code_digest(), sections_digest(settings))


def paper_story(folder: Path, live: Settings) -> Settings:
    """Run a paper daemon over a slot and five weeks, with all that a promotion asks for."""
    paper, wish = settings_in(folder, "paper", **BOUND), Wish()

    async def ended(stage: Stage, runs: int) -> None:
        assert await stage.until(lambda: len(stage.player.state.run_ids) > runs, 60)
        assert await stage.rest(3600)

    async def force(stage: Stage, regime: Regime) -> None:
        runs = len(stage.player.state.run_ids)
        as_of = NYSE.last_completed(stage.now()).day
        stage.player.hear(e.RegimeReported(regime, as_of, "set by somebody"))
        stage.player.hear(e.RebalanceRequested("somebody", force=True))
        await ended(stage, runs)

    async def play(stage: Stage) -> None:
        assert await stage.rest(600)
        stage.player.hear(e.RebalanceRequested("somebody", force=False, is_first_trade=True))
        await ended(stage, 0)
        ends = FIRST_DAY + timedelta(days=DAYS)
        for session in NYSE.sessions_between(FIRST_DAY, ends):
            await stage.leap(session.opens_at + timedelta(minutes=5, seconds=1))
            assert await stage.rest(3600)
            if session.day == ends:
                for regime in (Regime.TREND_BEAR, Regime.TREND_BULL, Regime.TREND_NEUTRAL):
                    await force(stage, regime)
            await stage.leap(session.closes_at + timedelta(minutes=30))
            assert await stage.rest(600)
        for name in DRILLS:
            stage.player.hear(word(paper, "drill", name, f"{name}: as it should"))
        stage.player.hear(word(paper, "alert", "test", "webhook: 3 of 3 delivered"))
        for what in ("risk-limits", "live"):
            stage.player.hear(
                word(paper, "approval", approval_name(what, live), f"yes{approved(what, live)}")
            )
        stage.player.hear(word(paper, "doctor", "look", "nothing red"))
        await stage.rest(600)

    starts_at = NYSE.session_of(FIRST_DAY).opens_at + timedelta(minutes=10)
    performed(paper, folder, play, wish, starts_at=starts_at)
    return paper


def live_story(folder: Path, live: Settings, starts_at: datetime) -> State:
    """Run a live daemon in an open session and force a rebalance; return what it then knows."""

    async def play(stage: Stage) -> State:
        await stage.rest(120)
        stage.player.hear(e.RebalanceRequested("somebody", force=True))
        await stage.rest(1800)
        return stage.player.state

    found: State = performed(live, folder, play, Wish(), starts_at=starts_at)
    return found


def toml_of(settings: Settings) -> str:
    """The configuration as a person would have written it."""
    names = (
        *("account.mode", "account.name", "account.number", "account.manage"),
        *("paths.state_dir", "paths.log_dir", "paths.runtime_dir", "dashboard.port"),
        *BOUND,
        *("notify.webhook_url",),
    )
    values = {name: settings.found[name].value for name in names}
    values["notify.webhook_url"] = HOOK
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())
