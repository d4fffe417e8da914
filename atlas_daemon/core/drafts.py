"""Orders as the planner wants them, from a plan's lines and the figures of the turn. Pure."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal

from . import events as e
from .gates import price_paid, sellable_qty
from .plan import resized
from .policy import Policy
from .pricing import NoPrice, Price, price_of
from .runs import FIRST_TRADE, managed_in_book, managed_positions, order_id_for, orders_of_round
from .state import Run, State
from .values import ZERO, Draft, OrderType, Side, Symbol

_CENT, _SUBCENT = Decimal("0.01"), Decimal("0.0001")


def sell_drafts(state: State, run: Run, policy: Policy) -> list[Draft]:
    """Return the sells of the plan: closes first, then reductions, in the plan's order.

    Never more than is held and free. A close takes fractions along.
    """
    assert run.plan is not None
    held = managed_positions(state, policy)
    lines = [line for line in run.plan.lines if line.target_qty < line.current_qty]
    drafts = []
    for line in sorted(lines, key=lambda line: line.target_qty > 0):
        gap = held.get(line.symbol, ZERO) - line.target_qty
        qty = min(gap, sellable_qty(state, line.symbol))
        if line.target_qty and not policy.fractional:
            qty = Decimal(int(qty))
        if qty <= 0:
            continue
        price = price_of(state.figures.quotes.get(line.symbol), None, state.now, policy)
        drafts.append(_draft(state, run, Side.SELL, line, qty, price, policy))
    return drafts


def pending_buys(state: State, run: Run, policy: Policy) -> list[e.PlanLine]:
    """Return the lines still to be bought in this round, in the plan's order.

    A line has one order a round; one that was refused has had its turn.
    """
    if run.plan is None:
        return []
    ordered = orders_of_round(state, run, Side.BUY)
    left = [
        line
        for line in run.plan.lines
        if line.symbol not in ordered
        and line.target_qty > line.current_qty
        and line.symbol not in run.tried
        and line.symbol not in run.dropped
        and line.symbol not in state.frozen
    ]
    if not left:  # as after most answers and fills
        return []
    held = managed_in_book(state, policy)
    return [line for line in left if line.target_qty > held.get(line.symbol, ZERO)]


def buy_drafts(
    state: State, run: Run, pending: Sequence[e.PlanLine], policy: Policy
) -> tuple[list[Draft], dict[Symbol, NoPrice]]:
    """Return the buys that realised cash allows now, and the lines that have no price.

    Released in the plan's order while the sum of open buys x ask x (1 + collar) stays within the
    least of our cash, the broker's cash and its buying power. A line that does not fit waits for
    the open ones; where nothing is open it goes to the validator, which cuts it to what fits.
    """
    snapshot = state.figures.snapshot
    assert snapshot is not None
    held = managed_in_book(state, policy)
    open_buys = [o for o in state.open_orders() if o.draft.side is Side.BUY]
    reserved = sum((o.open_qty * price_paid(o.draft) for o in open_buys), ZERO)
    account = snapshot.account
    collar = 1 + policy.collar_pct
    budget = min(state.book.cash, account.cash, account.buying_power) - reserved * collar
    drafts: list[Draft] = []
    unpriced: dict[Symbol, NoPrice] = {}
    for line in pending:
        quote = state.figures.quotes.get(line.symbol)
        price = price_of(quote, line.close, state.now, policy)
        if isinstance(price, NoPrice):
            unpriced[line.symbol] = price
            continue
        is_fractional = line.target_qty != int(line.target_qty)
        target = resized(line, price.value, policy, is_fractional=is_fractional)
        qty = target - held.get(line.symbol, ZERO)
        if qty <= 0:
            unpriced[line.symbol] = NoPrice("drift", f"at {price.value} nothing is left to buy")
            continue
        draft = _draft(state, run, Side.BUY, line, qty, price, policy)
        need = qty * max(price.ask, price_paid(draft)) * collar
        if need > budget and (drafts or open_buys):
            break
        drafts.append(draft)
        budget -= need
        if budget < 0:
            break
    return drafts, unpriced


def _draft(
    state: State,
    run: Run,
    side: Side,
    line: e.PlanLine,
    qty: Decimal,
    price: Price | NoPrice,
    policy: Policy,
) -> Draft:
    is_priced = isinstance(price, Price)
    expected = price.value if isinstance(price, Price) else line.price
    # An emergency's sells must not rest; parts of shares are documented for market orders only.
    is_limit_meant = is_priced and run.trigger not in ("stop", FIRST_TRADE)
    order_type = policy.order_type if is_limit_meant else OrderType.MARKET
    limit = None
    if order_type is OrderType.LIMIT and isinstance(price, Price):
        limit = _limit_price(price, side, policy)
    return Draft(
        order_id=order_id_for(state, run, run.round, side, line.symbol),
        run_id=run.run_id,
        symbol=line.symbol,
        side=side,
        qty=qty,
        order_type=order_type,
        expected_price=expected,
        limit_price=limit,
        priced_at=price.at if isinstance(price, Price) else None,
    )


def _limit_price(price: Price, side: Side, policy: Policy) -> Decimal:
    """Return a marketable limit: the band beyond the far side of the quote, on the tick.

    Alpaca refuses more than two decimals from $1 up, four below.
    """
    far = price.ask if side is Side.BUY else 2 * price.value - price.ask
    raw = far * (1 + policy.limit_band_pct * side.sign)
    tick = _CENT if raw >= 1 else _SUBCENT
    return raw.quantize(tick, ROUND_UP if side is Side.BUY else ROUND_DOWN)
