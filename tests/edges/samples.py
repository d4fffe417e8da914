"""Bodies in Alpaca's shape, with overrides."""

from typing import Any

ORDER_ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"


def an_order(**changes: Any) -> dict[str, Any]:
    return {
        "asset_class": "us_equity",
        "asset_id": "b28f4066-5c6d-479b-a2af-85dc1a8f16fb",
        "canceled_at": None,
        "client_order_id": "atlas-2027-02-r1-buy-SPY-1",
        "created_at": "2027-02-01T14:35:00.123456789Z",
        "expired_at": None,
        "expires_at": "2027-02-01T21:00:00Z",
        "extended_hours": False,
        "failed_at": None,
        "filled_at": None,
        "filled_avg_price": None,
        "filled_qty": "0",
        "hwm": None,
        "id": ORDER_ID,
        "legs": None,
        "limit_price": None,
        "notional": None,
        "order_class": "",
        "order_type": "market",
        "position_intent": "buy_to_open",
        "qty": "10",
        "replaced_at": None,
        "replaced_by": None,
        "replaces": None,
        "side": "buy",
        "source": None,
        "status": "pending_new",
        "stop_price": None,
        "submitted_at": "2027-02-01T14:35:00.1Z",
        "subtag": None,
        "symbol": "SPY",
        "time_in_force": "day",
        "trail_percent": None,
        "trail_price": None,
        "type": "market",
        "updated_at": "2027-02-01T14:35:00Z",
    } | changes


def an_account(**changes: Any) -> dict[str, Any]:
    return {
        "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
        "account_number": "PA3XYZ",
        "status": "ACTIVE",
        "equity": "100023.32",
        "last_equity": "100000",
        "cash": "50000.01",
        "buying_power": "400023.32",
        "multiplier": "4",
        "trading_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "user_configurations": None,
        "admin_configurations": {},
    } | changes


def a_position(**changes: Any) -> dict[str, Any]:
    return {
        "asset_id": "b28f4066-5c6d-479b-a2af-85dc1a8f16fb",
        "symbol": "SPY",
        "exchange": "ARCA",
        "asset_class": "us_equity",
        "avg_entry_price": "450.25",
        "qty": "10",
        "qty_available": "7",
        "side": "long",
        "market_value": "4600",
        "cost_basis": "4502.5",
        "current_price": "460",
    } | changes


def an_asset(**changes: Any) -> dict[str, Any]:
    return {
        "id": "b28f4066-5c6d-479b-a2af-85dc1a8f16fb",
        "class": "us_equity",
        "symbol": "SPY",
        "tradable": True,
        "fractionable": True,
        "status": "active",
        "maintenance_margin_requirement": 30,
    } | changes


def a_clock(**changes: Any) -> dict[str, Any]:
    return {
        "timestamp": "2027-02-01T09:35:00.123456789-05:00",
        "is_open": True,
        "next_open": "2027-02-02T09:30:00-05:00",
        "next_close": "2027-02-01T16:00:00-05:00",
    } | changes


def a_fill(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "activity_type": "FILL",
        "id": f"20261008111018097::{number:04d}",
        "type": "partial_fill",
        "price": "450.25",
        "qty": "3",
        "side": "buy",
        "symbol": "SPY",
        "order_id": ORDER_ID,
        "order_status": "partially_filled",
        "cum_qty": "3",
        "leaves_qty": "7",
        "transaction_time": "2026-10-08T15:10:18.097123Z",
    } | changes


def a_trade_update(event: str = "fill", **changes: Any) -> dict[str, Any]:
    return {
        "stream": "trade_updates",
        "data": {
            "event": event,
            "execution_id": "7922ab44-5b33-4049-ab9a-0cfd805ba989",
            "order": an_order(
                status="filled", filled_qty="10", filled_avg_price="450.25", legs=None
            ),
            "position_qty": "10",
            "price": "450.25",
            "qty": "10",
            "timestamp": "2027-02-01T14:35:00.5Z",
        }
        | changes,
    }
