"""Runs the effects that send no order: the child, the doctor, reports, log files, the clock.

What comes of one is told as an event; a failure is one too, and nothing is raised at the outlet.
"""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import (
    RegimeAnswer,
    SignalsAnswer,
    SignalsError,
    refuse_unusable,
)
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.findings import Finding
from atlas_daemon.core.values import Symbol
from atlas_daemon.ports import BrainPort, ClockPort, DoctorPort, LogKeeperPort, ReporterPort

WORKER = "worker"
"""What the child's answers name as their source where nobody says which one it reads."""

Hear = Callable[[e.Event], None]
Errand = fx.ComputeSignals | fx.RefreshRegime | fx.RunDoctor | fx.SendDailyReport | fx.KeepLogs


class Nobody:
    """Where nobody stands behind a port: finds nothing, tells nothing, keeps nothing."""

    async def examine(self, reason: str) -> tuple[Finding, ...]:
        """Find nothing."""
        return ()

    async def report(self, day: date) -> None:
        """Tell nobody."""

    async def keep(self, today: date) -> None:
        """Leave the files as they are."""


NOBODY = Nobody()


class Errands:
    """Turns these effects into calls, and their ends into events."""

    def __init__(
        self,
        *,
        brain: BrainPort,
        doctor: DoctorPort,
        reporter: ReporterPort,
        log_keeper: LogKeeperPort,
        clock: ClockPort,
        hear: Hear,
        regime_source: Callable[[], str] = lambda: WORKER,
    ) -> None:
        self._regime_source = regime_source
        self.brain = brain
        self._doctor = doctor
        self._reporter, self._log_keeper = reporter, log_keeper
        self._clock, self._hear = clock, hear

    async def run(self, errand: Errand) -> None:
        """Run one to its end and tell what came of it."""
        match errand:
            case fx.ComputeSignals():
                await self._compute(errand)
            case fx.RefreshRegime():
                await self._refresh(errand)
            case fx.RunDoctor(reason=reason):
                try:
                    findings = await self._doctor.examine(reason)
                except AtlasError as error:
                    self._hear(e.FetchFailed("doctor", str(error)))
                else:
                    self._hear(e.DoctorReported(findings, reason))
            case fx.SendDailyReport(day=day):
                await self._told(self._reporter.report(day), "report")
            case fx.KeepLogs(today=today):
                await self._told(self._log_keeper.keep(today), "logs")

    async def _told(self, work: Awaitable[None], what: str) -> None:
        try:
            await work
        except AtlasError as error:
            self._hear(e.FetchFailed(what, str(error)))

    async def _compute(self, effect: fx.ComputeSignals) -> None:
        try:
            answer = await self.brain.compute(effect.signal_day, effect.held, self._clock.now())
            refuse_unusable(answer, effect.signal_day)
        except SignalsError as error:
            self._hear(e.FetchFailed("signals", str(error)))
        else:
            self._hear(signals_reported(answer, self._regime_source()))

    async def _refresh(self, effect: fx.RefreshRegime) -> None:
        """Both where both can be had, else the regime alone: targets of a file are of one day."""
        try:
            answer = await self.brain.compute(effect.signal_day, effect.held, self._clock.now())
            refuse_unusable(answer, effect.signal_day)
        except SignalsError:
            try:
                alone = await self.brain.regime(effect.signal_day, self._clock.now())
            except SignalsError as error:
                self._hear(e.FetchFailed("regime", str(error)))
                return
            self._hear(regime_reported(alone, self._regime_source()))
            return
        self._hear(signals_reported(answer, self._regime_source()))


def signals_reported(answer: SignalsAnswer, regime_source: str) -> e.SignalsReported:
    """Return the child's answer as an event; it passed `refuse_unusable`."""
    assert answer.regime is not None and answer.regime_as_of is not None
    return e.SignalsReported(
        signal_day=answer.signal_day,
        picks=answer.picks,
        closes={Symbol(s): Decimal(close) for s, close in answer.closes.items()},
        regime=answer.regime,
        regime_as_of=answer.regime_as_of,
        source=regime_source,
        candidates=answer.candidates,
        refused=answer.refused,
        notes=answer.notes,
        regime_raw=answer.regime_raw,
        regime_confirmed=answer.regime_confirmed,
    )


def regime_reported(answer: RegimeAnswer, regime_source: str) -> e.RegimeReported:
    """Return the child's word on the regime alone as an event."""
    return e.RegimeReported(
        regime=answer.regime,
        as_of=answer.as_of,
        source=regime_source,
        raw=answer.raw,
        confirmed=answer.confirmed,
        signal_day=answer.signal_day,
    )
