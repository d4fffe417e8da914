"""Brings a store up to a session: what is new, and whatever no longer agrees fetched whole.

A top-up reads the last five sessions again, and the corporate actions of the last hundred days. A
symbol whose bars have changed, that split, was renamed or spun off since, is fetched from its
beginning: what a vendor restated once it may have restated further back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np

from atlas_daemon.bars.actions import RENAME, SPIN_OFF, Action
from atlas_daemon.bars.frame import Days, Floats, day_number, day_of, distinct
from atlas_daemon.bars.raw import RawBars, joined
from atlas_daemon.bars.source import Vendor
from atlas_daemon.bars.store import Coverage, Folder, Kept
from atlas_daemon.core.sessions import NYSE

OVERLAP_SESSIONS = 5
FRESH_FOR = timedelta(minutes=10)
"""For so long an answer is not asked for again: a run's plan, regime and rehearsal share it."""
ACTIONS_BACK = timedelta(days=100)
"""How far back actions are read again: a quarter, as dividends are entered late."""
ACTIONS_AHEAD = timedelta(days=120)
"""Actions are asked for by the day they are processed: a dividend's may come long after it."""
SPUN_OFF_WITHIN = timedelta(days=10)
"""A company spun off trades within so many days, or its worth is not known."""
NAMED_MAX = 5

Reasons = dict[str, str]


class TopUp:
    """One load: `symbols` over [start, end], at `now`, from `vendor`, on top of what is `kept`."""

    def __init__(
        self,
        vendor: Vendor,
        folder: Folder,
        kept: Kept,
        start: date,
        end: date,
        now: datetime,
    ) -> None:
        self.vendor, self.folder, self.kept = vendor, folder, kept
        self.start, self.end, self.now = start, end, now

    def run(self, symbols: Collection[str]) -> tuple[str, ...]:
        """Bring `kept` up to the end; return what a person should know.

        Raises `SignalsError` where the vendor does not answer, `DamageError` where a kept file is
        not what it should be.
        """
        stale = [symbol for symbol in sorted(symbols) if not self._is_fresh(symbol)]
        if not stale:
            return ()
        self.kept.is_changed = True
        covered = [one for one in stale if self._reaches_back(one)]
        whole: Reasons = dict.fromkeys(sorted(set(stale) - set(covered)), "")
        whole |= self._actions(covered)
        whole |= self._flawed(covered)
        overlaps: dict[int, list[str]] = defaultdict(list)
        for symbol in covered:
            if symbol not in whole:
                overlaps[self._overlap(symbol)].append(symbol)
        for first, group in sorted(overlaps.items()):
            whole |= self._newest(group, first)
        self._whole(whole)
        self._value_spin_offs(stale)
        for symbol in stale:
            old = self.kept.coverage[symbol]
            self.kept.coverage[symbol] = Coverage(old.first, old.through, self.now)
        return _said(whole)

    def _is_fresh(self, symbol: str) -> bool:
        has = self.kept.coverage.get(symbol)
        return (
            has is not None
            and self._reaches_back(symbol)
            and has.through >= day_number(self.end)
            and timedelta() <= self.now - has.asked_at < FRESH_FOR
        )

    def _reaches_back(self, symbol: str) -> bool:
        has = self.kept.coverage.get(symbol)
        return has is not None and has.first <= day_number(self.start)

    def _overlap(self, symbol: str) -> int:
        """Return the first day that is read again; earlier where the clock was set back."""
        has = self.kept.coverage[symbol]
        day = day_of(min(has.through, day_number(self.end)))
        for _ in range(OVERLAP_SESSIONS - 1):
            day = _session_before(day)
        return max(day_number(day), has.first)

    def _flawed(self, symbols: Collection[str]) -> Reasons:
        """Return the symbols of which a kept bar cannot be: what was sold once by mistake."""
        odd: set[str] = set()
        for year in range(self.start.year, self.end.year + 1):
            bars = self.folder.year(self.kept, year)
            prices = (bars.open, bars.high, bars.low, bars.close)
            # Written as "not good": for NaN every comparison is false.
            bad = ~np.all([price > 0 for price in prices], axis=0) | ~(bars.volume >= 0)
            # A year's file has a symbol's days in their order.
            bad[1:] |= (bars.symbol[1:] == bars.symbol[:-1]) & (bars.day[1:] == bars.day[:-1])
            odd.update(bars.symbols[code] for code in distinct(bars.symbol[bad]))
        return dict.fromkeys(sorted(odd & set(symbols)), "a bar of it cannot be right")

    def _newest(self, symbols: Sequence[str], first: int) -> Reasons:
        """Read [first, end] again; return the symbols that no longer agree with what is kept."""
        last = day_number(self.end)
        told = self.vendor.bars(symbols, day_of(first), self.end)
        told = told.where(told.between(first, last))
        kept = self._kept(symbols, first, last)
        odd = dict.fromkeys(_restated(symbols, kept, told), "its bars were restated")
        sound = [symbol for symbol in symbols if symbol not in odd]
        # Shares are corrected for days, without a word: the newest figure stands.
        self.kept.put(told.where(told.of(sound)), dict.fromkeys(sound, (first, last)), self.folder)
        for symbol in sound:
            has = self.kept.coverage[symbol]
            self.kept.coverage[symbol] = Coverage(has.first, max(has.through, last), has.asked_at)
        return odd

    def _kept(self, symbols: Collection[str], first: int, last: int) -> RawBars:
        years = range(day_of(first).year, day_of(last).year + 1)
        parts = [self.folder.year(self.kept, year) for year in years]
        bars = joined([part.where(part.between(first, last)) for part in parts])
        return bars.where(bars.of(symbols))

    def _whole(self, reasons: Reasons) -> None:
        """Fetch symbols from their beginning, bars and actions; nothing kept of them stays."""
        firsts: dict[int, list[str]] = defaultdict(list)
        for symbol in reasons:
            has = self.kept.coverage.get(symbol)
            first = day_number(self.start)
            firsts[min(first, has.first) if has is not None else first].append(symbol)
        last = day_number(self.end)
        for first, group in sorted(firsts.items()):
            told = self.vendor.bars(group, day_of(first), self.end)
            since = day_of(first) - timedelta(days=7)
            actions = self.vendor.actions(group, since, self.now.date() + ACTIONS_AHEAD)
            coverage = self.kept.coverage
            old = {
                one: (coverage[one].first, coverage[one].through)
                for one in group
                if one in coverage
            }
            self.kept.put(told.where(told.between(first, last)), old, self.folder)
            others = [one for one in self.kept.actions if one.symbol not in group]
            self.kept.actions = _together(others, actions)
            for symbol in group:
                self.kept.coverage[symbol] = Coverage(first, last, self.now)

    def _actions(self, symbols: Sequence[str]) -> Reasons:
        """Read the newest actions again; return the symbols that have to be fetched whole."""
        if not symbols:
            return {}
        through = {symbol: self.kept.coverage[symbol].through for symbol in symbols}
        last = day_number(self.end)
        since = day_of(min(last, *through.values())) - ACTIONS_BACK
        until = self.now.date() + ACTIONS_AHEAD
        told = self.vendor.actions(symbols, since, until)
        asked = set(symbols)

        def is_read(one: Action) -> bool:
            return bool({one.symbol, one.other} & asked) and since <= one.processed <= until

        before = [one for one in self.kept.actions if is_read(one)]
        valued = {replace(one, cash=None): one for one in before if one.kind == SPIN_OFF}
        told = [valued.get(one, one) for one in told]
        reasons: Reasons = {}
        for one in sorted(set(before) ^ set(told), key=lambda one: one.day):
            if one.is_structural and day_number(one.day) <= last:
                reasons |= dict.fromkeys(sorted({one.symbol, one.other} & asked), one.says())
        for one in told:  # known before it was due, due now
            owner = one.other if one.kind == RENAME else one.symbol
            is_due = through.get(owner, last) < day_number(one.day) <= last
            if one.is_structural and is_due:
                reasons[owner] = one.says()
        rest = [one for one in self.kept.actions if not is_read(one)]
        self.kept.actions = _together(rest, told)
        return reasons

    def _value_spin_offs(self, symbols: Collection[str]) -> None:
        """Put dollars on the shares of other companies that were handed out: their first close."""
        first, last = day_number(self.start), day_number(self.end)
        for at, one in enumerate(self.kept.actions):
            is_ours = one.kind == SPIN_OFF and one.cash is None and one.symbol in symbols
            if not (is_ours and first < day_number(one.day) <= last):
                continue
            until = min(one.day + SPUN_OFF_WITHIN, self.end)
            bars = self.vendor.bars([one.other], one.day, until)
            rows = np.flatnonzero(bars.close > 0)
            if len(rows):
                close = float(bars.close[rows[np.argmin(bars.day[rows])]])
                valued = replace(one, cash=round(close * one.ratio, 6))
                self.kept.actions = (
                    *self.kept.actions[:at],
                    valued,
                    *self.kept.actions[at + 1 :],
                )


def _together(kept: Iterable[Action], told: Iterable[Action]) -> tuple[Action, ...]:
    both = dict.fromkeys((*kept, *told))
    return tuple(sorted(both, key=lambda one: (one.day, one.symbol, one.kind, one.processed)))


def _restated(symbols: Sequence[str], kept: RawBars, told: RawBars) -> list[str]:
    """Return the symbols of which a kept price is told otherwise, or a bar is gone or new within.

    Bars that follow the last kept one are news. Where none was kept and one is told, the days
    between are not known to be empty.
    """
    days = distinct(np.concatenate([kept.day, told.day]))
    if not len(days):
        return []
    was, now = _laid(symbols, kept, days), _laid(symbols, told, days)
    had, has = ~np.isnan(was[0]), ~np.isnan(now[0])
    newest = np.where(had.any(axis=0), len(days) - 1 - np.argmax(had[::-1], axis=0), len(days))
    is_old = np.arange(len(days))[:, None] <= newest[None, :]
    same = np.all((was == now) | (np.isnan(was) & np.isnan(now)), axis=0)
    odd = (is_old & ((had != has) | (had & ~same))).any(axis=0)
    return [symbol for symbol, is_odd in zip(symbols, odd, strict=True) if is_odd]


def _laid(symbols: Sequence[str], bars: RawBars, days: Days) -> Floats:
    """Return open, high, low and close as matrices of days by symbols; the first is never empty."""
    laid = np.full((4, len(days), len(symbols)), np.nan)
    alike = bars.under(symbols)
    at = np.searchsorted(days, alike.day)
    for number, name in enumerate(("open", "high", "low", "close")):
        laid[number, at, alike.symbol] = getattr(alike, name)
    return laid


def _said(whole: Mapping[str, str]) -> tuple[str, ...]:
    named = [f"{symbol} ({why})" for symbol, why in sorted(whole.items()) if why]
    if not named:
        return ()
    more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
    return (f"bars fetched whole: {', '.join(named[:NAMED_MAX])}{more}",)


def _session_before(day: date) -> date:
    """Return the session before `day`; beyond the calendar, the weekday before."""
    if NYSE.first + timedelta(days=10) <= day <= NYSE.last:
        return NYSE.session_before(day).day
    return day - timedelta(days=3 if day.weekday() == 0 else 1)
