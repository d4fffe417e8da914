"""Scenarios of whole runs: missing money, a regime that flaps, random lives, a turn's cost."""

import gc
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from atlas_daemon.core import events as e
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.state import Phase
from atlas_daemon.core.values import Mode, Regime, Side

from .builders import (
    NOW,
    OPEN,
    POLICY,
    a_line,
    a_plan,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_order,
    filled,
    holding,
    reported,
)
from .faults import ENDED
from .invariants import every_line_is_accounted_for
from .storms import CALM, PICKS, ZED
from .test_properties import worlds
from .world import World, a_world, has, is_done, ten_picks

DAY = date(2024, 2, 1)


# Money that is missing.


def poor(world: World) -> Callable[[str, int], str]:
    """A broker that refuses what the account cannot pay beside what it took on already."""
    taken: dict[str, Decimal] = {}

    def fate(order_id: str, sends: int) -> str:
        draft = world.state.orders[order_id].draft
        cost = draft.qty * world.prices[draft.symbol]
        at_broker = [world.orders[i] for i in taken if i in world.orders]
        spoken_for = sum(taken.values()) - sum(o.filled_value for o in at_broker)
        if draft.side is Side.BUY and cost > world.cash - spoken_for:
            return "refuse"
        taken[order_id] = cost if draft.side is Side.BUY else Decimal(0)
        return "ok"

    return fate


def test_s150_money_that_leaves_amid_the_buys_shrinks_them_and_the_rest_stays_cash() -> None:
    world = a_world(picks=ten_picks())
    world.faults.submit = poor(world)
    world.run(has(e.OrderSubmitted))  # written, and not yet at the broker
    world.cash -= 34_567
    world.activity("CSW", net=Decimal(-34_567))
    world.run(has(e.RunFinished), limit=timedelta(hours=3))
    (finished,) = world.events(e.RunFinished)
    every_line_is_accounted_for(finished, world.state)
    assert len(world.events(e.SubmitRefused)) >= 2
    again = [
        x.approved.draft
        for x in world.events(e.OrderApproved)
        if "-r2-" in x.approved.draft.order_id
    ]
    assert again, "sized anew on the money there is"
    first = {
        x.draft.symbol: x.draft.qty
        for x in world.events(e.OrderDrafted)
        if "-r1-" in x.draft.order_id
    }
    assert sum(draft.qty for draft in again) < sum(first[draft.symbol] for draft in again)
    assert 0 <= world.cash < 3_000
    assert world.state.book.cash == world.cash
    assert world.state.book.positions == world.held


def test_s150_a_single_refusal_for_want_of_money_is_sized_again_and_bought() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.submit = lambda order_id, sends: "refuse" if "r1-buy-B" in order_id else "ok"
    world.run(is_done())
    assert world.held == CALM
    asked = [at for at, event, _ in world.heard if isinstance(event, e.SnapshotReported)]
    refused = next(at for at, event, _ in world.heard if isinstance(event, e.SubmitRefused))
    again = next(x.at for x in world.journal if "r2-buy-B" in getattr(x.event, "order_id", ""))
    assert any(refused < at <= again for at in asked), "the account was asked for in between"


# A regime that flaps.


def flaps(world: World, *words: Regime, every_s: int = 20) -> None:
    for word in words:
        world.hear(e.RegimeReported(word, DAY, "test"))
        world.run(world.now + timedelta(seconds=every_s))


def test_s171_a_regime_that_flaps_amid_buys_is_one_way_out() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "rest" if symbol in "CDE" else "all"
    world.run(lambda w: w.held.get("B"))
    world.faults.fill = lambda symbol: "all"
    bought = sum("buy" in i for i in world.orders)
    flaps(world, Regime.CRASH, Regime.TREND_BULL, Regime.CRASH, Regime.TREND_BULL, Regime.CRASH)
    world.run(is_done("crash-20240201"))
    flaps(world, Regime.TREND_BULL, Regime.CRASH, Regime.TREND_BULL)
    world.run(OPEN + timedelta(hours=2))
    assert world.held == {}
    assert [x.run_id for x in world.events(e.RunStarted)] == ["2024-02", "crash-20240201"]
    assert world.finished()[0] == ("2024-02", "aborted", True)
    assert sum("buy" in i for i in world.orders) == bought
    told = [x.text for x in world.events(e.AlertRaised) if x.key == "regime"]
    assert len([text for text in told if "closed" in text]) == 1
    assert len(told) == len(set(told)), "the same words once, however often it flaps"


def test_s171_bull_told_right_after_crash_does_not_stop_the_way_to_cash() -> None:
    world = a_world(picks=PICKS, **ZED)
    world.run(lambda w: w.held.get("B"))
    flaps(world, Regime.CRASH, Regime.TREND_BULL, every_s=0)
    world.run(is_done("crash-20240201"))
    assert world.held == {}


# Random lives.


class Life(RuleBasedStateMachine):
    """Commands, restarts and faults in any order; each turn is checked by the world itself."""

    @initialize(seed=st.integers(0, 99), price=st.sampled_from(["20", "95", "410"]))
    def begin(self, seed: int, price: str) -> None:
        self.world = a_world(picks=PICKS[:3], seed=seed, held={"ZED": 50}, prices={"ZED": price})
        self.world.run(OPEN + timedelta(minutes=5))

    @rule(seconds=st.sampled_from([1, 5, 30, 310]))
    def time_passes(self, seconds: int) -> None:
        self.world.run(self.world.now + timedelta(seconds=seconds))

    @rule(fate=st.sampled_from(["ok", "refuse", "lose_request", "lose_answer", "hang"]))
    def answers_become(self, fate: str) -> None:
        self.world.faults.submit = lambda order_id, sends: fate if sends == 1 else "ok"

    @rule(fill=st.sampled_from(["all", "rest", "3", "reject"]))
    def fills_become(self, fill: str) -> None:
        self.world.faults.fill = lambda symbol: fill

    @rule(is_down=st.booleans())
    def figures_fail(self, is_down: bool) -> None:
        self.world.faults.figures = lambda: is_down

    @rule(is_heard=st.booleans())
    def stream_is(self, is_heard: bool) -> None:
        self.world.faults.stream = lambda: is_heard
        self.world.hear(e.StreamReported("listening" if is_heard else "lost"))

    @precondition(lambda self: not self.world.is_down)
    @rule()
    def killed(self) -> None:
        self.world.crash()

    @rule()
    def stopped(self) -> None:
        self.world.hear(e.StopRequested("tester", "odd"))

    @rule()
    def resumed(self) -> None:
        self.world.hear(e.ResumeRequested("tester"))

    @rule(force=st.booleans())
    def asked_to_rebalance(self, force: bool) -> None:
        self.world.hear(e.RebalanceRequested("tester", force=force))

    @rule(regime=st.sampled_from([Regime.CRASH, Regime.TREND_BULL]))
    def regime_is(self, regime: Regime) -> None:
        self.world.hear(e.RegimeReported(regime, DAY, "test"))

    @rule()
    def money_comes(self) -> None:
        self.world.cash += 7
        self.world.activity("DIV", "ZED", Decimal(1), net=Decimal(7))

    @invariant()
    def nothing_is_owed(self) -> None:
        assert self.world.cash >= 0

    def teardown(self) -> None:
        world = getattr(self, "world", None)
        if world is None:
            return
        faults = world.faults
        faults.submit, faults.fill = lambda order_id, sends: "ok", lambda symbol: "all"
        faults.figures, faults.stream = lambda: False, lambda: True
        world.run(world.now + timedelta(minutes=1))
        world.hear(e.StreamReported("listening"))
        world.hear(e.ResumeRequested("tester"))
        world.run(world.now + timedelta(days=2))
        world.check_recovery()
        assert world.state.mode is Mode.TRADING, world.story()
        assert not any(o.status not in ENDED for o in world.orders.values()), world.story()
        assert world.state.book.positions == world.held, world.story()
        assert abs(world.state.book.cash - world.cash) <= Decimal("0.01"), world.story()
        assert world.state.run is None, world.story()


def test_s192_a_life_of_random_commands_restarts_and_faults_ends_whole() -> None:
    run_state_machine_as_test(
        Life, settings=settings(max_examples=8, stateful_step_count=12, deadline=None)
    )


# What must be equal at the end.


@drawn(worlds())
@settings(max_examples=8, deadline=None)
def test_s195_reconciled_positions_prices_and_gains_are_the_broker_s_and_ids_the_same(
    world: World,
) -> None:
    began = world.equity
    world.boot()
    world.run(is_done(), limit=timedelta(days=3))
    assert world.state.book.positions == world.held
    booked: dict[str, list[e.FillBooked]] = {}
    for fill in world.events(e.FillBooked):
        booked.setdefault(fill.order_id, []).append(fill)
    for order in world.orders.values():
        fills = booked.get(order.order_id, [])
        assert sum(fill.qty for fill in fills) == order.filled_qty
        value = sum((fill.qty * fill.price for fill in fills), Decimal(0))
        assert abs(value - order.filled_value) <= Decimal("0.0001") * max(order.filled_qty, 1)
    # Prices stand still here, so that whatever was traded gained and lost nothing.
    told = world.state.book.cash + sum(
        (q * world.prices[s] for s, q in world.state.book.positions.items()), Decimal(0)
    )
    assert abs(told - began) <= Decimal("0.01")
    for order_id in world.orders:
        parts = order_id.split("-")
        assert parts[0] == "atlas" and parts[-2] == world.orders[order_id].symbol


def test_s195_the_same_world_gives_the_same_ids() -> None:
    first, second = (a_world(picks=PICKS, seed=3, **ZED).run(is_done()) for _ in range(2))
    assert list(first.orders) == list(second.orders)
    assert {x.client_order_id for x in first.snapshot(NOW).open_orders} == set()


# What a turn costs, in calls: no clock is asked, so that it is the same everywhere.


def calls_of(state, event: e.Event) -> int:
    count = 0

    def profile(frame: object, what: str, arg: object) -> None:
        nonlocal count
        count += what == "call"

    take_turn(state, event, NOW, POLICY)  # once before: caches are warm
    was = sys.getprofile()
    gc.disable()  # what it finalizes would be counted
    sys.setprofile(profile)
    try:
        take_turn(state, event, NOW, POLICY)
    finally:
        sys.setprofile(was)
        gc.enable()
    return count


def names(count: int) -> list[str]:
    return [f"{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(count)]


def at_rest(count: int):
    book = holding(**dict.fromkeys(names(count), "10"))
    return a_state(book=book), a_snapshot(NOW, positions=[a_position(s) for s in names(count)])


def busy(count: int):
    orders = [an_order(symbol, qty="10") for symbol in names(count)]
    plan = a_plan([a_line(symbol) for symbol in names(count)])
    return a_state(orders=orders, run=a_run(Phase.BUYING, plan)), orders[count // 2]


def test_s056_comparing_ten_times_the_positions_costs_at_most_ten_times_the_calls() -> None:
    few, many = (calls_of(*at_rest(count)) for count in (20, 200))
    assert many <= 12 * few
    differs = [calls_of(state, a_snapshot(NOW)) for state, _ in (at_rest(20), at_rest(200))]
    assert differs[1] <= 12 * differs[0]


def test_s191_with_ten_times_the_symbols_a_turn_costs_at_most_ten_times_the_calls() -> None:
    costs = []
    for count in (20, 200):
        state, order = busy(count)
        costs.append(
            [
                calls_of(state, event)
                for event in (
                    e.Ticked(),
                    filled(order, "4", "4"),
                    filled(order, "10", "10"),
                    reported(order, "canceled"),
                )
            ]
        )
    assert all(many <= 12 * few for few, many in zip(*costs, strict=True)), costs


def test_s191_a_turn_after_many_runs_costs_what_it_cost_after_one() -> None:
    run_ids = frozenset(f"force-2024{n // 28 + 1:02d}{n % 28 + 1:02d}-1" for n in range(300))
    old = {"run_ids": run_ids, "closed_fills": {f"b{n}": Decimal(9) for n in range(9000)}}
    young, _ = busy(20)
    aged = a_state(orders=list(young.orders.values()), run=young.run, **old)
    order = next(iter(young.orders.values()))
    for event in (e.Ticked(), filled(order, "4", "4")):
        assert calls_of(aged, event) <= 1.05 * calls_of(young, event)
