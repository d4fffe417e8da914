"""Judgements on what the strategy is fed with, and on the lines that it wants."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import Asset, OpenOrder, Symbol

from .asking import Known, NotKnown, Reply, not_known

NAMED_MAX = 5


def on_signals(
    signal_day: date, answer: Reply[SignalsAnswer], without_regime: Reply[SignalsAnswer] | None
) -> Iterator[Finding]:
    """Judge bars and regime of the last completed session.

    `without_regime` is the answer to the same question with a made-up regime, where the first had
    none: it tells whose fault that is.
    """
    match answer, without_regime:
        case Known(value=value), _:
            yield from _bars(signal_day, value)
            yield from _regime(signal_day, value)
        case NotKnown(why=why), Known(value=value):
            yield from _bars(signal_day, value)
            advice = "give the source what it needs; without a regime no slot begins"
            yield Finding("regime", Level.RED, why, advice)
        case NotKnown(why=why, is_refusal=True), _:
            advice = "look at data.source and the universe; without bars no slot begins"
            yield Finding("bars", Level.RED, why, advice)
            yield Finding("regime", Level.WARN, "not known: there are no bars")
        case NotKnown() as nobody, _:
            yield not_known("bars", nobody)
            yield Finding("regime", Level.WARN, "not known: there are no bars")


def _bars(signal_day: date, answer: SignalsAnswer) -> Iterator[Finding]:
    rated, refused = answer.candidates, answer.refused
    said = f"{rated} symbols rated on {signal_day}, {len(answer.picks)} picked"
    if answer.signal_day != signal_day:
        yield Finding("bars", Level.RED, f"are of {answer.signal_day}, not of {signal_day}")
    elif refused:
        named = "; ".join(f"{symbol}: {why}" for symbol, why in sorted(refused)[:NAMED_MAX])
        more = f" and {len(refused) - NAMED_MAX} more" if len(refused) > NAMED_MAX else ""
        text = f"{said}; {len(refused)} could not be: {named}{more}"
        yield Finding("bars", Level.WARN, text, "they cannot be picked until their bars are sound")
    else:
        yield Finding("bars", Level.OK, said)


def _regime(signal_day: date, answer: SignalsAnswer) -> Iterator[Finding]:
    as_of = answer.regime_as_of
    if answer.regime is None or as_of is None:
        yield Finding("regime", Level.RED, "the source gives none: no slot begins without one")
    elif as_of < signal_day:
        text = f"{answer.regime} is of {as_of}, older than the signal session {signal_day}"
        yield Finding("regime", Level.RED, text, "a slot waits for the regime of its session")
    else:
        yield Finding("regime", Level.OK, f"{answer.regime} as of {as_of}")


def on_lines(
    picks: Sequence[Symbol], held: Sequence[Symbol], assets: Reply[Mapping[Symbol, Asset]]
) -> Iterator[Finding]:
    """Judge whether each line, picked or held, can be traded at the broker."""
    if isinstance(assets, NotKnown):
        yield Finding("tradable", Level.WARN, f"not known: {assets.why}")
        return
    known = assets.value
    off = {
        symbol: "unknown to the broker" if (asset := known.get(symbol)) is None else asset.status
        for symbol in (*picks, *held)
        if symbol not in known or not known[symbol].tradable
    }
    if off:
        level = Level.RED if set(off) & set(picks) else Level.WARN
        text = f"not tradable now: {', '.join(f'{s} ({why})' for s, why in off.items())}"
        yield Finding("tradable", level, text, "a run would leave these lines as they are")
    else:
        count = len({*picks, *held})
        yield Finding("tradable", Level.OK, f"{count} lines, each tradable")


def on_orders(
    lines: Sequence[Symbol], orders: Reply[Sequence[OpenOrder]], is_run_open: bool
) -> Iterator[Finding]:
    """Judge the orders that rest at the broker: somebody else's on a line of ours, or our own."""
    if isinstance(orders, NotKnown):
        yield Finding("orders", Level.WARN, f"not known: {orders.why}")
        return
    wanted = set(lines)
    foreign = [o for o in orders.value if not o.is_ours and o.symbol in wanted]
    ours = [o for o in orders.value if o.is_ours]
    if foreign:
        text = f"not ours, on lines of ours: {_named(foreign)}"
        advice = "cancel them: a run waits for a while and then drops the line"
        yield Finding("orders", Level.RED, text, advice)
    elif ours and not is_run_open:
        text = f"ours, and no run is under way: {_named(ours)}"
        advice = "`atlasd status`; is another daemon at work with these keys?"
        yield Finding("orders", Level.RED, text, advice)
    else:
        others = len(orders.value) - len(ours)
        text = f"{len(ours)} open of the run, {others} of others on other symbols"
        yield Finding("orders", Level.OK, text if orders.value else "none rests")


def _named(orders: Sequence[OpenOrder]) -> str:
    words = [
        f"{order.side} {'?' if order.qty is None else f'{order.qty:f}'} {order.symbol}"
        for order in orders[:NAMED_MAX]
    ]
    more = f" and {len(orders) - NAMED_MAX} more" if len(orders) > NAMED_MAX else ""
    return ", ".join(words) + more
