"""Orders, positions and a validator of one half day, for the tests of the gates."""

from datetime import UTC, date, datetime

from atlas_daemon.core.order_validator import OrderValidator
from atlas_daemon.core.values import Session

DAY = date(2026, 11, 27)
HALF_DAY = Session(
    DAY, datetime(2026, 11, 27, 14, 30, tzinfo=UTC), datetime(2026, 11, 27, 18, tzinfo=UTC)
)
AT = datetime(2026, 11, 27, 15, tzinfo=UTC)
ACCOUNT = {"equity": "10000", "cash": "10000", "buying_power": "40000"}


class OneSession:
    def session_of(self, day: date) -> Session | None:
        return HALF_DAY if day == DAY else None


def validator(*args, **kwargs) -> OrderValidator:
    return OrderValidator(*args, **({"sessions": OneSession()} | kwargs))


def buy(symbol: str = "AAPL", qty: object = 10, price: object = 100, **more: object) -> dict:
    return {"symbol": symbol, "side": "buy", "qty": qty, "price": price, **more}


def sell(symbol: str = "AAPL", qty: object = 10, **more: object) -> dict:
    return {"symbol": symbol, "side": "sell", "qty": qty, **more}


def position(symbol: str = "AAPL", qty: object = "10", value: object = "1000", **more) -> dict:
    return {"symbol": symbol, "qty": qty, "market_value": value, **more}
