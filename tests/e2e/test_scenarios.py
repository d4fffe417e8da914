"""Every packaged scenario of the local broker against the daemon: it does what the file expects.

The real daemon, the real broker, real sockets, one clock that jumps over what nobody waits for.
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.paper.exchange.orders import Order
from atlas_daemon.paper.faults import scenario
from tests.e2e.fast_loop import FastLoop
from tests.e2e.one_process import PRICES, Scene, Wish
from tests.e2e.processes import a_broker
from tests.paper.sockets import running
from tests.paper.world import OPEN, TableMarket
from tests.test_app import World, a_daemon, settings_at

EARLY = OPEN + timedelta(minutes=3)
SESSIONS_MAX = 3
PATIENCE_S = 7200
"""So long the daemon may take in a session."""
IDLE, REST_S = timedelta(minutes=16), 120
"""Beyond its own idle look at the broker, and then so long it is watched."""
OURS = "atlas-"


class LoopsTime:
    """The broker's own clock, for a daemon that shares its loop."""

    def __init__(self, now) -> None:
        self.now = now

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)


@pytest.mark.parametrize("name", scenario.names())
def test_the_daemon_does_what_the_scenario_expects_of_it(name, tmp_path):
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(_played(scenario.load(name), tmp_path))


@pytest.mark.e2e
def test_the_command_runs_the_scenario_that_it_is_told() -> None:
    with a_broker("--scenario", "mute-stream", "--fault-seed", "7") as broker:
        state = broker.ask("GET", "/_admin/state")
        assert state["scenario"]["name"] == "mute-stream"
        assert [step["what"] for step in state["scenario"]["steps"]] == ["mute_stream"]
        assert [fault["kind"] for fault in state["faults"]] == ["mute_stream"]


async def _played(story: scenario.Scenario, folder: Path) -> None:
    loop = asyncio.get_running_loop()
    quotes = {s: (f"{Decimal(p) - Decimal('0.05')}", p) for s, p in PRICES.items()}
    market = TableMarket(SPY=("479.9", "480"), **quotes)
    async with running(
        market=market,
        starts_at=EARLY,
        speed=1.0,
        monotonic=loop.time,
        tick_s=0.25,
        cash=Decimal(10000),
        holdings={"CCC": (Decimal(20), Decimal(70))},
        scenario=story,
    ) as broker:
        desk = broker.broker.desk
        world = World(
            console=False,
            environ={},
            brain=Wish(),
            clock=LoopsTime(desk.clock.now),
            jitter=lambda: 0.5,
            has_doors=False,
        )
        daemon = a_daemon(settings_at(folder, broker.broker.url), world)
        await daemon.open()
        scene = Scene(broker, daemon, world.brain)
        daemon.subscribe(lambda entries: scene.events.extend(x.event for x in entries))
        task = asyncio.create_task(daemon.run())
        try:
            await _lived(scene, story)
            _expected(scene, story)
        finally:
            daemon.stop("the test")
            await asyncio.wait_for(task, 600)


async def _lived(scene: Scene, story: scenario.Scenario) -> None:
    """Until the run has ended and all that the scenario has in store has happened."""
    desk = scene.broker.broker.desk
    for _ in range(SESSIONS_MAX):
        for _ in range(PATIENCE_S):
            if _rests(scene):
                break
            await asyncio.sleep(1)
        if _is_final(scene) or scene.daemon.state.mode is Mode.HALTED:
            break
        await _go_to(scene, desk.exchange.calendar.next_open(desk.clock.now()))
    for running_step in desk.console.script.steps:
        if running_step.taken_at is None and running_step.due_at is not None:
            await _go_to(scene, running_step.due_at)
    if desk.exchange.engine.session is None:
        await _go_to(scene, desk.exchange.calendar.next_open(desk.clock.now()))
    await _go_to(scene, desk.clock.now() + IDLE)
    await asyncio.sleep(REST_S)


async def _go_to(scene: Scene, at: datetime) -> None:
    """Jump, and let the daemon look about."""
    scene.broker.go_to(max(at, scene.broker.broker.desk.clock.now()))
    await asyncio.sleep(5)


def _is_final(scene: Scene) -> bool:
    return any(x.is_final for x in scene.all(e.RunFinished))


def _rests(scene: Scene) -> bool:
    """True where the run is over, parked, or stopped."""
    ends, begins = scene.all(e.RunFinished), scene.all(e.RunContinued)
    is_parked = len(ends) > len(begins)
    return _is_final(scene) or is_parked or scene.daemon.state.mode is Mode.HALTED


def _expected(scene: Scene, story: scenario.Scenario) -> None:
    expect = story.expect
    script = scene.broker.broker.desk.console.script
    assert [s.step.what for s in script.steps if s.taken_at is None] == [], "it all happened"
    faults = scene.broker.broker.desk.faults
    certain = [a for a in (*faults.armed, *faults.spent) if a.fault.probability == 1]
    assert [a.fault for a in certain if not a.fired] == [], "it all struck"
    assert _outcome(scene) == expect.outcome
    heard = " | ".join(x.text for x in scene.all(e.AlertRaised))
    assert [text for text in expect.alerts if text not in heard] == [], heard
    _nothing_twice([o for o in scene.account.orders.values() if o.client_order_id.startswith(OURS)])
    assert scene.account.cash >= 0
    if expect.books == "equal":
        assert _books_differ(scene) == {}
    else:
        assert _books_differ(scene) != {}
        assert scene.daemon.state.frozen, "what differs is frozen, and somebody was told"


def _outcome(scene: Scene) -> str:
    if scene.daemon.state.mode is Mode.HALTED:
        return "halted"
    ends = [x.outcome for x in scene.all(e.RunFinished) if x.is_final]
    return ends[-1] if ends else "waiting"


def _books_differ(scene: Scene) -> dict[str, tuple[Decimal, Decimal]]:
    """What our book has otherwise than the broker, each with both figures."""
    book = scene.daemon.state.book
    theirs = {p.symbol: p.qty for p in scene.account.positions.values()}
    symbols = {str(s) for s in book.positions} | set(theirs)
    ours = {str(s): q for s, q in book.positions.items()}
    zero = Decimal(0)
    pairs = {s: (ours.get(s, zero), theirs.get(s, zero)) for s in symbols}
    pairs["cash"] = (book.cash.quantize(Decimal("0.01")), scene.account.cash)
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _nothing_twice(orders: list[Order]) -> None:
    """No id was used twice, and no two orders of a symbol stood side by side."""
    ids = [order.client_order_id for order in orders]
    assert len(ids) == len(set(ids))
    for order, later in _pairs(orders):
        ended = order.filled_at or order.canceled_at or order.failed_at or order.expired_at
        assert ended is not None and ended <= later.created_at, (order, later)


def _pairs(orders: list[Order]) -> Iterator[tuple[Order, Order]]:
    for place, order in enumerate(orders):
        for later in orders[place + 1 :]:
            if order.symbol == later.symbol:
                yield order, later
