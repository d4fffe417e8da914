"""Events and effects in one readable line, for transcripts and for failures."""

import re
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from enum import Enum

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.values import Approved, Draft

_ORDER = re.compile(r"atlas-(?:.+?)-(r\d+)-(buy|sell)-([A-Z.]+)-(\d+)")
_SILENT = {"digest", "priced_at", "asked_at", "reported_at", "filled_at", "broker_order_id"}


def tell(item: object) -> str:
    """Return an event or effect as `OrderSubmitted(r1 buy AAPL)`."""
    match item:
        case e.SnapshotReported():
            held = ", ".join(f"{p.qty:f} {p.symbol}" for p in item.positions)
            rests = f"; {len(item.open_orders)} open" if item.open_orders else ""
            return f"SnapshotReported(cash {item.account.cash:f}; {held or 'nothing held'}{rests})"
        case e.QuotesReported():
            return f"QuotesReported({', '.join(q.symbol for q in item.quotes)})"
        case e.AssetsReported():
            return f"AssetsReported({', '.join(item.asked)})"
        case e.SignalsReported():
            picks = ", ".join(p.symbol for p in item.picks)
            return f"SignalsReported({item.signal_day}, {item.regime}: {picks or 'none'})"
        case e.SessionsReported() | e.CalendarAgreed():
            return f"{type(item).__name__}({item.first}..{item.last})"
        case e.RunPlanned():
            lines = ", ".join(f"{x.symbol} {x.current_qty:f}->{x.target_qty:f}" for x in item.lines)
            return f"RunPlanned({item.run_id} r{item.round}, {item.regime}: {lines})"
        case e.RunFinished():
            end = "for ever" if item.is_final else "for now"
            return f"RunFinished({item.run_id}, {item.outcome} {end}: {item.reason})"
        case e.GatesAnswered():
            bad = [a.text for a in item.answers if not a.ok]
            return f"GatesAnswered({len(item.answers)} gates, {'; '.join(bad) or 'all open'})"
        case fx.FetchFigures():
            return f"FetchFigures({', '.join(item.quotes)})"
    shown = [_told(getattr(item, f.name)) for f in fields(item) if f.name not in _SILENT]
    return f"{type(item).__name__}({', '.join(text for text in shown if text)})"


def _told(value: object) -> str:
    match value:
        case None | "" | ():
            return ""
        case Approved():
            return _told(value.draft)
        case Draft():
            price = "" if value.expected_price is None else f" at {value.expected_price:f}"
            return f"{_told(value.order_id)}: {value.qty:f}{price}"
        case Enum():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return f"{value:%H:%M:%S}"
        case tuple():
            return " ".join(_told(part) for part in value)
        case str():
            return _ORDER.sub(lambda m: f"{m[1]} {m[2]} {m[3]} #{m[4]}", value)
    return str(value)
