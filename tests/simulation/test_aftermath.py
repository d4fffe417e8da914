"""What tier C would say of a broker's log that must not be: each rule fires."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.simulation import aftermath


def _order(number: int, symbol: str, side: str, at_s: int, ended_s: int | None) -> dict:
    def when(seconds: int | None) -> str | None:
        moment = aftermath.FAR_PAST + timedelta(seconds=seconds or 0)
        return None if seconds is None else moment.isoformat()

    return {
        "client_order_id": f"atlas-2026-02-r1-{side}-{symbol}-{number}",
        "symbol": symbol,
        "side": side,
        "submitted_at": when(at_s),
        **dict.fromkeys(aftermath.ENDS),
        "filled_at": when(ended_s),
    }


SELL, BUY = _order(1, "IBM", "sell", 1, 3), _order(1, "AAPL", "buy", 4, 6)


def test_sells_and_then_buys_each_once_are_in_order() -> None:
    assert list(aftermath._sent_once([SELL, BUY])) == []
    assert list(aftermath._sells_before_buys([SELL, BUY])) == []


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        ([BUY, BUY], "is there 2 times"),
        ([BUY, _order(2, "AAPL", "buy", 5, 7)], "two live orders"),
        ([SELL, _order(1, "AAPL", "buy", 4, None)], "is still open"),
    ],
)
def test_an_id_seen_twice_and_two_orders_at_once_are_breaches(orders, words) -> None:
    assert any(words in text for text in aftermath._sent_once(orders))


def test_a_buy_that_came_while_a_sell_was_open_is_a_breach() -> None:
    early = _order(1, "AAPL", "buy", 2, 6)
    assert len(list(aftermath._sells_before_buys([SELL, early]))) == 1


def test_an_order_that_no_journal_has_is_a_breach() -> None:
    assert len(list(aftermath._written_first([SELL], []))) == 1


def test_an_order_submitted_while_halted_is_a_breach() -> None:
    e = aftermath.e
    events = [e.TradingHalted("somebody", ""), e.OrderSubmitted(SELL["client_order_id"], 1)]
    entries = [e.Entry(n, aftermath.FAR_PAST, None, event) for n, event in enumerate(events, 1)]
    (text,) = aftermath._written_first([SELL], entries)
    assert "while halted" in text
    assert list(aftermath._written_first([SELL], entries[::-1])) == []


def test_a_purchase_on_credit_is_a_breach() -> None:
    fill = {"symbol": "AAPL", "qty": "2", "price": "60", "side": "buy"}
    assert list(aftermath._cash_was_there([fill], Decimal(120))) == []
    assert len(list(aftermath._cash_was_there([fill], Decimal(119)))) == 1


def test_a_book_that_is_not_the_brokers_is_a_breach() -> None:
    state = aftermath.State(now=aftermath.FAR_PAST)
    state = replace(state, book=replace(state.book, cash=Decimal(100)))
    order = SELL | {"filled_qty": "0"}

    def found(**account: object) -> list[str]:
        theirs = {"cash": "100", "positions": {}} | account
        return list(aftermath._fold_is_the_brokers(state, [], [order], theirs))

    assert found() == []
    assert "the book has cash" in found(cash="99.98")[0]
    assert "the book has {}" in found(positions={"IBM": "1"})[0]
    order["filled_qty"] = "1"
    assert "not what was booked" in found()[0]
