"""Situations before the fence, and what may leave in each: the property that all fences keep.

The fence is the daemon's own, wired by `Daemon`; outlet, client and transport are the real ones.
Only the session is ours: it moves the world at the last moment, asks the gate as aiohttp does on
a connection that stands, and counts what leaves.
"""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from atlas_daemon.app import Daemon
from atlas_daemon.bus import Bus
from atlas_daemon.core import effects as fx
from atlas_daemon.core import events as e
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import Halt, RegimeSeen, Run
from atlas_daemon.core.values import (
    Approved,
    Draft,
    OrderId,
    OrderType,
    Regime,
    RunId,
    Side,
    Symbol,
)
from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.outlet import Fence, Outlet
from tests.edges.samples import an_order

NOW = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
DAY = date(2027, 2, 1)
LIFE = timedelta(seconds=60)
ORDER = OrderId("atlas-stop-20270201-1-r1-sell-SPY-1")
OURS, OTHER = RunId("stop-20270201-1"), RunId("2027-02")
TOUCH = timedelta(microseconds=1)

QUIET = logging.getLogger("tests.fence")
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False

AT_ONCE, FIRST_BYTE, SECOND_SEND = "before the request", "at the first byte", "at the second send"
MOMENTS = (AT_ONCE, FIRST_BYTE, SECOND_SEND)


@dataclass(frozen=True)
class Situation:
    """How the world is from `moment` on; before it nothing stands in an order's way."""

    side: Side = Side.BUY
    halt: str = ""
    """Empty, `begun` or `complete`."""
    stop_waits: bool = False
    shuts_down: bool = False
    latch: bool = False
    regime: Regime | None = Regime.TREND_BULL
    certificate: str = "counts"
    """`counts` to the last moment, `unneeded`, `unread`, `refused`, or `ended` at this moment."""
    age: timedelta = timedelta(0)
    run: str = "slot"
    """The trigger of the open run; empty for none."""
    is_of_run: bool = True
    """The order belongs to the open run."""
    moment: str = AT_ONCE

    @property
    def is_flatten_sell(self) -> bool:
        """The one order that a halt lets through, by the design's words."""
        is_its_own = self.run == "stop" and self.is_of_run and self.side is Side.SELL
        return is_its_own and self.halt == "complete" and not self.shuts_down

    def conditions(self) -> dict[str, bool]:
        """The design's conditions one by one, and whether each holds."""
        passes = self.is_flatten_sell
        return {
            "trading is not halted": not self.halt or passes,
            "no stop waits in the inbox": not self.stop_waits or passes,
            "the daemon is not shutting down": not self.shuts_down,
            "the latch is not on disk": not self.latch or passes,
            "a buy's regime is not CRASH": self.side is Side.SELL or self.regime != Regime.CRASH,
            "a buy has its certificate": self.side is Side.SELL or self.is_certified,
            "the approval is young": self.age < LIFE,
        }

    @property
    def is_certified(self) -> bool:
        """Real money may be used, or none is."""
        return self.certificate in ("counts", "unneeded")

    @property
    def may_leave(self) -> bool:
        """All conditions hold."""
        return all(self.conditions().values())


class Clock:
    """Time that is set."""

    def __init__(self) -> None:
        self.at, self.slept_s = NOW, 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.at

    async def sleep(self, delay_s: float) -> None:
        self.slept_s += delay_s
        self.on_sleep()


class NoJournal:
    """A journal that is empty; the situations are set, not told."""

    def read(self, after: int = 0) -> tuple[()]:
        return ()


class Wired(Daemon):
    """A daemon of which only the fence's wiring is there."""

    def __init__(self, situation: Situation, folder: Path) -> None:
        self._situation, self._shutdown_by = situation, ""
        self._clock = Clock()
        self._latch = LatchFile(folder / "HALTED")
        self._bus = Bus(
            journal=NoJournal(), latch=self._latch, clock=self._clock,  # type: ignore[arg-type]
            policy=Policy(), run_effect=lambda effect: None,
        )  # fmt: skip
        self._bus.state = replace(self._bus.state, run=self._open_run())

    def move(self) -> None:
        """Let the world become as the situation has it."""
        there, state = self._situation, self._bus.state
        if there.halt:
            halt = Halt("operator", "because", NOW, is_complete=there.halt == "complete")
            state = replace(state, halt=halt)
        self._bus.policy = Policy(needs_certificate=there.certificate != "unneeded")
        word = a_word(there.certificate, NOW + there.age)
        state = replace(state, figures=replace(state.figures, certificate=word))
        if there.regime is not None:
            state = replace(state, regime=RegimeSeen(there.regime, DAY, "test", NOW))
        self._bus.state = state
        if there.stop_waits:
            self._bus.hear(e.StopRequested("operator", "because"))
        if there.shuts_down:
            self._shutdown_by = "SIGTERM"
        if there.latch:
            self._latch.path.touch()
        self._clock.at = NOW + there.age

    def fence(self) -> Fence:
        """Wire it as `Daemon` does."""
        return Fence(
            is_stopped=self._is_stopped,
            is_crash=self._is_crash,
            why_uncertified=self._why_uncertified,
            latch=self._latch,
            now=self._clock.now,
            is_flatten=self._is_flatten,
        )

    def _open_run(self) -> Run | None:
        there = self._situation
        if not there.run:
            return None
        run_id = OURS if there.is_of_run else OTHER
        return Run(run_id, there.run, None, DAY, DAY, NOW, DAY)


def a_word(certificate: str, now: datetime) -> e.CertificateReported | None:
    """Return what was read of a certificate, as seen at `now`."""
    if certificate in ("unread", "unneeded"):
        return None
    problem = "forged" if certificate == "refused" else ""
    return e.CertificateReported("C1", now if certificate == "ended" else now + TOUCH, problem)


class Session:
    """Carries one request after another to nowhere."""

    def __init__(self, daemon: Wired, moment: str) -> None:
        self._daemon, self._moment = daemon, moment
        self.left = 0

    def request(self, method: str, url: object, *, trace_request_ctx: Any, **more: Any) -> "Sent":
        return Sent(self, trace_request_ctx)

    def leave(self, gate: Callable[[], None] | None) -> tuple[int, bytes]:
        if self._moment == SECOND_SEND and not self.left:
            self.left += 1
            return 429, b""
        if self._moment == FIRST_BYTE:
            self._daemon.move()
        if gate is not None:
            gate()
        self.left += 1
        order = an_order(client_order_id=ORDER, side=str(self._daemon._situation.side))
        return 200, msgspec.json.encode(order)


class Sent:
    """One request."""

    def __init__(self, session: Session, gate: Callable[[], None] | None) -> None:
        self._session, self._gate = session, gate
        self.headers: dict[str, str] = {}

    async def __aenter__(self) -> "Sent":
        self.status, self._body = self._session.leave(self._gate)
        return self

    async def __aexit__(self, *exc: object) -> None:
        pass

    async def read(self) -> bytes:
        return self._body


async def submit(situation: Situation, folder: Path) -> tuple[int, list[e.Event]]:
    """Send one order in a situation; return how many requests of it left, and what was told."""
    daemon, heard = Wired(situation, folder), list[e.Event]()
    session = Session(daemon, situation.moment)
    clock = daemon._clock
    client = AlpacaTradingClient(
        logger=QUIET,
        key_id="PKTEST", secret="not-a-secret", trading_url="https://broker.invalid",
        data_url="https://data.invalid", session=lambda: session,  # type: ignore[arg-type,return-value]
        sleep=clock.sleep, budget=RequestBudget(clock=lambda: clock.slept_s),
    )  # fmt: skip
    outlet = Outlet(
        client=client, quotes=LatestQuotes(client, feed="iex"), brain=None, notice=None,  # type: ignore[arg-type]
        clock=clock, fence=daemon.fence(), hear=heard.append, stop=lambda why: None,
        reopen_stream=lambda why: None,
    )  # fmt: skip
    if situation.moment == AT_ONCE:
        daemon.move()
    elif situation.moment == SECOND_SEND:
        clock.on_sleep = daemon.move
    draft = Draft(
        ORDER, OURS, Symbol("SPY"), situation.side, Decimal(1), OrderType.MARKET, Decimal(450)
    )
    await outlet.run(fx.SubmitOrder(Approved(draft, NOW, NOW + LIFE)))
    return session.left - (situation.moment == SECOND_SEND), heard


CLOSED_BY = {
    "halt": ("begun", "complete"),
    "stop_waits": (True,),
    "shuts_down": (True,),
    "latch": (True,),
    "regime": (Regime.CRASH,),
    "certificate": ("unread", "refused", "ended"),
    "age": (LIFE, LIFE + TOUCH, LIFE * 100),
}
"""What closes the fence, each by itself."""


FLATTEN_SELL = Situation(
    side=Side.SELL, halt="complete", stop_waits=True, latch=True, run="stop", regime=Regime.CRASH
)
"""All that closes the fence for others lets this one pass."""
CHANGES: tuple[dict[str, object], ...] = (
    {},
    {"side": Side.BUY, "regime": None},
    {"certificate": "unread"},
    {"halt": "begun"},
    {"run": "slot"},
    {"is_of_run": False},
    {"shuts_down": True},
    {"age": LIFE},
)
"""Each but the first makes another order of it, or another moment."""


def near_the_edge() -> Iterator[Situation]:
    """Yield the situations in which one thing decides."""
    for moment in MOMENTS:
        for side in Side:
            yield Situation(side=side, moment=moment)
            for name, values in CLOSED_BY.items():
                for value in values:
                    yield Situation(side=side, moment=moment, **{name: value})
        for change in CHANGES:
            yield replace(FLATTEN_SELL, moment=moment, **change)


ALL = st.builds(
    Situation,
    side=st.sampled_from(Side),
    halt=st.sampled_from(("", "begun", "complete")),
    stop_waits=st.booleans(),
    shuts_down=st.booleans(),
    latch=st.booleans(),
    regime=st.sampled_from((None, *Regime)),
    certificate=st.sampled_from(("counts", "unneeded", "unread", "refused", "ended")),
    age=st.sampled_from((-LIFE, timedelta(0), LIFE - TOUCH, LIFE, LIFE + TOUCH)),
    run=st.sampled_from(("slot", "crash", "stop", "")),
    is_of_run=st.booleans(),
    moment=st.sampled_from(MOMENTS),
)
"""Whatever the world is like."""


def check(situation: Situation) -> None:
    """An order leaves where every condition holds, and where one fails it does not."""
    with tempfile.TemporaryDirectory() as folder:
        left, heard = asyncio.run(submit(situation, Path(folder)))
    failing = [words for words, holds in situation.conditions().items() if not holds]
    assert not (left and failing), f"an order left though it is not true that {failing[0]}"
    assert left == situation.may_leave, "an order that may leave was held back"
    told = [type(event) for event in heard]
    assert told == [e.OrderReported if left else e.SubmitWithheld], told
    assert heard[0].order_id == ORDER  # type: ignore[attr-defined]


@settings(max_examples=100, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
@given(ALL)
def any_situation(situation: Situation) -> None:
    """The same wherever the world may stand."""
    check(situation)


def the_fence_keeps_its_conditions() -> None:
    """Raise AssertionError where it does not."""
    for situation in near_the_edge():
        check(situation)
    any_situation()
