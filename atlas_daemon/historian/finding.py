"""What a person means by a word: an order, a symbol, a slot or a run. Raises UsageError.

The longest way of saying it wins: an id in full, then a symbol, then the beginning of an id.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.runs import slots_around
from atlas_daemon.core.spelling import moment_text, weekday_text
from atlas_daemon.core.values import ORDER_ID_PREFIX, OrderId, RunId, Symbol

from .history import History

Kind = Literal["order", "symbol", "slot", "run"]
SHOWN_MAX = 6
"""Names that are listed where one is not clear."""

_SLOT = re.compile(r"(\d{4})-(\d{2})")
_DATE_LIKE = re.compile(r"\d{4}-[\d-]*")


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be explained: `name` as the journal spells it."""

    kind: Kind
    name: str


def find(history: History, word: str, policy: Policy) -> Subject:
    """Return what `word` means in this journal. Raises UsageError in one line, with what there is.

    A slot of the schedule that no entry names yet is known too.
    """
    word = word.strip()
    if not word:
        raise UsageError("say what to explain: an order's id, a symbol, a slot or a run")
    found = _in_full(history, word) or _slot(history, word, policy)
    if found is None and not word.isdigit():
        found = _beginning(history, word)
    if found is None:
        raise UsageError(f"{_quoted(word)}: {_unknown(history, word)}")
    return found


def _in_full(history: History, word: str) -> Subject | None:
    if RunId(word) in history.runs:
        return Subject("run", word)
    if word in history.missed:
        return Subject("slot", word)
    if OrderId(word) in history.orders:
        return Subject("order", word)
    for order in history.orders.values():
        if order.broker_order_id == word:
            return Subject("order", order.order_id)
    symbol = Symbol(word.upper())
    return Subject("symbol", symbol) if symbol in history.symbols else None


def _slot(history: History, word: str, policy: Policy) -> Subject | None:
    """Return a slot of the schedule; UsageError for a month that cannot be one."""
    found = _SLOT.fullmatch(word)
    if found is None:
        return None
    if not 1 <= int(found[2]) <= 12:
        raise UsageError(f"{_quoted(word)}: a slot is YYYY-MM, and there is no month {found[2]}")
    for slot in slots_around(history.state.now, policy) if history.entries else ():
        if slot.name == word:
            return Subject("slot", word)
    return None


def _beginning(history: History, word: str) -> Subject | None:
    """Return the one order or run whose id begins so; UsageError where there are several."""
    runs = [run_id for run_id in history.runs if run_id.startswith(word)]
    orders = [
        order.order_id
        for order in history.orders.values()
        if order.order_id.startswith((word, f"{ORDER_ID_PREFIX}{word}"))
        or (order.broker_order_id or "").startswith(word)
    ]
    if len(runs) == 1 and not word.startswith(ORDER_ID_PREFIX):
        return Subject("run", runs[0])
    if len(runs) + len(orders) > 1:
        raise UsageError(
            f"{_quoted(word)} is the beginning of {len(runs) + len(orders)} ids: "
            f"{_listed([*runs, *orders])}"
        )
    return Subject("order", orders[0]) if orders else None


def _unknown(history: History, word: str) -> str:
    if not history.entries:
        return f"the journal {'cannot be read' if history.fault else 'has no entry yet'}"
    more = ""
    if _SLOT.fullmatch(word):
        more = "no slot of the schedule in that month; "
    elif _DATE_LIKE.fullmatch(word):
        more = "no order, slot (YYYY-MM) or run is called so; "
    else:
        more = "no order, symbol, slot or run is called so; "
    if (run := history.latest_run()) is not None and run.signals_seq is not None:
        event = history.entry(run.signals_seq).event
        if isinstance(event, e.SignalsReported) and word.isalpha():
            of = f" of {event.candidates} candidates" if event.candidates else ""
            more += f"the {len(event.picks)} picks{of} of {event.signal_day} are others; "
    runs = _listed(reversed(list(history.runs))) or "none yet"
    symbols = _listed(sorted(history.symbols)) or "none yet"
    return f"{more}runs: {runs}; symbols: {symbols}; orders: {len(history.orders)}"


def _listed(names: Iterable[str]) -> str:
    all_names = list(names)
    more = len(all_names) - SHOWN_MAX
    return " ".join(all_names[:SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _quoted(word: str) -> str:
    return repr(word[:80])


def slot_text(history: History, name: str, policy: Policy) -> str:
    """Return what is to be said of a slot that no entry names."""
    slot = next(s for s in slots_around(history.state.now, policy) if s.name == name)
    when = f"{weekday_text(slot.session.day)}, from {moment_text(slot.due_at)}"
    if slot.due_at < history.entries[0].at:
        return f"was due {when}, before the journal's first entry: neither due nor missed"
    if slot.due_at > history.state.now:
        return f"is due {when}; the journal ends at {moment_text(history.state.now)}"
    return (
        f"is due since {when}, and no run was started for it; "
        f"caught up until the end of {weekday_text(slot.last.day)}"
    )
