"""What is true now, for people and programs: plain data made of the state. Questions only.

Page, API and command line show these and nothing of their own. Decimals are strings, moments RFC
3339 in UTC, days ISO dates, ages whole seconds. What nobody has seen is None.
"""

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from .book_views import activities, cash_dispute, foreign_orders
from .findings_view import examined_of
from .frozen import replace
from .halt_view import halt_of
from .modes import mode_of
from .moments import NEW_YORK, new_york_day
from .orders import Order, OrderStatus
from .outlook_view import jobs_of, outlook_of, stale_regime
from .performance_view import performance_view
from .plain import age, moment, rounded, share, text
from .policy import Policy
from .ramp_view import ramp_of
from .runs import next_slot, orders_of_run
from .sessions import NYSE, CalendarRangeError
from .state import Run, State
from .values import ZERO, Mode, Position, Symbol

View = dict[str, Any]
"""JSON-ready: dicts, lists, strings, whole numbers, booleans, None."""


def status_of(
    state: State,
    policy: Policy,
    now: datetime,
    *,
    fault: str = "",
    head: tuple[int, str] | None = None,
    url: str = "",
) -> View:
    """Return everything a status page shows.

    `fault` is why the journal takes no entries, `head` its place and hash, `url` the dashboard's.
    """
    state = replace(state, now=max(now, state.now))
    mode = state.account_mode
    return {
        "at": moment(now),
        "label": f"[{mode.upper()}]" if mode is not None else "[UNKNOWN]",
        "account": {
            "name": state.account_name,
            "mode": mode.value if mode is not None else None,
            "number": state.account_number or None,
        },
        "daemon": _daemon(state, policy, now, fault, head, url),
        "halt": halt_of(state, policy, now, fault),
        "market": market_of(now),
        "money": _money(state, policy, now),
        "regime": outlook_of(state, policy, now),
        "next_slot": _next_slot(state, policy, now),
        "positions": _positions(state),
        "orders": [order for order in orders_of(state, now) if order["is_open"]],
        "run": None if state.run is None else _run(state, state.run),
        "last_run": _last_run(state),
        "performance": performance_view(state, policy),
        "alerts": [
            {"at": moment(at), "level": alert.level, "key": alert.key, "text": alert.text}
            for at, alert in reversed(state.alerts)
        ],
        "foreign": foreign_orders(state),
        "frozen": dict(state.frozen),
        "cash_dispute": cash_dispute(state),
        "activities": activities(state),
        "calendar_dispute": state.calendar_dispute,
        "jobs": jobs_of(state),
        "examined": examined_of(state, now),
        "ramp": ramp_of(state, policy),
    }


def why_this_mode(state: State, policy: Policy) -> str:
    """Return why the mode is what it is, as of now: a reason may change while the mode stays."""
    mode, reason = mode_of(state, policy)
    return reason if mode is state.mode else state.mode_reason


def why_not_ready(state: State, policy: Policy, fault: str) -> str:
    """Return why no order may be sent now; empty where trading is open."""
    if fault:
        return f"the journal cannot be written: {fault}"
    if state.mode is not Mode.TRADING:
        return f"{state.mode}: {why_this_mode(state, policy)}"
    if state.figures.is_shutting_down:
        return "shutting down"
    return state.calendar_dispute and f"calendars differ: {state.calendar_dispute}"


def orders_of(state: State, now: datetime) -> list[View]:
    """Return the orders that are open and those of the present run, oldest first."""
    return [
        _order(order, now) | {"evidence": _evidence(state, order)}
        for order in state.orders.values()
    ]


def market_of(now: datetime) -> View:
    """Return whether New York trades now, and when that changes."""
    try:
        session = NYSE.session_at(now)
        coming = NYSE.next_session(new_york_day(now))
        if coming.opens_at <= now:
            coming = NYSE.session_after(coming.day)
    except CalendarRangeError as error:
        return {"is_open": None, "changes_at": None, "changes_in_s": None, "detail": str(error)}
    changes_at = coming.opens_at if session is None else session.closes_at
    return {
        "is_open": session is not None,
        "changes_at": moment(changes_at),
        "changes_in_s": age(now, changes_at),
        "detail": "",
    }


def _daemon(
    state: State,
    policy: Policy,
    now: datetime,
    fault: str,
    head: tuple[int, str] | None,
    url: str,
) -> View:
    figures = state.figures
    return {
        "mode": state.mode.value,
        "reason": why_this_mode(state, policy),
        "why_not_ready": why_not_ready(state, policy, fault),
        "started_at": moment(figures.started_at),
        "stream": figures.stream,
        "stream_detail": figures.stream_detail,
        "reconciled_at": moment(figures.matched_at),
        "reconciled_age_s": age(figures.matched_at, now),
        "failures": dict(figures.failures),
        "fault": fault,
        "journal": None if head is None else {"seq": head[0], "hash": head[1]},
        "dashboard": url or None,
    }


def _money(state: State, policy: Policy, now: datetime) -> View:
    snapshot = state.figures.snapshot
    if snapshot is None:
        names = ("equity", "cash", "buying_power", "size", "as_of", "age_s")
        return dict.fromkeys(names)
    account = snapshot.account
    return {
        "equity": text(account.equity),
        "cash": text(account.cash),
        "buying_power": text(account.buying_power),
        "size": text(policy.capital if policy.capital > 0 else account.equity),
        "as_of": moment(snapshot.asked_at),
        "age_s": age(snapshot.asked_at, now),
    }


def _next_slot(state: State, policy: Policy, now: datetime) -> View | None:
    try:
        slot = next_slot(state, policy)
    except CalendarRangeError:
        return None  # beyond the calendar nothing is guessed
    if slot is None:
        return None
    today, day = new_york_day(now), slot.session.day
    # The session is the first one on or after its anchor: the latest anchor before it is its own.
    anchors = [date(day.year, month, start) for month, start in policy.anchors]
    anchor = max((each for each in anchors if each <= day), default=day)
    return {
        "name": slot.name,
        "anchor": anchor.isoformat(),
        "session": day.isoformat(),
        "due_at": moment(slot.due_at),
        "last_session": slot.last.day.isoformat(),
        "is_due": slot.due_at <= now < slot.last.closes_at,
        "is_over": now >= slot.last.closes_at,
        "days_to_anchor": max(0, (datetime.combine(anchor, time(), NEW_YORK) - now).days),
        "days_to_session": max(0, (day - today).days),
    }


def _positions(state: State) -> list[View] | None:
    """None where the broker's positions were not seen."""
    snapshot = state.figures.snapshot
    if snapshot is None:
        return None
    equity = snapshot.account.equity
    return [_position(each, equity, state) for each in snapshot.positions]


def _position(position: Position, equity: Decimal, state: State) -> View:
    value = None if position.price is None else position.qty * position.price
    cost = position.qty * position.avg_entry_price
    made = None if value is None else value - cost
    return {
        "symbol": position.symbol,
        "qty": text(position.qty),
        "price": text(position.price),
        "value": text(value),
        "cost_basis": text(cost),
        "gain": text(made),
        "gain_pct": text(share(made, abs(cost))),
        "portfolio_pct": text(share(value, equity)),
        "bought_by_us": text(state.book.bought.get(position.symbol, ZERO)),
        "frozen": state.frozen.get(position.symbol, ""),
    }


def _order(order: Order, now: datetime) -> View:
    draft = order.draft
    return {
        "id": draft.order_id,
        "broker_id": order.broker_order_id,
        "run": draft.run_id,
        "symbol": draft.symbol,
        "side": draft.side.value,
        "type": draft.order_type.value,
        "qty": text(draft.qty),
        "limit_price": text(draft.limit_price),
        "expected_price": text(draft.expected_price),
        "filled_qty": text(order.filled_qty),
        "filled_avg_price": text(rounded(order.filled_avg_price)),
        "status": order.status.value,
        "broker_status": order.broker_status,
        "is_open": not order.is_done,
        "is_in_doubt": order.is_in_doubt,
        "is_cancel_wanted": order.is_cancel_wanted,
        "sent_at": moment(order.sent_at),
        "age_s": age(order.sent_at, now),
        "reason": order.reason,
    }


def _evidence(state: State, order: Order) -> str:
    """Return what is known of an unknown order: how often it was sent, looked for, not found."""
    if order.status is not OrderStatus.UNKNOWN:
        return ""
    order_id, seen = order.draft.order_id, state.figures
    told = [f"sent {order.sends} time{'s'[: order.sends != 1]}"]
    if (looked_at := seen.looked_up.get(order_id)) is not None:
        told.append(f"looked for at {looked_at.astimezone(NEW_YORK):%H:%M:%S} New York")
    if missed := seen.not_found.get(order_id, ()):
        told.append(f"not found {len(missed)} time{'s'[: len(missed) != 1]}")
    return ", ".join(told)


def _run(state: State, run: Run) -> View:
    plan = run.plan
    latest = {order.draft.symbol: order for order in orders_of_run(state, run)}
    return {
        "id": run.run_id,
        "trigger": run.trigger,
        "phase": run.phase.value,
        "round": run.session_round,
        "order_day": run.order_day.isoformat(),
        "signal_day": run.signal_day.isoformat(),
        "started_at": moment(run.started_at),
        "regime": None if plan is None else plan.regime.value,
        "allocation": None if plan is None else text(plan.allocation),
        "deployable": None if plan is None else text(plan.deployable),
        "notes": [] if plan is None else list(plan.notes),
        "lines": []
        if plan is None
        else [_line(state, run, line, latest.get(line.symbol)) for line in plan.lines],
        "dropped": dict(run.dropped),
        "trimmed": dict(run.trimmed),
    }


def _line(state: State, run: Run, line: Any, order: Order | None) -> View:
    symbol: Symbol = line.symbol
    held = state.book.positions.get(symbol, ZERO)
    if symbol in run.dropped:
        stands = "dropped"
    elif held == line.target_qty:
        stands = "reached"
    elif order is not None:
        stands = order.status.value
    else:
        stands = "waiting"
    return {
        "symbol": symbol,
        "current_qty": text(line.current_qty),
        "target_qty": text(line.target_qty),
        "held_qty": text(held),
        "weight": text(line.weight),
        "price": text(line.price),
        "state": stands,
        "note": run.dropped.get(symbol) or run.trimmed.get(symbol) or line.note,
    }


def _last_run(state: State) -> View | None:
    record = state.last_run
    if record is None:
        return None
    report = record.report
    return {
        "id": record.run_id,
        "date": record.order_day.isoformat(),
        "finished_at": moment(record.finished_at),
        "outcome": record.outcome,
        "is_final": record.is_final,
        "reason": record.reason,
        "orders": None if report is None else report.total_orders,
        "filled": None if report is None else report.filled_orders,
        "rejected": None if report is None else report.rejected_orders,
        "regime": None if report is None else report.regime.value,
        "allocation": None if report is None else text(report.allocation_pct),
        "achieved_pct": None if report is None else text(report.achieved_pct),
        "slippage_cost": None if report is None else text(report.slippage_cost),
        "discrepancies": [] if report is None else list(report.discrepancies),
    }


def status_line(state: State, policy: Policy, account: str, now: datetime, fault: str = "") -> str:
    """Return in one line: doing what, for whom, how old the last look at the broker is.

    And why no more than that is done, where something is in the way. `fault` is why the journal
    takes no entries.
    """
    matched_at = state.figures.matched_at
    seen = "not reconciled"
    if matched_at is not None:
        seen = f"reconciled {(now - matched_at).total_seconds():.0f} s ago"
    told = [_doing(state, policy, now), account, seen]
    if state.mode is not Mode.TRADING or state.figures.stream != "listening":
        told.append(why_this_mode(state, policy))
    if stale := stale_regime(state, policy, now):
        told.append(stale)
    if fault:
        told.append(f"the journal cannot be written: {fault}")
    return "; ".join(told)


def stands_elsewhere(before: State, now: State) -> bool:
    """True where the first words of the status line may be others than before."""
    before_run, run = before.run, now.run
    if (before_run is None) is not (run is None) or before.mode is not now.mode:
        return True
    return run is not None and before_run is not None and before_run.phase is not run.phase


def _doing(state: State, policy: Policy, now: datetime) -> str:
    if state.run is not None and state.mode is not Mode.HALTED:
        return f"run {state.run.run_id} {state.run.phase}"
    if state.mode is not Mode.TRADING:
        return str(state.mode)
    slot = _next_slot(state, policy, now)
    if slot is None:
        return "waiting, and no slot is known"
    days = slot["days_to_session"]
    soon = {0: "today", 1: "tomorrow"}.get(days, f"{days} days")
    return f"waiting for {slot['session']} ({soon})"
