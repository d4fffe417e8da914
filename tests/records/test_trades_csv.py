import csv
import io
from dataclasses import astuple

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.core import events as e
from atlas_daemon.core.values import OrderType, Side
from atlas_daemon.journal.codec import EVENT_KINDS
from atlas_daemon.records.trades_csv import COLUMNS, Row, header, rows, seen, text_of
from tests.journal.catalogue import an_event

from .builders import a_day, a_draft, approved, entries, filled, stepped, submitted


def told(found):
    orders, result = {}, []
    for entry in found:
        result += rows(entry, orders)
        order = seen(orders, entry)
        if order is not None:
            orders[order.draft.order_id] = order
    return result


def short(row):
    return (row.action, row.symbol, row.qty, row.price, row.order_id, row.status, row.error)


def test_the_columns_are_the_seeds_and_then_ours():
    assert header() == (
        "timestamp,symbol,action,qty,price,order_type,order_id,status,error,"
        "expected_price,fill_price,fill_qty,commission,client_order_id,run\n"
    )


def test_a_day_is_told_row_by_row():
    assert [short(row) for row in told(a_day())] == [
        ("SELL", "AAPL", "4", "", "", "submitted", ""),
        ("FILL", "AAPL", "4", "187.5", "b-1", "filled", ""),
        ("BUY", "SPY", "10", "450.25", "", "submitted", ""),
        ("FILL", "SPY", "6", "450.30", "b-2", "partially_filled", ""),
        ("FILL", "SPY", "4", "450.40", "b-2", "filled", ""),
        ("BUY", "MSFT", "10", "450.25", "", "submitted", ""),
        ("FILL", "MSFT", "2", "450.25", "b-3", "partially_filled", ""),
        ("CANCEL", "MSFT", "10", "450.25", "b-3", "canceled", ""),
        ("BUY", "NVDA", "3", "450.25", "", "submitted", ""),
        ("UNKNOWN", "NVDA", "3", "450.25", "", "unknown", "timed out after 30 s"),
        ("BUY", "NVDA", "3", "450.25", "", "submitted", ""),
        ("UNKNOWN", "NVDA", "3", "450.25", "", "unknown", "503"),
        ("LAPSE", "NVDA", "3", "450.25", "", "lapsed", "not found twice"),
        (
            "REJECT",
            "XOM",
            "10",
            "450.25",
            "",
            "rejected",
            'position_size: too big, "much"\nreally (actual 16 %, limit 15 %)',
        ),
        ("BUY", "BRK.B", "10", "450.25", "", "submitted", ""),
        ("REJECT", "BRK.B", "10", "450.25", "", "rejected", "insufficient, buying power"),
    ]


def test_a_fill_row_carries_this_executions_figures_beside_the_expected_price():
    (row,) = [row for row in told(a_day()) if row.qty == "6"]
    assert astuple(row) == (
        "2027-02-01 09:35:50",
        "SPY",
        "FILL",
        "6",
        "450.30",
        "market",
        "b-2",
        "partially_filled",
        "",
        "450.25",
        "450.30",
        "6",
        "0",
        "atlas-2027-02-r1-buy-SPY-1",
        "2027-02",
    )


def test_a_cancel_row_carries_what_had_been_filled():
    (row,) = [row for row in told(a_day()) if row.action == "CANCEL"]
    assert (row.fill_qty, row.fill_price, row.commission) == ("2", "", "")


@pytest.mark.parametrize(
    ("status", "action", "written"),
    [
        ("canceled", "CANCEL", "canceled"),
        ("expired", "EXPIRE", "expired"),
        ("replaced", "REPLACE", "replaced"),
        ("rejected", "REJECT", "rejected"),
        ("refused", "REJECT", "rejected"),
        ("unknown", "UNKNOWN", "unknown"),
        ("lapsed", "LAPSE", "lapsed"),
        ("withheld", "WITHHELD", "withheld"),
    ],
)
def test_every_end_and_every_doubt_is_a_row_of_its_own(status, action, written):
    draft = a_draft()
    step = stepped(draft, status, "because")
    found = told(entries(approved(draft), submitted(draft), step, step))
    assert [(row.action, row.status, row.error) for row in found[1:]] == [
        (action, written, "because")
    ]


@pytest.mark.parametrize("status", ["sending", "working", "canceling", "filled"])
def test_a_step_that_ends_nothing_is_no_row(status):
    draft = a_draft()
    assert told(entries(approved(draft), stepped(draft, status))) == []


def test_a_limit_order_is_told_at_its_limit():
    draft = a_draft(order_type=OrderType.LIMIT, limit_price=a_draft().expected_price + 2)
    (row,) = told(entries(approved(draft), submitted(draft)))
    assert (row.price, row.expected_price, row.order_type) == ("452.25", "450.25", "limit")


def test_an_order_approved_again_is_told_at_its_new_price():
    first = a_draft()
    again = a_draft(expected_price=first.expected_price + 1)
    found = told(
        entries(
            approved(first),
            submitted(first),
            stepped(first, "unknown", broker_id="b-9"),
            approved(again),
            submitted(again, 2),
            filled(again, "10", "451.30", complete=True),
        )
    )
    assert [(row.expected_price, row.order_id) for row in found[2:]] == [
        ("451.25", "b-9"),
        ("451.25", "b-9"),
    ]


def test_a_fill_of_an_order_that_nobody_approved_is_told_all_the_same():
    draft = a_draft("KO", Side.SELL)
    (row,) = told(entries(filled(draft, "10", "61", complete=True)))
    assert (row.symbol, row.fill_price, row.client_order_id) == ("KO", "61", draft.order_id)
    assert told(entries(submitted(draft), stepped(draft, "canceled"))) == []


@pytest.mark.parametrize("name", sorted(EVENT_KINDS))
def test_no_event_makes_the_rows_fall_over(name):
    @settings(max_examples=5, deadline=None, derandomize=True)
    @given(an_event(EVENT_KINDS[name]))
    def holds(event):
        told(entries(event, event))

    holds()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]) | st.sampled_from(",\"\n'")))
def test_any_reason_survives_pandas(reason):
    draft = a_draft()
    text = header() + text_of(told(entries(e.OrderRefused(draft, "rule", "1", "2", reason))))
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False)
    assert tuple(frame.columns) == COLUMNS
    assert frame.shape == (1, 15)
    cells = next(csv.DictReader(io.StringIO(text, newline="")))
    assert frame.error[0] == cells["error"]
    if not set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(reason):
        assert frame.error[0] == f"rule: {reason} (actual 1, limit 2)"


def test_what_is_not_seen_is_spelled_out_in_a_cell():
    row = Row(timestamp="t", symbol="S", action="A", qty="1", status="s", error="a\0b\rc\x1b[0m\td")
    assert "a\\x00b\\rc\\x1b[0m\\td" in text_of([row])


def test_the_seeds_analysis_runs_as_written(tmp_path, capsys):
    path = tmp_path / "trades_2025-11-18.csv"
    path.write_text(header() + text_of(told(a_day())))
    trades = pd.read_csv(path)
    trades["slippage"] = trades["fill_price"] - trades["expected_price"]
    assert trades["slippage"].mean() == pytest.approx((0.05 + 0.15 + 0) / 3)
    rejections = trades[trades["status"] == "rejected"]
    print(f"Rejection rate: {len(rejections) / len(trades):.1%}")
    print(f"Rejection reasons: {rejections['error'].value_counts()}")
    said = capsys.readouterr().out
    assert "Rejection rate: 12.5%" in said
    assert "insufficient, buying power" in said
