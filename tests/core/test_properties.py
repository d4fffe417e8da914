"""Hypothesis: rebalances in worlds with drawn holdings, prices, seeds, faults, kills and stops.

The invariants are checked at every turn by the world itself; here is how each story must end.
"""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime

from .builders import a_pick, a_policy
from .invariants import every_line_is_accounted_for, lasting, recovered
from .world import Faults, State, World, is_done

SYMBOLS = ("A", "B", "C", "D", "E")
PRICES = st.decimals("2", "900", places=2)
FATES = st.sampled_from(["ok"] * 6 + ["refuse", "lose_answer", "lose_request", "hang"])
FILLS = st.sampled_from(["all"] * 5 + ["rest", "3", "reject"])


@st.composite
def worlds(draw) -> World:
    prices = {s: draw(PRICES) for s in (*SYMBOLS, "X", "Y")}
    chosen = draw(st.lists(st.sampled_from(SYMBOLS), unique=True, max_size=5))
    picks = tuple(a_pick(s, "0.2", str(prices[s])) for s in chosen)
    held = {
        s: Decimal(draw(st.integers(1, 400)))
        for s in draw(st.lists(st.sampled_from(list(prices)), unique=True, max_size=4))
    }
    submit = [draw(FATES) for _ in range(12)]
    fills = [draw(FILLS) for _ in range(12)]
    counts = {"submit": 0, "fill": 0}

    def submit_fate(order_id: str, sends: int) -> str:
        counts["submit"] += 1
        return submit[counts["submit"] - 1] if counts["submit"] <= len(submit) else "ok"

    def fill_fate(symbol: str) -> str:
        counts["fill"] += 1
        return fills[counts["fill"] - 1] if counts["fill"] <= len(fills) else "all"

    world = World(
        policy=a_policy(cash_reserve_pct=Decimal("0.01")),
        seed=draw(st.integers(0, 999)),
        cash=draw(st.decimals("0", "60000", places=2)),
        held=held,
        prices=prices,
        picks=picks,
        regime=draw(st.sampled_from(Regime)),
        faults=Faults(submit=submit_fate, fill=fill_fate, repeats=draw(st.booleans())),
    )
    for turn in draw(st.lists(st.integers(20, 200), max_size=3)):
        world.at_turn(turn, world.crash)
    return world


def end_of(world: World) -> e.RunFinished:
    world.boot()
    world.run(is_done(), limit=timedelta(days=3))
    return world.events(e.RunFinished)[-1]


@given(worlds())
@settings(max_examples=25)
def test_every_storm_ends_at_the_target_or_says_why(world: World) -> None:
    finished = end_of(world)
    every_line_is_accounted_for(finished, world.state)
    assert world.state.book.positions == world.held
    assert abs(world.state.book.cash - world.cash) <= Decimal("0.01")
    assert lasting(recovered(world.journal, State(now=world.start))) == lasting(world.state)
    assert not any(o.status in ("new", "partially_filled") for o in world.orders.values())


@given(worlds(), st.integers(1, 60))
@settings(max_examples=10)
def test_a_stop_at_any_moment_ends_with_nothing_open(world: World, after_s: int) -> None:
    world.boot()
    world.at(
        world.start + timedelta(minutes=35, seconds=after_s),
        lambda: world.hear(e.StopRequested("tester", "now")),
    )
    world.run(world.start + timedelta(hours=1))
    assert world.state.halt is not None
    assert world.state.halt.is_complete
    assert not any(o.status in ("new", "partially_filled") for o in world.orders.values())
    assert world.state.book.positions == world.held


@given(worlds(), st.integers(1, 40))
@settings(max_examples=10)
def test_a_crash_of_the_market_at_any_moment_ends_in_cash(world: World, after_s: int) -> None:
    world.boot()
    world.at(
        world.start + timedelta(minutes=35, seconds=after_s),
        lambda: world.hear(e.RegimeReported(Regime.CRASH, date(2024, 2, 1), "test")),
    )
    world.run(world.start + timedelta(days=2))
    assert world.held == {}
