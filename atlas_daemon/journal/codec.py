"""An event as text and back. Canonical: equal events give equal text, on any machine.

Fields stand in the order of their class, mappings in the order of their keys; a Decimal is a
string that keeps its digits, a moment is RFC 3339 in UTC, an enum is its value, a tuple an array.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from atlas_daemon.core import events
from atlas_daemon.core.errors import BugError
from atlas_daemon.core.events import Event

from .errors import JournalError


def _kinds() -> Mapping[str, type[Event]]:
    found = {
        name: kind
        for name, kind in vars(events).items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    return MappingProxyType(found)


EVENT_KINDS: Mapping[str, type[Event]] = _kinds()
"""Every event class of the core by the name that the journal keeps for it."""


def _plain(value: object) -> object:
    if isinstance(value, Mapping):  # a read-only view, for one
        return dict(value)
    raise BugError(f"a {type(value).__name__} cannot be written to the journal")


_encoder = msgspec.json.Encoder(order="deterministic", enc_hook=_plain)


_decoders: dict[str, msgspec.json.Decoder[Event]] = {}
"""Made as they are needed: most starts read a dozen kinds."""


def encode(event: Event) -> tuple[str, str]:
    """Return the event's type name and its canonical JSON text; BugError for an unknown kind."""
    name = type(event).__name__
    if EVENT_KINDS.get(name) is not type(event):
        raise BugError(f"{name} is not in the catalogue of events")
    return name, _encoder.encode(event).decode()


def decode(seq: int, name: str, payload: str) -> Event:
    """Return the event of entry `seq`; JournalError naming both where it cannot be read."""
    decoder = _decoders.get(name)
    if decoder is None:
        if name not in EVENT_KINDS:
            raise JournalError(f"journal entry {seq}: unknown event type {_shown(name)}")
        decoder = _decoders[name] = msgspec.json.Decoder(EVENT_KINDS[name])
    try:
        return decoder.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise JournalError(f"journal entry {seq}: {name} cannot be read: {error}") from error


def moment_text(at: datetime) -> str:
    """Return an aware moment as `2027-02-01T14:35:00.000000Z`; BugError for a naive one."""
    if at.tzinfo is None:
        raise BugError(f"a journal entry needs an aware time, not {at.isoformat()}")
    text = at.astimezone(UTC).isoformat(timespec="microseconds")
    return f"{text.removesuffix('+00:00')}Z"


def moment(seq: int, text: str) -> datetime:
    """Return the moment of entry `seq` in UTC; JournalError where the text is none."""
    try:
        at = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise JournalError(f"journal entry {seq}: {_shown(text)} is not a time") from error
    if at.tzinfo is UTC:  # as we write it
        return at
    if at.tzinfo is None:
        raise JournalError(f"journal entry {seq}: {_shown(text)} has no time zone")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise JournalError(f"journal entry {seq}: {_shown(text)} is no time in UTC") from error


def _shown(found: object) -> str:
    """Return what a damaged row has in the place of a text, cut to a line."""
    return repr(found[:80] if isinstance(found, str | bytes) else found)
