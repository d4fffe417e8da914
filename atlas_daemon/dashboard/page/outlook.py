"""What comes and what was told: the next slot, the doctor's findings, alerts, the audit's tail."""

from atlas_daemon.core.findings_view import examined_text
from atlas_daemon.core.spelling import UNKNOWN, moment_text, span

from .markup import (
    View,
    at_of,
    badge,
    bullets,
    clock,
    date_text,
    day_and_clock,
    facts,
    paragraph,
    safe,
    section,
)

ALERTS_SHOWN = 6
_KINDS = {"red": "bad", "critical": "bad", "error": "bad", "warn": "warn", "warning": "warn"}


def outlook_section(view: View) -> str:
    """The next slot with its real days, and what the doctor found."""
    slot, examined = view["next_slot"], view["examined"]
    if slot is None:
        body = paragraph(f"The next slot is {UNKNOWN}.", "empty")
    else:
        rows = [
            ("Slot", slot["name"]),
            ("Anchor", date_text(slot["anchor"])),
            ("Session", date_text(slot["session"])),
            ("Due", moment_text(at_of(slot["due_at"]))),
            ("Caught up until", date_text(slot["last_session"])),
        ]
        body = facts(rows, "rows")
    return section("outlook", "Next rebalance", body + _doctor(examined))


def _doctor(examined: View | None) -> str:
    if examined is None:
        return "<h3>Doctor</h3>" + paragraph("The doctor has not looked yet.", "empty")
    said = f"{examined_text(examined)}; looked {span(examined['age_s'])} ago"
    found = "".join(
        f"<li>{badge(each['level'], _KINDS.get(each['level'], 'plain'))} "
        f"<strong>{safe(each['check'])}</strong> {safe(each['text'])}"
        f"{_advice(each['advice'])}</li>"
        for each in examined["findings"]
    )
    return f"<h3>Doctor</h3>{paragraph(said)}" + (
        f'<ul class="found">{found}</ul>' if found else ""
    )


def _advice(text: str) -> str:
    return f'<span class="note">{safe(text)}</span>' if text else ""


def alerts_section(view: View) -> str:
    """The last alerts, newest first, and those that reached nobody yet."""
    alerts = view["alerts"]
    waiting = [_waiting(each) for each in view.get("deliveries", ()) if each["waiting"]]
    undelivered = f"<h3>Not delivered</h3>{bullets(waiting)}" if waiting else ""
    if not alerts:
        return section("alerts", "Last alerts", undelivered + paragraph("None.", "empty"))
    items = "".join(
        f"<li>{badge(each['level'], _KINDS.get(each['level'], 'plain'))} "
        f'{day_and_clock(each["at"])}<span class="text">{safe(each["text"])}</span></li>'
        for each in alerts[:ALERTS_SHOWN]
    )
    body = f'{undelivered}<ul class="alerts">{items}</ul>'
    return section("alerts", "Last alerts", body)


def _waiting(delivery: View) -> str:
    since = delivery.get("waiting_since")
    when = f" since {moment_text(at_of(since))}" if since else ""
    why = f": {delivery['why']}" if delivery["why"] else ""
    return f"{delivery['channel']}: {delivery['waiting']} wait{when}{why}"


def tail_section(view: View) -> str:
    """The journal's last entries, newest first."""
    tail = view.get("tail")
    if tail is None:
        body = paragraph("The journal's last entries are not at hand.", "empty")
        return section("tail", "Audit", body)
    if not tail:
        return section("tail", "Audit", paragraph("The journal is empty.", "empty"))
    items = "".join(
        f'<li><span class="seq">{safe(each["seq"])}</span> '
        f"{_when(each['at'], tail[0]['at'])} <b>{safe(each['kind'])}</b> "
        f'<span class="text">{safe(each["text"])}</span></li>'
        for each in tail
    )
    body = (
        '<div class="wide log" id="tail-scroll" tabindex="0" role="region" '
        f'aria-label="The entries, newest first"><ol>{items}</ol></div>'
    )
    return section("tail", f"Audit: the last {len(tail)} entries, newest first", body)


def _when(text: str, newest: str) -> str:
    return clock(text) if text[:10] == newest[:10] else day_and_clock(text)
