"""The vocabulary of the fault console: each kind of fault, its parameters, and what happens.

The one table that scenario files, the admin endpoint and the papers share. Nothing is acted here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How a kind comes: at occasions, for a while, or once."""

    STRIKE = "strike"
    """Strikes some of the requests, updates or orders that fit it: `count`, `probability`."""
    CONDITION = "condition"
    """Holds from when it is armed, for `for_s`; without it until it is cleared."""
    EVENT = "event"
    """Happens at once; with `every_s` again and again, `count` times in all."""


class Place(StrEnum):
    """Where a kind is acted out."""

    REQUEST = "request"
    ANSWER = "answer"
    STREAM = "stream"
    ORDER = "order"
    ACCOUNT = "account"


_OF_SHAPE = {
    Shape.STRIKE: ("count", "probability", "seed", "skip", "for_s"),
    Shape.CONDITION: ("count", "probability", "seed", "for_s", "every_s"),
    Shape.EVENT: ("count", "probability", "seed", "every_s"),
}


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind: `needs` are its parameters that must be given, `takes` those that may be."""

    name: str
    shape: Shape
    place: Place
    text: str
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """Every parameter it knows, its own first."""
        narrowed: tuple[str, ...] = ()
        if self.place is Place.REQUEST and self.shape is Shape.STRIKE:
            narrowed = ("method", "path")
        elif self.shape is Shape.EVENT and self.place is not Place.STREAM:
            narrowed = ("key",)
        return (*self.needs, *self.takes, *narrowed, *_OF_SHAPE[self.shape])


def _kinds() -> Iterator[FaultKind]:
    yield from _requests()
    yield from _answers()
    yield from _stream()
    yield from _orders()
    yield from _account()


def _requests() -> Iterator[FaultKind]:
    def strike(name: str, text: str, needs: str = "", takes: str = "") -> FaultKind:
        return FaultKind(
            name, Shape.STRIKE, Place.REQUEST, text, tuple(needs.split()), tuple(takes.split())
        )

    yield strike("delay", "done at once, answered `seconds` later", "seconds")
    yield strike("late_request", "held up for `seconds` on its way, then done", "seconds")
    yield strike("hang", "done, and never answered")
    yield strike("hang_before_accept", "neither done nor answered")
    yield strike("drop_before_accept", "not done; the connection is reset")
    yield strike("accept_then_reset", "done; the connection is reset instead of an answer")
    yield strike("accept_then_504", "done, and answered 504 in HTML")
    yield strike("accept_then_html", "done, and answered 200 in HTML")
    yield strike("accept_then_cut", "done; the answer's body ends in its middle")
    yield strike(
        "http_429", "not done: 429; `headers = false` leaves the limit's out", "", "headers"
    )
    yield strike("http_500", "not done: 500 with an empty body")
    yield strike("http_500_html", "not done: 500 in HTML")
    yield strike("http_502", "not done: 502 in HTML")
    yield strike("http_503", "not done: 503 in HTML")
    yield strike("http_504", "not done: 504 in HTML")
    yield strike("unauthorized", "not done: 401, as if the keys were wrong")
    yield strike(
        "refuse_order",
        "a new order is refused (`status`, `code`, `message`: 403, insufficient buying power)",
        "",
        "symbol side status code message",
    )
    yield FaultKind(
        "connection_refused",
        Shape.CONDITION,
        Place.REQUEST,
        "nobody listens on the port, and what was connected is cut",
        needs=("for_s",),
    )


def _answers() -> Iterator[FaultKind]:
    def condition(name: str, text: str, needs: str = "", takes: str = "") -> FaultKind:
        return FaultKind(
            name, Shape.CONDITION, Place.ANSWER, text, tuple(needs.split()), tuple(takes.split())
        )

    yield condition("positions_lag", "positions show a fill `seconds` after it", "seconds")
    yield condition(
        "list_lag", "lists of orders show one `seconds` after it was accepted", "seconds"
    )
    yield condition(
        "lookup_lag", "a look-up by id answers 404 for `seconds` after the accept", "seconds"
    )
    yield condition("activities_lag", "an activity is told `seconds` after it happened", "seconds")
    yield condition("clock_skew", "the broker's clock shows `seconds` more (or less)", "seconds")
    yield condition(
        "odd_calendar",
        "the calendar has not today's session (or that of `day`), or has it with another `close`",
        "",
        "day close",
    )
    yield condition(
        "bad_quotes",
        "quotes and last trades are told `stale`, `crossed`, `zero` or not at all (`missing`)",
        "how",
        "symbol",
    )
    yield condition("unknown_order_status", "orders are told with a status of the future")
    yield condition(
        "untradable_asset", "an asset is inactive, and new orders for it are refused", "symbol"
    )
    yield condition(
        "account_blocked", "the accounts are blocked: every new order is refused with 403"
    )
    yield condition(
        "trading_blocked", "the accounts are blocked for trading only, with the same refusals"
    )


def _stream() -> Iterator[FaultKind]:
    def strike(name: str, text: str, needs: str = "") -> FaultKind:
        takes = ("event", "symbol", "side")
        return FaultKind(name, Shape.STRIKE, Place.STREAM, text, tuple(needs.split()), takes)

    def other(name: str, shape: Shape, text: str, takes: str = "") -> FaultKind:
        return FaultKind(name, shape, Place.STREAM, text, (), tuple(takes.split()))

    yield strike("lost_events", "an update is not sent")
    yield strike("duplicate_events", "an update is sent twice")
    yield strike("delayed_events", "an update is sent `seconds` late", "seconds")
    yield strike("out_of_order_events", "an update is sent after the one that follows it")
    yield strike("unknown_event", "an update carries an event of the future")
    yield strike("unknown_status", "the order in an update has a status of the future")
    yield strike("missing_timestamp", "an update has no timestamp")
    yield strike("missing_execution_id", "an execution is told without its id")
    yield strike("garbled_frame", "instead of an update comes a frame that is no JSON")
    shape = Shape.STRIKE
    yield other("no_auth_reply", shape, "an authentication is not answered")
    yield other("unauthorized_stream", shape, "an authentication is answered with unauthorized")
    yield other("no_listening_ack", shape, "listening is not acknowledged, though it begins")
    yield other("empty_listening_ack", shape, "listening is acknowledged without any stream")
    yield other("stream_refused", shape, "the upgrade is refused with `status` (429)", "status")
    shape = Shape.CONDITION
    yield other("mute_stream", shape, "connected, pings are answered, and no update comes")
    yield other("half_open_stream", shape, "connected, and nothing at all is sent or answered")
    shape = Shape.EVENT
    yield other("stream_drop", shape, "every stream connection is dropped without a farewell")
    yield other(
        "ghost_connection",
        shape,
        "as stream_drop, and the place stays taken (429) for `seconds` (90)",
        "seconds",
    )


def _orders() -> Iterator[FaultKind]:
    def strike(name: str, text: str, needs: str = "", takes: str = "") -> FaultKind:
        more = (*takes.split(), "symbol", "side")
        return FaultKind(name, Shape.STRIKE, Place.ORDER, text, tuple(needs.split()), more)

    yield strike("reject_order", "an order is accepted and then rejected")
    yield strike(
        "stuck_order",
        "an order is accepted and does not fill, for `seconds` or for ever",
        "",
        "seconds",
    )
    yield strike("slow_fill", "an order's first fill comes no sooner than in `seconds`", "seconds")
    yield strike(
        "partial_fill", "an execution fills a `share` of what is left (a third)", "", "share"
    )
    yield strike("refuse_cancel", "a cancel is taken, then rejected; the order goes on")
    yield FaultKind(
        "halted_symbol",
        Shape.CONDITION,
        Place.ORDER,
        "trading in a symbol is halted: orders are accepted and rest",
        needs=("symbol",),
    )
    yield FaultKind(
        "cancel_by_broker",
        Shape.EVENT,
        Place.ORDER,
        "open orders are cancelled by the broker",
        takes=("symbol", "side"),
    )
    yield FaultKind(
        "trade_bust",
        Shape.EVENT,
        Place.ORDER,
        "the last execution (of a `symbol`) is taken back: shares, money, and the order's fill",
        takes=("symbol",),
    )


def _account() -> Iterator[FaultKind]:
    def event(name: str, text: str, needs: str = "", takes: str = "") -> FaultKind:
        return FaultKind(
            name, Shape.EVENT, Place.ACCOUNT, text, tuple(needs.split()), tuple(takes.split())
        )

    yield event(
        "foreign_order",
        "somebody else places a limit order that rests: `qty` 1, at half of the price or double it",
        "symbol",
        "side qty price",
    )
    yield event(
        "manual_trade", "somebody trades `qty` (1) by hand, at the market", "symbol", "side qty"
    )
    yield event("suspend_trade", "somebody sets suspend_trade")
    yield event("allow_trade", "somebody takes suspend_trade back")
    yield event("price_jump", "a price is multiplied by `factor` from then on", "symbol factor")
    yield event("fee", "a fee of `amount` dollars", "amount")
    yield event("interest", "interest of `amount` dollars", "amount")
    yield event("deposit", "`amount` dollars are paid in", "amount")
    yield event("withdrawal", "`amount` dollars are taken out", "amount")
    yield event("dividend", "`per_share` dollars for each share held", "symbol per_share")
    yield event(
        "split",
        "with the next session each share becomes `ratio` shares (10, or 0.1), the price with it",
        "symbol ratio",
    )
    yield event(
        "rename", "from the next session on a symbol is called `to_symbol`", "symbol to_symbol"
    )
    yield event("unexplained_cash", "`amount` dollars come (or go) and no activity tells", "amount")
    yield event(
        "unexplained_shares", "`qty` shares come (or go) and no activity tells", "symbol qty"
    )


KINDS: dict[str, FaultKind] = {kind.name: kind for kind in _kinds()}
