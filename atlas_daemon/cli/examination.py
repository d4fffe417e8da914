"""Where the doctor's rooms meet: who is asked, in which order, and what is judged from what.

Everything is asked under a deadline, and each judgement stands alone: what fails is said in its
place and hides nothing else. Nothing here can send an order: the client only reads.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from atlas_daemon.cli.asker import Asker
from atlas_daemon.cli.onlooker import onlooker
from atlas_daemon.cli.todays_plan import BrainFor, Chart, TodaysPlan, child_brain
from atlas_daemon.config import KEYS, Credentials, Settings, load_credentials
from atlas_daemon.control import ask
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.core.values import AccountMode, Session
from atlas_daemon.doctor import (
    look_disk,
    look_machine,
    on_account,
    on_daemon,
    on_disk,
    on_machine,
    on_time,
)
from atlas_daemon.doctor.asking import Known, NotKnown, Reply, one_line
from atlas_daemon.doctor.look_journal import JournalLook, look_at_journal
from atlas_daemon.doctor.on_alerts import on_alerts
from atlas_daemon.doctor.on_certificate import on_certificate
from atlas_daemon.doctor.readonly import ThriftyBudget
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError
from atlas_daemon.edges.alpaca.wire import Configurations
from atlas_daemon.promoter.certificate import certificate_path, read_certificate
from atlas_daemon.rehearsal import scenes

DISK_S, DAEMON_S, JOURNAL_S, BROKER_S = 5.0, 5.0, 15.0, 12.0
WHOLE_S = 46.0
"""Seconds for all that is asked; what is played afterwards has its own."""
TRY_S = 4.0
"""One request's patience: a few tries fit into BROKER_S."""
NOBODY = NotKnown("the broker does not answer")


async def examine(
    settings: Settings,
    environ: Mapping[str, str],
    wall: Callable[[], datetime],
    asker: Asker,
    brain_for: BrainFor = child_brain,
) -> Chart:
    """Look at everything that can be looked at. `wall` is the machine's clock. Sends nothing."""
    examination = Examination(settings, environ, wall, asker, brain_for)
    try:
        await examination.look()
    finally:
        await examination.close()
    return examination.chart


class Examination:
    """One look."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        wall: Callable[[], datetime],
        asker: Asker,
        brain_for: BrainFor,
    ) -> None:
        self.settings, self._environ, self._wall = settings, environ, wall
        self._asker, self._brain_for = asker, brain_for
        self.chart = Chart(wall())
        self.budget = ThriftyBudget()
        self._client: AlpacaTradingClient | None = None
        self._silent: NotKnown | None = NotKnown("account.mode = local, and no broker is named")
        """Why the broker is not asked; None where it is."""
        self._keys: Credentials | None = None

    async def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            await self._client.close()

    async def look(self) -> None:
        """Ask everybody, and judge."""
        note = self.chart.note
        ping = await self._asker.have(partial(self._ask_daemon, "ping"), DAEMON_S)
        status = await self._asker.have(partial(self._ask_daemon, "status"), DAEMON_S)
        self._follow_daemons_broker(ping)
        found = self._find_keys()
        clock, now = await self._look_at_clock()
        self.chart.at = now
        desk = asyncio.create_task(self._look_at_account(found))
        await self._look_at_machine()
        journal, state = await self._look_at_journal(status, now)
        settings, has_journal = self.settings, journal != Known(None)
        await note("daemon", lambda: on_daemon.on_daemon(ping, settings, has_journal))
        await note("mode", lambda: on_daemon.on_mode(status))
        await note("alerts", lambda: on_alerts(settings, deliveries_in(ping)))
        account = await desk
        if isinstance(account, Known):
            number = journal.value.number if isinstance(journal, Known) and journal.value else ""
            told = account.value.account
            await note("number", lambda: on_account.on_number(settings, number, told))
        await self._judge_time(clock, state, now)
        plan = TodaysPlan(
            self.settings, self._environ, self._keys, self._client, self._asker, self._brain_for
        )
        desk_known = account if self._silent is None else NOBODY
        await plan.look(self.chart, desk_known, state)
        if self._client is not None and self._silent is None:
            await note("budget", lambda: on_account.on_budget(self.budget))

    # Asking.

    def _ask_daemon(self, what: str) -> Mapping[str, Any]:
        path = self.settings.control_socket_path
        answer: Mapping[str, Any] = ask(path, what, timeout_s=DAEMON_S)
        return answer

    def _follow_daemons_broker(self, ping: Reply[Mapping[str, Any]]) -> None:
        """A local broker that the daemon started itself has an address that only it knows."""
        settings = self.settings
        if settings.mode is not AccountMode.LOCAL or settings.broker.trading_url:
            return
        if isinstance(ping, Known) and (url := ping.value.get("broker")):
            self.settings = settings.at_local_broker(url)

    def _find_keys(self) -> Reply[str]:
        """Make the client where there are keys and an address; the source of the keys."""
        settings = self.settings
        try:
            self._keys = load_credentials(settings, self._environ)
        except ConfigError as error:
            self.chart.is_misconfigured = True
            return NotKnown(one_line(str(error)), error)
        if settings.broker.trading_url:
            self._client = onlooker(
                "doctor",
                settings,
                self._keys,
                timeout_s=TRY_S,
                budget=self.budget,
                sleep=self.budget.sleep,
            )
            self._silent = None
        return Known(self._keys.source)

    async def _look_at_clock(self) -> tuple[Reply[on_time.Looked | None], datetime]:
        """Return the look at the broker's clock, and the present moment of the daemon's."""
        if self._client is None or self._silent is not None:
            return NOBODY, self._wall()
        asked_at = self._wall()
        told = await self._asker.put(self._client.get_clock(), BROKER_S)
        heard_at = self._wall()
        if isinstance(told, NotKnown):
            if isinstance(told.error, OutcomeUnknownError) or told.error is None:
                self._silent = told  # one long wait is enough
                return NOBODY, heard_at
            return told, heard_at
        if self.settings.mode is AccountMode.LOCAL:
            return Known(None), told.value.timestamp
        return Known(on_time.Looked(asked_at, told.value.timestamp, heard_at)), heard_at

    async def _look_at_account(self, found: Reply[str]) -> Reply[scenes.Desk]:
        note, client = self.chart.note, self._client
        url = self.settings.broker.trading_url
        desk: Reply[scenes.Desk]
        switches: Reply[Configurations]
        if client is None or self._silent is not None:
            desk = switches = self._silent or NOBODY
        else:
            desk = await self._asker.put(scenes.read_desk(client), BROKER_S)
            switches = await self._asker.put(client.get_configurations(), BROKER_S)
        account = desk if isinstance(desk, NotKnown) else Known(desk.value.account)
        await note("keys", lambda: on_account.on_keys(self.settings, found, account, url))
        if isinstance(account, Known):
            told = account.value
            await note("account", lambda: on_account.on_blocks(told))
            await note("suspend_trade", lambda: on_account.on_suspension(told, switches))
        return desk

    async def _look_at_machine(self) -> None:
        note, settings = self.chart.note, self.settings
        for check, folder in (("state_dir", settings.state_dir), ("log_dir", settings.log_dir)):
            written = await self._asker.have(partial(look_disk.write_and_sync, folder), DISK_S)
            room = await self._asker.have(partial(look_disk.room_of, folder), DISK_S)
            await note(check, partial(on_disk.on_folder, check, folder, written, room))
        modes = {
            path: await self._asker.have(partial(look_disk.modes_of, path), DISK_S)
            for path in (*secret_files(settings), *own_folders(settings))
        }
        secrets = [modes[path] for path in secret_files(settings)]
        folders = [modes[path] for path in own_folders(settings)]
        await note("files", lambda: on_disk.on_modes(secrets, folders))
        seen = await self._asker.have(look_machine.packages, DISK_S)
        await note("python", lambda: on_machine.on_packages(seen))
        unit = await self._asker.have(look_machine.unit_files, DISK_S)
        await note("unit", lambda: on_machine.on_unit(unit, settings.account.name))

    async def _look_at_journal(
        self, status: Reply[Mapping[str, Any]], now: datetime
    ) -> tuple[Reply[JournalLook | None], State]:
        """Return what the journal says, and its state: an empty one where it says nothing."""
        note, settings = self.chart.note, self.settings
        head = None
        if isinstance(status, Known) and (kept := status.value["daemon"]["journal"]):
            head = kept["seq"], kept["hash"]
        look = partial(look_at_journal, settings.journal_path, now, head)
        journal = await self._asker.have(look, JOURNAL_S)
        await note("journal", lambda: on_daemon.on_journal(settings.journal_path, journal))
        state = State(now=now)
        if isinstance(journal, Known) and journal.value and journal.value.state:
            state = journal.value.state
        is_there = await self._asker.have(partial(os.path.lexists, settings.latch_path), DISK_S)
        await note("latch", lambda: on_daemon.on_latch(settings.latch_path, is_there, state))
        return journal, state

    async def _judge_time(
        self, clock: Reply[on_time.Looked | None], state: State, now: datetime
    ) -> None:
        note, today, settings = self.chart.note, new_york_day(now), self.settings
        kept = await self._asker.have(look_machine.is_clock_kept, DISK_S)
        is_kept = kept.value if isinstance(kept, Known) else None
        await note("clock", lambda: on_time.on_clock(clock, is_kept))
        slot = on_daemon.next_slot_of(state, settings, now)
        run = state.run.run_id if state.run is not None else ""
        await note("slot", lambda: on_time.on_slot(now, slot, run))
        if (keys := self._keys) is not None and settings.mode is AccountMode.LIVE:
            path = certificate_path(settings)
            word = read_certificate(path, settings, keys.secret, now)
            await note("certificate", lambda: on_certificate(word, now, slot))
        await note("sessions", lambda: on_time.on_table(today, slot))
        last = slot.last.day if slot is not None else NYSE.last
        sessions: Reply[Sequence[Session]] = NOBODY
        if self._client is not None and self._silent is None:
            sessions = await self._asker.put(self._client.get_calendar(today, last), BROKER_S)
        await note("calendar", lambda: on_time.on_calendar(today, last, sessions))


def secret_files(settings: Settings) -> tuple[Path, ...]:
    """Return the files that may hold keys or tokens, and the journal."""
    path = settings.config_path
    has_tokens = path is not None and any(
        settings.found[name].value and settings.found[name].line
        for name, key in KEYS.items()
        if key.secret
    )
    config = (path,) if path is not None and has_tokens else ()
    return (settings.dotenv_path, settings.journal_path, *config)


def own_folders(settings: Settings) -> tuple[Path, ...]:
    """Return the folders of which the daemon believes what it finds."""
    return (settings.state_dir, settings.log_dir, settings.runtime_dir)


def deliveries_in(ping: Reply[Mapping[str, Any]]) -> Reply[Sequence[Mapping[str, Any]]]:
    """Return what the daemon says of its channels."""
    if isinstance(ping, NotKnown):
        return NotKnown("no daemon says how its alerts got out")
    told = ping.value.get("deliveries")
    return NotKnown("the daemon does not say") if told is None else Known(told)
