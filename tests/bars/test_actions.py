from datetime import date

import pytest

from atlas_daemon.bars.actions import Action, ends_of, read_actions
from atlas_daemon.core.brain import SignalsError

DAY = date(2023, 5, 4)
EX = {"process_date": "2023-05-15", "ex_date": "2023-05-04", "cusip": "x", "id": "y"}
EFFECTIVE = {"process_date": "2023-05-05", "effective_date": "2023-05-04"}
PROCESSED = {"process_date": "2023-05-04"}
PAID = date(2023, 5, 15)


def one(group, **told):
    return read_actions({group: [told]})


@pytest.mark.parametrize(
    ("group", "told", "action"),
    [
        (
            "forward_splits",
            EX | {"symbol": "A", "new_rate": 3, "old_rate": 2},
            Action("A", "forward_split", DAY, PAID, ratio=1.5),
        ),
        (
            "reverse_splits",
            EX | {"symbol": "A", "new_rate": 1, "old_rate": 10, "new_symbol": "A"},
            Action("A", "reverse_split", DAY, PAID, ratio=0.1),
        ),
        (
            "stock_dividends",
            EX | {"symbol": "A", "rate": 0.05},
            Action("A", "stock_dividend", DAY, PAID, ratio=1.05),
        ),
        (
            "cash_dividends",
            EX | {"symbol": "A", "rate": 0.125, "special": True, "currency": "USD"},
            Action("A", "cash_dividend", DAY, PAID, cash=0.125),
        ),
        (
            "cash_dividends",
            EX | {"symbol": "A", "rate": 0.125, "currency": "CAD"},
            Action("A", "cash_dividend", DAY, PAID, cash=None),
        ),
        (
            "capital_gains_distributions",
            EX | {"symbol": "A", "long_term_rate": 1.5, "short_term_rate": 0.25},
            Action("A", "capital_gains_distribution", DAY, PAID, cash=1.75),
        ),
        (
            "spin_offs",
            EX | {"source_symbol": "A", "source_rate": 4, "new_symbol": "B", "new_rate": 1},
            Action("A", "spin_off", DAY, PAID, ratio=0.25, cash=None, other="B"),
        ),
        (
            "name_changes",
            PROCESSED | {"old_symbol": "A", "new_symbol": "B"},
            Action("A", "name_change", DAY, DAY, other="B"),
        ),
        (
            "cash_mergers",
            EFFECTIVE | {"acquiree_symbol": "A", "acquirer_symbol": "B", "rate": 50},
            Action("A", "cash_merger", DAY, date(2023, 5, 5)),
        ),
        (
            "unit_splits",
            EFFECTIVE | {"old_symbol": "A", "new_symbol": "B", "new_rate": 1},
            Action("A", "unit_split", DAY, date(2023, 5, 5), other="B"),
        ),
        (
            "rights_distributions",
            EX | {"source_symbol": "A", "new_symbol": "B", "rate": 1},
            Action("A", "rights_distribution", DAY, PAID, other="B"),
        ),
        (
            "worthless_removals",
            PROCESSED | {"symbol": "A"},
            Action("A", "worthless_removal", DAY, DAY),
        ),
        ("kinds_to_come", PROCESSED | {"symbol": "A"}, Action("A", "kinds_to_come", DAY, DAY)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_is_read_in_its_own_words(group, told, action):
    assert one(group, **told) == [action]


UNPRICED = {"unit_split", "rights_distribution", "reorganization", "kinds_to_come"}


@pytest.mark.parametrize(
    ("action", "is_priced", "is_structural"),
    [
        (Action("A", "forward_split", DAY, DAY, ratio=2.0), True, True),
        (Action("A", "reverse_split", DAY, DAY, ratio=0.0), False, True),
        (Action("A", "cash_dividend", DAY, DAY, cash=1.0), True, False),
        (Action("A", "cash_dividend", DAY, DAY, cash=None), False, False),
        (Action("A", "cash_dividend", DAY, DAY, cash=-1.0), False, False),
        (Action("A", "spin_off", DAY, DAY, cash=None, other="B"), False, True),
        (Action("A", "spin_off", DAY, DAY, cash=3.0, other="B"), True, True),
        (Action("A", "name_change", DAY, DAY, other="B"), True, True),
        (Action("A", "cash_merger", DAY, DAY), True, False),
        *((Action("A", kind, DAY, DAY), False, True) for kind in sorted(UNPRICED)),
    ],
)
def test_what_cannot_be_priced_is_known_as_such(action, is_priced, is_structural):
    assert (action.is_priced, action.is_structural) == (is_priced, is_structural)


def test_what_changes_no_price_is_left_out():
    same = PROCESSED | {"old_symbol": "A", "new_symbol": "A", "old_cusip": "1", "new_cusip": "2"}
    assert one("name_changes", **same) == []
    assert one("partial_calls", **PROCESSED, symbol="A") == []


@pytest.mark.parametrize(
    ("group", "told"),
    [
        ("forward_splits", EX | {"symbol": "A", "new_rate": 2, "old_rate": 0}),
        ("forward_splits", EX | {"symbol": "A", "new_rate": 2}),
        ("forward_splits", EX | {"symbol": "A", "new_rate": float("inf"), "old_rate": 1}),
        ("forward_splits", EX | {"symbol": "A", "new_rate": 10**400, "old_rate": 1}),
        ("forward_splits", EX | {"symbol": "A", "new_rate": 0, "old_rate": 1}),
        ("reverse_splits", EX | {"symbol": "A", "new_rate": -1, "old_rate": 10}),
        ("cash_dividends", EX | {"symbol": "A", "rate": float("nan")}),
        ("cash_dividends", EX | {"symbol": "A", "rate": "much"}),
        ("cash_dividends", EX | {"symbol": "A", "rate": 1, "ex_date": "soon"}),
        ("cash_dividends", {"symbol": "A", "rate": 1, "ex_date": "2023-05-04"}),
        ("cash_dividends", EX | {"rate": 1}),
    ],
)
def test_an_action_that_cannot_be_read_is_one_line(group, told):
    with pytest.raises(SignalsError, match="a corporate action that cannot be read") as caught:
        one(group, **told)
    assert "\n" not in str(caught.value)


def test_the_end_of_a_series_is_told_with_its_reason_and_not_before_it():
    actions = [
        Action("FB", "name_change", DAY, DAY, other="META"),
        Action("TWTR", "cash_merger", DAY, DAY),
        Action("KEPT", "cash_dividend", DAY, DAY, cash=1.0),
    ]
    assert ends_of(actions, DAY) == {
        "FB": "renamed to META on 2023-05-04",
        "TWTR": "cash merger on 2023-05-04",
    }
    assert ends_of(actions, date(2023, 5, 3)) == {}
