"""What the broker of the benches says: an order, updates, websocket frames. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

PRICE = "101.27"
FRAMES_AT_ONCE = 64
ORDERS_OF_BURST = 50
_AT = datetime(2026, 2, 2, 15, 0, tzinfo=UTC)
_EMPTY = (
    *("canceled_at", "expired_at", "failed_at", "filled_at", "filled_avg_price", "hwm", "legs"),
    *("limit_price", "notional", "replaced_at", "replaced_by", "replaces", "source", "stop_price"),
    *("subtag", "trail_percent", "trail_price"),
)


def symbol_of(number: int) -> str:
    """Return a symbol as New York spells them: MAA, MAB ... MBA ..."""
    return f"M{chr(65 + number // 26)}{chr(65 + number % 26)}"


def resting_id(number: int) -> str:
    """Return our id of the order `number` of those that rest."""
    return f"atlas-burst-1-r1-buy-{symbol_of(number)}-1"


def order_words(number: int, client_order_id: str, symbol: str, qty: str) -> dict[str, Any]:
    """Return an order with every key that a real account sends; a market buy, just accepted."""
    at = _stamp(number)
    return dict.fromkeys(_EMPTY) | {
        "asset_class": "us_equity",
        "asset_id": "b0b6dd9d-8b9b-48a9-ba46-b9d54906e415",
        "client_order_id": client_order_id,
        "created_at": at,
        "expires_at": "2026-02-02T21:00:00Z",
        "extended_hours": False,
        "filled_qty": "0",
        "id": f"61e69015-8549-4bfd-b9c3-{number:012d}",
        "order_class": "simple",
        "order_type": "market",
        "position_intent": "buy_to_open",
        "qty": qty,
        "side": "buy",
        "status": "accepted",
        "submitted_at": at,
        "symbol": symbol,
        "time_in_force": "day",
        "type": "market",
        "updated_at": at,
    }


def update_words(count: int) -> Iterator[dict[str, Any]]:
    """Yield so many executions of ORDERS_OF_BURST orders in turn, one share each."""
    qty = str(count)
    orders = [
        order_words(number, resting_id(number), symbol_of(number), qty)
        for number in range(ORDERS_OF_BURST)
    ]
    for number in range(count):
        order = orders[number % ORDERS_OF_BURST]
        filled = str(number // ORDERS_OF_BURST + 1)
        at = _stamp(number)
        order |= {"status": "partially_filled", "filled_qty": filled, "filled_avg_price": PRICE}
        data = {
            "event": "partial_fill",
            "execution_id": f"2f63ea93-423d-4169-b3f6-{number:012d}",
            "order": order | {"updated_at": at},
            "position_qty": filled,
            "price": PRICE,
            "qty": "1",
            "timestamp": at,
        }
        yield {"stream": "trade_updates", "data": data}


def ws_frame(payload: bytes) -> bytes:
    """Return a whole binary websocket message as a server sends it."""
    size = len(payload)
    assert 126 <= size < 1 << 16
    return b"\x82\x7e" + size.to_bytes(2, "big") + payload


def _stamp(number: int) -> str:
    at = _AT + timedelta(microseconds=1_713 * number)
    return f"{at.replace(tzinfo=None).isoformat(timespec='microseconds')}789Z"
