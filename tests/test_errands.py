"""The effects that send no order: what comes of each is an event, and a failure is one too."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import RegimeAnswer, SignalsAnswer, SignalsError
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import Pick, Regime, Symbol
from atlas_daemon.errands import NOBODY, Errands

NOW = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
DAY = date(2027, 1, 29)
PICK = Pick(Symbol("SPY"), Decimal("0.5"), Decimal(450))
SIGNALS = SignalsAnswer(
    DAY,
    (PICK,),
    {"SPY": Decimal(450)},
    (),
    1,
    (),
    Regime.CRASH,
    DAY,
    Regime.CRASH,
    Regime.TREND_BULL,
)
FOUND = (Finding("disk", Level.RED, "full"),)


class Clock:
    def now(self) -> datetime:
        return NOW

    async def sleep(self, delay_s: float) -> None:
        raise AssertionError("nothing waits here")


class Someone:
    """Brain, doctor, reporter and log keeper; each may be struck."""

    def __init__(self, *struck: str) -> None:
        self.struck, self.did = struck, []

    def _do(self, what: str, error: type[AtlasError] = AtlasError) -> None:
        if what in self.struck:
            raise error(f"no {what}")
        self.did.append(what)

    async def compute(self, signal_day, held, asked_at) -> SignalsAnswer:
        self._do("picks", SignalsError)
        return SIGNALS

    async def regime(self, signal_day, asked_at) -> RegimeAnswer:
        self._do("regime", SignalsError)
        return RegimeAnswer(signal_day, Regime.CRASH, DAY, Regime.CRASH, Regime.TREND_BULL)

    async def examine(self, reason: str) -> tuple[Finding, ...]:
        self._do("doctor")
        return FOUND

    async def report(self, day: date) -> None:
        self._do("report")

    async def keep(self, today: date) -> None:
        self._do("logs")


async def told(effect: fx.Effect, *struck: str) -> list[e.Event]:
    heard: list[e.Event] = []
    someone = Someone(*struck)
    errands = Errands(
        brain=someone,
        doctor=someone,
        reporter=someone,
        log_keeper=someone,
        clock=Clock(),
        hear=heard.append,
        regime_source=lambda: "jump_model",
    )
    await errands.run(effect)
    return heard


REFRESH = fx.RefreshRegime(DAY, ())
ALONE = e.RegimeReported(
    Regime.CRASH, DAY, "jump_model", Regime.CRASH, Regime.TREND_BULL, signal_day=DAY
)


@pytest.mark.asyncio
async def test_a_refresh_brings_picks_and_regime_with_both_labels() -> None:
    (signals,) = await told(REFRESH)
    assert isinstance(signals, e.SignalsReported)
    assert (signals.regime, signals.regime_raw) == (Regime.CRASH, Regime.CRASH)
    assert signals.regime_confirmed is Regime.TREND_BULL
    assert signals.source == "jump_model"  # as the configuration names it


@pytest.mark.asyncio
async def test_a_refresh_without_picks_still_brings_the_regime() -> None:
    assert await told(REFRESH, "picks") == [ALONE]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("effect", "struck", "failed"),
    [
        (REFRESH, ("picks", "regime"), e.FetchFailed("regime", "no regime")),
        (fx.ComputeSignals(DAY, ()), ("picks",), e.FetchFailed("signals", "no picks")),
        (fx.RunDoctor("rehearsal"), ("doctor",), e.FetchFailed("doctor", "no doctor")),
        (fx.SendDailyReport(DAY), ("report",), e.FetchFailed("report", "no report")),
        (fx.KeepLogs(DAY), ("logs",), e.FetchFailed("logs", "no logs")),
    ],
)
async def test_what_fails_is_told_as_a_failure(effect, struck, failed) -> None:
    assert await told(effect, *struck) == [failed]


@pytest.mark.asyncio
async def test_the_doctor_is_heard_and_chores_that_went_well_say_nothing() -> None:
    assert await told(fx.RunDoctor("rehearsal")) == [e.DoctorReported(FOUND, "rehearsal")]
    assert await told(fx.SendDailyReport(DAY)) == []
    assert await told(fx.KeepLogs(DAY)) == []


@pytest.mark.asyncio
async def test_where_nobody_stands_behind_a_port_nothing_is_done() -> None:
    assert await NOBODY.examine("rehearsal") == ()
    await NOBODY.report(DAY)
    await NOBODY.keep(DAY)
