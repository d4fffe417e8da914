from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from atlas_daemon.bars.frame import BarRows, as_decimal, as_price, build_frame, day_number, day_of

MONDAY, TUESDAY = date(2024, 1, 29), date(2024, 1, 30)


def rows(*bars):
    """Rows of (day, symbol index, close)."""
    closes = np.array([close for _, _, close in bars], dtype=float)
    return BarRows(
        day=np.array([day_number(day) for day, _, _ in bars], dtype=np.int32),
        symbol=np.array([symbol for _, symbol, _ in bars], dtype=np.int64),
        high_total=closes,
        close_total=closes,
        close_traded=closes,
        volume=closes,
        value=closes,
        action=np.zeros(len(bars), dtype=bool),
    )


def test_rows_in_any_order_come_out_oldest_session_first():
    bars = build_frame("made up", ["AAA", "BBB"], rows((TUESDAY, 1, 4.0), (MONDAY, 0, 1.0)))
    assert [day_of(day) for day in bars.sessions] == [MONDAY, TUESDAY]
    assert bars.close_total[bars.row(MONDAY), bars.column("AAA")] == 1.0
    assert bars.present.tolist() == [[True, False], [False, True]]
    assert np.isnan(bars.close_total[0, 1])


def test_a_day_with_two_bars_is_named():
    bars = build_frame("made up", ["AAA"], rows((MONDAY, 0, 1.0), (MONDAY, 0, 2.0)))
    assert bars.duplicates == (("AAA", MONDAY),)


def test_a_session_on_which_only_others_traded_has_a_row():
    bars = build_frame("made up", ["AAA"], rows((MONDAY, 0, 1.0)), [day_number(TUESDAY)])
    assert bars.row(TUESDAY) == 1
    assert not bars.present[1, 0]


def test_unknown_days_and_symbols_have_no_place():
    bars = build_frame("made up", ["AAA"], rows((MONDAY, 0, 1.0)))
    assert bars.row(TUESDAY) is None
    assert bars.row(date(2024, 1, 1)) is None
    assert bars.column("BBB") is None


def test_a_frame_of_no_rows_is_lawful():
    bars = build_frame("made up", ["AAA"], rows())
    assert bars.present.shape == (0, 1)
    assert bars.row(MONDAY) is None


@pytest.mark.parametrize(
    ("number", "price"),
    [
        (489.200012, Decimal("489.2")),
        (615.2700042, Decimal("615.27")),
        (9000.1504, Decimal("9000.15")),
        (0.12345, Decimal("0.1235")),
        (1.0, Decimal("1.0")),
    ],
)
def test_an_as_traded_price_stands_on_its_tick(number, price):
    assert as_price(number) == price


def test_a_float_leaves_as_a_decimal_of_six_places():
    assert as_decimal(0.1 + 0.2) == Decimal("0.3")
