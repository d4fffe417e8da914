"""Daily bars of a vendor with the local store in between: the source `data.source = "alpaca"`."""

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

from atlas_daemon.bars.actions import SPLITS
from atlas_daemon.bars.adjust import adjusted
from atlas_daemon.bars.frame import Bars, day_number
from atlas_daemon.bars.raw import joined
from atlas_daemon.bars.source import Vendor
from atlas_daemon.bars.store import LOCK_WAIT_S, DamageError, Folder, Kept
from atlas_daemon.bars.top_up import TopUp
from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.sessions import NYSE

KEPT_WITHIN = timedelta(days=14)
"""Signals of an older session are a look back: nothing is kept of it, and the store stays as it is,
which else would have to hold everything between then and now."""


def folder_of(bars_dir: str, vendor: Vendor) -> Path | None:
    """Return the vendor's folder below `bars_dir`; None where nothing can be kept there.

    A state folder that is not there yet is not made for the sake of a question.
    """
    if not bars_dir or not Path(bars_dir).parent.is_dir():
        return None
    return Path(bars_dir) / re.sub(r"[^a-z0-9.]+", "-", vendor.identity.lower()).strip("-")


class StoredBars:
    """A `BarSource`: what `vendor` sells, kept under `folder` (None = nothing is kept).

    `now` is the asker's clock, aware. `keeps` is False where the store is read and not written, not
    even its lock: a dry run leaves no trace.
    """

    def __init__(
        self,
        vendor: Vendor,
        folder: Path | None,
        now: datetime,
        lock_wait_s: float = LOCK_WAIT_S,
        *,
        keeps: bool = True,
    ) -> None:
        self.vendor, self.now, self.lock_wait_s, self.keeps = vendor, now, lock_wait_s, keeps
        self.folder = None if folder is None else Folder(folder, vendor.identity)

    def load(
        self, symbols: Collection[str] | None, start: date, end: date, order_day: date
    ) -> Bars:
        """Return bars of `symbols`, as `BarSource.load` says."""
        if symbols is None:
            text = "strategy.universe: all needs bars from a file, Alpaca lists too many"
            raise SignalsError(text, FailureKind.CONFIG)
        if NYSE.session_of(end) is None:
            raise SignalsError(f"{end} is no session: there are no bars of it")
        wanted = sorted(set(symbols))
        try:
            kept, notes = self._kept(wanted, start, end)
        finally:
            self.vendor.close()
        years = range(start.year, end.year + 1)
        parts = [kept.read[year] for year in years if year in kept.read]
        bars = joined(
            [part.where(part.between(day_number(start), day_number(end))) for part in parts]
        )
        label = self.vendor.label
        frame = adjusted(label, bars, kept.actions, wanted, end, notes)
        if frame.row(end) is None or not frame.present[frame.row(end)].any():
            raise SignalsError(f"{label} have none on {end} of any symbol asked")
        coming: dict[str, float] = {}
        for one in kept.actions:
            if one.kind in SPLITS and end < one.day <= order_day and one.symbol in wanted:
                coming[one.symbol] = coming.get(one.symbol, 1.0) * one.ratio
        return replace(frame, splits_next=coming)

    def _kept(
        self, symbols: Collection[str], start: date, end: date
    ) -> tuple[Kept, tuple[str, ...]]:
        """Return bars and actions up to `end`, whole years read, and what a person should know."""
        folder = self.folder
        if folder is None or end < self.now.date() - KEPT_WITHIN:
            nowhere = Folder(Path(), self.vendor.identity)
            return self._brought_up(nowhere, Kept(), symbols, start, end)
        if not self.keeps:
            return self._read_up(folder, symbols, start, end)
        with folder.held(self.lock_wait_s) as hindrance:
            kept, notes = self._read_up(folder, symbols, start, end)
            if hindrance:
                return kept, (*notes, f"{folder.path}: the bars cannot be kept: {hindrance}")
            return kept, (*notes, *folder.save(kept))

    def _read_up(
        self, folder: Folder, symbols: Collection[str], start: date, end: date
    ) -> tuple[Kept, tuple[str, ...]]:
        """Return what is kept, brought up; of a damaged store nothing is taken."""
        kept, notes = folder.load()
        try:
            kept, said = self._brought_up(folder, kept, symbols, start, end)
        except DamageError as error:
            notes = (folder.distrusted(error),)
            kept, said = self._brought_up(folder, Kept(), symbols, start, end)
        return kept, (*notes, *said)

    def _brought_up(
        self, folder: Folder, kept: Kept, symbols: Collection[str], start: date, end: date
    ) -> tuple[Kept, tuple[str, ...]]:
        notes = TopUp(self.vendor, folder, kept, start, end, self.now).run(symbols)
        for year in range(start.year, end.year + 1):
            if year in kept.files:
                folder.year(kept, year)
        return kept, notes
