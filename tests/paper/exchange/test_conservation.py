"""Nothing is made of nothing: fills explain cash and shares, whatever was asked and whenever."""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.paper.exchange.accounts import needed_hold
from atlas_daemon.paper.exchange.orders import CENT, Kind, Order, Role, Side
from atlas_daemon.paper.exchange.refusals import RefusedError
from tests.paper.world import NOON, World

ZERO = Decimal(0)
PRICES = st.sampled_from(["9.50", "10.00", "99.95", "105.00"])
SIMPLE = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["SPY", "CHEAP"]),
        "side": st.sampled_from(["buy", "sell"]),
        "qty": st.sampled_from(["1", "3", "7", "20", "0.5", "2.25"]),
        "time_in_force": st.sampled_from(["day", "gtc", "ioc", "fok"]),
    },
    optional={"limit_price": PRICES, "extended_hours": st.booleans()},
)
STOPS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["stop", "trailing_stop"]),
        "side": st.sampled_from(["buy", "sell"]),
        "qty": st.sampled_from(["2", "5"]),
        "time_in_force": st.sampled_from(["day", "gtc"]),
    }
)
GROUPS = st.fixed_dictionaries(
    {
        "order_class": st.sampled_from(["bracket", "oco", "oto"]),
        "qty": st.sampled_from(["2", "9", "20"]),
        "time_in_force": st.sampled_from(["day", "gtc"]),
        "take_profit": st.sampled_from([{"limit_price": "101"}, {"limit_price": "112"}]),
        "stop_loss": st.sampled_from(
            [{"stop_price": "97"}, {"stop_price": "88"}, {"stop_price": "97", "limit_price": "96"}]
        ),
    },
    optional={"limit_price": st.sampled_from(["99.00", "99.95", "105.00"])},
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "qty": st.sampled_from([1, 4, 30]),
        "limit_price": st.sampled_from(["9.90", "99.00", "101.00", "111.00"]),
        "stop_price": st.sampled_from(["96", "98.50"]),
        "trail": st.just("2"),
    },
)
CHANGEABLE = {
    Kind.MARKET: {"qty"},
    Kind.LIMIT: {"qty", "limit_price"},
    Kind.STOP: {"qty", "stop_price"},
    Kind.STOP_LIMIT: {"qty", "stop_price", "limit_price"},
    Kind.TRAILING_STOP: {"qty", "trail"},
}
WAITS = st.sampled_from([0, 0.05, 0.2, 5, 30, 40_000])
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.one_of(SIMPLE, SIMPLE, STOPS, GROUPS), WAITS),
        st.tuples(st.just("replace"), CHANGES, WAITS),
        st.tuples(st.just("cancel"), st.just({}), WAITS),
        st.tuples(st.just("close"), st.just({}), WAITS),
    ),
    max_size=14,
)


@settings(max_examples=120, deadline=None)
@given(acts=ACTS, seed=st.integers(1, 5), moves=st.lists(st.integers(-20, 20), max_size=6))
def test_fills_explain_cash_and_positions(acts, seed, moves):
    world = World(holdings={"SPY": "10"}, seed=seed, partial_fill_pct=0.4)
    for index, dollars in enumerate(moves):
        bid = Decimal("99.90") + dollars
        at = NOON + timedelta(seconds=17 * (index + 1))
        world.market.move("SPY", at, str(bid), str(bid + Decimal("0.10")))
    for number, (act, terms, wait_s) in enumerate(acts):
        try:
            do(world, act, terms, number)
        except RefusedError:
            continue
        check_books(world)
        world.wait(wait_s)
        check_books(world)
    world.wait(200_000)
    check_books(world)


def do(world: World, act: str, terms: dict[str, object], number: int) -> None:
    """One thing that a client may ask for; orders are picked among the open ones."""
    orders = list(world.account.open.values())
    match act:
        case "submit":
            world.submit(**finished(terms))
        case "replace" if orders:
            order = orders[number % len(orders)]
            changeable = CHANGEABLE[order.kind] - ({"qty"} if order.group_id else set())
            world.replace(order, **{key: terms[key] for key in changeable & set(terms)})
        case "cancel" if orders:
            world.cancel(orders[number % len(orders)])
        case "close":
            world.exchange.close_position(world.account, "SPY", world.now)
        case _:
            pass


def finished(terms: dict[str, object]) -> dict[str, object]:
    """The request with what its type and class ask for."""
    request = dict(terms)
    if request.get("type") == "stop":
        request["stop_price"] = "103" if request["side"] == "buy" else "97"
    elif request.get("type") == "trailing_stop":
        request["trail_percent"] = "2"
    elif "limit_price" in request:
        request["type"] = "limit"
    if request.get("order_class") == "oco":
        request |= {"side": "sell", "type": "limit"}
    elif request.get("order_class") == "oto":
        del request["take_profit"]
    return request


def check_books(world: World) -> None:
    account = world.account
    cash, shares = Decimal(10000), {"SPY": Decimal(10)}
    filled: dict[str, Decimal] = {}
    for entry in account.activities:
        sign = 1 if entry.side == "buy" else -1
        cash -= sign * (entry.qty * entry.price).quantize(CENT, ROUND_HALF_EVEN)
        shares[entry.symbol] = shares.get(entry.symbol, ZERO) + sign * entry.qty
        filled[entry.order_id] = filled.get(entry.order_id, ZERO) + entry.qty
    assert account.cash == cash
    assert {p.symbol: p.qty for p in account.positions.values()} == {
        symbol: qty for symbol, qty in shares.items() if qty
    }
    for order in account.orders.values():
        assert order.filled_qty == filled.get(order.id, 0)
        assert order.filled_qty <= (order.qty or order.filled_qty)
        assert order.is_open == (order.id in account.open)
        assert order.is_open or not order.held
    for order in account.open.values():
        assert order.held == needed_hold(order) >= 0
    buys = [o for o in account.open.values() if o.side == "buy"]
    assert account.held_cash == sum((o.held for o in buys), ZERO)
    for symbol in ("SPY", "CHEAP"):
        held = sum((o.held for o in account.open_of(symbol, Side.SELL)), ZERO)
        assert account.held_qty(symbol) == held <= account.existing_qty(symbol)
    for order in account.orders.values():
        if order.group_role == Role.ENTRY:
            check_group(account.orders, order)


def check_group(orders: dict[str, Order], entry: Order) -> None:
    """Exits sell what the entry bought at most, and none is left where it bought nothing."""
    exits = [o for o in orders.values() if o.group_id == entry.group_id and o.side == "sell"]
    bought = sum(
        (o.filled_qty for o in orders.values() if o.group_id == entry.group_id and o.side == "buy"),
        ZERO,
    )
    assert sum((o.filled_qty for o in exits), ZERO) <= bought
    assert sum(not o.is_dormant and o.is_open and not o.replaces for o in exits) <= 1
    if not entry.is_open and not entry.filled_qty and entry.replaced_by is None:
        assert not any(o.is_open for o in exits)
