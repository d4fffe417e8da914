"""The account against its benchmark: what is gained, what was paid in, and what nobody saw."""

from datetime import date

import pytest

from atlas_daemon.dashboard.page import section_of
from atlas_daemon.dashboard.page.equity import account_curve, benchmark_curve


def a_point(day, equity="1000", benchmark="500", flow="0"):
    return {"day": day, "equity": equity, "cash": "0", "benchmark": benchmark, "flow": flow}


def an_equity(*points, regimes=(), slots=()):
    told = {"regimes": list(regimes), "slots": list(slots)}
    return {"benchmark": "SPY", "points": list(points)} | told


def shown(*points, **more):
    return section_of("chart", {"equity": an_equity(*points, **more)})


def values(curve):
    return [[float(round(value, 4)) for _, value in piece] for piece in curve.pieces]


def test_the_first_day_is_a_hundred():
    points = [a_point("2026-01-05", "800"), a_point("2026-01-06", "880")]
    assert values(account_curve(points)) == [[100, 110]]


@pytest.mark.parametrize(
    ("equity", "flow"), [("2100", "1000"), ("600", "-500"), ("1100", "0")], ids=str
)
def test_what_is_paid_in_or_out_is_neither_gain_nor_loss(equity, flow):
    points = [a_point("2026-01-05"), a_point("2026-01-06", equity, flow=flow)]
    assert values(account_curve(points)) == [[100, 110]]


def test_flows_that_nobody_knows_are_left_in_and_counted():
    points = [a_point("2026-01-05", flow=None), a_point("2026-01-06", "2000", flow=None)]
    curve = account_curve(points)
    assert (values(curve), curve.unknown_flows) == ([[100, 200]], 1)
    assert "The deposits and withdrawals of 1 day are not known" in shown(*points)


def test_over_a_silence_of_more_than_a_long_weekend_no_line_goes():
    days = ("2026-01-02", "2026-01-06", "2026-01-12")  # Friday to Tuesday, then six days
    assert values(account_curve([a_point(day) for day in days])) == [[100, 100], [100]]


def test_what_was_paid_in_on_a_day_nobody_saw_is_taken_out_on_the_next():
    points = [
        a_point("2026-01-05"),
        a_point("2026-01-06", None, flow="400"),
        a_point("2026-01-07", "1500", flow="100"),
    ]
    assert values(account_curve(points)) == [[100], [100]]


def test_an_equity_nobody_saw_is_a_gap_and_no_zero():
    points = [a_point("2026-01-05"), a_point("2026-01-06", None), a_point("2026-01-07", "1100")]
    assert values(account_curve(points)) == [[100], [110]]
    assert "$0" not in shown(*points)


def test_an_account_that_was_empty_goes_on_from_where_it_was():
    points = [
        a_point("2026-01-05", "1000"),
        a_point("2026-01-06", "0", flow="-1000"),
        a_point("2026-01-07", "500", flow="500"),
        a_point("2026-01-08", "550"),
    ]
    assert values(account_curve(points)) == [[100, 100], [100, 110]]
    paid_out = [a_point("2026-01-05"), a_point("2026-01-06", "100", flow="-900")]
    assert account_curve(paid_out).latest == 100


def test_the_benchmark_begins_where_the_account_stands_when_its_price_is_first_known():
    points = [
        a_point("2026-01-05", "1000", None),
        a_point("2026-01-06", "1200", "400"),
        a_point("2026-01-07", "1200", "440"),
    ]
    account = account_curve(points)
    assert values(benchmark_curve(points, account)) == [[120, 132]]


def test_a_change_that_is_not_known_over_the_whole_reach_says_over_which():
    points = [
        a_point("2026-01-05", "1000", None),
        a_point("2026-01-06", "1200", "400"),
        a_point("2026-01-07", "1200", "440"),
        a_point("2026-01-08", "1320", None),
    ]
    text = shown(*points)
    assert "Account +32.0%</li>" in text
    assert "SPY +10.0% from Jan 6, 2026 to Jan 7, 2026</li>" in text
    unseen = [*points[:3], a_point("2026-01-08", None, "440")]
    assert "Account +20.0% to Jan 7, 2026</li>" in shown(*unseen)


def test_where_nothing_was_left_growth_is_told_no_further():
    for nothing in ("0", "-500"):
        points = [
            a_point("2026-01-05"),
            a_point("2026-01-06", nothing),
            a_point("2026-01-07", "800", flow="1300"),
            a_point("2026-01-08", "880"),
        ]
        assert account_curve(points).lost_on == date(2026, 1, 6)
        text = shown(*points)
        assert "Nothing was left on Jan 6, 2026: growth from there cannot be told." in text
        assert "to Jan 6, 2026</li>" in text


def test_a_benchmark_nobody_priced_is_unknown():
    text = shown(a_point("2026-01-05", "1000", None), a_point("2026-01-06", "1100", None))
    assert "SPY unknown" in text
    assert "Account +10.0%" in text


def test_without_a_mark_it_says_so():
    assert "No day&#x27;s equity is on record yet" in shown()
    assert "No day&#x27;s equity is on record yet" in section_of("chart", {})


def test_one_day_is_shown_as_one_day():
    text = shown(a_point("2026-01-05"))
    assert "Jan 5, 2026; the first day&#x27;s close is 100" in text
    assert "since a rebalance begins at the rebalance&#x27;s end" in text  # as status counts
    assert "Account +0.0%" in text


def test_the_table_has_the_latest_days_then_ends_of_months_and_the_first_day():
    days = [date(2025, month, day) for month in (10, 11, 12) for day in range(1, 29)]
    text = shown(*(a_point(day.isoformat()) for day in days))
    rows = [line.split("</th>")[0] for line in text.split('<th scope="row">')[1:]]
    assert rows == [
        *(f"Dec {day}, 2025" for day in (28, 27, 26, 25, 24)),
        *("Nov 28, 2025", "Oct 28, 2025", "Oct 1, 2025"),
    ]


def test_regimes_slots_and_flows_are_named_beside_the_drawing():
    text = shown(
        a_point("2026-01-05"),
        a_point("2026-01-06", "1500", flow="500"),
        regimes=[
            {"from": "2026-01-02", "to": "2026-01-05", "regime": "TREND_BULL"},
            {"from": "2026-01-06", "to": None, "regime": "CRASH"},
        ],
        slots=[{"day": "2026-01-06", "run": "crash-20260106", "outcome": "done"}],
    )
    for said in (
        "2026-01-06 to now: CRASH",
        "2026-01-06: rebalance crash-20260106, done",
        "<title>$500.00 paid in, 2026-01-06</title>",
        "Paid in or out",
        "Bull",
        "Crash",
    ):
        assert said in text


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity", "x", "1e400"])
def test_a_figure_that_is_none_is_not_drawn(figure):
    text = shown(a_point("2026-01-05"), a_point("2026-01-06", figure, figure, figure))
    assert "nan" not in text.lower()
