"""The gates of a plan and of an order, with the figures each is measured on. Verdicts only.

Who acts on them is the validator. Every rule is one of `rules`, the same that OrderValidator shows.
"""

from collections.abc import Mapping
from decimal import Decimal

from . import events as e
from . import rules
from .certificate import why_uncertified
from .freshness import sessions_old
from .orders import Order
from .plan import has_drifted
from .policy import Policy
from .rules import OrderLike, Verdict
from .runs import FIRST_TRADE, is_flatten_sell, managed_in_book, position_prices
from .scale import FULL, scale_in_force
from .sessions import NYSE
from .state import State
from .values import ALLOCATION, ZERO, Draft, Mode, OrderId, Regime, Side, Symbol


def batch_verdicts(state: State, plan: e.RunPlanned, policy: Policy) -> list[Verdict]:
    """Return every gate's verdict on a whole plan, with positions and open orders."""
    snapshot = state.figures.snapshot
    assert snapshot is not None
    buys = [line for line in plan.lines if line.target_qty > line.current_qty]
    sells = [line for line in plan.lines if line.target_qty < line.current_qty]
    prices = position_prices(state)
    bought = sum((_change(line, prices) for line in buys), ZERO)
    sold = -sum((_change(line, prices) for line in sells), ZERO)
    held = sum((p.qty * prices[p.symbol] for p in snapshot.positions if p.qty > 0), ZERO)
    managed = sum((line.target_qty * _price(line, prices) for line in plan.lines), ZERO)
    verdicts = [
        rules.market_hours(state.now, NYSE.session_at(state.now)),
        rules.buying_power(snapshot.account.buying_power + sold, bought),
        rules.cash_only(bought, plan.cash + sold),
        rules.total_allocation(
            held - sold + bought,
            plan.portfolio_value,
            policy.max_total_allocation,
            reduces=not buys,
        ),
        rules.regime_compliance(
            plan.regime, managed / plan.equity if plan.equity > 0 else ZERO, reduces=not buys
        ),
        rules.portfolio_heat(
            [
                rules.StoppedPosition(line.symbol, line.target_qty, _price(line, prices), None)
                for line in plan.lines
                if line.target_qty
            ],
            plan.portfolio_value,
            policy.max_portfolio_heat,
            reduces=not buys,
        ),
    ]
    if policy.needs_certificate and buys:
        verdicts.append(is_certified(state, policy))
    if scale_in_force(state, policy) < FULL:
        verdicts.append(within_scale(state, plan, managed, policy, reduces=not buys))
    pending = pending_orders(state, None)
    for line in buys:
        value = line.target_qty * _price(line, prices)
        verdicts += [
            rules.symbol_format(line.symbol)[1],
            rules.tradable(line.symbol, state.figures.assets.get(line.symbol)),
            rules.position_size(value, plan.portfolio_value, policy.max_position_pct),
            rules.no_duplicate_order(pending, line.symbol, Side.BUY),
            rules.no_opposite_order(pending, line.symbol, Side.BUY),
        ]
    for line in sells:
        verdicts += [
            rules.no_duplicate_order(pending, line.symbol, Side.SELL),
            rules.no_opposite_order(pending, line.symbol, Side.SELL),
        ]
    return verdicts


def standing_verdicts(state: State, draft: Draft, policy: Policy) -> list[Verdict]:
    """Return the verdicts that no smaller quantity would change."""
    pending = pending_orders(state, draft.order_id)
    verdicts = [
        mode_allows(state, draft),
        id_is_free(state, draft),
        rules.market_hours(state.now, NYSE.session_at(state.now)),
        rules.symbol_format(draft.symbol)[1],
        rules.no_duplicate_order(pending, draft.symbol, draft.side),
        rules.no_opposite_order(pending, draft.symbol, draft.side),
        may_be_traded(state, draft, policy),
    ]
    if draft.side is Side.SELL:
        available = sellable_qty(state, draft.symbol, draft.order_id)
        return [*verdicts, rules.sells_within_holding(draft.qty, available)]
    asset = state.figures.assets.get(draft.symbol)
    tradable = rules.tradable(draft.symbol, asset)
    return [*verdicts, is_certified(state, policy), tradable, *known_regime(state, policy)]


def limit_verdicts(state: State, draft: Draft, policy: Policy) -> list[Verdict]:
    """Return the verdicts on a buy that a smaller quantity may change."""
    room = Room(state, draft, policy)
    value = draft.qty * price_paid(draft)
    collared = value * (1 + policy.collar_pct)
    return [
        rules.cash_only(collared, room.cash),
        rules.buying_power(room.buying_power, collared),
        rules.position_size(
            room.position_value + value, room.portfolio_value, policy.max_position_pct
        ),
        rules.total_allocation(
            room.deployed_value + value, room.portfolio_value, policy.max_total_allocation
        ),
        within_regime(state, draft, policy),
    ]


def largest_qty(state: State, draft: Draft, policy: Policy) -> Decimal:
    """Return the most shares of a buy, at most the drafted, that pass `limit_verdicts`."""
    room = Room(state, draft, policy)
    is_fractional = draft.qty != int(draft.qty)
    qty = rules.largest_passing_qty(
        draft.qty,
        price_paid(draft),
        available=min(room.cash, room.buying_power) / (1 + policy.collar_pct),
        position_value=room.position_value,
        deployed_value=room.deployed_value,
        portfolio_value=room.portfolio_value,
        max_position_pct=policy.max_position_pct,
        max_total_allocation=policy.max_total_allocation,
        fractional=is_fractional,
    )
    left = regime_left(state, draft, policy)
    if qty <= 0 or left <= 0:
        return ZERO
    return rules.largest_passing_qty(
        qty,
        decided_price(state, draft, policy),
        available=left,
        position_value=ZERO,
        deployed_value=ZERO,
        portfolio_value=left,
        max_position_pct=Decimal(1),
        max_total_allocation=Decimal(1),
        fractional=is_fractional,
    )


class Room:
    """What a buy may still use, after positions, open buys and the cash those reserve (dollars)."""

    def __init__(self, state: State, draft: Draft, policy: Policy) -> None:
        snapshot = state.figures.snapshot
        assert snapshot is not None
        buys = open_buys(state, draft.order_id)
        pending = sum((order.open_qty * price_paid(order.draft) for order in buys), ZERO)
        reserved = pending * (1 + policy.collar_pct)
        prices = dict(position_prices(state))
        for order in state.orders.values():
            prices.setdefault(order.draft.symbol, price_paid(order.draft))
        positions = state.book.positions
        self.portfolio_value = snapshot.account.equity
        self.cash = min(state.book.cash, snapshot.account.cash) - reserved
        self.buying_power = snapshot.account.buying_power - reserved
        self.position_value = positions.get(draft.symbol, ZERO) * price_paid(draft)
        self.deployed_value = pending + sum(
            (qty * prices.get(symbol, ZERO) for symbol, qty in positions.items() if qty > 0), ZERO
        )


def within_regime(state: State, draft: Draft, policy: Policy) -> Verdict:
    """The run's lines, at the prices they were decided on, stay within regime x managed equity.

    The allocation is decided once, on the plan's prices: a price that ticks between two orders
    changes no decision. One that left the drift band counts as it is.
    """
    plan = state.run.plan if state.run is not None else None
    if plan is None or plan.equity <= 0:
        text = "regime compliance: no plan to measure the order on"
        return Verdict("regime_compliance", False, "no plan", "a plan", text)
    left = regime_left(state, draft, policy)
    allowed = regime_allowed(state, plan)
    value = plan.equity * ALLOCATION[allowed] - left
    value += draft.qty * decided_price(state, draft, policy)
    return rules.regime_compliance(allowed, value / plan.equity)


def regime_allowed(state: State, plan: e.RunPlanned) -> Regime:
    """Return the plan's regime, or the latest word where that is lower: it never raises a run."""
    regimes = [plan.regime] if state.regime is None else [plan.regime, state.regime.regime]
    return min(regimes, key=lambda regime: ALLOCATION[regime])


def regime_left(state: State, draft: Draft, policy: Policy) -> Decimal:
    """Return the dollars, at decided prices, that the run may deploy besides all but this draft."""
    plan = state.run.plan if state.run is not None else None
    if plan is None:
        return ZERO
    held = managed_in_book(state, policy)
    lines = {line.symbol: line for line in plan.lines}
    prices = {symbol: line.price for symbol, line in lines.items() if line.price}
    deployed = sum((qty * prices[s] for s, qty in held.items() if s in prices), ZERO)
    for order in open_buys(state, draft.order_id):
        line = lines.get(order.draft.symbol)
        deployed += order.open_qty * _decided_price(line, order.draft, policy)
    return plan.equity * ALLOCATION[regime_allowed(state, plan)] - deployed


def decided_price(state: State, draft: Draft, policy: Policy) -> Decimal:
    """Return the plan's price of a draft's line, or the draft's own where it drifted from that."""
    plan = state.run.plan if state.run is not None else None
    lines = plan.lines if plan is not None else ()
    line = next((line for line in lines if line.symbol == draft.symbol), None)
    return _decided_price(line, draft, policy)


def _decided_price(line: e.PlanLine | None, draft: Draft, policy: Policy) -> Decimal:
    expected = draft.expected_price
    if line is None or line.price is None:
        return price_paid(draft)
    is_drifted = expected is not None and has_drifted(line, expected, policy)
    return price_paid(draft) if is_drifted else line.price


def price_paid(draft: Draft) -> Decimal:
    """Return what a share of the draft costs at most: its limit, or the price it was decided on."""
    return draft.limit_price or draft.expected_price or ZERO


def open_buys(state: State, but: OrderId) -> list[Order]:
    """Return our open buys except the order `but`."""
    return [
        order
        for order in state.open_orders()
        if order.draft.side is Side.BUY and order.draft.order_id != but
    ]


def pending_orders(state: State, but: OrderId | None) -> list[OrderLike]:
    """Return what is open or in doubt, ours and foreign, except the order `but`."""
    snapshot = state.figures.snapshot
    listed = snapshot.open_orders if snapshot is not None else ()
    foreign = [order for order in listed if OrderId(order.client_order_id) not in state.orders]
    ours = [order.draft for order in state.open_orders() if order.draft.order_id != but]
    return [*foreign, *ours]


def sellable_qty(state: State, symbol: Symbol, but: OrderId | None = None) -> Decimal:
    """Return the shares that a sell may take: held, known to our book, not in an open sell.

    `but` is an order in doubt that is offered again: it does not stand in its own way.
    """
    snapshot = state.figures.snapshot
    positions = snapshot.positions if snapshot is not None else ()
    theirs = sum((p.qty for p in positions if p.symbol == symbol), ZERO)
    free = sum((p.qty_available for p in positions if p.symbol == symbol), ZERO)
    open_sells = sum(
        (
            order.open_qty
            for order in state.open_orders()
            if order.draft.symbol == symbol
            and order.draft.side is Side.SELL
            and order.draft.order_id != but
        ),
        ZERO,
    )
    ours = state.book.positions.get(symbol, ZERO)
    return max(min(theirs, free, ours - open_sells), ZERO)


def mode_allows(state: State, draft: Draft) -> Verdict:
    """Buys only while trading, sells also while reducing; nothing while starting or halted.

    The sells of a flatten are the one exception: they are what the halt asks for.
    """
    allowed = {Mode.TRADING} if draft.side is Side.BUY else {Mode.TRADING, Mode.REDUCE_ONLY}
    ok = state.mode in allowed or is_flatten_sell(state, draft)
    limit = " or ".join(sorted(allowed))
    text = f"mode: {state.mode} ({state.mode_reason}), a {draft.side} needs {limit}"
    return Verdict("mode", ok, state.mode, limit, text)


def is_certified(state: State, policy: Policy) -> Verdict:
    """With real money a certificate counts at this very moment."""
    why = why_uncertified(state, policy)
    return Verdict(
        "certificate", not why, why or "counts", "one that counts", f"certificate: {why}"
    )


def within_scale(
    state: State, plan: e.RunPlanned, managed: Decimal, policy: Policy, *, reduces: bool
) -> Verdict:
    """Real money deploys no more of the regime's allocation than the scale on record.

    A first trade has a size of its own.
    """
    is_first = state.run is not None and state.run.trigger == FIRST_TRADE
    scale = FULL if is_first else scale_in_force(state, policy)
    return rules.within_scale(managed, plan.equity, plan.allocation * scale, reduces=reduces)


def id_is_free(state: State, draft: Draft) -> Verdict:
    """The id was never used, or its request is in doubt and the same order is said yes to again."""
    order = state.orders.get(draft.order_id)
    ok = order is None or order.status == "unknown"
    actual = "unused" if order is None else str(order.status)
    text = f"order id: {draft.order_id} is {actual}"
    return Verdict("order_id", ok, actual, "unused or unknown", text)


def may_be_traded(state: State, draft: Draft, policy: Policy) -> Verdict:
    """Neither protected, nor frozen by an unexplained quantity."""
    if draft.symbol in policy.protected:
        text = f"protected: {draft.symbol} is never touched"
        return Verdict("protected", False, draft.symbol, "not protected", text)
    if (why := state.frozen.get(draft.symbol)) is not None:
        text = f"frozen: {draft.symbol}: {why}; atlasd adopt {draft.symbol} takes it off"
        return Verdict("frozen", False, why, "an explained quantity", text)
    return Verdict("frozen", True, "explained", "an explained quantity", "quantity is explained")


def known_regime(state: State, policy: Policy) -> list[Verdict]:
    """The latest word on the regime allows buys at all, and is young enough to be believed."""
    verdict = no_crash(state)
    if state.regime is None:
        return [verdict]
    age = sessions_old(state.regime.as_of, state.now)
    return [verdict, rules.regime_age(age, policy.regime_age_max)]


def no_crash(state: State) -> Verdict:
    """The latest word on the regime is known and not CRASH."""
    regime = state.regime.regime if state.regime is not None else None
    ok = regime is not None and ALLOCATION[regime] > 0
    actual = str(regime) if regime is not None else "unknown"
    text = f"regime: {actual}, a buy needs one that is known and not {Regime.CRASH}"
    return Verdict("regime", ok, actual, "known and not CRASH", text)


def _price(line: e.PlanLine, prices: Mapping[Symbol, Decimal]) -> Decimal:
    return line.price if line.price is not None else prices.get(line.symbol, ZERO)


def _change(line: e.PlanLine, prices: Mapping[Symbol, Decimal]) -> Decimal:
    return (line.target_qty - line.current_qty) * _price(line, prices)
