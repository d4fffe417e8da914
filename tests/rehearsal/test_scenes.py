from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.sessions import CalendarRangeError
from atlas_daemon.rehearsal.scenes import bought_by, from_now, made_up_scene, on_date
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
    assert bought_by(tmp_path / "journal.db", datetime(2024, 2, 1, tzinfo=UTC)) == {}
