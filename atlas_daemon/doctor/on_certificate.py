"""Judgement on the certificate: whether live may buy at the next slot, and for how long."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from atlas_daemon.core.events import CertificateReported
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.runs import Slot

SOON = timedelta(days=30)
RENEW = "prove what is missing on paper, then `atlasd promote`"


def on_certificate(
    word: CertificateReported, now: datetime, slot: Slot | None
) -> Iterator[Finding]:
    """Judge what was read of a live account's certificate. `slot` is the one due or next."""
    ends_at = word.expires_at
    if word.problem or ends_at is None:
        text = f"nothing is bought: {word.problem or 'it names no day of its end'}"
        yield Finding("certificate", Level.RED, text, RENEW)
        return
    said = f"{word.certificate_id} counts until {ends_at.astimezone(NEW_YORK):%Y-%m-%d} New York"
    if slot is not None and ends_at < slot.session.closes_at:
        text = f"{said}: it ends before slot {slot.name} ({slot.session.day})"
        yield Finding("certificate", Level.RED, text, RENEW)
    elif ends_at - now < SOON:
        yield Finding("certificate", Level.WARN, f"{said}, {(ends_at - now).days} days", RENEW)
    else:
        yield Finding("certificate", Level.OK, said)
