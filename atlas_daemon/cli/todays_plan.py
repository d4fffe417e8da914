"""Today's plan: the bars and the regime asked for, the core rehearsed on the account as it stands.

Nothing is sent; what a run would do is judged, compared with the session before, and kept.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from atlas_daemon.cli.asker import Asker
from atlas_daemon.config import Credentials, Settings
from atlas_daemon.core.brain import SignalsAnswer, refuse_unusable
from atlas_daemon.core.findings import Finding
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import Asset, Regime, Session, Symbol
from atlas_daemon.doctor import keeping, on_plan, on_signals
from atlas_daemon.doctor.asking import Known, NotKnown, Reply, not_known, put
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.brain import ChildBrain
from atlas_daemon.edges.quotes import LatestQuotes
from atlas_daemon.ports import BrainPort
from atlas_daemon.rehearsal import scenes
from atlas_daemon.rehearsal.document import document
from atlas_daemon.rehearsal.dry_run import rehearse
from atlas_daemon.rehearsal.question import signals_request
from atlas_daemon.rehearsal.stand_in import Scene

DISK_S, BROKER_S, BRAIN_S = 5.0, 12.0, 35.0
SERVED_AFTER = timedelta(minutes=20)
"""A session's bars are asked for so long after its close: the feed keeps 16 minutes back."""
NO_SIGNALS = NotKnown("there are no signals")


@dataclass(frozen=True, slots=True)
class Today:
    """What the play needs, all of it known."""

    desk: scenes.Desk
    answer: SignalsAnswer
    session: Session
    """The session that a slot of today would trade in."""
    bought: Mapping[Symbol, Decimal] | None
    """What the journal bought; None where all is managed."""


@dataclass(slots=True)
class Chart:
    """What was found."""

    at: datetime
    findings: list[Finding] = field(default_factory=list)
    plan: Mapping[str, Any] | None = None
    today: Today | None = None
    is_misconfigured: bool = False
    """The keys are missing, or another world's."""

    async def note(self, check: str, judge: Callable[[], Iterable[Finding]]) -> None:
        """Add what a judgement yields; one that breaks says so and hides no other."""

        async def judged() -> list[Finding]:
            return list(judge())

        match await put(judged(), DISK_S):
            case Known(value=found):
                self.findings += found
            case NotKnown() as broken:
                self.findings.append(not_known(check, broken))


BrainFor = Callable[[Settings, Credentials | None, Mapping[str, str], Regime | None], BrainPort]
"""Makes whoever answers for the strategy; a regime stands in for the configured source's."""


def child_brain(
    settings: Settings,
    keys: Credentials | None,
    environ: Mapping[str, str],
    regime: Regime | None,
) -> BrainPort:
    """Return the child process that the daemon asks; it keeps no labels of ours."""
    return ChildBrain(
        lambda day, symbols, at: signals_request(settings, day, symbols, at, regime),
        key_id=keys.key_id if keys else "",
        secret=keys.secret if keys else "",
        environ=environ,
    )


class TodaysPlan:
    """One look at what a slot of today would do."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        keys: Credentials | None,
        client: AlpacaTradingClient | None,
        asker: Asker,
        brain_for: BrainFor,
    ) -> None:
        self.settings, self._environ, self._keys = settings, environ, keys
        self._client, self._asker, self._brain_for = client, asker, brain_for

    async def look(self, chart: Chart, desk: Reply[scenes.Desk], state: State) -> None:
        """Add to `chart` what strategy, orders and rehearsal are to be found."""
        note, settings, now = chart.note, self.settings, chart.at
        when = scenes.on_date(rehearsed_day(now), settings.policy())
        held = desk.value.symbols if isinstance(desk, Known) else ()
        answer = await self._signals(when.signal.day, held, now, None)
        alone = None
        if isinstance(answer, NotKnown) and isinstance(desk, NotKnown):
            if settings.data.source == "alpaca":  # nobody can say whose fault it is
                answer = NotKnown(answer.why)
        elif isinstance(answer, NotKnown):
            alone = await self._signals(when.signal.day, held, now, Regime.TREND_BULL)
        await note("bars", lambda: on_signals.on_signals(when.signal.day, answer, alone))
        bought = state.book.bought if settings.account.manage == "bought" else None
        scene: Reply[Scene]
        if isinstance(desk, NotKnown) or isinstance(answer, NotKnown):
            scene = desk if isinstance(desk, NotKnown) else NO_SIGNALS
        else:
            scene = await self._asker.put(
                self._scene(when, desk.value, answer.value, state), BROKER_S
            )
        picks = [p.symbol for p in answer.value.picks] if isinstance(answer, Known) else []
        lines = [s for s in held if s not in settings.account.protected]
        await note("tradable", lambda: on_signals.on_lines(picks, lines, _assets(scene)))
        orders = Known(desk.value.open_orders) if isinstance(desk, Known) else desk
        wanted, has_run = [*picks, *lines], state.run is not None
        await note("orders", lambda: on_signals.on_orders(wanted, orders, has_run))
        if (run := state.run) is not None:
            await note("plan", lambda: on_plan.on_run_open(run.run_id))
            return
        plan = await self._plan(scene, answer)
        await note("plan", lambda: on_plan.on_plan(plan))
        await self._compare(chart, plan)
        if isinstance(plan, Known) and isinstance(desk, Known) and isinstance(answer, Known):
            chart.plan = plan.value
            chart.today = Today(desk.value, answer.value, when.order, bought)

    async def _signals(
        self, signal_day: date, held: tuple[Symbol, ...], now: datetime, regime: Regime | None
    ) -> Reply[SignalsAnswer]:
        """Ask the slow brain as the daemon does; `regime` stands in for the source's."""
        settings, keys = self.settings, self._keys
        if settings.data.source == "alpaca" and (keys is None or not settings.broker.data_url):
            return NotKnown("no keys or no address to ask for bars with")

        async def asked() -> SignalsAnswer:
            brain = self._brain_for(settings, keys, self._environ, regime)
            answer = await brain.compute(signal_day, held, now)
            if answer.regime is not None:  # its absence is a finding of its own
                refuse_unusable(answer, signal_day)
            return answer

        return await self._asker.put(asked(), BRAIN_S)

    async def _scene(
        self, when: scenes.When, desk: scenes.Desk, answer: SignalsAnswer, state: State
    ) -> Scene:
        assert self._client is not None
        quotes = LatestQuotes(self._client, self.settings.data.quotes_feed)
        return await scenes.real_scene(when, desk, answer, self._client, quotes, state)

    async def _plan(
        self, scene: Reply[Scene], answer: Reply[SignalsAnswer]
    ) -> Reply[Mapping[str, Any]]:
        if isinstance(answer, NotKnown):
            return NO_SIGNALS
        if isinstance(scene, NotKnown):
            return NotKnown(scene.why)
        account = self.settings.account
        policy, mode = self.settings.policy(), self.settings.mode

        async def rehearsed() -> Mapping[str, Any]:
            dry_run = rehearse(scene.value, answer.value, policy, account.name, mode)
            return document(dry_run, account.name, None)

        return await self._asker.put(rehearsed(), DISK_S)

    async def _compare(self, chart: Chart, plan: Reply[Mapping[str, Any]]) -> None:
        """Say what changed since the session before, and keep today's for tomorrow."""
        folder = self.settings.state_dir
        kept = await self._asker.have(partial(keeping.read_kept, folder), DISK_S)
        earlier = kept.value if isinstance(kept, Known) else []
        trouble = "" if isinstance(kept, Known) else kept.why
        new = old = None
        if isinstance(plan, Known):
            new = keeping.short_of(plan.value, chart.at.isoformat(timespec="seconds"))
            old = keeping.before(earlier, new)
            wrote = await self._asker.have(partial(keeping.keep, folder, earlier, new), DISK_S)
            trouble = trouble or (wrote.why if isinstance(wrote, NotKnown) else "")
        await chart.note("changes", lambda: on_plan.on_changes(old, new, trouble))


def rehearsed_day(now: datetime) -> date:
    """Return the day whose session a slot of today would trade in: today, or the next one.

    Until the bars of today's session are served, which is a while after its close, it is today.
    """
    today = new_york_day(now)
    session = NYSE.next_session(today)
    if now >= session.closes_at + SERVED_AFTER:
        session = NYSE.session_after(session.day)
    return session.day


def _assets(scene: Reply[Scene]) -> Reply[Mapping[Symbol, Asset]]:
    return scene if isinstance(scene, NotKnown) else Known(scene.value.assets)
