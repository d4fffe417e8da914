"""The other way round: for each call our client sends what alpaca-py sends for the same call.

Both send to a bare socket that keeps the bytes. What may differ is listed, each with its reason;
what is listed and does not occur fails too.
"""

import asyncio
import json
import re
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest

from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.quotes import LatestQuotes
from tests.conformance.capture import capture
from tests.conformance.tap import Talk
from tests.edges import samples

with warnings.catch_warnings():
    # alpaca-py still rests on a deprecated corner of the websockets library.
    warnings.simplefilter("ignore")
    from alpaca.data.enums import DataFeed
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import StockLatestQuoteRequest
    from alpaca.trading.client import TradingClient
    from alpaca.trading.enums import AssetClass, AssetStatus, QueryOrderStatus
    from alpaca.trading.models import AccountConfiguration
    from alpaca.trading.requests import (
        GetAssetsRequest,
        GetCalendarRequest,
        GetOrdersRequest,
        LimitOrderRequest,
        MarketOrderRequest,
        StopOrderRequest,
        TrailingStopOrderRequest,
    )

KEYS = {"key_id": "PKTEST", "secret": "secret"}
OUR_ID = samples.an_order()["client_order_id"]
AFTER = datetime(2027, 2, 1, 14, 35, 0, 123456, tzinfo=UTC)
SETTINGS = {
    "fractional_trading": True,
    "max_margin_multiplier": "4",
    "no_shorting": False,
    "ptp_no_exception_entry": False,
    "suspend_trade": True,
    "trade_confirm_email": "all",
}


@dataclass(frozen=True)
class Call:
    """One call, as either client has it, and the answer that both can read."""

    name: str
    ours: Callable[[AlpacaTradingClient], Awaitable[object]]
    theirs: Callable[[TradingClient], object]
    answer: object
    status: int = 200


def order(kind: Any, **fields: object) -> Any:
    plain = {"symbol": "SPY", "side": "buy", "time_in_force": "day", "client_order_id": OUR_ID}
    return kind(**(plain | fields))


CALLS = (
    Call("account", lambda c: c.get_account(), lambda t: t.get_account(), samples.an_account()),
    Call("positions", lambda c: c.get_positions(), lambda t: t.get_all_positions(), []),
    Call(
        "configurations",
        lambda c: c.get_configurations(),
        lambda t: t.get_account_configurations(),
        SETTINGS,
    ),
    Call(
        "suspend trade",
        lambda c: c.set_suspend_trade(True),
        lambda t: t.set_account_configurations(AccountConfiguration(**SETTINGS)),
        SETTINGS,
    ),
    Call(
        "market order",
        lambda c: c.submit_market_order("SPY", 10, "buy", client_order_id=OUR_ID),
        lambda t: t.submit_order(order(MarketOrderRequest, qty=10)),
        samples.an_order(),
    ),
    Call(
        "market order, a fraction",
        lambda c: c.submit_market_order("SPY", Decimal("1.5"), "sell", client_order_id=OUR_ID),
        lambda t: t.submit_order(order(MarketOrderRequest, qty=1.5, side="sell")),
        samples.an_order(),
    ),
    Call(
        "limit order",
        lambda c: c.submit_limit_order("SPY", 10, "buy", Decimal("450.25"), client_order_id=OUR_ID),
        lambda t: t.submit_order(order(LimitOrderRequest, qty=10, limit_price=450.25)),
        samples.an_order(),
    ),
    Call(
        "stop order",
        lambda c: c.submit_stop_order("SPY", 10, "sell", 400, client_order_id=OUR_ID),
        lambda t: t.submit_order(order(StopOrderRequest, qty=10, side="sell", stop_price=400)),
        samples.an_order(),
    ),
    Call(
        "trailing stop by price",
        lambda c: c.submit_trailing_stop_order(
            "SPY", 10, "sell", trail_price=5, client_order_id=OUR_ID
        ),
        lambda t: t.submit_order(
            order(TrailingStopOrderRequest, qty=10, side="sell", trail_price=5)
        ),
        samples.an_order(),
    ),
    Call(
        "trailing stop by percent",
        lambda c: c.submit_trailing_stop_order(
            "SPY", 10, "sell", trail_percent=Decimal("2.5"), client_order_id=OUR_ID
        ),
        lambda t: t.submit_order(
            order(TrailingStopOrderRequest, qty=10, side="sell", trail_percent=2.5)
        ),
        samples.an_order(),
    ),
    Call(
        "cancel",
        lambda c: c.cancel_order(samples.ORDER_ID),
        lambda t: t.cancel_order_by_id(samples.ORDER_ID),
        None,
        status=204,
    ),
    Call("cancel all", lambda c: c.cancel_all_orders(), lambda t: t.cancel_orders(), [], 207),
    Call(
        "order",
        lambda c: c.get_order_status(samples.ORDER_ID),
        lambda t: t.get_order_by_id(samples.ORDER_ID),
        samples.an_order(),
    ),
    Call(
        "order by our id",
        lambda c: c.get_order_by_client_id(OUR_ID),
        lambda t: t.get_order_by_client_id(OUR_ID),
        samples.an_order(),
    ),
    Call(
        "orders",
        lambda c: c.list_orders("all", after=AFTER, symbols=("SPY", "BRK.B")),
        lambda t: t.get_orders(
            GetOrdersRequest(
                status=QueryOrderStatus.ALL,
                after=AFTER,
                symbols=["SPY", "BRK.B"],
                limit=500,
                direction="asc",
                nested=False,
            )
        ),
        [],
    ),
    Call(
        "activities",
        lambda c: c.activities(after=AFTER, types=("FILL", "DIV")),
        lambda t: t.get(
            "/account/activities",
            {
                "activity_types": "FILL,DIV",
                "after": AFTER.isoformat(),
                "direction": "asc",
                "page_size": 100,
            },
        ),
        [],
    ),
    Call("clock", lambda c: c.get_clock(), lambda t: t.get_clock(), samples.a_clock()),
    Call(
        "calendar",
        lambda c: c.get_calendar(date(2027, 2, 1), date(2027, 2, 5)),
        lambda t: t.get_calendar(GetCalendarRequest(start="2027-02-01", end="2027-02-05")),
        [],
    ),
    Call(
        "assets",
        lambda c: c.get_assets(),
        lambda t: t.get_all_assets(
            GetAssetsRequest(status=AssetStatus.ACTIVE, asset_class=AssetClass.US_EQUITY)
        ),
        [],
    ),
    Call(
        "asset", lambda c: c.get_asset("BRK-B"), lambda t: t.get_asset("BRK.B"), samples.an_asset()
    ),
)


ALLOWED = (
    ("header user-agent", r".*", "each says who it is"),
    ("header connection", r".*", "HTTP/1.1 keeps a connection without being asked"),
    ("header host", r".*", "each was sent to a port of its own"),
    ("header content-length", r".*", "the bodies are spelt differently"),
    (
        "body (qty|limit_price|stop_price|trail_price|trail_percent)",
        r"number .*",
        "we send numbers as text, as the documents have them: a float has not every decimal",
    ),
    ("query nested", r"'false' \| 'False'", "the documents' boolean is the lower-case one"),
    (
        "query after",
        r"'2027-02-01T14:35:00.123456Z' \| '2027-02-01T14:35:00.123456\+00:00'",
        "the same moment; Z is what the broker itself writes",
    ),
    (
        "body (fractional_trading|max_margin_multiplier|no_shorting|ptp_no_exception_entry"
        "|trade_confirm_email)",
        r"None \| .*",
        "we name the latch alone; alpaca-py writes back every switch as it was last read",
    ),
)


async def both(call: Call) -> tuple[Talk, Talk]:
    """Make the call with either client; return what each sent."""
    async with capture(call.answer, status=call.status) as captured:
        client = AlpacaTradingClient(trading_url=captured.url, data_url=captured.url, **KEYS)
        await call.ours(client)
        await client.close()
        (ours,) = captured.talks
    async with capture(call.answer, status=call.status) as captured:
        sdk = TradingClient("PKTEST", "secret", raw_data=True, url_override=captured.url)
        await asyncio.to_thread(call.theirs, sdk)
        sdk._session.close()
        (theirs,) = captured.talks
    return ours, theirs


def differences(ours: Talk, theirs: Talk) -> list[str]:
    """Return one line for each difference: where, ours | theirs."""
    found = []
    if (ours.method, ours.path) != (theirs.method, theirs.path):
        found.append(f"request: {ours.method} {ours.path} | {theirs.method} {theirs.path}")
    pairs = {
        "header": (ours.request.headers, theirs.request.headers),
        "query": (dict(ours.query), dict(theirs.query)),
        "body": (_json(ours), _json(theirs)),
    }
    for place, (left, right) in pairs.items():
        for key in sorted({*left, *right}):
            one, other = left.get(key), right.get(key)
            if one != other:
                kind = "number " if _are_one_number(one, other) else ""
                found.append(f"{place} {key}: {kind}{one!r} | {other!r}")
    return found


def _json(talk: Talk) -> dict[str, object]:
    return json.loads(talk.request.body) if talk.request.body else {}


def _are_one_number(one: object, other: object) -> bool:
    try:
        return Decimal(str(one)) == Decimal(str(other))
    except InvalidOperation:
        return False


def rule_for(line: str) -> str | None:
    """Return the reason why a difference may be; None where it may not."""
    for place, values, reason in ALLOWED:
        if re.fullmatch(f"{place}: {values}", line):
            return reason
    return None


@pytest.fixture(scope="module")
def sent() -> dict[str, tuple[Talk, Talk]]:
    async def send_all() -> dict[str, tuple[Talk, Talk]]:
        return {call.name: await both(call) for call in CALLS}

    return asyncio.run(send_all())


@pytest.mark.parametrize("name", [call.name for call in CALLS])
def test_our_client_sends_what_alpacas_own_sends(sent, name) -> None:
    wrong = [line for line in differences(*sent[name]) if rule_for(line) is None]
    assert wrong == []


@pytest.mark.parametrize("name", [call.name for call in CALLS if "order" in call.name])
def test_an_order_that_our_client_sends_is_one_as_documented(sent, documents, name) -> None:
    ours, _ = sent[name]
    if ours.method == "POST":
        schema = "/components/schemas/CreateOrderRequest"
        assert list(documents.about("trading-api.json", schema, _json(ours))) == []


def test_every_difference_that_is_allowed_occurs(sent) -> None:
    used = {rule_for(line) for pair in sent.values() for line in differences(*pair)}
    assert [reason for *_, reason in ALLOWED if reason not in used] == []


def test_the_calls_compared_are_all_that_our_client_has() -> None:
    compared = " ".join(
        name for call in CALLS for name in call.ours.__code__.co_names if not name.isupper()
    )
    public = {name for name in vars(AlpacaTradingClient) if not name.startswith("_")}
    apart = {
        "account", "connect", "close", "order_gate", "budget_left",
        "is_market_open",  # the clock's
        "close_position", "get_data",  # below
    }  # fmt: skip
    assert public - apart - set(compared.split()) == set()


@pytest.mark.asyncio
async def test_closing_a_position_is_an_order_of_ours_and_no_delete() -> None:
    async with capture(samples.a_position(), samples.an_order()) as captured:
        client = AlpacaTradingClient(trading_url=captured.url, data_url=captured.url, **KEYS)
        await client.close_position("SPY", client_order_id=OUR_ID)
        await client.close()
        question, ours = captured.talks
    assert (question.method, question.path) == ("GET", "/v2/positions/SPY")
    async with capture(samples.an_order()) as captured:
        sdk = TradingClient("PKTEST", "secret", raw_data=True, url_override=captured.url)
        request = order(MarketOrderRequest, qty=7, side="sell")
        await asyncio.to_thread(sdk.submit_order, request)
        sdk._session.close()
        (theirs,) = captured.talks
    assert [line for line in differences(ours, theirs) if rule_for(line) is None] == []
    async with capture(samples.an_order()) as captured:
        sdk = TradingClient("PKTEST", "secret", raw_data=True, url_override=captured.url)
        await asyncio.to_thread(sdk.close_position, "SPY")
        sdk._session.close()
        (theirs,) = captured.talks
    assert (theirs.method, theirs.path) == ("DELETE", "/v2/positions/SPY")


@pytest.mark.asyncio
async def test_the_latest_prices_are_asked_for_as_alpacas_own_client_does() -> None:
    async with capture({"quotes": {}}, {"trades": {}}) as captured:
        client = AlpacaTradingClient(trading_url=captured.url, data_url=captured.url, **KEYS)
        await LatestQuotes(client).get_quotes(("SPY", "BRK.B"))
        await client.close()
        ours, _ = captured.talks
    async with capture({"quotes": {}}) as captured:
        sdk = StockHistoricalDataClient(
            "PKTEST", "secret", raw_data=True, url_override=captured.url
        )
        asked = StockLatestQuoteRequest(symbol_or_symbols=["SPY", "BRK.B"], feed=DataFeed.IEX)
        await asyncio.to_thread(sdk.get_stock_latest_quote, asked)
        sdk._session.close()
        (theirs,) = captured.talks
    assert [line for line in differences(ours, theirs) if rule_for(line) is None] == []


def test_a_difference_nobody_listed_is_seen(sent) -> None:
    ours, theirs = sent["limit order"]
    changed = Talk(type(ours.request)(ours.request.first, dict(ours.request.headers)))
    changed.request.body = ours.request.body.replace(b"450.25", b"450.26")
    found = [line for line in differences(changed, theirs) if rule_for(line) is None]
    assert found == ["body limit_price: '450.26' | 450.25"]
