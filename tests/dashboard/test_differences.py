"""A section that looks different is named: on whatever way the state got there."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import BrokerOrderId, Regime
from atlas_daemon.core.views import status_of
from atlas_daemon.dashboard.differences import SHOWN_BY, differing, look_at
from atlas_daemon.dashboard.page import SECTIONS, section_of
from tests.control.desk import Desk, position, settings_in

WHOLE = {"held": (), "cash": "10000", "equity": "10000", "regime": Regime.TREND_BULL}


def look(desk: Desk):
    return look_at(
        *(desk.state, desk.chronicle, desk.now()),
        policy=desk.policy,
        fault=desk.fault,
        deliveries=(),
    )


def views(desk: Desk):
    chronicle = desk.chronicle
    return {
        "equity": chronicle.equity(),
        "rebalances": chronicle.rebalances(),
        "tail": chronicle.tail(),
    }


def seen(state, desk: Desk, past) -> dict[str, str]:
    view = status_of(state, desk.policy, desk.now(), fault=desk.fault) | past
    return {name: section_of(name, view) for name in SECTIONS}


def story(desk: Desk) -> Iterator[None]:
    """A life with a bit of everything; a step at each yield."""

    def steps(*events: e.Event) -> Iterator[None]:
        for event in events:
            desk.take(event)
            yield
            desk.settle()
            yield

    def passes(seconds: float) -> Iterator[None]:
        desk.clock.at += timedelta(seconds=seconds)
        yield from steps(e.Ticked())

    yield from steps(
        e.StreamReported("lost", "reset"),
        e.StreamReported("listening"),
        e.FetchFailed("quotes", "503"),
        e.RegimeReported(Regime.TREND_NEUTRAL, desk.now().date(), "control"),
        e.DoctorReported((Finding("disk", Level.RED, "3 GB left"),), "rehearsal"),
        e.AlertRaised("error", "k", "look"),
        e.EquityMarked(desk.now().date(), Decimal(9990), Decimal(9990), Decimal(480)),
        e.RebalanceRequested("ann", force=True),
    )
    for _ in range(3):
        yield from passes(5)
    (order,) = desk.state.orders.values()
    draft = order.draft
    about = (draft.order_id, BrokerOrderId("b-1"), draft.symbol, draft.side, draft.qty)
    half = Decimal(int(draft.qty / 2))
    yield from steps(
        e.SubmitUnconfirmed(draft.order_id, "timeout"),
        e.OrderReported(*about, "new", Decimal(0), None, "lookup"),
        e.OrderFilled(*about, "x1", half, Decimal(100), half, None, "partially_filled"),
        e.OrderFilled(*about, "x2", draft.qty - half, Decimal(100), draft.qty, None, "filled"),
    )
    desk.held, desk.cash = (position("AAPL", f"{draft.qty:f}", "1500", "101"),), Decimal(8500)
    for _ in range(4):
        yield from passes(5)
    yield from steps(e.StopRequested("ann", "test"), desk.snapshot(), e.LatchFailed("no disk"))
    yield from passes(30)
    yield from steps(e.ResumeRequested("ann"), e.RequestDenied("rebalance", "mode", "halted"))
    for _ in range(3):
        yield from passes(60)


def test_a_section_that_looks_different_is_named(tmp_path):
    desk = Desk(settings_in(tmp_path), **WHOLE).open()
    named, shown = set(), set()
    state, past, before = desk.state, views(desk), look(desk)
    for _ in story(desk):
        now = look(desk)
        told = differing(before, now)
        # What only grew older looks different too, and is not meant: both are shown as of now.
        was, is_ = seen(state, desk, past), seen(desk.state, desk, views(desk))
        looks_different = {name for name in SECTIONS if was[name] != is_[name]}
        assert looks_different <= told, (looks_different - told, desk.chronicle.tail()[:3])
        named |= told
        shown |= looks_different
        state, past, before = desk.state, views(desk), now
    desk.journal.close()
    assert shown >= SECTIONS.keys() - {"ramp"}


def test_nothing_is_named_where_nothing_happened(tmp_path):
    desk = Desk(settings_in(tmp_path), **WHOLE).open()
    before = look(desk)
    desk.clock.at += timedelta(seconds=1)
    assert differing(before, look(desk)) == frozenset()
    desk.journal.close()


def test_every_section_that_is_named_exists_and_every_section_is_named_by_something():
    named = {section for sections in SHOWN_BY.values() for section in sections}
    assert named == set(SECTIONS)
