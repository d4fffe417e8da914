"""crash-regime and estop: what must end a rebalance at once, and what it may still do."""

import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import OrderStatus
from atlas_daemon.core.values import Regime, Side

from .books import Books
from .processes import until
from .scene import FAST, WATCHED_S, Scene, Setting
from .verdicts import Check, books_agree, never_lost, never_twice, sells_first, whole

STOP_S_MAX = 10.0
"""Seconds within which a stop is seen complete, and the orders of a CRASH cancelled."""


@dataclass(frozen=True, slots=True)
class Crash:
    """What was seen of a CRASH amid buying."""

    order_id: str
    """The buy that rested."""
    told_at: datetime
    """The broker's time of the word."""
    held: int
    """Symbols that were held then."""
    goes_to_cash: bool
    """By `regime.react`."""


def crash_regime(setting: Setting) -> Iterator[Check]:
    """Say CRASH amid buying: open buys are cancelled, sells finish, all goes to cash."""
    with setting.scene() as scene:
        symbol = scene.resting_pick()
        scene.fall_due()
        (order_id,) = scene.rests(symbol)
        crash = Crash(order_id, scene.now(), len(scene.broker.positions()), setting.reacts_to_crash)
        scene.say(f"a buy of {symbol} rests, {crash.held} symbols are held: CRASH")
        scene.command("regime", "set", Regime.CRASH)
        until("end of the open buy", lambda: scene.broker.open_orders() == 0 or _is_selling(scene))
        scene.broker.speed(FAST)
        if setting.reacts_to_crash:
            until("cash", lambda: not scene.broker.positions() and not scene.broker.open_orders())
            scene.say("all is cash")
        scene.broker.trading(symbol, is_halted=False)
        scene.later(WATCHED_S)
        scene.ends_well()
        yield from judge_crash(scene.books(), crash)


def _is_selling(scene: Scene) -> bool:
    return any(o["side"] == Side.SELL for o in scene.broker.orders() if not o["filled_at"])


def judge_crash(books: Books, crash: Crash) -> Iterator[Check]:
    """Judge what both sides wrote."""
    (order,) = [o for o in books.orders if o["client_order_id"] == crash.order_id] or [{}]
    took_s = _seconds_between(books, crash.order_id)
    is_canceled = order.get("status") == "canceled" and Decimal(order["filled_qty"]) == 0
    yield Check(
        "buys cancelled",
        is_canceled and took_s is not None and took_s <= STOP_S_MAX,
        f"the open buy is {order.get('status', 'not there')}, "
        + ("not seen cancelled" if took_s is None else f"seen cancelled after {took_s:.1f} s"),
    )
    later = [
        str(o["client_order_id"])
        for o in books.orders
        if o["side"] == Side.BUY and datetime.fromisoformat(o["submitted_at"]) > crash.told_at
        and o["client_order_id"] != crash.order_id
    ]  # fmt: skip
    yield Check("no buys", not later, f"buys after the word: {len(later)}")
    unsold = [o for o in books.orders if o["side"] == Side.SELL and o["status"] != "filled"]
    sold = sum(1 for o in books.orders if o["side"] == Side.SELL) - len(unsold)
    yield Check("sells finish", not unsold, f"sells filled {sold}, not filled {len(unsold)}")
    if crash.goes_to_cash:
        text = f"symbols held then {crash.held}, left {len(books.positions)}"
        yield Check("cash", not books.positions and crash.held > 0, text)
    else:
        text = f"regime.react = none: {len(books.positions)} symbols stay, as configured"
        yield Check("holdings stay", len(books.positions) == crash.held, text)
    for promise in (never_twice, never_lost, sells_first, books_agree):
        yield from promise(books)


def _seconds_between(books: Books, order_id: str) -> float | None:
    """Seconds from the word CRASH to the order's end, as the journal has them."""
    told_at = None
    for entry in books.entries:
        match entry.event:
            case e.RegimeReported(regime=Regime.CRASH) if told_at is None:
                told_at = entry.at
            case e.OrderStepped(order_id=stepped, status=OrderStatus.CANCELED) if (
                stepped == order_id and told_at is not None
            ):
                return (entry.at - told_at).total_seconds()
    return None


@dataclass(frozen=True, slots=True)
class Stop:
    """What was seen of an emergency stop."""

    resting: Sequence[str]
    """Orders that were open."""
    seconds: float
    """From the signal to the stop seen complete."""
    latched: Sequence[bool]
    """For each cancel that passed the wire: whether the latch was on disk by then."""
    is_latched: bool
    open_orders: int
    """At the broker, when the stop said it was complete."""
    left_halted: int
    """Orders that left while halted, after a restart too, but for the sells of the stop's run."""
    stays_halted: bool
    """After the restart."""


def estop(setting: Setting) -> Iterator[Check]:
    """Send SIGUSR1 amid a rebalance: latch, cancels, a restart that stays halted, a resume."""
    with setting.scene() as scene:
        scene.wire.on_cancel = scene.home.latch.exists
        symbol = scene.resting_pick()
        scene.fall_due()
        resting = scene.rests(symbol)
        scene.say(f"SIGUSR1 while a buy of {symbol} rests")
        scene.daemon.send(signal.SIGUSR1)
        seconds = scene.is_halted()
        scene.say(f"seen complete after {seconds:.2f} s")
        open_orders, is_latched = scene.broker.open_orders(), scene.home.latch.exists()
        scene.has_flattened()
        scene.ends_well()
        scene.restart()
        scene.is_halted()
        scene.later(WATCHED_S)
        status = scene.daemon.status()
        stays = status is not None and status["daemon"]["mode"] == "halted"
        scene.say("a new process stays halted")
        left = _left_halted(scene)
        scene.broker.trading(symbol, is_halted=False)
        scene.resume()
        scene.ends_well()
        stop = Stop(
            resting,
            seconds,
            tuple(scene.wire.passed.cancels),
            is_latched,
            open_orders if not setting.flattens else 0,
            left,
            stays,
        )
        yield from judge_stop(scene.books(), stop)


def _left_halted(scene: Scene) -> int:
    """Orders that the journal let go after the stop, but for those of the stop's own run."""
    entries = scene.home.entries()
    began = next(n for n, x in enumerate(entries) if isinstance(x.event, e.TradingHalted))
    sent = [x.event for x in entries[began:] if isinstance(x.event, e.OrderSubmitted)]
    return sum(1 for event in sent if "-stop-" not in event.order_id)


def judge_stop(books: Books, stop: Stop) -> Iterator[Check]:
    """Judge what was seen, and what both sides wrote."""
    yield Check(
        "latch first",
        stop.is_latched and bool(stop.latched) and stop.latched[0],
        f"cancels sent: {len(stop.latched)}, of them before the latch was on disk: "
        f"{sum(1 for had in stop.latched if not had)}",
    )
    by_id = {str(o["client_order_id"]): str(o["status"]) for o in books.orders}
    gone = [order_id for order_id in stop.resting if by_id.get(order_id) == "canceled"]
    yield Check(
        "seen cancelled",
        len(gone) == len(stop.resting) > 0 and stop.open_orders == 0 and stop.seconds <= STOP_S_MAX,
        f"open orders {len(stop.resting)}, cancelled {len(gone)}, still open {stop.open_orders}; "
        f"seconds to seen-cancelled: {stop.seconds:.2f}",
    )
    yield Check(
        "stays halted",
        stop.stays_halted and stop.left_halted == 0,
        f"orders that left while halted, a restart included: {stop.left_halted}",
    )
    resumed = len(books.all(e.TradingResumed))
    yield Check("resumed", resumed == 1, f"resumed {resumed} times, by a person")
    yield from whole(books)
