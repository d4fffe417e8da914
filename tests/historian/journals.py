"""Journals to tell from: worlds of the core, each with something that is not done."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime
from atlas_daemon.journal.codec import decode
from tests.core.builders import OPEN, a_pick, a_policy, secs
from tests.core.live_world import NONE, LiveWorld, a_certificate
from tests.core.world import Faults, World, has, is_done

PICKS = (a_pick("AAPL", "0.1", "185"), a_pick("MSFT", "0.1", "400"))
HELD = {"held": {"XOM": Decimal(60)}, "prices": {"XOM": Decimal(100)}, "cash": Decimal(50_000)}
START = OPEN + timedelta(minutes=4, seconds=45)
"""Shortly before the slot is due: no beat of the world is wasted."""
DEMO = Path(__file__).parents[1] / "cli" / "golden" / "explain" / "demo.jsonl"
"""What `atlasd audit export` wrote of the journal of `atlasd demo`."""


def exported_demo() -> list[dict[str, object]]:
    return [json.loads(line) for line in DEMO.read_text("utf-8").splitlines()]


@cache
def demo() -> tuple[e.Entry, ...]:
    """The demo's journal, from its export."""
    return tuple(_entries_of_the_demo())


def _entries_of_the_demo() -> Iterator[e.Entry]:
    for row in exported_demo():
        at = datetime.fromisoformat(str(row["at"]))
        event = decode(int(str(row["seq"])), str(row["type"]), str(row["payload"]))
        yield e.Entry(int(str(row["seq"])), at, row["cause"], event)  # type: ignore[arg-type]


def a_world(**more) -> World:
    world = World(**{"picks": PICKS, "is_checked": False, "start": START, **HELD, **more})
    world.boot()
    return world


def calm() -> World:
    return a_world().run(is_done())


def a_live_world(**more) -> LiveWorld:
    world = LiveWorld(**{"picks": PICKS, "is_checked": False, "start": START, **HELD, **more})
    world.boot()
    return world


def uncertified() -> World:
    """The certificate is gone between the plan and the buys."""
    world = a_live_world()
    world.run(has(e.RunPlanned))
    world.put(a_certificate(problem="missing: it is not there"))
    return world.run(has(e.RunFinished))


def uncertified_slot() -> World:
    """There is none in any of the sessions that the slot has."""
    policy = a_policy(needs_certificate=True, catch_up_sessions=0)
    return a_live_world(policy=policy, certificate=NONE).run(has(e.SlotMissed))


def first_trade() -> World:
    world = a_world(policy=a_policy(anchors=((8, 1),)))
    world.run(START + timedelta(minutes=5))
    world.hear(e.RebalanceRequested("operator", force=False, is_first_trade=True))
    return world.run(is_done("first-20240201-1"))


def untradable() -> World:
    return a_world(untradable={"MSFT"}).run(is_done())


def refused_by_the_broker() -> World:
    def submit(order_id: str, sends: int) -> str:
        return "refuse" if "buy-MSFT" in order_id else "ok"

    return a_world(faults=Faults(submit=submit)).run(has(e.RunFinished))


def rejected() -> World:
    fill = lambda symbol: "reject" if symbol == "MSFT" else "all"  # noqa: E731
    return a_world(faults=Faults(fill=fill)).run(has(e.RunFinished))


def withheld() -> World:
    """A stop between the decision to buy and the request."""
    world = a_world()
    world.run(lambda w: any("-buy-" in x.order_id for x in w.events(e.OrderSubmitted)))
    world.hear(e.StopRequested("operator", "looks wrong"))
    return world.run(has(e.SubmitWithheld))


def trimmed() -> World:
    """Money leaves between plan and buys, and no activity has said so yet."""
    world = a_world(
        picks=(a_pick("AAPL", "0.9", "185"),), policy=a_policy(max_position_pct=Decimal(1))
    )
    world.run(has(e.RunPlanned))
    world.cash -= 30_000
    world.activity("CSW", net=Decimal(-30_000))
    return world.run(has(e.RunFinished))


def two_thirds() -> World:
    return a_world(regime=Regime.TREND_NEUTRAL, picks=(a_pick("AAPL", "1", "185"),)).run(is_done())


def crash_at_the_slot() -> World:
    return a_world(regime=Regime.CRASH).run(is_done())


def missed() -> World:
    world = a_world()
    world.crash(back_after=8 * 86400)
    return world.run(has(e.SlotMissed), limit=timedelta(days=15))


def frozen() -> World:
    """Somebody sold some by hand, amid the run, and no activity tells of it."""
    world = a_world(policy=a_policy(grace=secs(5)))
    world.run(has(e.ModeChanged))
    world.held["XOM"] -= 10
    world.cash += 1000
    world.run(has(e.DriftFound))
    return world.run(is_done(), limit=timedelta(days=2))


def unheeded_regime() -> World:
    """A change between slots that the policy does not react to."""
    world = a_world()
    world.run(has(e.ModeChanged))
    for regime in (Regime.TREND_BULL, Regime.TREND_BEAR):
        world.hear(e.RegimeReported(regime, date(2024, 1, 31), "test"))
    return world.run(is_done())


def texts(found: Sequence[object]) -> str:
    return "\n".join(str(getattr(each, "text", each)) for each in found)
