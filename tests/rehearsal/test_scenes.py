from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import CalendarRangeError
from atlas_daemon.core.state import Book, State
from atlas_daemon.core.values import Account, Asset, Position, Symbol
from atlas_daemon.rehearsal.scenes import (
    Desk,
    from_now,
    made_up_scene,
    on_date,
    real_scene,
    recorded,
)
from tests.rehearsal.builders import WHEN, an_answer

POLICY = Policy()


@pytest.mark.parametrize(
    ("asked", "order", "signal"),
    [
        (date(2024, 2, 1), date(2024, 2, 1), date(2024, 1, 31)),
        (date(2020, 3, 15), date(2020, 3, 16), date(2020, 3, 13)),
        (date(2026, 2, 1), date(2026, 2, 2), date(2026, 1, 30)),
    ],
)
def test_a_date_means_the_first_session_on_or_after_it(asked, order, signal):
    when = on_date(asked, POLICY)
    assert (when.order.day, when.signal.day, when.is_now) == (order, signal, False)
    assert when.at.isoformat().endswith(":35:01+00:00")


def test_a_date_beyond_the_calendar_is_an_error():
    with pytest.raises(CalendarRangeError):
        on_date(date(2031, 1, 1), POLICY)


@pytest.mark.parametrize(
    ("now", "order", "is_now"),
    [
        (datetime(2024, 2, 1, 3, 0, tzinfo=UTC), date(2024, 2, 1), False),  # 22:00 on 31 January
        (datetime(2024, 2, 1, 14, 34, 59, tzinfo=UTC), date(2024, 2, 1), False),
        (datetime(2024, 2, 1, 14, 35, tzinfo=UTC), date(2024, 2, 1), True),
        (datetime(2024, 2, 1, 20, 15, tzinfo=UTC), date(2024, 2, 1), True),
        (datetime(2024, 2, 1, 21, 0, tzinfo=UTC), date(2024, 2, 2), False),
        (datetime(2024, 2, 2, 22, 0, tzinfo=UTC), date(2024, 2, 5), False),
        (datetime(2024, 2, 3, 15, 0, tzinfo=UTC), date(2024, 2, 5), False),
    ],
)
def test_now_means_the_run_that_could_start_next(now, order, is_now):
    when = from_now(now, POLICY)
    assert (when.order.day, when.is_now) == (order, is_now)
    assert when.signal.closes_at <= now
    assert (when.at == now) is is_now


def test_too_late_for_today_and_too_early_for_the_next_is_said():
    with pytest.raises(AtlasError, match=r"too late for a run today \(2699 s are left, limit 2700"):
        from_now(datetime(2024, 2, 1, 20, 15, 1, tzinfo=UTC), POLICY)


def test_a_holding_without_a_close_is_named():
    with pytest.raises(AtlasError, match="no as-traded close on 2024-01-31 of XYZ"):
        made_up_scene(WHEN, an_answer(), Decimal(1), {"XYZ": Decimal(1)})


def test_without_a_journal_nothing_was_bought(tmp_path):
    told = recorded(tmp_path / "journal.db", datetime(2024, 2, 1, tzinfo=UTC))
    assert told.book.bought == {}
    assert told.ramp.scale is None


SPLIT = an_answer(
    closes={"AAA": Decimal("25"), "BBB": Decimal("950"), "SPY": Decimal(480)},
    splits={"AAA": Decimal("4.0"), "BBB": Decimal("0.1")},
)
"""AAA closed at 100 and splits 4:1 before the order session, BBB at 95 and ten become one."""


def test_what_is_held_counts_in_the_shares_of_the_order_session():
    held = {"AAA": Decimal(40), "BBB": Decimal(25), "SPY": Decimal(1)}
    scene = made_up_scene(WHEN, SPLIT, Decimal(1000), held)
    assert {p.symbol: (p.qty, p.price) for p in scene.positions} == {
        "AAA": (160, 25),
        "BBB": (Decimal("2.5"), 950),
        "SPY": (1, 480),
    }
    # 40 x 100 and 25 x 95 before, and 480: a split makes nobody richer.
    assert scene.account.equity == 1000 + 4000 + 2375 + 480
    assert scene.bought == {"AAA": 160, "BBB": Decimal("2.5"), "SPY": 1}
    assert scene.notes == (
        "40 AAA held are 160 after the split",
        "25 BBB held are 2.5 after the split",
    )


class Clerk:
    """Knows every asset, as the broker's client would."""

    async def get_asset(self, symbol):
        return Asset(symbol, tradable=True, fractionable=True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("theirs", "expected", "notes"),
    [
        # The evening before: the broker still counts old shares. On the morning it has booked them.
        ((40, "100.40"), (160, "25.10"), ("40 AAA held are 160 after the split",)),
        ((160, "25.10"), (160, "25.10"), ()),
    ],
)
async def test_an_account_between_the_sessions_counts_in_new_shares_once(theirs, expected, notes):
    qty, price = Decimal(theirs[0]), Decimal(theirs[1])
    position = Position(Symbol("AAA"), qty, Decimal(80), qty_available=qty, price=price)
    account = Account("1", "ACTIVE", Decimal(5000), Decimal(1000), Decimal(1000))
    desk = Desk(account, (position,), ())
    told = State(now=WHEN.at, book=Book(bought={Symbol("AAA"): qty}))
    scene = await real_scene(WHEN, desk, SPLIT, Clerk(), None, told)
    (got,) = scene.positions
    assert (got.qty, got.qty_available, got.price) == (*[expected[0]] * 2, Decimal(expected[1]))
    assert got.value == position.value
    assert got.qty * got.avg_entry_price == qty * 80
    assert scene.bought == {"AAA": 160}
    assert scene.notes == notes
