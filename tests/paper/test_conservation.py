"""Nothing is made of nothing: fills explain cash and shares, whatever was asked and whenever."""

from datetime import timedelta
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.paper.accounts import needed_hold
from atlas_daemon.paper.orders import CENT, Side
from atlas_daemon.paper.refusals import RefusedError
from tests.paper.world import NOON, World

REQUESTS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["SPY", "CHEAP"]),
        "side": st.sampled_from(["buy", "sell"]),
        "qty": st.sampled_from(["1", "3", "7", "20", "0.5", "2.25"]),
        "time_in_force": st.sampled_from(["day", "gtc", "ioc", "fok"]),
    },
    optional={"limit_price": st.sampled_from(["9.50", "10.00", "99.95", "105.00"])},
)
ACTS = st.lists(
    st.tuples(REQUESTS, st.sampled_from([0, 0.05, 0.2, 30, 40_000]), st.booleans()), max_size=12
)


@settings(max_examples=60, deadline=None)
@given(acts=ACTS, seed=st.integers(1, 5), moves=st.lists(st.integers(-20, 20), max_size=6))
def test_fills_explain_cash_and_positions(acts, seed, moves):
    world = World(holdings={"SPY": "10"}, seed=seed, partial_fill_pct=0.4)
    for index, cents in enumerate(moves):
        bid = Decimal("99.90") + cents
        at = NOON + timedelta(seconds=17 * (index + 1))
        world.market.move("SPY", at, str(bid), str(bid + Decimal("0.10")))
    for request, wait_s, cancels in acts:
        kind = {"type": "limit"} if "limit_price" in request else {}
        try:
            order = world.submit(**request, **kind)
        except RefusedError:
            continue
        world.wait(wait_s)
        if cancels and order.is_open:
            world.cancel(order)
        check_books(world)
    world.wait(200_000)
    check_books(world)


def check_books(world: World) -> None:
    account = world.account
    cash, shares = Decimal(10000), {"SPY": Decimal(10)}
    filled: dict[str, Decimal] = {}
    for entry in account.activities:
        sign = 1 if entry.side == "buy" else -1
        cash -= sign * (entry.qty * entry.price).quantize(CENT, ROUND_HALF_EVEN)
        shares[entry.symbol] = shares.get(entry.symbol, Decimal(0)) + sign * entry.qty
        filled[entry.order_id] = filled.get(entry.order_id, Decimal(0)) + entry.qty
    assert account.cash == cash
    assert {p.symbol: p.qty for p in account.positions.values()} == {
        symbol: qty for symbol, qty in shares.items() if qty
    }
    for order in account.orders.values():
        assert order.filled_qty == filled.get(order.id, 0)
        assert order.filled_qty <= (order.qty or order.filled_qty)
        assert order.is_open == (order.id in account.open)
    buys = [o for o in account.open.values() if o.side == "buy"]
    assert account.held_cash == sum((needed_hold(o) for o in buys), Decimal(0))
    for symbol in ("SPY", "CHEAP"):
        sells = list(account.open_of(symbol, Side.SELL))
        held = sum((o.remaining_qty for o in sells), Decimal(0))
        assert account.held_qty(symbol) == held <= account.existing_qty(symbol)
