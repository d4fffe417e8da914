"""What a restored journal learns of the time since: each order once, each run closed for ever."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.archivist import asked_since, events_since, scale_anew, unknown_orders
from atlas_daemon.core import events as e
from atlas_daemon.core.evolve import evolve
from atlas_daemon.core.frozen import replace
from atlas_daemon.core.orders import DONE
from atlas_daemon.core.state import Book, Ramp, State
from atlas_daemon.core.values import AccountMode, BrokerOrderId, RunId, Symbol
from atlas_daemon.edges.alpaca.wire import OrderRecord

SAVED = datetime(2027, 1, 20, 15, 0, tzinfo=UTC)
NOW = datetime(2027, 3, 1, 15, 0, tzinfo=UTC)
D = Decimal


def an_order(name, at, status="filled", qty=10, filled=None, price="100"):
    done = D(qty if filled is None and status == "filled" else filled or 0)
    side, symbol = name.split("-")[-3:-1]
    return OrderRecord(
        id=BrokerOrderId(f"b-{name}"),
        client_order_id=name,
        symbol=Symbol(symbol),
        side=side,
        qty=D(qty),
        filled_qty=done,
        filled_avg_price=D(price) if done else None,
        status=status,
        updated_at=at,
        notional=None,
        type="market",
        order_class="",
        time_in_force="day",
        limit_price=None,
        stop_price=None,
        trail_price=None,
        trail_percent=None,
        raw_status=status,
        submitted_at=at,
        filled_at=None,
        canceled_at=None,
        expires_at=None,
        created_at=at,
    )


def folded(events, state=None, at=NOW):
    state = state if state is not None else State(now=SAVED)
    for event in events:
        state = evolve(state, e.Entry(state.seq + 1, at, None, event))
    return state


def saved_state():
    started = e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", is_latched=False)
    held = ((Symbol("XOM"), D(60)),)
    whole = e.BookAdopted(D(50_000), held, is_whole=True, why="the first book")
    return folded([started, whole], at=SAVED)


def minute(number):
    return SAVED + timedelta(days=13, minutes=number)


SLOT = [
    an_order("atlas-2027-02-r1-sell-XOM-1", minute(0), qty=60),
    an_order("atlas-2027-02-r1-buy-AAPL-1", minute(1), qty=30, price="185"),
    an_order("atlas-2027-02-r1-buy-MSFT-1", minute(2), "canceled", qty=14, filled=4, price="400"),
]


def test_a_slot_that_ran_since_is_closed_for_ever_with_what_it_filled():
    state = saved_state()
    learned = folded(events_since(state, SLOT), state)
    assert learned.run is None and learned.slots == {"2027-02": "restored"}
    assert RunId("2027-02") in learned.run_ids and learned.last_run.order_day == date(2027, 2, 2)
    assert learned.book.positions == {"AAPL": 30, "MSFT": 4}
    assert learned.book.bought == {"AAPL": 30, "MSFT": 4}
    assert learned.book.cash == D(50_000) + 60 * 100 - 30 * 185 - 4 * 400
    assert learned.orders == {}
    assert learned.closed_fills.keys() == {f"b-{order.client_order_id}" for order in SLOT}
    alerts = [alert for _, alert in learned.alerts]
    assert [alert.level for alert in alerts] == ["critical"]
    assert "2 of its 3 orders filled" in alerts[0].text


def test_an_order_that_still_rests_is_to_be_cancelled():
    resting = an_order("atlas-2027-02-r1-buy-NVDA-1", minute(3), "new")
    state = saved_state()
    learned = folded(events_since(state, [*SLOT, resting]), state)
    (order,) = learned.open_orders()
    assert order.is_cancel_wanted and learned.run is None


def test_the_run_that_was_under_way_goes_on():
    day = date(2027, 2, 1)
    run = e.RunStarted(RunId("2027-02"), "slot", "2027-02", day, date(2027, 1, 29))
    state = folded([run], saved_state())
    learned = folded(events_since(state, SLOT), state)
    assert learned.run is not None and learned.run.has_filled and learned.slots == {}
    assert len(learned.orders) == 3 and {o.status for o in learned.orders.values()} <= DONE


def test_a_run_that_a_later_one_followed_is_closed():
    run = e.RunStarted(RunId("crash-20270121"), "crash", None, date(2027, 1, 21), SAVED.date())
    state = folded([run], saved_state())
    late = an_order("atlas-crash-20270121-r1-sell-XOM-1", SAVED + timedelta(hours=1), qty=60)
    learned = folded(events_since(state, [late, *SLOT[1:]]), state)
    assert learned.run is None and learned.slots == {"2027-02": "restored"}
    assert learned.book.positions == {"AAPL": 30, "MSFT": 4}


def test_each_kind_of_run_keeps_its_trigger():
    names = {
        "2027-02": ("slot", "2027-02"),
        "crash-20270203": ("crash", None),
        "force-20270203-1": ("force", None),
        "stop-20270203-2": ("stop", None),
        "regime-20270203": ("regime", None),
    }
    orders = [
        an_order(f"atlas-{run}-r1-sell-XOM-1", minute(n), qty=1) for n, run in enumerate(names)
    ]
    started = [x for x in events_since(saved_state(), orders) if isinstance(x, e.RunStarted)]
    assert {x.run_id: (x.trigger, x.slot) for x in started} == names


def test_what_the_journal_has_and_what_is_not_ours_is_left_alone():
    orders = [
        SLOT[1],
        an_order("atlas-2027-02-r1-buy-AAPL-1-x", minute(5)),
        an_order("somebody-else-buy-AAPL-1", minute(6)),
        SLOT[0],
    ]
    found = unknown_orders(orders, {SLOT[0].client_order_id})
    assert [order.client_order_id for order in found] == [SLOT[1].client_order_id]


def test_the_broker_is_asked_since_the_journal_s_end_and_never_for_what_the_book_holds():
    assert asked_since(State(now=NOW)) is None, "an empty journal has no end"
    state = saved_state()
    assert asked_since(state) == SAVED, "the book was taken whole at that moment"
    later = replace(state, now=NOW)
    assert asked_since(later) == NOW - timedelta(minutes=5)
    assert asked_since(replace(later, book=Book())) == NOW - timedelta(minutes=5)


RUNS = st.sampled_from(["2027-02", "crash-20270203", "force-20270204-1"])
STATUSES = st.sampled_from(
    ["new", "partially_filled", "filled", "canceled", "expired", "rejected", "pending_cancel"]
)


@given(st.lists(st.tuples(RUNS, STATUSES, st.integers(0, 10)), max_size=12))
def test_whatever_was_sent_since_is_known_afterwards_and_booked_once(drawn):
    orders = [
        an_order(f"atlas-{run}-r1-buy-S{n}-1", minute(n), status, filled=filled)
        for n, (run, status, filled) in enumerate(drawn)
    ]
    state = saved_state()
    learned = folded(events_since(state, orders), state)
    assert learned.run is None
    assert learned.slots.keys() == {run for run, _, _ in drawn if run == "2027-02"}
    known = {*learned.closed_fills, *(str(o.broker_order_id) for o in learned.orders.values())}
    assert known == {order.id for order in orders}
    moved = {order.symbol: order.filled_qty for order in orders if order.filled_qty}
    assert learned.book.positions == {"XOM": 60, **moved}
    assert all(order.is_cancel_wanted for order in learned.open_orders())


@pytest.mark.parametrize(
    ("saved", "days", "scale"), [("0.5", 0, "0.25"), ("0.1", 31, "0.1"), (None, 31, "0.25")]
)
def test_after_a_restore_real_money_begins_small_and_no_session_is_clean(saved, days, scale):
    had = None if saved is None else D(saved)
    ramp = Ramp(first_buy_at=SAVED, scale=had, clean_days=days, counted_day=date(2027, 1, 19))
    state = replace(saved_state(), ramp=ramp)
    learned = folded(scale_anew(state, D("0.25")), state)
    assert learned.ramp.scale == D(scale)
    assert learned.ramp.clean_days == 0
    assert learned.ramp.counted_day == date(2027, 3, 1)
    assert learned.ramp.unclean
    assert list(scale_anew(learned, D("0.25"))) == []


def test_where_no_real_money_was_used_a_restore_says_nothing_of_a_scale():
    assert list(scale_anew(saved_state(), D("0.25"))) == []
