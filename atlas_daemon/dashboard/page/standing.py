"""How it stands: mode and health, what must not be overlooked, the account's figures, the ramp."""

from datetime import date

from atlas_daemon.core.findings import Level
from atlas_daemon.core.spelling import (
    UNKNOWN,
    dollars,
    moment_text,
    percent,
    shares,
    span,
    weekday_text,
)

from .markup import (
    View,
    absent,
    ago,
    at_of,
    badge,
    bullets,
    date_text,
    facts,
    number,
    safe,
    section,
)

_WORLDS = {
    "live": "real money",
    "paper": "paper money",
    "local": "a broker on this machine",
}


def title_of(view: View) -> str:
    """Return the words of the browser's tab: where, who, and how it stands."""
    name = view["account"]["name"] or "no account yet"
    return f"{view['label']} {name} {_mode(view)} - ATLAS"


def _mode(view: View) -> str:
    mode = str(view["daemon"]["mode"]).replace("_", " ")
    return mode.upper() if mode == "halted" else mode


def header_section(view: View) -> str:
    """Whose money, which mode, why, and whether the daemon is well."""
    account, daemon = view["account"], view["daemon"]
    world = account["mode"] or "unknown"
    mode = daemon["mode"]
    name = account["name"] or "no account yet"
    as_of = safe(moment_text(at_of(view["at"])))
    kind = {"trading": "good", "halted": "bad"}.get(mode, "warn")
    seq = daemon["journal"]["seq"] if daemon["journal"] is not None else ""
    return (
        f'<div id="header" class="{safe(world)}" data-title="{safe(title_of(view))}" '
        f'data-seq="{safe(seq)}">'
        f'<p class="ribbon"><strong>{safe(view["label"])}</strong> '
        f"<span>{safe(_WORLDS.get(world, 'nobody knows yet whose money'))}</span></p>"
        f'<div class="head"><h1>{safe(name)}</h1>{badge(_mode(view), f"mode {kind}")}'
        f'<p class="why">{safe(daemon["reason"] or "orders may be sent")}</p>'
        f'<p class="as-of">as of <time datetime="{safe(view["at"])}">{as_of}</time></p></div>'
        f"{facts(_health(view), 'health')}</div>"
    )


def _health(view: View) -> list[tuple[str, str]]:
    daemon, money = view["daemon"], view["money"]
    why_not, stream = daemon["why_not_ready"], daemon["stream"]
    if why_not == f"{daemon['mode']}: {daemon['reason']}":
        why_not = "see above"  # the mode's own reason stands there
    if daemon["stream_detail"]:
        stream += f": {daemon['stream_detail']}"
    rows = [
        ("Ready", f"no: {why_not}" if why_not else "yes"),
        ("Order stream", stream),
        (
            "Reconciled",
            ago(daemon["reconciled_age_s"]) if daemon["reconciled_at"] else "not yet",
        ),
        ("Figures", f"{span(money['age_s'])} old" if money["as_of"] else UNKNOWN),
    ]
    if daemon["started_at"]:
        age_s = (at_of(view["at"]) - at_of(daemon["started_at"])).total_seconds()
        rows.append(("Running for", span(age_s)))
    if daemon["failures"]:
        rows.append(("No answer to", ", ".join(daemon["failures"])))
    return rows


def warnings_section(view: View) -> str:
    """What a person must not overlook."""
    said = [*_stop(view), *_disputes(view)]
    said += [
        f"{order['side']} {order['symbol']}: nobody knows what became of it "
        f"({order['evidence'] or 'asked after'})"
        for order in view["orders"]
        if order["status"] == "unknown"
    ]
    if not said:
        return absent("warnings")
    return section("warnings", "Attention", bullets(said), kind="warnings")


def _stop(view: View) -> list[str]:
    said = []
    halt, daemon = view["halt"], view["daemon"]
    if halt is not None:
        ended = "complete" if halt["is_complete"] else "NOT COMPLETE"
        said.append(
            f"HALTED by {halt['by']}: {halt['reason']} (for {span(halt['age_s'])}, {ended}, "
            f"{halt['open_orders']} open orders, {halt['unconfirmed']} unconfirmed)"
        )
        if halt["flatten"] is not None:
            said.append(f"Flatten: {halt['flatten']['left']} left.")
        if not halt["is_durable"]:
            said.append("The stop is NOT DURABLE: it holds in memory only.")
    if daemon["fault"]:
        said.append(f"The journal cannot be written: {daemon['fault']}")
    return said


def _disputes(view: View) -> list[str]:
    said = []
    if view["calendar_dispute"]:
        said.append(f"Calendars differ: {view['calendar_dispute']}")
    if (examined := view["examined"]) is not None:
        red = [found for found in examined["findings"] if found["level"] == Level.RED]
        ago = span(examined["age_s"])
        said += [f"The doctor, {ago} ago: {found['check']}: {found['text']}" for found in red]
    said += [f"{symbol} is frozen: {why}" for symbol, why in view["frozen"].items()]
    if (cash := view["cash_dispute"]) is not None:
        said.append(
            f"Cash is unexplained: ours {dollars(number(cash['ours']))}, "
            f"the broker's {dollars(number(cash['theirs']))}; the lower figure counts"
        )
    said += [
        f"Foreign order: {o['side']} {shares(number(o['qty']))} {o['symbol']} "
        f"({o['client_order_id']})"
        for o in view["foreign"]
    ]
    said += [
        f"Alerts do not reach {one['channel']}: {one['why']}; {one['waiting']} wait"
        for one in view.get("deliveries", ())
        if one["why"]
    ]
    return said


def account_section(view: View) -> str:
    """The figures that are looked at first."""
    money, regime, slot = view["money"], view["regime"], view["next_slot"]
    tiles = [
        ("Equity", dollars(number(money["equity"])), _since(view["performance"])),
        ("Cash", dollars(number(money["cash"])), _power(money)),
        _regime_tile(regime),
        ("Next rebalance", *_slot_words(slot)),
        ("Market", *_market_words(view["market"])),
    ]
    items = "".join(
        f'<div><dt>{safe(name)}</dt><dd><span class="chief">{safe(chief)}</span>'
        f'<span class="note">{safe(note)}</span></dd></div>'
        for name, chief, note in tiles
    )
    return section("account", "Account", f'<dl class="tiles">{items}</dl>', kind="bare")


def _since(made: View) -> str:
    if made["since"] is None:
        return "no rebalance yet"
    if made["total_return"] is None:
        return f"no return: {made['why_no_return']}"
    gained = percent(number(made["total_return"]), places=2, signed=True)
    return f"{gained} since {date_text(made['since'])}"


def _power(money: View) -> str:
    return f"buying power {dollars(number(money['buying_power']))}"


def _regime_tile(regime: View | None) -> tuple[str, str, str]:
    if regime is None:
        return "Regime", UNKNOWN, "none was heard yet"
    note = (
        f"{percent(number(regime['allocation']), places=0)} allocation, "
        f"as of {date_text(regime['as_of'])}, {regime['source']}"
    )
    if regime["is_stale"]:
        note += f"; {regime['sessions_old']} sessions old: no buys"
    if regime["follows"]:
        note += f"; {regime['follows']} is to follow"
    return "Regime", regime["regime"], note


def _slot_words(slot: View | None) -> tuple[str, str]:
    if slot is None:
        return UNKNOWN, "no slot is known"
    session = weekday_text(date.fromisoformat(slot["session"]))
    if slot["is_due"]:
        return "due now", f"slot {slot['name']}, until {date_text(slot['last_session'])}"
    if slot["is_over"]:
        return "missed", f"slot {slot['name']} was not done by {date_text(slot['last_session'])}"
    days = slot["days_to_session"]
    when = {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
    return session, f"{when}, slot {slot['name']}"


def _market_words(market: View) -> tuple[str, str]:
    if market["is_open"] is None:
        return UNKNOWN, market["detail"]
    if market["is_open"]:
        return "open", f"closes in {span(market['changes_in_s'])}"
    return "closed", f"opens in {span(market['changes_in_s'])}"


def ramp_section(view: View) -> str:
    """How far real money is let in, and what proves that it may; nothing in other worlds."""
    ramp = view.get("ramp")
    if ramp is None:
        return absent("ramp")
    certificate = ramp["certificate"]
    if certificate is None:
        proof, kind = "no certificate was heard of", "bad"
    elif certificate["problem"]:
        proof, kind = certificate["problem"], "bad"
    else:
        proof, kind = "valid", "good"
    rows = [
        ("Scale", percent(number(ramp["scale"]), places=0)),
        ("Since", date_text(ramp["since"][:10]) if ramp["since"] else UNKNOWN),
        ("Clean days", f"{_count(ramp['clean_days'])} of {_count(ramp['clean_days_needed'])}"),
    ]
    if certificate is not None:
        ends = certificate["expires_at"]
        rows.append(("Certificate", certificate["id"] or UNKNOWN))
        rows.append(("Valid until", moment_text(at_of(ends)) if ends else UNKNOWN))
    word = badge("certificate", kind)
    return section("ramp", "Going live", f"<p>{word} {safe(proof)}</p>{facts(rows)}")


def _count(days: int | None) -> str:
    return UNKNOWN if days is None else str(days)
