"""Alpaca's refusals with their codes, texts and extras, one function each.

A refusal is an answer, not a failure of ours: an HTTP status and a body. Texts are those observed
on Alpaca; clients classify by (status, code, text), so they are part of the interface.
"""

from __future__ import annotations

from decimal import Decimal


class RefusedError(Exception):
    """A request that Alpaca would refuse: the HTTP status and the JSON body to answer with."""

    def __init__(self, status: int, body: dict[str, object]) -> None:
        super().__init__(f"{status} {body.get('message')}")
        self.status = status
        self.body = body


def plain(number: Decimal) -> str:
    """Alpaca's way to write a number: no exponent, no trailing zeros."""
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text if text not in ("-0", "") else "0"


def refusal(status: int, code: int, message: str, **extras: object) -> RefusedError:
    """A refusal whose body has its keys in alphabetical order, as Alpaca's do."""
    body: dict[str, object] = {"code": code, "message": message, **extras}
    return RefusedError(status, dict(sorted(body.items())))


def invalid(message: str) -> RefusedError:
    """A parameter that cannot be: 422, 40010001."""
    return refusal(422, 40010001, message)


def breaks_rule(message: str, **extras: object) -> RefusedError:
    """A rule of trading broken: 422, 42210000."""
    return refusal(422, 42210000, message, **extras)


def forbidden(message: str, **extras: object) -> RefusedError:
    """Refused for the state of the account: 403, 40310000 (at least eight different reasons)."""
    return refusal(403, 40310000, message, **extras)


def not_found(message: str) -> RefusedError:
    """404, 40410000."""
    return refusal(404, 40410000, message)


def malformed(message: str = "request body format is invalid") -> RefusedError:
    """A body or query that cannot be read: 400."""
    return refusal(400, 40010000, message)


def insufficient_buying_power(available: Decimal, cost: Decimal) -> RefusedError:
    """A buy that the account cannot pay."""
    return forbidden(
        "insufficient buying power", buying_power=plain(available), cost_basis=plain(cost)
    )


def insufficient_qty(
    symbol: str, asked: Decimal, existing: Decimal, held: Decimal, related: list[str]
) -> RefusedError:
    """A sell of more than is held and not reserved by other open sells."""
    free = max(existing - held, Decimal(0))
    extras: dict[str, object] = {
        "available": plain(free),
        "existing_qty": plain(existing),
        "held_for_orders": plain(held),
        "symbol": symbol,
    }
    if related:
        extras["related_orders"] = related
    counts = f"(requested: {plain(asked)}, available: {plain(free)})"
    return forbidden(f"insufficient qty available for order {counts}", **extras)


def wash_trade(existing_order_id: str, kind: str) -> RefusedError:
    """An open order on the other side of the same symbol; `kind` is "market/stop" or "limit"."""
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=f"opposite side {kind} order exists",
    )


def not_tradable(symbol: str) -> RefusedError:
    """An inactive asset, or one without a price."""
    return breaks_rule(f'asset "{symbol}" is not tradable')


def blocked() -> RefusedError:
    """An account that the broker has blocked: 403 without a code."""
    return RefusedError(403, {"message": "forbidden."})


def suspended() -> RefusedError:
    """The user's own kill switch (`suspend_trade`)."""
    return forbidden("new orders are rejected by user request")


def already_in(status: str) -> RefusedError:
    """Too late to cancel."""
    return breaks_rule(f'order is already in "{status}" state')


def unauthorized() -> RefusedError:
    """A wrong key or secret: 401 without a code."""
    return RefusedError(401, {"message": "unauthorized."})


def too_many_requests() -> RefusedError:
    """Over the request budget: 429 without a code."""
    return RefusedError(429, {"message": "too many requests."})
