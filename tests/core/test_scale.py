"""Real money begins small: what a plan deploys, who may change it, and which days are clean."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as given_drawn
from hypothesis import settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.engine import take_turn
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.gates import batch_verdicts
from atlas_daemon.core.scale import scale_in_force, why_not_scaled
from atlas_daemon.core.state import Phase, Ramp, State
from atlas_daemon.core.values import AccountMode, Mode, Regime, Side
from atlas_daemon.core.views import status_of

from .builders import (
    BORN,
    DAY,
    NOW,
    a_line,
    a_plan,
    a_policy,
    a_position,
    a_run,
    a_snapshot,
    a_state,
    an_order,
)
from .live_world import LIVE, YEAR, LiveWorld, a_certificate, a_live_world
from .playbook import given
from .storms import CALM, PICKS, ZED
from .world import a_world, has, is_done

D = Decimal
QUARTER, HALF, FULL = D("0.25"), D("0.5"), D(1)
BOUGHT = Ramp(first_buy_at=BORN, scale=QUARTER, clean_days=30, counted_day=date(2024, 1, 31))


def live_state(ramp=BOUGHT, **more) -> State:
    seen = {"certificate": a_certificate(NOW + YEAR)} | more.pop("seen", {})
    return a_state(account_mode=AccountMode.LIVE, ramp=ramp, seen=seen, **more)


def asked(state: State, scale: Decimal, policy=LIVE):
    return given(state, policy).when(e.ScaleRequested("ann", scale))


# What a plan deploys.


def test_a_first_live_plan_deploys_a_quarter_of_normal_sizes() -> None:
    live = a_live_world(picks=PICKS, **ZED).run(is_done())
    (plan, *_) = live.events(e.RunPlanned)
    assert plan.scale == QUARTER
    assert plan.deployable == plan.equity * D("0.99") / 4
    assert sum(x.target_qty * x.price for x in plan.lines if x.price) <= plan.deployable
    assert any("scale 25 %" in note for note in plan.notes)
    assert set(live.held) <= set(CALM)
    assert all(live.held[s] < CALM[s] for s in live.held)


def test_the_report_measures_against_the_scaled_target() -> None:
    live = a_live_world(picks=PICKS, **ZED).run(is_done())
    report = live.events(e.RunFinished)[-1].report
    assert report.scale == QUARTER
    assert report.allocation_pct == 1
    assert D("0.12") < report.achieved_pct <= D("0.125"), "five lines of a tenth each"
    assert report.discrepancies == ()
    assert any("deployed at scale 25 %" in text for _, _, text in live.alerts)


def test_paper_and_local_have_no_scale() -> None:
    world = a_world(picks=PICKS, **ZED).run(is_done())
    (plan, *_) = world.events(e.RunPlanned)
    assert plan.scale == 1
    assert world.state.ramp == Ramp()


def test_the_regime_bounds_the_scaled_size_too() -> None:
    bull, bear = (
        a_live_world(picks=PICKS, regime=regime, **ZED).run(is_done()).events(e.RunPlanned)[0]
        for regime in (Regime.TREND_BULL, Regime.TREND_BEAR)
    )
    assert bear.deployable == bear.equity * D("0.30") / 4
    assert bear.deployable < bull.deployable


def test_the_plans_digest_holds_the_scale_and_is_the_same_without_one() -> None:
    digests = []
    for scale in (QUARTER, D("0.2500"), HALF):
        policy = a_policy(needs_certificate=True, scale=scale)
        world = a_live_world(picks=PICKS, policy=policy, **ZED).run(has(e.RunPlanned))
        digests.append(world.events(e.RunPlanned)[0].digest)
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_the_gate_refuses_a_plan_above_the_scale_on_record() -> None:
    state = live_state(run=a_run(Phase.DUE))
    for target, ok in (("250", True), ("251", False)):
        plan = a_plan([a_line(target=target)], scale=HALF)
        (verdict,) = [v for v in batch_verdicts(state, plan, LIVE) if v.rule == "scale"]
        assert verdict.ok is ok, verdict.text
    assert "25,100.00 (25.1 %) is over 25,000.00 (25 %)" in verdict.text


def test_a_plan_that_only_sells_passes_whatever_the_scale_is() -> None:
    held = [a_position("AAPL", "500")]
    state = live_state(run=a_run(Phase.DUE), seen={"snapshot": a_snapshot(positions=held)})
    plan = a_plan([a_line(current="500", target="400")])
    (verdict,) = [v for v in batch_verdicts(state, plan, LIVE) if v.rule == "scale"]
    assert verdict.ok


def test_a_line_that_stays_as_it_is_takes_its_room_from_the_others() -> None:
    world = LiveWorld(picks=PICKS, cash=D(10_000), held={"A": 50}, prices={"A": 20})
    world.untradable = {"A"}
    world.boot()
    (plan, *_) = world.run(is_done()).events(e.RunPlanned)
    value = {x.symbol: x.target_qty * (x.price or D(20)) for x in plan.lines}
    assert value["A"] == 1000
    assert 0 < sum(value.values()) <= plan.equity / 4
    assert round(plan.deployable, 9) == plan.equity * D("0.99") / 4 - 1000


def test_a_scale_at_which_no_share_can_be_bought_is_told_with_its_reasons() -> None:
    tiny = a_policy(needs_certificate=True, scale=D("0.01"))
    world = a_live_world(picks=PICKS, policy=tiny, cash=D(1000)).run(is_done())
    assert world.orders == {}
    ((level, text),) = [(level, text) for level, key, text in world.alerts if key == "run"]
    assert level == "warning"
    assert "nothing was bought: A: one share at 20.00 is dearer than its slice of 0.99" in text


def test_what_is_held_above_a_lowered_scale_is_sold_down_at_the_next_rebalance() -> None:
    world = a_live_world(picks=PICKS, **ZED).run(is_done())
    held = dict(world.held)
    world.hear(e.ScaleRequested("ann", D("0.1")))
    world.hear(e.RebalanceRequested("ann", force=True))
    world.run(is_done("force-20240201-1"))
    assert set(world.held) == set(held)
    assert all(qty < held[symbol] for symbol, qty in world.held.items())
    assert not [text for _, key, text in world.alerts if "nothing was bought" in text]


# Who may change it.


def test_a_raise_after_30_clean_days_is_taken_and_counts_from_the_next_plan() -> None:
    turn = asked(live_state(), HALF)
    turn.then_some(e.ScaleChanged("ann", QUARTER, HALF, clean_days=30), e.AlertRaised)
    assert scale_in_force(turn.state, LIVE) == HALF
    assert turn.state.ramp.clean_days == 0, "the next raise has to wait as long"
    assert turn.state.ramp.raised_at == NOW


@pytest.mark.parametrize(
    ("ramp", "said"),
    [
        (
            Ramp(scale=QUARTER, first_buy_at=BORN, clean_days=29),
            "29 clean sessions since 2024-01-15 (the first live buy), needed 30",
        ),
        (
            Ramp(scale=HALF, first_buy_at=BORN, raised_at=NOW - timedelta(days=3), clean_days=2),
            "2 clean sessions since 2024-01-29 (the last raise), needed 30",
        ),
        (
            Ramp(
                scale=QUARTER,
                first_buy_at=BORN,
                clean_days=1,
                unclean_at=NOW - timedelta(days=1),
                unclean="cash unexplained: ours 5, the broker's 7",
            ),
            "1 clean sessions since 2024-01-31 (cash unexplained: ours 5, the broker's 7), needed",
        ),
        (Ramp(), "nothing was bought live yet: 30 clean sessions come first"),
    ],
)
def test_an_early_raise_is_denied_with_the_count_and_what_began_it(ramp, said: str) -> None:
    denied = asked(live_state(ramp), D("0.75")).happened[0]
    assert isinstance(denied, e.RequestDenied)
    assert (denied.what, denied.rule) == ("scale", "clean_days")
    assert said in denied.detail


@pytest.mark.parametrize("ramp", [Ramp(), BOUGHT, Ramp(scale=FULL, first_buy_at=BORN)])
def test_lowering_needs_no_clean_day(ramp) -> None:
    turn = asked(live_state(ramp), D("0.1"))
    assert scale_in_force(turn.state, LIVE) == D("0.1")
    assert turn.state.ramp.clean_days == ramp.clean_days, "what was counted stays counted"


@pytest.mark.parametrize("phase", list(Phase))
def test_neither_way_while_a_run_is_open(phase: Phase) -> None:
    for scale in (D("0.1"), HALF):
        (denied,) = asked(live_state(run=a_run(phase)), scale).happened
        assert denied.rule == "one run"


@pytest.mark.parametrize("scale", ["0", "-0.5", "1.01", "NaN", "Infinity"])
def test_what_is_no_scale_is_denied(scale: str) -> None:
    (denied,) = asked(live_state(), D(scale)).happened
    assert denied.rule == "scale"


def test_the_scale_that_is_in_force_is_no_change() -> None:
    (denied,) = asked(live_state(), QUARTER).happened
    assert denied.detail == "the scale is 25 % already"


def test_paper_and_local_have_nothing_to_change() -> None:
    (denied,) = asked(a_state(), HALF, a_policy()).happened
    assert denied.rule == "mode"


def test_a_halt_keeps_nobody_from_lowering_it() -> None:
    state = live_state(mode=Mode.HALTED)
    assert why_not_scaled(state, LIVE, D("0.1")) is None


def test_the_configuration_says_it_until_the_first_rebalance_and_never_after() -> None:
    assert scale_in_force(live_state(Ramp()), LIVE) == QUARTER
    smaller = a_policy(needs_certificate=True, scale=D("0.05"))
    world = a_live_world(picks=PICKS, policy=smaller, **ZED).run(is_done())
    assert world.state.ramp.scale == D("0.05")
    assert scale_in_force(world.state, LIVE) == D("0.05"), "a larger one later raises nothing"


# Which days are clean.


BEGUN = Ramp(first_buy_at=BORN, counted_day=DAY)


def story(*events, ramp=BEGUN, mode=AccountMode.LIVE):
    """Fold events a minute apart, and return the ramp."""
    state = a_state(account_mode=mode, ramp=ramp, orders=[an_order()], run=a_run(Phase.BUYING))
    for number, event in enumerate(events, 1):
        state = evolve(state, e.Entry(100 + number, NOW + timedelta(minutes=number), None, event))
    return state.ramp


def marked(day: int) -> e.EquityMarked:
    return e.EquityMarked(date(2024, 2, day), D(1000), D(1000), D(400))


def test_a_session_counts_once_and_the_one_in_which_it_began_does_not() -> None:
    assert story(marked(1)).clean_days == 0
    assert story(marked(2)).clean_days == 1
    assert story(marked(2), marked(2), marked(5)).clean_days == 2


def test_before_the_first_live_buy_no_day_counts() -> None:
    assert story(marked(2), marked(5), ramp=Ramp()).clean_days == 0


def test_the_first_live_fill_of_a_buy_begins_the_count() -> None:
    order = an_order()
    for side, begins in ((Side.SELL, False), (Side.BUY, True)):
        fill = e.FillBooked(order.draft.order_id, "AAPL", side, D(1), D(100), D(1), False)
        assert (story(fill, ramp=Ramp()).first_buy_at is not None) is begins
    assert story(fill, ramp=Ramp(), mode=AccountMode.PAPER) == Ramp()


ORDER = an_order()
ENDED = e.RunFinished("2024-02", "degraded", is_final=True, reason="AAPL", report=None)
UNCLEAN = {
    "cash": (e.CashUnexplained(D(5), D(7)), "cash unexplained: ours 5, the broker's 7"),
    "quantity": (e.DriftFound("AAPL", D(5), D(7)), "AAPL unexplained: ours 5, the broker's 7"),
    "overfill": (e.OrderOverfilled(ORDER.draft.order_id, "AAPL", D(5), D(6)), "filled 6 of 5"),
    "execution": (
        e.ExecutionDisputed(ORDER.draft.order_id, "x1", D(1), D(2), D(1), D(3)),
        "execution x1 told in two ways",
    ),
    "order": (e.OrderDisputed(ORDER.draft.order_id, "another symbol"), "another symbol"),
    "crash": (e.DaemonCrashed("KeyError: 'x'"), "ended by an exception: KeyError: 'x'"),
    "rejected": (
        e.OrderStepped(ORDER.draft.order_id, "rejected", "rejected", None, "halted stock"),
        "halted stock",
    ),
    "refused": (
        e.OrderStepped(ORDER.draft.order_id, "refused", "", None, "403"),
        "the broker refused",
    ),
    "degraded": (ENDED, "2024-02 ended short of its target"),
}


@pytest.mark.parametrize("name", UNCLEAN)
def test_what_is_unclean_begins_the_count_anew_and_is_named(name: str) -> None:
    event, said = UNCLEAN[name]
    before = Ramp(first_buy_at=BORN, counted_day=date(2024, 1, 31), clean_days=29)
    ramp = story(event, ramp=before)
    assert (ramp.clean_days, ramp.counted_day) == (0, DAY)
    assert said in ramp.unclean
    assert story(event, marked(1), ramp=before).clean_days == 0, "nor does that session count"
    assert story(event, marked(1), marked(2), ramp=before).clean_days == 1


def test_what_is_as_it_should_be_leaves_the_count_alone() -> None:
    fine = [
        e.OrderStepped(ORDER.draft.order_id, "working", "new", None),
        e.CashRestated(D(5), D(6), is_within_tolerance=True),
        e.RunFinished("2024-02", "degraded", is_final=False, reason="", report=None),
    ]
    before = Ramp(first_buy_at=BORN, counted_day=DAY, clean_days=7)
    assert story(*fine, ramp=before).clean_days == 7


def test_a_day_counted_on_a_clock_that_ran_ahead_keeps_none_from_counting() -> None:
    ahead = Ramp(first_buy_at=BORN, counted_day=date(2031, 1, 1))
    back = e.ClockStepped(NOW + timedelta(days=900))
    assert story(back, marked(2), ramp=ahead).clean_days == 1


def test_status_shows_scale_count_and_certificate() -> None:
    view = status_of(live_state(), LIVE, NOW)["ramp"]
    assert view == {
        "scale": "0.25",
        "since": "2024-01-15T12:00:00Z",
        "clean_days": 30,
        "clean_days_needed": 30,
        "clean_since": "2024-01-15T12:00:00Z",
        "clean_since_what": "the first live buy",
        "certificate": {"id": "C1", "expires_at": "2025-01-31T14:36:00Z", "problem": ""},
    }


# Whatever is asked and happens.


WISHES = st.builds(
    e.ScaleRequested, st.just("ann"), st.decimals("-0.5", "1.5", places=2, allow_nan=False)
)
DAYS = st.integers(2, 28).map(marked)
THINGS = st.one_of(WISHES, DAYS, DAYS, st.sampled_from([event for event, _ in UNCLEAN.values()]))


@given_drawn(st.lists(THINGS, max_size=60))
@settings(max_examples=60)
def test_no_raise_without_30_clean_days_on_record(things) -> None:
    policy = a_policy(needs_certificate=True, scale=QUARTER, clean_days_min=3)
    state = live_state(Ramp(first_buy_at=BORN, counted_day=DAY), orders=[an_order()])
    clean, counted = 0, {DAY}
    for thing in things:
        had = scale_in_force(state, policy)
        if isinstance(thing, e.ScaleRequested):
            state = take_turn(state, thing, state.now, policy).state
            if scale_in_force(state, policy) > had:
                assert clean >= 3
                clean = 0
                counted = {d for d in counted if d <= DAY} | {DAY}
            assert 0 < scale_in_force(state, policy) <= 1
            continue
        if isinstance(thing, e.RunFinished):
            continue  # no run is open
        state = evolve(state, e.Entry(state.seq + 1, state.now, None, thing))
        if not isinstance(thing, e.EquityMarked):
            clean, counted = 0, {DAY}
        elif thing.day > max(counted):
            clean, counted = clean + 1, counted | {thing.day}
        assert state.ramp.clean_days == clean
