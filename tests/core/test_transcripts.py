"""The journeys, as text that a person can read: compared whole. `TRANSCRIPTS=write` rewrites them.

`>` is heard, `number<-cause` decided, `<<` asked of the world.
"""

import os
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime

from .builders import CLOSE, OPEN, a_pick, a_policy, secs
from .live_world import LiveWorld, a_certificate
from .telling import tell
from .world import Faults, World, a_world, has, is_done

FOLDER = Path(__file__).parents[1] / "transcripts"
ROUTINE = ("FetchFigures", "FetchClock")
PICKS = (a_pick("AAPL", "0.1", "185"), a_pick("MSFT", "0.1", "400"))
HELD = {"held": {"XOM": Decimal(60)}, "prices": {"XOM": Decimal(100)}, "cash": Decimal(50_000)}


def transcript(world: World) -> str:
    """Return every turn that was written or asked something, a line an item."""
    lines = []
    for at, event, turn in world.heard:
        asked = [x for x in turn.effects if type(x).__name__ != "SendAlert"]
        is_routine = all(type(x).__name__ in ROUTINE for x in asked)
        if not turn.entries and is_routine:
            continue
        lines.append(f"{at:%H:%M:%S} > {tell(event)}")
        lines += [
            f"           {entry.seq}<-{entry.cause} {tell(entry.event)}"
            for entry in turn.entries[1:]
        ]
        if asked:
            lines.append(f"           << {'  << '.join(tell(effect) for effect in asked)}")
    return "\n".join(lines) + "\n"


def rebalance() -> World:
    """From the start of the day to the report."""
    return a_world(picks=PICKS, **HELD).run(is_done())


def fill() -> World:
    """One order filled in two parts, each told twice."""
    world = a_world(picks=PICKS[:1], cash=Decimal(50_000), faults=Faults(repeats=True))
    return world.run(is_done())


def stop() -> World:
    """A stop amid resting buys, and the way back."""
    world = a_world(picks=PICKS, faults=Faults(fill=lambda s: "all" if s == "XOM" else "2"), **HELD)
    world.run(lambda w: any("buy" in i for i in w.orders))
    world.run(world.now + secs(2))
    world.hear(e.StopRequested("operator", "looks wrong"))
    world.run(has(e.HaltCompleted))
    world.hear(e.StopRequested("operator", "looks wrong"))
    world.run(world.now + secs(5))
    world.faults.fill = lambda symbol: "all"
    world.hear(e.ResumeRequested("operator"))
    return world.run(is_done())


def lost_answer() -> World:
    """Two answers are lost: one order had arrived, the other had not."""

    def submit(order_id: str, sends: int) -> str:
        if sends > 1:
            return "ok"
        return {"AAPL": "lose_answer", "MSFT": "lose_request"}.get(order_id.split("-")[-2], "ok")

    return a_world(picks=PICKS, faults=Faults(submit=submit), **HELD).run(is_done())


def crash_between_waves() -> World:
    """Killed when the sells were done; then CRASH amid the buys."""
    world = a_world(picks=PICKS, **HELD)
    world.run(lambda w: "XOM" not in w.held)
    world.crash()
    world.run(lambda w: any("buy" in i for i in w.orders))
    world.run(world.now + secs(2))
    world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "operator"))
    return world.run(is_done("crash-20240201"))


def half_day() -> World:
    """3 July 2024 closes at 13:00: too little time is left, it is done on the 5th."""
    opens = OPEN.replace(month=7, day=3, hour=13)
    world = World(
        picks=PICKS, policy=a_policy(anchors=((7, 3),)), start=opens - timedelta(hours=1), **HELD
    )
    world.boot()
    world.crash(back_after=4.5 * 3600 - 40 * 60)
    return world.run(is_done("2024-07"), limit=timedelta(days=3))


def regime_change() -> World:
    """After the close the model confirms NEUTRAL: the next open brings a run to 70 %."""
    world = a_world(
        picks=PICKS,
        policy=a_policy(regime_reacts=True),
        start=CLOSE - timedelta(minutes=40),
        held={"AAPL": Decimal(250), "MSFT": Decimal(120)},
        cash=Decimal(2_000),
    )
    world.run(CLOSE)
    world.hear(e.JobFired("regime_refresh", CLOSE + timedelta(minutes=-7)))
    world.run(CLOSE + timedelta(minutes=19))
    world.regime = Regime.TREND_NEUTRAL
    world.at(
        CLOSE + timedelta(minutes=20),
        lambda: world.hear(e.JobFired("regime_refresh", CLOSE + timedelta(minutes=20))),
    )
    return world.run(is_done("regime-20240202"), limit=timedelta(days=1))


def certificate_ends() -> World:
    """Real money: the certificate ends amid the buys, and another one lies there minutes later."""
    world = LiveWorld(picks=PICKS, **HELD)
    world.faults.fill = lambda symbol: "all" if symbol == "XOM" else "rest"
    world.boot()
    world.run(lambda w: any("buy" in i for i in w.orders))
    world.put(a_certificate(world.now + secs(2)))
    world.run(world.now + timedelta(minutes=3))
    world.faults.fill = lambda symbol: "all"
    world.put(a_certificate(id_="C2"))
    return world.run(is_done())


def first_trade() -> World:
    """A hundred dollars of each of the best picks; what is held stays as it is."""
    policy = a_policy(anchors=((8, 1),))
    world = a_world(picks=PICKS, policy=policy, fractionable={"MSFT"}, **HELD)
    world.run(OPEN + timedelta(minutes=10))
    world.hear(e.RebalanceRequested("operator", force=False, is_first_trade=True))
    return world.run(is_done("first-20240201-1"))


JOURNEYS = (
    *(rebalance, fill, stop, lost_answer, crash_between_waves, half_day, regime_change),
    *(certificate_ends, first_trade),
)


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
def test_the_journey_is_the_one_on_record(journey: Callable[[], World]) -> None:
    path = FOLDER / f"{journey.__name__}.txt"
    told = f"{journey.__doc__}\n\n{transcript(journey())}"
    if os.environ.get("TRANSCRIPTS") == "write":
        path.write_text(told, encoding="utf-8")
    assert told.splitlines() == path.read_text(encoding="utf-8").splitlines()
