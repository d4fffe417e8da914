"""STATE/rehearsal.json: what the latest rehearsals would have done, and what changed between two.

A few signal sessions are kept, one rehearsal each: two looks of one day are compared with the same
day before. Swapped whole; a file that cannot be read is as good as none, and is said.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec

from atlas_daemon.core.errors import AtlasError

FILE = "rehearsal.json"
KEPT_MAX = 5
FILE_MAX = 4 * 1024 * 1024
NAMED_MAX = 6
WEIGHT_STEP = Decimal("0.005")
"""A weight that moved by less is not worth a word."""


class RecordError(AtlasError):
    """The file of earlier rehearsals cannot be read or written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """One rehearsal in short. Numbers are texts, as in the plan's document."""

    at: str
    signal_session: str
    regime: str
    allocation: str
    equity: str
    picks: Mapping[str, str]
    """Symbol -> weight."""
    orders: Sequence[tuple[str, str, str]]
    """Side, quantity, symbol, in the order of sending."""


def short_of(plan: Mapping[str, Any], at: str) -> Rehearsed:
    """Return what is kept of a plan's document."""
    return Rehearsed(
        at=at,
        signal_session=plan["signal_session"],
        regime=plan["regime"],
        allocation=plan["allocation"],
        equity=plan["account"]["managed_equity"],
        picks={pick["symbol"]: pick["weight"] for pick in plan["picks"]},
        orders=[(order["side"], order["qty"], order["symbol"]) for order in plan["orders"]],
    )


def read_kept(folder: Path) -> list[Rehearsed]:
    """Return the rehearsals kept in `folder`, oldest first. Raises RecordError."""
    path = folder / FILE
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(FILE_MAX), type=list[Rehearsed])
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RecordError(f"{path}: is no record of rehearsals; it is begun anew") from None


def keep(folder: Path, kept: Sequence[Rehearsed], new: Rehearsed) -> None:
    """Write `kept` with `new` in the place of its signal session. Raises RecordError."""
    others = [one for one in kept if one.signal_session != new.signal_session]
    latest = sorted([*others, new], key=lambda one: one.signal_session)[-KEPT_MAX:]
    path, draft = folder / FILE, folder / f"{FILE}.new"
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(latest)) + b"\n")
        if os.geteuid() == 0:  # what root's command makes belongs to whom the folder belongs
            owner = folder.stat()
            os.chown(draft, owner.st_uid, owner.st_gid)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise RecordError(f"{path}: cannot be written: {error.strerror}") from error


def before(kept: Sequence[Rehearsed], new: Rehearsed) -> Rehearsed | None:
    """Return the latest rehearsal of an earlier signal session."""
    earlier = [one for one in kept if one.signal_session < new.signal_session]
    return max(earlier, key=lambda one: one.signal_session, default=None)


def changes(old: Rehearsed, new: Rehearsed) -> Iterator[str]:
    """Yield in words what differs; nothing where all is as it was."""
    if new.regime != old.regime:
        deployed = f"{_pct(old.allocation)} -> {_pct(new.allocation)}"
        yield f"regime {old.regime} -> {new.regime} ({deployed})"
    if came := [symbol for symbol in new.picks if symbol not in old.picks]:
        yield f"picked anew: {_named(came)}"
    if left := [symbol for symbol in old.picks if symbol not in new.picks]:
        yield f"no longer picked: {_named(left)}"
    moved = [
        f"{symbol} {_pct(old.picks[symbol])} -> {_pct(weight)}"
        for symbol, weight in new.picks.items()
        if symbol in old.picks and abs(_number(weight) - _number(old.picks[symbol])) >= WEIGHT_STEP
    ]
    if moved:
        yield f"weights: {_named(moved)}"
    yield from _order_changes(old, new)
    if old.equity != new.equity:
        yield f"equity {_number(old.equity):,.2f} -> {_number(new.equity):,.2f}"


def _order_changes(old: Rehearsed, new: Rehearsed) -> Iterator[str]:
    was = {(side, symbol): qty for side, qty, symbol in old.orders}
    now = {(side, symbol): qty for side, qty, symbol in new.orders}
    words = []
    for (side, symbol), qty in now.items():
        earlier = was.get((side, symbol))
        if earlier is None:
            words.append(f"{side} {qty} {symbol} (new)")
        elif earlier != qty:
            words.append(f"{side} {earlier} -> {qty} {symbol}")
    words += [f"no {side} of {symbol}" for side, symbol in was if (side, symbol) not in now]
    if words:
        yield f"orders: {_named(words)}"


def _named(words: Sequence[str]) -> str:
    more = f" and {len(words) - NAMED_MAX} more" if len(words) > NAMED_MAX else ""
    return ", ".join(words[:NAMED_MAX]) + more


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)


def _pct(text: str) -> str:
    return f"{_number(text) * 100:.1f} %"
