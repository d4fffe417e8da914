"""Real money and its certificate: nothing is bought without one, and what stops and sells works."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given as given_drawn
from hypothesis import settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.certificate import (
    CERTIFICATE,
    EXPIRY,
    expiry_warning,
    slot_warning,
    why_uncertified,
)
from atlas_daemon.core.effects import SubmitOrder
from atlas_daemon.core.gates import is_certified
from atlas_daemon.core.modes import mode_of
from atlas_daemon.core.state import Phase, RegimeSeen
from atlas_daemon.core.values import AccountMode, Mode, Regime, Side
from atlas_daemon.core.views import status_line, status_of, why_not_ready

from .builders import (
    CLOSE,
    NOW,
    OPEN,
    SIGNAL_DAY,
    a_draft,
    a_plan,
    a_policy,
    a_run,
    a_state,
    an_order,
    holding,
    secs,
)
from .live_world import LIVE, NONE, YEAR, LiveWorld, a_certificate, a_live_world
from .playbook import given
from .storms import PICKS, ZED
from .test_properties import worlds
from .world import has, is_done

EXPIRED = a_certificate(NOW)


def live_state(certificate=None, **more):
    seen = {"certificate": certificate or a_certificate(NOW + YEAR)} | more.pop("seen", {})
    return a_state(account_mode=AccountMode.LIVE, seen=seen, **more)


# Whether it counts.


@pytest.mark.parametrize(
    ("certificate", "why"),
    [
        (a_certificate(NOW + secs(1)), ""),
        (a_certificate(NOW), "C1 expired on 2024-02-01 09:36 New York"),
        (a_certificate(None), "C1 names no day of its end"),
        (a_certificate(NOW + YEAR, "forged"), "forged"),
    ],
)
def test_a_certificate_counts_until_the_moment_of_its_end(certificate, why) -> None:
    assert why_uncertified(live_state(certificate), LIVE) == why


def test_a_certificate_that_was_not_read_does_not_count() -> None:
    assert why_uncertified(a_state(), LIVE) == "it was not read yet"


def test_paper_and_local_need_none() -> None:
    assert why_uncertified(a_state(), a_policy()) == ""


def test_a_new_process_has_read_none() -> None:
    state = given(live_state(), LIVE).when(STARTED).state
    assert state.figures.certificate is None
    assert why_uncertified(state, LIVE)


STARTED = e.DaemonStarted("1", "LARGE", AccountMode.LIVE, "PA1", "d", False)


def test_a_clock_that_is_set_back_makes_it_unread() -> None:
    back = NOW - timedelta(hours=2)
    turn = given(live_state(), LIVE).when(e.StreamReported("listening"), at=back)
    assert why_uncertified(turn.state, LIVE) == "our clock was set back: it is to be read anew"
    turn = given(turn.state, LIVE).when(e.Ticked(), at=back)
    assert why_uncertified(turn.state, LIVE) == "it was not read yet"


# What follows for mode, gates and status.


def test_without_one_the_daemon_only_reduces_and_says_why() -> None:
    state = live_state(a_certificate(NOW + YEAR, "forged"))
    given(state, LIVE).when(e.Ticked()).then_some(
        e.ModeChanged(Mode.REDUCE_ONLY, "certificate: forged")
    )
    state = live_state(mode=Mode.REDUCE_ONLY, mode_reason="certificate: forged")
    given(state, LIVE).when(a_certificate(NOW + YEAR)).then(
        e.ModeChanged(Mode.TRADING, "reconciled, stream listening")
    )


def test_what_is_read_counts_from_its_very_turn() -> None:
    given(live_state(), LIVE).when(a_certificate(problem="edited")).then(
        e.ModeChanged(Mode.REDUCE_ONLY, "certificate: edited")
    )


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_gate_refuses_a_buy_in_the_turn_in_which_it_expires(side: str) -> None:
    state = live_state(
        EXPIRED,
        run=a_run(Phase.BUYING if side == "buy" else Phase.SELLING),
        book=holding(AAPL="10"),
    )
    turn = given(state, LIVE).when(e.OrderDrafted(a_draft(side=side)))
    refused = [x for x in turn.happened if isinstance(x, e.OrderRefused)]
    assert [x.rule for x in refused] == (
        ["certificate"] if side == "buy" else ["sells_within_holding"]
    )
    assert not any(isinstance(x, SubmitOrder) for x in turn.happened)


def test_the_verdict_names_what_is_wrong() -> None:
    verdict = is_certified(live_state(a_certificate(problem="forged")), LIVE)
    assert (verdict.ok, verdict.rule, verdict.actual) == (False, "certificate", "forged")
    assert is_certified(live_state(), LIVE).ok


def test_a_plan_with_buys_is_measured_by_it_and_one_without_is_not() -> None:
    state = live_state(a_certificate(problem="forged"), run=a_run(Phase.DUE, plan=a_plan()))
    turn = given(state, LIVE).when(a_plan())
    (finished,) = [x for x in turn.happened if isinstance(x, e.RunFinished)]
    assert finished.outcome == "refused"
    assert "certificate: forged" in finished.reason


def test_status_readiness_and_page_say_it() -> None:
    state = given(live_state(a_certificate(problem="forged")), LIVE).when(e.Ticked()).state
    assert why_not_ready(state, LIVE, "") == "reduce_only: certificate: forged"
    assert "certificate: forged" in status_line(state, LIVE, "[LIVE] LARGE", NOW)
    ramp = status_of(state, LIVE, NOW)["ramp"]
    assert ramp["certificate"]["problem"] == "forged"
    assert status_of(a_state(), a_policy(), NOW)["ramp"] is None


def test_a_rebalance_that_is_asked_for_is_denied_by_the_gate() -> None:
    state = live_state(a_certificate(problem="forged"), mode=Mode.REDUCE_ONLY)
    denied = e.RequestDenied("rebalance", "certificate", "certificate: forged")
    given(state, LIVE).when(e.RebalanceRequested("ann", force=True)).then(denied)
    given(state, LIVE).when(e.RebalanceRequested("ann", False, is_first_trade=True)).then(denied)


# Told once, and ahead of time.


def alerts(world: LiveWorld, key: str) -> list[str]:
    return [text for _, alert_key, text in world.alerts if alert_key == key]


def test_that_it_does_not_count_is_told_once_over_restarts_and_again_when_it_is_news() -> None:
    world = a_live_world(certificate=NONE)
    world.run(world.now + timedelta(minutes=5))
    world.crash()
    world.run(world.now + timedelta(hours=30))
    assert len(alerts(world, CERTIFICATE)) == 1
    assert {level for level, key, _ in world.alerts if key == CERTIFICATE} == {"critical"}
    world.put(a_certificate())
    world.run(world.now + timedelta(minutes=5))
    world.put(NONE)
    world.run(world.now + timedelta(minutes=5))
    assert len(alerts(world, CERTIFICATE)) == 2


def test_one_that_nobody_reads_is_told_after_a_minute() -> None:
    world = a_live_world(certificate=None)
    world.run(world.now + secs(50))
    assert alerts(world, CERTIFICATE) == []
    world.run(world.now + timedelta(minutes=10))
    assert len(alerts(world, CERTIFICATE)) == 1


@pytest.mark.parametrize("every_s", [1, 20])
def test_one_that_comes_and_goes_makes_no_storm_of_alerts_or_orders(every_s: int) -> None:
    world = LiveWorld(picks=PICKS, **ZED)
    world.faults.fill = lambda symbol: "all" if symbol in ("ZED", "A") else "rest"
    world.boot()
    world.run(OPEN + timedelta(minutes=4))
    for number in range(max(600 // every_s, 90)):
        world.run(world.now + secs(every_s))
        world.put(a_certificate() if number % 2 else NONE)
    assert len(alerts(world, CERTIFICATE)) == 1
    assert len(alerts(world, "run")) <= 3
    assert len(world.orders) <= 12
    world.faults.fill = lambda symbol: "all"
    world.put(a_certificate())
    world.run(is_done())
    assert world.finished()[-1] == ("2024-02", "done", True)


def test_two_that_take_turns_tell_of_their_end_once_each() -> None:
    state, told = live_state(slots={"2024-02": "done"}), []
    for number in range(6):
        ending = a_certificate(NOW + timedelta(days=5 + number % 2), id_=f"C{number % 2}")
        turn = given(state, LIVE).when(ending, e.Ticked())
        told += [x.text for x in turn.happened if isinstance(x, e.AlertRaised) and x.key == EXPIRY]
        state = turn.state
    assert len(told) == len(set(told)) > 1


@pytest.mark.parametrize(
    ("left", "told"),
    [(31, ""), (30, "30 days"), (8, "30 days"), (7, "7 days"), (2, "7 days"), (1, "1 day,")],
)
def test_its_end_is_told_30_7_and_1_days_ahead(left: int, told: str) -> None:
    state = live_state(a_certificate(NOW + timedelta(days=left)), slots={"2024-02": "done"})
    turn = given(state, LIVE).when(e.Ticked())
    ahead = [x for x in turn.happened if isinstance(x, e.AlertRaised) and x.key == EXPIRY]
    days = [x for x in ahead if "within" in x.text]
    assert [told in x.text for x in days] == ([True] if told else [])
    assert {x.level for x in ahead} <= {"warning"}
    assert not [x for x in given(turn.state, LIVE).when(e.Ticked()).happened if x in ahead]


def test_an_end_before_the_next_slot_is_told_however_far_it_is() -> None:
    state = live_state(a_certificate(NOW + timedelta(days=100)), slots={"2024-02": "done"})
    turn = given(state, LIVE).when(e.Ticked())
    (told,) = [x for x in turn.happened if isinstance(x, e.AlertRaised)]
    assert (told.level, told.key) == ("warning", EXPIRY)
    assert "before slot 2024-08 (2024-08-01)" in told.text
    again = given(turn.state, LIVE).when(
        a_certificate(NOW + timedelta(days=100), id_="C2"), e.Ticked()
    )
    assert [x for x in again.happened if isinstance(x, e.AlertRaised)], "of a new one it is news"


def test_of_none_and_of_one_without_an_end_nothing_is_told_ahead() -> None:
    for state in (a_state(), live_state(a_certificate(None))):
        assert expiry_warning(state) == slot_warning(state, LIVE) == ""


def test_a_restart_with_the_same_certificate_tells_nothing_anew() -> None:
    ending = a_certificate(NOW + timedelta(days=5))
    first = given(live_state(), LIVE).when(ending, e.Ticked())
    assert any(isinstance(x, e.AlertRaised) for x in first.happened)
    turn = given(first.state, LIVE).when(STARTED, ending, e.Ticked())
    assert not [x for x in turn.happened if isinstance(x, e.AlertRaised) and x.key == EXPIRY]


# Whole stories.


def test_a_slot_does_not_begin_without_one_says_why_and_begins_once_there_is_one() -> None:
    world = a_live_world(picks=PICKS, certificate=NONE, **ZED)
    world.run(OPEN + timedelta(minutes=20))
    assert world.events(e.RunStarted) == []
    (told,) = alerts(world, "slot")
    assert "certificate: there is none" in told
    world.put(a_certificate())
    world.run(is_done())
    assert world.finished() == [("2024-02", "done", True)]


def expiring(**more) -> LiveWorld:
    """A slot amid which the certificate expires: the sells are done, no buy is filled."""
    world = LiveWorld(picks=PICKS, **ZED, **more)
    world.faults.fill = lambda symbol: "all" if symbol in ("ZED", "A") else "rest"
    world.boot()
    world.run(lambda w: any(o.side is Side.BUY for o in w.orders.values()))
    return world


def submitted_since(world: LiveWorld, moment) -> list[str]:
    told = [x for x in world.journal if isinstance(x.event, e.OrderSubmitted) and x.at >= moment]
    return [entry.event.order_id for entry in told]


def test_one_that_expires_amid_a_run_ends_the_buying_pulls_what_rests_and_parks_the_run() -> None:
    world = expiring()
    ends_at = world.now + secs(1)
    world.put(a_certificate(ends_at))
    world.run(world.now + secs(20))
    assert not [o for o in world.orders.values() if o.status == "new"], "pulled at once"
    world.run(world.now + timedelta(minutes=10))
    assert submitted_since(world, ends_at) == []
    assert "ZED" not in world.held, "the sells were finished"
    (finished,) = world.events(e.RunFinished)
    assert (finished.outcome, finished.is_final) == ("degraded", False)
    assert finished.reason.startswith("certificate: C1 expired")
    assert world.state.run.phase is Phase.PARKED
    assert len(alerts(world, CERTIFICATE)) == 1
    assert any("goes on once a certificate counts" in text for text in alerts(world, "run"))


def test_a_run_that_waits_for_one_goes_on_in_the_same_session() -> None:
    world = expiring()
    world.put(a_certificate(problem="edited"))
    world.run(world.now + timedelta(minutes=10))
    world.faults.fill = lambda symbol: "all"
    world.put(a_certificate(id_="C2"))
    world.run(is_done())
    assert world.now < CLOSE
    assert world.finished()[-1] == ("2024-02", "done", True)
    assert set(world.held) == {"A", "B", "C", "D", "E"}


def test_one_that_expires_before_the_plan_parks_the_run_at_once() -> None:
    world = LiveWorld(picks=PICKS, **ZED)
    world.boot()
    world.run(has(e.RunStarted))
    world.put(a_certificate(problem="edited"))
    world.run(world.now + secs(5))
    assert world.orders == {}
    assert world.state.run.phase is Phase.PARKED
    assert world.finished() == [("2024-02", "degraded", False)]


def test_a_run_that_nobody_certifies_needs_a_person_when_its_sessions_are_over() -> None:
    world = expiring(policy=with_all(catch_up_sessions=1))
    world.put(NONE)
    world.run(world.now + timedelta(days=5))
    assert world.finished()[-1] == ("2024-02", "degraded", True)
    assert "manual intervention required" in alerts(world, "run")[-1]


def test_a_restart_amid_buying_waits_for_the_certificate_to_be_read() -> None:
    world = LiveWorld(picks=PICKS, **ZED)
    world.boot()
    world.run(lambda w: w.state.run is not None and w.state.run.phase is Phase.BUYING)
    left, world.certificate = world.certificate, None
    world.crash(back_after=2)
    world.run(world.now + secs(45))
    assert world.state.mode is Mode.REDUCE_ONLY
    assert world.state.run.phase is Phase.BUYING, "unread is not lapsed"
    world.put(left)
    world.run(is_done())
    assert world.finished() == [("2024-02", "done", True)]


def test_a_restart_pulls_no_order_before_the_certificate_was_read() -> None:
    world = expiring()
    left, world.certificate = world.certificate, None
    world.crash(back_after=2)
    world.run(world.now + secs(45))
    assert [o for o in world.orders.values() if o.status == "new"]
    world.faults.fill = lambda symbol: "all"
    world.put(left)
    world.run(is_done())
    assert world.finished()[-1] == ("2024-02", "done", True)


def test_a_confirmed_crash_sells_all_without_a_certificate() -> None:
    world = a_live_world(picks=PICKS, certificate=NONE, policy=with_all(), **ZED)
    world.run(OPEN + timedelta(minutes=20))
    world.hear(e.RegimeReported(Regime.CRASH, SIGNAL_DAY, "ann"))
    world.run(is_done("crash-20240201"))
    assert world.held == {}
    assert world.bought() == []
    assert world.finished() == [("crash-20240201", "done", True)]


def test_a_crash_run_goes_on_in_the_next_session_without_a_certificate() -> None:
    policy = with_all(rounds=1, fill_timeout=secs(20))
    world = a_live_world(picks=PICKS, certificate=NONE, policy=policy, **ZED)
    world.faults.fill = lambda symbol: "rest"
    world.run(OPEN + timedelta(minutes=20))
    world.hear(e.RegimeReported(Regime.CRASH, SIGNAL_DAY, "ann"))
    world.run(CLOSE + timedelta(hours=3))
    world.faults.fill = lambda symbol: "all"
    world.run(is_done("crash-20240201"), limit=timedelta(days=4))
    assert world.held == {}


def test_a_slot_that_began_under_a_crash_sells_on_when_its_certificate_is_gone() -> None:
    world = LiveWorld(picks=PICKS, policy=with_all(), regime=Regime.CRASH, **ZED)
    world.boot()
    world.run(has(e.RunStarted))
    world.put(NONE)
    world.run(is_done("crash-20240201"))
    assert world.held == {}


def test_any_other_change_of_regime_waits_for_a_certificate() -> None:
    state = live_state(
        a_certificate(problem="forged"),
        mode=Mode.REDUCE_ONLY,
        slots={"2024-02": "done"},
        book=holding(AAPL="5"),
    )
    policy = a_policy(needs_certificate=True, regime_reacts=True)
    heard = e.RegimeReported(Regime.TREND_BEAR, SIGNAL_DAY, "ann")
    turn = given(state, policy).when(heard, e.Ticked())
    assert not [x for x in turn.happened if isinstance(x, e.RunStarted)]


def test_a_stop_a_flatten_an_adoption_and_a_resume_need_none() -> None:
    world = a_live_world(
        picks=PICKS, certificate=NONE, policy=with_all(flatten_on_stop=True), **ZED
    )
    world.run(OPEN + timedelta(minutes=20))
    world.hear(e.AdoptRequested("ann", None))
    assert not world.events(e.RequestDenied)
    world.hear(e.StopRequested("SIGUSR1", "signal"))
    world.run(is_done("stop-20240201-1"))
    assert world.held == {}
    world.hear(e.ResumeRequested("ann"))
    world.run(world.now + timedelta(minutes=2))
    assert world.state.halt is None
    assert world.state.mode is Mode.REDUCE_ONLY
    assert world.bought() == []


def with_all(**more):
    return a_policy(needs_certificate=True, scale=Decimal("0.25"), **more)


# Storms.


@given_drawn(worlds(), st.integers(0, 90), st.sampled_from(["expires", "edited", "gone"]))
@settings(max_examples=8)
def test_in_no_storm_a_buy_leaves_without_a_certificate(calm, after_s: int, how: str) -> None:
    world = LiveWorld(
        policy=with_all(fill_timeout=secs(45), rounds=2),
        seed=calm.seed, cash=calm.cash, held=calm.held, prices=calm.prices, picks=calm.picks,
        regime=calm.regime, faults=calm.faults,
    )  # fmt: skip
    ends_at = OPEN + timedelta(minutes=5, seconds=after_s)
    if how == "expires":
        world.certificate = a_certificate(ends_at)
    else:
        world.at(ends_at, lambda: world.put(NONE if how == "gone" else a_certificate(problem=how)))
    world.boot()
    world.run(OPEN + timedelta(minutes=25))
    assert not [order_id for order_id in submitted_since(world, ends_at) if "-buy-" in order_id]
    assert not [o for o in world.orders.values() if o.side is Side.BUY and o.status == "new"]
    assert world.state.run is None or world.state.run.phase is Phase.PARKED
    assert world.state.book.positions == world.held


def test_a_resting_buy_that_is_in_doubt_is_not_offered_again() -> None:
    order = an_order(status="unknown")
    state = live_state(EXPIRED, orders=[order], run=a_run(Phase.BUYING))
    asked_at = NOW + timedelta(seconds=45)
    turn = given(state, LIVE).when(e.OrderNotFound(order.draft.order_id, asked_at), at=asked_at)
    assert not any(isinstance(x, SubmitOrder) for x in turn.happened)


def test_the_regime_of_another_day_is_no_crash_to_sell_on() -> None:
    seen = RegimeSeen(Regime.TREND_BULL, date(2024, 1, 31), "test", NOW)
    state = live_state(EXPIRED, regime=seen, mode=Mode.REDUCE_ONLY, book=holding(AAPL="5"))
    turn = given(state, LIVE).when(e.Ticked())
    assert not [x for x in turn.happened if isinstance(x, e.RunStarted)]


def test_books_that_matched_without_figures_to_trade_on_are_not_reconciled() -> None:
    """What matched is remembered from the journal, what it matched with is not."""
    state = live_state()
    state = replace(state, figures=replace(state.figures, snapshot=None))
    assert mode_of(state, LIVE) == (Mode.REDUCE_ONLY, "not yet reconciled")
