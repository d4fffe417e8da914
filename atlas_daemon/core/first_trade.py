"""The first trade: a few dollars of the best picks, to see the whole path work. Pure arithmetic.

Buys only, and touches nothing else that is held. What it buys is ours: the next slot manages it.
"""

from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, Decimal

from . import events as e
from .plan import DOLLARS_MIN, regime_of, with_digest
from .policy import Policy
from .pricing import Price
from .runs import FIRST_PICKS, managed_equity, managed_positions, picks_of, position_prices
from .sizing import shares_for
from .state import Run, State
from .values import ALLOCATION, ZERO, Pick, Symbol

DOLLARS_EACH = Decimal(100)
"""Of each pick, with what is held of it already; the handbook's figure."""
_CENT = Decimal("0.01")


def make_first_plan(
    state: State, run: Run, prices: Mapping[Symbol, Price], policy: Policy
) -> e.RunPlanned:
    """Return the plan of a first trade: up to `DOLLARS_EACH` of each of the best picks.

    In parts of shares where the asset allows, else in the whole shares that it pays for. Never
    above the cap on a position, nor above what the regime leaves beside all else that is managed.
    `prices` holds a believed price for each pick that was not dropped.
    """
    snapshot = state.figures.snapshot
    assert snapshot is not None
    regime, equity = regime_of(state, run), max(managed_equity(state, policy), ZERO)
    slice_ = _slice(state, run, equity, ALLOCATION[regime], policy)
    lines = tuple(_lines(state, run, prices, slice_, policy))
    notes = [f"first trade: {slice_:,.2f} dollars at most of each of {FIRST_PICKS} picks"]
    notes += [f"{line.symbol}: {line.note}" for line in lines if line.note]
    return with_digest(
        e.RunPlanned(
            run_id=run.run_id,
            round=run.round + 1,
            regime=regime,
            allocation=ALLOCATION[regime],
            equity=equity,
            portfolio_value=snapshot.account.equity,
            deployable=slice_ * len(lines),
            cash=min(snapshot.account.cash, state.book.cash),
            lines=lines,
            notes=tuple(notes),
            digest="",
        )
    )


def _slice(state: State, run: Run, equity: Decimal, allocation: Decimal, policy: Policy) -> Decimal:
    """Return the dollars of one line, cut to whole cents.

    A pick that is held for more already takes no part of the room, and stands beside the others.
    """
    held, prices = managed_positions(state, policy), position_prices(state)
    values = {symbol: qty * prices[symbol] for symbol, qty in held.items()}
    wanting = [p.symbol for p in picks_of(run) if values.get(p.symbol, ZERO) < DOLLARS_EACH]
    besides = sum((value for symbol, value in values.items() if symbol not in wanting), ZERO)
    room = max(equity * allocation - besides, ZERO) / max(len(wanting), 1)
    most = min(DOLLARS_EACH, equity * policy.max_position_pct, room)
    return most.quantize(_CENT, ROUND_DOWN)


def _lines(
    state: State, run: Run, prices: Mapping[Symbol, Price], slice_: Decimal, policy: Policy
) -> Iterator[e.PlanLine]:
    held, picks = managed_positions(state, policy), picks_of(run)
    for pick in picks:
        current = held.get(pick.symbol, ZERO)
        price = prices.get(pick.symbol)
        dropped = run.dropped.get(pick.symbol)
        qty, note = ZERO, "no price"
        if dropped:
            note = f"dropped: {dropped}"
        elif price is not None:
            qty, note = _bought(state, pick, current, price.value, slice_, policy)
        yield e.PlanLine(
            symbol=pick.symbol,
            current_qty=current,
            target_qty=current + qty,
            weight=Decimal(1) / len(picks),
            price=price.value if price is not None else None,
            close=pick.close,
            note=note,
        )


def _cost(state: State, symbol: Symbol) -> Decimal:
    snapshot = state.figures.snapshot
    positions = snapshot.positions if snapshot is not None else ()
    return next((p.avg_entry_price for p in positions if p.symbol == symbol), ZERO)


def _not_managed(state: State, symbol: Symbol, managed: Decimal) -> Decimal:
    """Return the shares of it that are held besides: the cap on a position counts them too."""
    return state.book.positions.get(symbol, ZERO) - managed


def _cap(state: State, policy: Policy) -> Decimal:
    snapshot = state.figures.snapshot
    equity = snapshot.account.equity if snapshot is not None else ZERO
    return max(equity, ZERO) * policy.max_position_pct


def _bought(
    state: State, pick: Pick, held: Decimal, price: Decimal, slice_: Decimal, policy: Policy
) -> tuple[Decimal, str]:
    """Return the shares to buy besides those held, and why they are fewer than one may think."""
    asset = state.figures.assets.get(pick.symbol)
    is_fractional = asset is not None and asset.fractionable
    # What it cost counts where that is more: a price that fell makes no second hundred dollars.
    has = held * max(price, _cost(state, pick.symbol))
    left = slice_ - has
    if slice_ <= 0:
        return ZERO, "the regime leaves no dollars for it"
    if left <= 0:
        return ZERO, f"{has:,.2f} dollars of it are held already: nothing is bought"
    if (apart := _not_managed(state, pick.symbol, held) * price) > 0:
        left = min(left, _cap(state, policy) - held * price - apart)
        if left <= 0:
            return ZERO, f"{apart:,.2f} dollars of it are held that are not managed: at the cap"
    qty = shares_for(left, price, fractional=is_fractional)
    besides = f", with the {has:,.2f} held" if held else ""
    if is_fractional:
        if qty * price < DOLLARS_MIN:
            return ZERO, f"{left:,.2f} dollars are less than the broker's least order of 1"
        return qty, besides.removeprefix(", ")
    if not qty:
        return ZERO, f"costs {price:,.2f}: no whole share for {left:,.2f} dollars{besides}"
    return qty, f"whole shares only: {qty:f} for {qty * price:,.2f} dollars{besides}"
