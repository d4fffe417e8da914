"""What every client must have parsed, step by step: one story, the same values for all of them.

The world is the one of `walks`: 5 SPY at 50, 10,000 dollars, SPY 99.90/100.00, CHEAP 9.90/10.00,
noon of Thursday 1 February 2024 in New York. `None` as a code is a refusal that carries none.
"""

from typing import Any


def refused(status: int, code: int | None, message: str) -> dict[str, Any]:
    """What a client tells of a refusal."""
    return {"refused": {"status": status, "code": code, "message": message}}


def seen(**values: object) -> dict[str, Any]:
    """What a client parsed of an answer, or of what the stream said."""
    return {"saw": values}


STORY: dict[str, dict[str, Any]] = {
    # Account, clock, calendar, assets, holdings.
    "account": seen(
        status="ACTIVE",
        cash="10000",
        equity="10499.75",
        buying_power="41499.25",
        multiplier="4",
        trading_blocked=False,
    ),
    "clock": seen(is_open=True, next_open="2024-02-02T14:30", next_close="2024-02-01T21:00"),
    "calendar": seen(
        days=[
            "2024-11-25 09:30 16:00",
            "2024-11-26 09:30 16:00",
            "2024-11-27 09:30 16:00",
            "2024-11-29 09:30 13:00",
        ]
    ),
    "assets": seen(symbols=["SPY", "CHEAP", "RIGID"]),
    "asset": seen(
        symbol="SPY", asset_class="us_equity", status="active", tradable=True, fractionable=True
    ),
    "positions": seen(symbols=["SPY"]),
    "position": seen(
        side="long",
        qty="5",
        qty_available="5",
        avg_entry_price="50",
        market_value="499.75",
        cost_basis="250",
    ),
    # The account's own latch.
    "configurations": seen(suspend_trade=False, max_margin_multiplier="4"),
    "suspend": seen(suspend_trade=True),
    "suspended": refused(403, 40310000, "new orders are rejected by user request"),
    "resume": seen(suspend_trade=False),
    # Orders out, fills and cancels back over the stream.
    "market_order": seen(
        status="pending_new", type="market", side="buy", time_in_force="day", qty="1"
    ),
    "market_fill": seen(qty="1", price="100", position_qty="6", status="filled", filled_qty="1"),
    "order_by_client_id": seen(is_same=True, filled_avg_price="100"),
    "order_by_id": seen(status="filled", filled_qty="1", client_order_id="market"),
    "cancel_late": refused(422, 42210000, 'order is already in "filled" state'),
    "limit_order": seen(status="pending_new", type="limit", limit_price="80.25", qty="2"),
    "open_orders": seen(client_order_ids=["limit"]),
    "cancel": seen(status="canceled", filled_qty="0"),
    "notional_order": seen(notional="250", qty=None),
    "notional_fill": seen(position_qty="8.5", filled_qty="2.5"),
    "partial_fills": seen(
        events=["fill", "partial_fill"], sum="20", filled_qty="20", filled_avg_price="10"
    ),
    "too_many_shares": refused(
        403, 40310000, "insufficient qty available for order (requested: 100, available: 8.5)"
    ),
    # Replace, wash trade, cancel all, close, stops.
    "replace": seen(is_successor=True, qty="3", limit_price="8.5"),
    "replaced": seen(knows_successor=True, status="replaced"),
    "wash_trade": refused(403, 40310000, "potential wash trade detected. use complex orders"),
    "cancel_all": seen(statuses=[200], is_new=True),
    "close_position": seen(type="market", side="sell", qty="2"),
    "close_fill": seen(position_qty="6.5"),
    "stop_order": seen(type="stop", stop_price="90"),
    "trailing_order": seen(type="trailing_stop", stop_price="94.95", hwm="99.95"),
    "close_reserved": refused(
        403, 40310000, "insufficient qty available for order (requested: 6.5, available: 4.5)"
    ),
    "cancel_stops": seen(statuses=[200, 200]),
    # What has been, and everything sold.
    "activities": seen(total={"buy CHEAP": "20", "buy SPY": "3.5", "sell SPY": "2"}),
    "activities_of_kind": seen(is_same=True, symbol="SPY"),
    "portfolio_history": seen(timeframe="1D", is_even=True),
    "close_all": seen(symbols=["CHEAP", "SPY"], statuses=[200, 200]),
    "flat": seen(is_all_cash=True),
    # Refusals, in Alpaca's words.
    "no_buying_power": refused(403, 40310000, "insufficient buying power"),
    "no_shares": refused(403, 40310000, "account is not allowed to short"),
    "duplicate": refused(422, 40010001, "client_order_id must be unique"),
    "unknown_symbol": refused(422, 40010001, 'could not find asset "NOPE"'),
    "sub_penny": refused(
        422,
        42210000,
        "invalid limit_price 80.255. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "not_fractionable": refused(403, 40310000, 'asset "RIGID" is not fractionable'),
    "unknown_order": refused(
        404, 40410000, "order not found for 00000000-0000-0000-0000-000000000001"
    ),
    "unknown_client_id": refused(404, 40410000, "order not found for never-sent"),
    "unknown_position": refused(404, 40410000, "position does not exist"),
    "unknown_asset": refused(404, 40410000, "asset not found for NOPE"),
    "bad_key": refused(401, None, "unauthorized."),
    # Prices.
    "bars": seen(counts={"CHEAP": 21, "SPY": 21}, first="2024-01-02T05:00", close="99.95"),
    "recent_sip": refused(403, None, "subscription does not permit querying recent SIP data"),
    "quotes": seen(bid="99.9", ask="100"),
    "trades": seen(price="99.95"),
    "latest_bars": seen(at="2024-01-31T05:00"),
    "snapshots": seen(daily="2024-01-31T05:00", before="2024-01-30T05:00"),
    "corporate_actions": seen(split=["CHEAP", "2", "1"], dividend=["SPY", "1.5", "2024-01-15"]),
}

OWN_WAYS: dict[tuple[str, str], dict[str, Any]] = {
    # The retired client drops the answer to a cancel of everything.
    ("alpaca-trade-api", "cancel_all"): seen(told=None),
    ("alpaca-trade-api", "cancel_stops"): seen(told=None),
}

NO_SUCH_CALL = frozenset({("alpaca-trade-api", "corporate_actions")})


def expected(client: str, step: str) -> list[dict[str, Any]]:
    """What this client says at this step: one line, or none where it has no such call."""
    if (client, step) in NO_SUCH_CALL:
        return []
    return [{"step": step} | OWN_WAYS.get((client, step), STORY[step])]
