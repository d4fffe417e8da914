"""Words on the regime that come late, twice, against each other, or with little time left."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.state import Book, Outlook, Phase
from atlas_daemon.core.values import Regime

from .builders import (
    CLOSE,
    DAY,
    NOW,
    OPEN,
    SIGNAL_DAY,
    a_plan,
    a_run,
    a_state,
    holding,
    some_signals,
)
from .playbook import given
from .storms import CALM, PICKS, ZED, only_alerts
from .world import World, a_world, has, is_done

BULL, NEUTRAL, BEAR, CRASH = Regime
FILE = "file:regime.json"
OLD_DAY = date(2024, 1, 30)


def from_file(regime: Regime, as_of: date = SIGNAL_DAY) -> e.RegimeReported:
    return e.RegimeReported(regime, as_of, FILE)


def from_child(regime: Regime, as_of: date = SIGNAL_DAY) -> e.RegimeReported:
    return e.RegimeReported(regime, as_of, "worker", regime, regime, as_of)


def test_an_answer_asked_before_a_file_said_crash_takes_nothing_back() -> None:
    state = given(a_state(slots={"2024-02": "done"})).when(from_file(CRASH)).state
    for late in (from_child(BULL), from_child(BULL, OLD_DAY), some_signals(regime=BULL)):
        assert given(state).when(late).state.regime.regime is CRASH
    assert given(state).when(from_file(BULL)).state.regime.regime is BULL
    evening = CLOSE + timedelta(minutes=25)
    assert given(state).when(from_child(BULL, DAY), at=evening).state.regime.regime is BULL


def test_a_crash_of_an_older_session_that_comes_late_closes_no_run() -> None:
    run = a_run(Phase.BUYING, plan=a_plan())
    state = given(a_state(run=run)).when(from_child(BULL)).state
    assert state.regime.as_of == SIGNAL_DAY
    given(state).when(from_child(CRASH, OLD_DAY)).then_nothing()
    assert given(state).when(from_child(CRASH)).state.run is not run


def test_a_second_crash_of_a_session_sells_what_was_bought_since_the_first() -> None:
    world = a_world(held={"ZED": 50}, prices={"ZED": 100}, start=OPEN + timedelta(hours=1))
    world.run(world.now + timedelta(minutes=5))
    world.hear(e.RegimeReported(CRASH, DAY, "set by ann"))
    world.run(is_done("crash-20240201"))
    world.hear(e.RegimeReported(BULL, DAY, "set by ann"))
    world.hear(e.RebalanceRequested("ann", force=True))
    world.run(is_done("force-20240201-1"))
    assert world.held
    world.hear(e.RegimeReported(CRASH, DAY, "set by ann"))
    world.run(world.now + timedelta(minutes=30))
    assert world.held == {}
    assert len(world.events(e.RunStarted)) == 3


def test_s156_signals_that_come_late_in_the_session_roll_the_run_to_the_next() -> None:
    world = a_world(picks=PICKS, **ZED)
    signals, world.picks = world.picks, ()
    run_effect = world._run
    late = CLOSE - timedelta(minutes=20)

    def deaf(effect: object) -> None:
        if type(effect).__name__ == "ComputeSignals" and world.now < late:
            world.hear(e.FetchFailed("signals", "no bars"))
        else:
            world.picks = signals
            run_effect(effect)

    world._run = deaf
    world.run(has(e.RunPlanned), limit=timedelta(days=2))
    assert world.now > CLOSE
    assert any("too late in the session" in text for text in only_alerts(world, "error"))
    world.run(is_done(), limit=timedelta(days=2))
    assert world.held == CALM


def test_s156_what_goes_to_cash_is_never_too_late() -> None:
    late = CLOSE - timedelta(minutes=10)
    run = a_run(Phase.DUE, trigger="crash", slot=None, plan=None)
    state = a_state(run=run, now=late, book=holding(MSFT="5"))
    assert given(replace(state, outlook=Outlook())).when(e.Ticked()).all(e.RunFinished) == []
    assert late > NOW
    assert Decimal(5) in state.book.positions.values()


def test_before_the_first_book_is_known_nobody_can_say_what_is_held_and_nothing_is_asked() -> None:
    state = a_state(slots={"2024-02": "done"}, book=Book(), now=CLOSE, orders=[])
    evening = CLOSE + timedelta(minutes=20)
    fired = e.JobFired("regime_refresh", evening)
    asked = given(state).when(fired, e.Ticked(), at=evening)
    assert asked.all(fx.RefreshRegime) == []
    known = replace(asked.state, book=holding(MSFT="5"))
    assert given(known).when(e.Ticked(), at=evening).the(fx.RefreshRegime).held == ("MSFT",)


class WithoutSignals(World):
    """A world whose strategy gives no answer."""

    def _run(self, effect: fx.Effect) -> None:
        if isinstance(effect, fx.ComputeSignals | fx.RefreshRegime):
            self.later(3, lambda: self.hear(e.FetchFailed("signals", "the feed is down")))
        else:
            super()._run(effect)


def test_a_slot_that_waits_for_signals_keeps_no_crash_from_being_sold_on() -> None:
    world = WithoutSignals(picks=PICKS, **ZED)
    world.boot()
    world.run(OPEN + timedelta(minutes=7))
    assert world.state.run.phase is Phase.DUE
    world.hear(e.RegimeReported(Regime.CRASH, SIGNAL_DAY, "ann"))
    world.run(is_done(), limit=timedelta(minutes=10))
    assert world.held == {}
    assert world.finished() == [("2024-02", "done", True)]
    assert "CRASH, and no signals came: all cash" in world.events(e.RunPlanned)[0].notes


def test_without_a_crash_it_waits_for_them() -> None:
    world = WithoutSignals(picks=PICKS, **ZED)
    world.boot()
    world.run(OPEN + timedelta(hours=3))
    assert world.orders == {}
    assert world.held == {"ZED": 50, "A": 300}
