"""The lines of what bears on real money: evidence, certificate, scale. A part of `words`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.scale import spelled

from .lines import Line, stamp


def _evidence_reported(event: e.EvidenceReported, known: object) -> Line:
    text = f"{event.kind} {event.name} {'good' if event.is_good else 'FAILED'}: {event.text}"
    return Line("info" if event.is_good else "error", "Evidence", text)


def _certificate_reported(event: e.CertificateReported, known: object) -> Line:
    named = f"Certificate {event.certificate_id or '(none)'}"
    if event.problem:
        return Line("error", "Certificate", f"{named} does not count: {event.problem}")
    until = "" if event.expires_at is None else f", expires {stamp(event.expires_at)} New York"
    return Line("info", "Certificate", f"{named} counts{until}")


def _scale_requested(event: e.ScaleRequested, known: object) -> Line:
    return Line("warning", "Ramp", f"Scale {spelled(event.scale)} requested by {event.by}")


def _scale_changed(event: e.ScaleChanged, known: object) -> Line:
    text = f"Scale changed from {spelled(event.was)} to {spelled(event.scale)} by {event.by}"
    return Line("warning", "Ramp", f"{text}, after {event.clean_days} clean sessions")


GOING_LIVE_WORDS: Mapping[type[e.Event], Callable[[Any, Any], Line | None]] = MappingProxyType(
    {
        e.EvidenceReported: _evidence_reported,
        e.CertificateReported: _certificate_reported,
        e.ScaleRequested: _scale_requested,
        e.ScaleChanged: _scale_changed,
    }
)
