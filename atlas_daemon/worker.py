"""The slow brain's composition root: `python -m atlas_daemon.worker` answers one question and ends.

One `SignalsRequest` as JSON on standard input, one `WorkerReply` as JSON on standard output, exit 0
also where the reply is a refusal. Bars, strategy and regime meet here and nowhere else. Anything
but 0 and one line of JSON is our own mistake.
"""

import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.frame import Bars, day_of
from atlas_daemon.bars.source import BarSource
from atlas_daemon.config.digests import code_digest
from atlas_daemon.core.brain import (
    BENCHMARK,
    KEY_VARIABLES,
    FailureKind,
    RegimeAnswer,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
    WorkerReply,
)
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.scanners import (
    LoadBars,
    closes_of,
    is_ticker,
    known_sessions,
    may_trade,
    said_of_splits,
    scan,
    spelled,
    splits_of,
)
from atlas_daemon.strategy.regime import Track
from atlas_daemon.strategy.regime_file import RegimeReading, fixed_regime, read_regime
from atlas_daemon.strategy.regime_source import Look, Series, model_track, read_model

OLDEST_YEAR = 1900
"""A signal session before it is a slip of the pen."""

OpenBars = Callable[[SignalsRequest], LoadBars]
"""Bars that somebody has at hand already, in place of those that the request names."""


def main() -> None:
    """Answer the request on standard input on standard output."""
    reply = answer(sys.stdin.buffer.read(), os.environ)
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def answer(request_json: bytes, environment: Mapping[str, str]) -> WorkerReply:
    """Return the reply to one request; every failure on purpose becomes a refusal in one line."""
    return replace(_answer(request_json, environment), code=code_digest())


def _answer(request_json: bytes, environment: Mapping[str, str]) -> WorkerReply:
    try:
        request = msgspec.json.decode(request_json, type=SignalsRequest)
        if request.is_regime_only:
            return WorkerReply(ok=True, regime=regime_alone(request, environment))
        return WorkerReply(ok=True, answer=decide(request, environment))
    except msgspec.MsgspecError as error:
        return WorkerReply(ok=False, error=f"request: {error}", kind=FailureKind.CONFIG)
    except SignalsError as error:
        return WorkerReply(ok=False, error=str(error), kind=error.kind)
    except AtlasError as error:
        return WorkerReply(ok=False, error=str(error), kind=FailureKind.CONFIG)


def decide(
    request: SignalsRequest, environment: Mapping[str, str], at_hand: OpenBars | None = None
) -> SignalsAnswer:
    """Return what the strategy wants. Raises `SignalsError` where it cannot be known."""
    if request.signal_day.year < OLDEST_YEAR:
        raise SignalsError(f"there are no bars of {request.signal_day}", FailureKind.CONFIG)
    load = _loader(request, environment, at_hand)
    bars, decision = scan(request, load)
    _refuse_broken_market(bars, request.signal_day)
    reading = _regime(request, _benchmark_look(request, environment, bars, at_hand))
    wanted = [BENCHMARK, *(pick.symbol for pick in decision.picks), *request.held]
    closes = closes_of(bars, wanted, request.signal_day)
    without = sorted(set(map(spelled, wanted)) - set(closes))
    splits = {symbol: ratio for symbol, ratio in splits_of(bars).items() if symbol in closes}
    notes = [*bars.notes, *decision.notes, *reading.notes]
    notes += said_of_splits(splits, closes, request.signal_day)
    if without:
        notes.append(f"no as-traded close on {request.signal_day}: {', '.join(without)}")
    if reading.as_of < request.signal_day:
        notes.append(f"the regime is of {reading.as_of}, older than the signal session")
    return SignalsAnswer(
        signal_day=request.signal_day,
        picks=decision.picks,
        closes=closes,
        refused=decision.refused,
        candidates=decision.candidates,
        notes=tuple(notes),
        regime=reading.regime,
        regime_as_of=reading.as_of,
        regime_raw=reading.raw,
        regime_confirmed=reading.confirmed,
        splits=splits,
    )


def _refuse_broken_market(bars: Bars, signal_day: date) -> None:
    """Raise `SignalsError` where the benchmark's bars are odd: then so is what came with them.

    Bars without the benchmark say nothing of it; only a regime that is computed cannot do without.
    """
    column = bars.column(BENCHMARK)
    if column is None or not bars.present[:, column].any():
        return
    for symbol, reason in examine(bars, [BENCHMARK], signal_day, may_trade, known_sessions).refused:
        raise SignalsError(f"{symbol} of {bars.source}: {reason}")


def regime_alone(
    request: SignalsRequest, environment: Mapping[str, str], at_hand: OpenBars | None = None
) -> RegimeAnswer:
    """Return the regime, whatever the strategy says. Raises `SignalsError`."""
    reading = _regime(request, _benchmark_look(request, environment, None, at_hand))
    return RegimeAnswer(
        request.signal_day,
        reading.regime,
        reading.as_of,
        reading.raw,
        reading.confirmed,
        reading.notes,
    )


def regime_track(
    request: SignalsRequest, environment: Mapping[str, str], at_hand: OpenBars | None = None
) -> tuple[Track, tuple[str, ...]]:
    """Return what the model says of every session up to the signal day, and its notes.

    Raises `SignalsError` where that cannot be known.
    """
    look = _benchmark_look(request, environment, None, at_hand)
    return model_track(request.model, request.source, request.signal_day, look, known_sessions)


# --- where bars come from ---


def _loader(
    request: SignalsRequest, environment: Mapping[str, str], at_hand: OpenBars | None
) -> LoadBars:
    """Return the source of bars; held symbols and the benchmark always come along."""
    extra = {BENCHMARK, *filter(is_ticker, map(spelled, request.held))}
    if at_hand is not None:
        given = at_hand(request)
        return lambda symbols, start: given(None if symbols is None else {*symbols, *extra}, start)
    kind, _, argument = request.source.partition(":")
    opened = BAR_SOURCES.get(kind)
    if opened is None or bool(argument) != (kind == "file"):
        text = f"data.source: {request.source!r} is neither alpaca nor file:PATH"
        raise SignalsError(text, FailureKind.CONFIG)
    source = opened(argument, request, environment)

    def load(symbols: Collection[str] | None, start: date) -> Bars:
        wanted = None if symbols is None else {*symbols, *extra}
        day = request.signal_day
        return source.load(wanted, start, day, _order_day(day))

    return load


def _file_source(path: str, _: SignalsRequest, __: Mapping[str, str]) -> BarSource:
    from atlas_daemon.bars.files import FileBars

    return FileBars(Path(path).expanduser())


def _alpaca_source(_: str, request: SignalsRequest, environment: Mapping[str, str]) -> BarSource:
    from atlas_daemon.bars.access import DataAccess
    from atlas_daemon.bars.alpaca import AlpacaVendor
    from atlas_daemon.bars.stored import StoredBars, folder_of

    key_id, secret = (environment.get(name, "") for name in KEY_VARIABLES)
    access = DataAccess(key_id, secret, request.data_url, request.bars_feed)
    now = request.asked_at or datetime.now(UTC)
    vendor = AlpacaVendor(access, now)
    folder = folder_of(request.bars_dir, vendor)
    return StoredBars(vendor, folder, now, keeps=request.keeps_bars)


OpenSource = Callable[[str, SignalsRequest, Mapping[str, str]], BarSource]
"""Takes what stands after the colon, the request, and the child's environment."""

BAR_SOURCES: Mapping[str, OpenSource] = {"file": _file_source, "alpaca": _alpaca_source}


def _order_day(signal_day: date) -> date:
    """Return the session after `signal_day`; beyond the calendar, the next weekday."""
    if NYSE.first <= signal_day < NYSE.last - timedelta(days=7):
        return NYSE.session_after(signal_day).day
    return signal_day + timedelta(days=3 if signal_day.weekday() == 4 else 1)


# --- where the regime comes from ---

ReadRegime = Callable[[str, SignalsRequest, Look], RegimeReading]
"""Takes what stands after the colon, the request, and the benchmark for those that compute."""


def _fixed(name: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return fixed_regime(name, request.signal_day)


def _file(path: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return read_regime(Path(path).expanduser())


def _jump_model(_: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return read_model(request.model, request.source, request.signal_day, look, known_sessions)


REGIME_SOURCES: Mapping[str, ReadRegime] = {
    "fixed": _fixed,
    "file": _file,
    "jump_model": _jump_model,
}


def _regime(request: SignalsRequest, look: Look) -> RegimeReading:
    kind, _, argument = request.regime.partition(":")
    source = REGIME_SOURCES.get(kind)
    if source is None or bool(argument) != (kind != "jump_model"):
        allowed = "fixed:NAME, file:PATH, jump_model"
        text = f"regime.source: {request.regime!r} is none of {allowed}"
        raise SignalsError(text, FailureKind.CONFIG)
    return source(argument, request, look)


def _benchmark_look(
    request: SignalsRequest,
    environment: Mapping[str, str],
    loaded: Bars | None,
    at_hand: OpenBars | None,
) -> Look:
    """Return what reads the benchmark; bars that reach back far enough are not read twice."""

    def look(since: date) -> Series:
        bars = loaded
        if bars is None or not len(bars.sessions) or day_of(bars.sessions[0]) > since:
            load = _loader(replace(request, held=()), environment, at_hand)
            bars = load([BENCHMARK], since)
        findings = examine(bars, [BENCHMARK], request.signal_day, may_trade, known_sessions)
        for symbol, reason in findings.refused:
            raise SignalsError(f"{symbol} of {bars.source}: {reason}")
        column = bars.column(BENCHMARK)
        rows = np.flatnonzero(bars.present[:, column])
        days = [day_of(number) for number in bars.sessions[rows]]
        notes = () if bars is loaded else bars.notes
        return Series(days, bars.close_total[rows, column].tolist(), notes)

    return look


if __name__ == "__main__":
    main()
