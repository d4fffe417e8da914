"""Today's slot, played: the real daemon on a local broker that stands where the account stands.

One process, one virtual clock, a network of memory: nothing can leave. Who makes the daemon is
handed in; how the play ended is judged elsewhere.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from atlas_daemon.config import KEYS, Settings
from atlas_daemon.core.brain import BENCHMARK, RegimeAnswer, SignalsAnswer, SignalsError
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.state import RunRecord
from atlas_daemon.core.values import ZERO, Position, Session, Symbol
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.stage import Scene, Stage, perform
from atlas_daemon.stage.stage import MakePlayer

from .flat_market import FlatMarket
from .on_plan import Played

EARLY = timedelta(minutes=10)
"""The daemon starts so long before the open."""
A_MOMENT = timedelta(seconds=1)
SETTLE_S, RUN_S = 900.0, 1200.0
"""Seconds of the stage: to reconcile before the open; and for a run in which every order fills."""
REACH = timedelta(days=40)
"""Days around the session for which the local broker knows a calendar."""


class NotPlayedError(AtlasError):
    """The play came to no end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What the play begins with."""

    settings: Settings
    """Of `stage_overrides`: local, in a folder of its own."""
    session: Session
    """The session of the slot."""
    cash: Decimal
    holdings: Mapping[str, tuple[Decimal, Decimal]]
    """What is managed: shares and average entry price."""
    prices: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class TodaysBrain:
    """Answers with the signals that were asked for already."""

    answer: SignalsAnswer

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Return them; SignalsError for those of another day."""
        if signal_day != self.answer.signal_day:
            raise SignalsError(f"the signals are of {self.answer.signal_day}, not {signal_day}")
        return self.answer

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """Return their regime; SignalsError where they have none."""
        answer = await self.compute(signal_day, (), asked_at)
        if answer.regime is None or answer.regime_as_of is None:
            raise SignalsError("the regime source gave no regime")
        return RegimeAnswer(
            answer.signal_day,
            answer.regime,
            answer.regime_as_of,
            answer.regime_raw,
            answer.regime_confirmed,
        )


def stage_overrides(session: Session, folder: Path) -> dict[str, object]:
    """Return what differs from the real configuration: local, alone, silent, its slot today.

    The account's share that is managed is put on the stage, so there all is managed.
    """
    return {
        "account.mode": "local",
        "account.number": "",
        "account.manage": "all",
        "broker.trading_url": "",
        "broker.stream_url": "",
        "broker.data_url": "",
        "rebalance.anchors": [f"{session.day:%m-%d}"],
        "paths.state_dir": str(folder / "state"),
        "paths.log_dir": str(folder / "logs"),
        "paths.runtime_dir": str(folder / "run"),
        "dashboard.port": 0,
        # Addresses that hold a token: nobody is told of a play.
        **{name: "" for name, key in KEYS.items() if key.secret},
    }


def managed(
    positions: Sequence[Position], bought: Mapping[Symbol, Decimal] | None
) -> dict[str, tuple[Decimal, Decimal]]:
    """Return the stocks held long that a run manages; all of them where `bought` is None."""
    held: dict[str, tuple[Decimal, Decimal]] = {}
    for position in positions:
        qty = position.qty
        if bought is not None:
            qty = min(qty, bought.get(position.symbol, ZERO))
        if position.asset_class == "us_equity" and qty > 0:
            held[position.symbol] = (qty, position.avg_entry_price)
    return held


def play_slot(
    part: Part, make_player: MakePlayer, patience_s: float, monotonic_s: Callable[[], float]
) -> Played:
    """Run the daemon through the slot and return how its run ended.

    Raises NotPlayedError where it does not end within 20 minutes of the session, TimeoutError where
    that takes more than `patience_s` seconds of the machine's time; what daemon and broker raise.
    """
    began_s = monotonic_s()
    due_at = part.session.opens_at + part.settings.policy().open_delay + A_MOMENT

    async def play(stage: Stage) -> RunRecord:
        def is_over() -> bool:
            if monotonic_s() - began_s > patience_s:
                raise TimeoutError(f"too slow: no end within {patience_s:.0f} s of this machine")
            return stage.player.state.last_run is not None

        if not await stage.rest(SETTLE_S):
            raise NotPlayedError(f"before the open: {stage.player.state.mode_reason}")
        await stage.leap(due_at)
        await stage.until(is_over, RUN_S)
        record = stage.player.state.last_run
        if record is None:
            raise NotPlayedError(_why_no_run(stage))
        return record

    scene = Scene(
        market=FlatMarket(part.prices),
        calendar=Calendar(part.session.day - REACH, part.session.day + REACH),
        starts_at=part.session.opens_at - EARLY,
        cash=part.cash,
        holdings=part.holdings,
    )
    record = perform(play, part.settings, scene, make_player)
    report = record.report
    return Played(
        outcome=record.outcome,
        reason=record.reason,
        orders=report.total_orders if report is not None else 0,
        filled=report.filled_orders if report is not None else 0,
        took_s=monotonic_s() - began_s,
    )


def prices_for(closes: Mapping[str, Decimal], positions: Sequence[Position]) -> dict[str, Decimal]:
    """Return a price for each symbol: the signal session's close, else the broker's own."""
    prices: dict[str, Decimal] = {
        p.symbol: p.price for p in positions if p.price is not None and p.price > 0
    }
    prices |= closes
    prices.setdefault(BENCHMARK, Decimal(100))
    return prices


def _why_no_run(stage: Stage) -> str:
    state = stage.player.state
    worst = next((a.text for _, a in reversed(state.alerts) if a.level == "critical"), "")
    run = f"run {state.run.run_id} is still {state.run.phase}" if state.run else "no run began"
    return f"{run} ({worst or '; '.join(state.figures.failures.values()) or state.mode_reason})"
