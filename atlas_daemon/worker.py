"""The slow brain's composition root: `python -m atlas_daemon.worker` answers one question and ends.

One `SignalsRequest` as JSON on standard input, one `WorkerReply` as JSON on standard output, exit 0
also where the reply is a refusal. Bars, strategy and regime meet here and nowhere else. Anything
but 0 and one line of JSON is our own mistake.
"""

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.frame import Bars, as_price, day_of
from atlas_daemon.core.brain import (
    BENCHMARK,
    KEY_VARIABLES,
    FailureKind,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
    WorkerReply,
    alpaca_symbol,
)
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import Pick
from atlas_daemon.strategy.momentum_52w import Rule, choose, rate
from atlas_daemon.strategy.regime import Track
from atlas_daemon.strategy.regime_file import RegimeReading, fixed_regime, read_regime
from atlas_daemon.strategy.regime_source import Look, Series, model_track, read_model
from atlas_daemon.strategy.targets_file import Target, read_targets, refuse_unknown
from atlas_daemon.strategy.universe import ALL, Universe, resolve_universe

OLDEST_YEAR = 1900
"""A signal session before it is a slip of the pen."""
WINDOW_DAYS = 400
"""Calendar days of bars read: 252 sessions and a margin of about 24."""
REFUSED_MAX = Decimal("0.5")
"""Above this part of a universe failing the checks, the source is broken, not the symbols."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a strategy decided, before it is put into the answer."""

    picks: tuple[Pick, ...]
    refused: tuple[tuple[str, str], ...]
    candidates: int
    notes: tuple[str, ...]


LoadBars = Callable[[Collection[str] | None, date], Bars]
"""Bars of these symbols (None = all) from a day up to the signal session."""


def main() -> None:
    """Answer the request on standard input on standard output."""
    reply = answer(sys.stdin.buffer.read(), os.environ)
    sys.stdout.buffer.write(msgspec.json.encode(reply) + b"\n")
    sys.stdout.buffer.flush()


def answer(request_json: bytes, environment: Mapping[str, str]) -> WorkerReply:
    """Return the reply to one request; every failure on purpose becomes a refusal in one line."""
    try:
        request = msgspec.json.decode(request_json, type=SignalsRequest)
        return WorkerReply(ok=True, answer=decide(request, environment))
    except msgspec.MsgspecError as error:
        return WorkerReply(ok=False, error=f"request: {error}", kind=FailureKind.CONFIG)
    except SignalsError as error:
        return WorkerReply(ok=False, error=str(error), kind=error.kind)
    except AtlasError as error:
        return WorkerReply(ok=False, error=str(error), kind=FailureKind.CONFIG)


def decide(request: SignalsRequest, environment: Mapping[str, str]) -> SignalsAnswer:
    """Return what the strategy wants. Raises `SignalsError` where it cannot be known."""
    if request.signal_day.year < OLDEST_YEAR:
        raise SignalsError(f"there are no bars of {request.signal_day}", FailureKind.CONFIG)
    load = _loader(request, environment)
    if request.strategy == "momentum_52w":
        bars, decision = _scan(request, load)
    elif request.strategy.startswith("file:"):
        bars, decision = _targets(request, load)
    else:
        text = f"strategy.source: {request.strategy!r} is neither momentum_52w nor file:PATH"
        raise SignalsError(text, FailureKind.CONFIG)
    reading = _regime(request, _benchmark_look(request, environment, bars))
    wanted = [BENCHMARK, *(pick.symbol for pick in decision.picks), *request.held]
    closes = _closes(bars, wanted, request.signal_day)
    without = sorted(set(map(_spelled, wanted)) - set(closes))
    notes = [*decision.notes, *reading.notes]
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
    )


def regime_track(
    request: SignalsRequest, environment: Mapping[str, str]
) -> tuple[Track, tuple[str, ...]]:
    """Return what the model says of every session up to the signal day, and its notes.

    Raises `SignalsError` where that cannot be known.
    """
    look = _benchmark_look(request, environment, None)
    return model_track(request.model, request.source, request.signal_day, look, _sessions)


def _scan(request: SignalsRequest, load: LoadBars) -> tuple[Bars, Decision]:
    """Rank the universe by the 52-week high."""
    rule = Rule(request.top_n, request.weighting, request.min_high_ratio, request.volume_filter)
    universe = resolve_universe(request.universe, request.signal_day)
    start = request.signal_day - timedelta(days=WINDOW_DAYS)
    bars = load(None if universe.symbols is None else universe.symbols, start)
    members = _tradable(bars.symbols) if universe.symbols is None else universe.symbols
    findings = examine(bars, members, request.signal_day, _may_trade)
    _refuse_broken(universe, members, findings.refused, bars, request.signal_day)
    failed = {symbol for symbol, _ in findings.refused}
    ratings, short = rate(bars, [symbol for symbol in members if symbol not in failed])
    refused = (*findings.refused, *short)
    if not ratings:
        first = f"{refused[0][0]}: {refused[0][1]}" if refused else "it is empty"
        raise SignalsError(
            f"no symbol of universe {universe.label} can be rated on {request.signal_day} "
            f"from {bars.source} ({first})",
            FailureKind.EMPTY,
        )
    closes = _closes(bars, [rating.symbol for rating in ratings], request.signal_day)
    picks, notes = choose(ratings, rule, closes)
    all_notes = (*universe.notes, *notes, *findings.notes)
    return bars, Decision(picks, refused, len(ratings), all_notes)


def _refuse_broken(
    universe: Universe,
    members: Sequence[str],
    refused: Sequence[tuple[str, str]],
    bars: Bars,
    signal_day: date,
) -> None:
    """Refuse to decide on the few that are left where most of a universe fails the checks.

    Selling everything else because a feed broke half-way would be a guess.
    """
    if len(members) > 1 and len(refused) > REFUSED_MAX * len(members):
        raise SignalsError(
            f"{len(refused)} of {len(members)} symbols of universe {universe.label} fail the "
            f"checks of {bars.source} on {signal_day} ({refused[0][0]}: {refused[0][1]}): "
            "too few are left to decide on",
        )


def _targets(request: SignalsRequest, load: LoadBars) -> tuple[Bars, Decision]:
    """Take the targets of a file; the bars only say what they cost and whether they exist."""
    path = Path(request.strategy.removeprefix("file:")).expanduser()
    targets = read_targets(path, request.signal_day)
    symbols = [target.symbol for target in targets]
    bars = load(symbols, request.signal_day - timedelta(days=30))
    known = [symbol for at, symbol in enumerate(bars.symbols) if bars.present[:, at].any()]
    refuse_unknown(path, targets, known)
    findings = examine(bars, symbols, request.signal_day, _may_trade)
    failed = {symbol for symbol, _ in findings.refused}
    sound = [symbol for symbol in symbols if symbol not in failed]
    closes = _closes(bars, sound, request.signal_day)
    picks = tuple(_pick(target, closes) for target in targets)
    return bars, Decision(picks, findings.refused, len(targets), findings.notes)


def _pick(target: Target, closes: Mapping[str, Decimal]) -> Pick:
    return Pick(target.symbol, target.weight, closes.get(target.symbol))


def _may_trade(day: date) -> bool:
    """False on days that the calendar knows to be no session; it knows nothing of other decades."""
    return not NYSE.first <= day <= NYSE.last or NYSE.is_session(day)


def _closes(bars: Bars, symbols: Sequence[str], signal_day: date) -> dict[str, Decimal]:
    """Return the as-traded closes of the signal session, for those that have a sound one."""
    row = bars.row(signal_day)
    closes = {}
    for symbol in map(_spelled, symbols):
        column = bars.column(symbol)
        if row is not None and column is not None:
            close = float(bars.close_traded[row, column])
            if 0 < close < float("inf"):
                closes[symbol] = as_price(close)
    return closes


def _tradable(symbols: Sequence[str]) -> list[str]:
    """Leave out series that are no shares: indices (^GSPC) and the like."""
    return [symbol for symbol in symbols if _spelled(symbol) == symbol and _is_ticker(symbol)]


def _spelled(symbol: str) -> str:
    return symbol.replace("-", ".")


def _is_ticker(symbol: str) -> bool:
    try:
        return alpaca_symbol(symbol) == symbol
    except SignalsError:
        return False


# --- where bars come from ---


def _loader(request: SignalsRequest, environment: Mapping[str, str]) -> LoadBars:
    """Return the source of bars; held symbols and the benchmark always come along."""
    extra = {BENCHMARK, *filter(_is_ticker, map(_spelled, request.held))}
    if request.source.startswith("file:"):
        return _file_loader(request, extra)
    if request.source == "alpaca":
        return _alpaca_loader(request, environment, extra)
    text = f"data.source: {request.source!r} is neither alpaca nor file:PATH"
    raise SignalsError(text, FailureKind.CONFIG)


def _file_loader(request: SignalsRequest, extra: set[str]) -> LoadBars:
    from atlas_daemon.bars.files import load_bars

    path = Path(request.source.removeprefix("file:")).expanduser()

    def load(symbols: Collection[str] | None, start: date) -> Bars:
        wanted = None if symbols is None else {*symbols, *extra}
        return load_bars(path, wanted, start, request.signal_day)

    return load


def _alpaca_loader(
    request: SignalsRequest, environment: Mapping[str, str], extra: set[str]
) -> LoadBars:
    # Imported here: it costs a second, and bars from a file need none of it.
    from atlas_daemon.bars.alpaca import DataAccess, fetch_bars

    key_id, secret = (environment.get(name, "") for name in KEY_VARIABLES)
    access = DataAccess(key_id, secret, request.data_url, request.bars_feed)

    def load(symbols: Collection[str] | None, start: date) -> Bars:
        if symbols is None:
            text = f"strategy.universe: {ALL} needs bars from a file, Alpaca lists too many"
            raise SignalsError(text, FailureKind.CONFIG)
        now = request.asked_at or datetime.now(UTC)
        return fetch_bars(access, {*symbols, *extra}, start, request.signal_day, now)

    return load


# --- where the regime comes from ---

ReadRegime = Callable[[str, SignalsRequest, Look], RegimeReading]
"""Takes what stands after the colon, the request, and the benchmark for those that compute."""


def _fixed(name: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return fixed_regime(name, request.signal_day)


def _file(path: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return read_regime(Path(path).expanduser())


def _jump_model(_: str, request: SignalsRequest, look: Look) -> RegimeReading:
    return read_model(request.model, request.source, request.signal_day, look, _sessions)


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
    request: SignalsRequest, environment: Mapping[str, str], at_hand: Bars | None
) -> Look:
    """Return what reads the benchmark; bars that reach back far enough are not read twice."""

    def look(since: date) -> Series:
        bars = at_hand
        if bars is None or not len(bars.sessions) or day_of(bars.sessions[0]) > since:
            load = _loader(replace(request, held=()), environment)
            bars = load([BENCHMARK], since)
        findings = examine(bars, [BENCHMARK], request.signal_day, _may_trade)
        for symbol, reason in findings.refused:
            raise SignalsError(f"{symbol} of {bars.source}: {reason}")
        column = bars.column(BENCHMARK)
        rows = np.flatnonzero(bars.present[:, column])
        days = [day_of(number) for number in bars.sessions[rows]]
        return Series(days, bars.close_total[rows, column].tolist())

    return look


def _sessions(first: date, last: date) -> list[date]:
    """Return the sessions of [first, last] as far as the calendar reaches."""
    first, last = max(first, NYSE.first), min(last, NYSE.last)
    days = (first + timedelta(days=at) for at in range((last - first).days + 1))
    return [day for day in days if NYSE.is_session(day)]


if __name__ == "__main__":
    main()
