"""GET /v1/corporate-actions: what companies did to their shares, grouped by kind.

Up to the broker's own day nothing is told that is still to come but what has an ex-day of today.
"""

from __future__ import annotations

import base64
import binascii
from datetime import date

from aiohttp import web

from atlas_daemon.paper import wire
from atlas_daemon.paper.api import bars, query
from atlas_daemon.paper.api.gate import DESK, reply
from atlas_daemon.paper.exchange.matching import NEW_YORK
from atlas_daemon.paper.exchange.orders import id_of
from atlas_daemon.paper.market.market import CorporateAction

ACTIONS_MAX = 1000
_KIND_NAMES = (
    "reverse_split forward_split unit_split cash_dividend stock_dividend spin_off cash_merger "
    "stock_merger stock_and_cash_merger redemption name_change worthless_removal "
    "rights_distribution partial_call reorganization capital_gains_distribution"
)
KINDS = frozenset(_KIND_NAMES.split())


async def corporate_actions(request: web.Request) -> web.Response:
    """GET /v1/corporate-actions, by process date (here the ex-date), paged over all kinds."""
    desk, asked = request.app[DESK], request.query
    today = desk.exchange.now.astimezone(NEW_YORK).date()
    wanted_ids = frozenset(name.lower() for name in query.names(asked, "ids"))
    first, last = _day(asked, "start") or today, _day(asked, "end") or today
    if last < first:
        raise bars.refused("end should not be before start")
    if wanted_ids:
        if any(asked.get(key) for key in ("symbols", "cusips", "types", "start", "end")):
            raise bars.refused("ids cannot be used with other filters")
        first, last = date.min, today
    limit = bars.read_number(asked, "limit", 100, ACTIONS_MAX)
    symbols = frozenset(query.names(asked, "symbols"))
    cusips = frozenset(query.names(asked, "cusips"))
    kinds = frozenset(name.lower() for name in query.names(asked, "types"))
    unknown = kinds - KINDS
    if unknown:
        raise bars.refused(f"invalid type: {min(unknown)[:40]}")
    skip = _offset(asked.get("page_token", ""))
    found = [
        action
        for action in desk.exchange.market.actions(first, min(last, today))
        if (not symbols or {action.symbol, action.new_symbol} & symbols)
        and (not cusips or wire.cusip(action.symbol) in cusips)
        and (not kinds or action.kind in kinds)
        and (not wanted_ids or _id(action) in wanted_ids)
    ]
    if asked.get("sort", "") == "desc":
        found.reverse()
    grouped: dict[str, list[wire.Json]] = {}
    for action in found[skip : skip + limit]:
        grouped.setdefault(f"{action.kind}s", []).append(_shown(action))
    more = len(found) > skip + limit
    token = base64.urlsafe_b64encode(str(skip + limit).encode()).decode() if more else None
    return reply({"corporate_actions": grouped, "next_page_token": token})


def _id(action: CorporateAction) -> str:
    return id_of("action", action.kind, action.symbol, action.ex_day)


def _shown(action: CorporateAction) -> wire.Json:
    """One action with the keys of its kind."""
    day = action.ex_day.isoformat()
    cusip, new_cusip = wire.cusip(action.symbol), wire.cusip(action.new_symbol)
    body: wire.Json = {"id": _id(action), "process_date": day}
    ratio = action.ratio.as_integer_ratio() if action.ratio is not None else (1, 1)
    amount = float(action.amount or 0)
    on_record = {"ex_date": day, "payable_date": day, "record_date": day}
    rates: wire.Json = {"new_rate": ratio[0], "old_rate": ratio[1]}
    match action.kind:
        case "cash_dividend":
            paid = {"cusip": cusip, "foreign": False, "rate": amount, "special": False}
            body |= on_record | paid | {"symbol": action.symbol}
        case "stock_dividend":
            rate = float(action.ratio or 0)
            body |= on_record | {"cusip": cusip, "rate": rate, "symbol": action.symbol}
        case "forward_split":
            body |= on_record | rates | {"cusip": cusip, "symbol": action.symbol}
        case "reverse_split":
            names = {"new_cusip": cusip, "old_cusip": cusip, "symbol": action.symbol}
            body |= on_record | rates | names
        case "name_change":
            body |= {
                "new_cusip": cusip,
                "new_symbol": action.new_symbol,
                "old_cusip": cusip,
                "old_symbol": action.symbol,
            }
        case "spin_off":
            body |= on_record | {
                "new_cusip": new_cusip,
                "new_rate": ratio[0],
                "new_symbol": action.new_symbol,
                "source_cusip": cusip,
                "source_rate": ratio[1],
                "source_symbol": action.symbol,
            }
        case "worthless_removal":
            body |= {"cusip": cusip, "symbol": action.symbol}
        case _:
            body |= {
                "acquiree_cusip": cusip,
                "acquiree_symbol": action.symbol,
                "effective_date": day,
                "payable_date": day,
            }
            if action.ratio is not None:
                body |= {
                    "acquiree_rate": ratio[1],
                    "acquirer_cusip": new_cusip,
                    "acquirer_rate": ratio[0],
                    "acquirer_symbol": action.new_symbol,
                }
            if action.amount is not None:
                body["rate" if action.ratio is None else "cash_rate"] = amount
    return dict(sorted(body.items()))


def _day(asked: query.Query, key: str) -> date | None:
    at = bars.read_moment(asked, key)
    return at.astimezone(NEW_YORK).date() if at is not None else None


def _offset(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        text = ""
    if not text.isdecimal() or len(text) > 9:
        raise bars.refused("invalid page_token")
    return int(text)
